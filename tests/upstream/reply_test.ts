/** Responses made of the output of programs. */

import { assert, assertEquals } from "@std/assert";
import { CgiHeaderParser, type ScriptHead } from "../../handlers/upstream/header_block.ts";
import { hasBody, scriptResponse } from "../../handlers/upstream/reply.ts";
import { Refusal } from "@x/pyserve/http";

function headOf(text: string): ScriptHead {
  const head = new CgiHeaderParser().push(Uint8Array.from(text + "\n", (character) => character.charCodeAt(0)));
  assert(head !== null && !(head instanceof Refusal));
  return head;
}

function answer(header: string, method = "GET"): Response {
  return scriptResponse(new Request("http://h/", { method }), headOf(header), new Blob(["body"]).stream());
}

Deno.test("scriptResponse() sends status, headers and body", async () => {
  const response = answer("Status: 404 Gone fishing\nContent-Type: text/x\nX-A: \xe9\n");
  assertEquals([response.status, response.headers.get("content-type"), response.headers.get("x-a")], [
    404,
    "text/x",
    "\xe9",
  ]);
  assertEquals(await response.text(), "body");
});

Deno.test("scriptResponse() keeps each Set-Cookie, and joins others", async () => {
  const response = answer("Set-Cookie: a=1, x\nSet-Cookie: b=2\nVary: a\nVary: b\n");
  assertEquals(response.headers.getSetCookie(), ["a=1, x", "b=2"]);
  assertEquals(response.headers.get("vary"), "a, b");
  await response.body?.cancel();
});

Deno.test("scriptResponse() leaves out headers that belong to the server", async () => {
  const names = ["Connection", "Keep-Alive", "Proxy-Connection", "TE", "Trailer", "Upgrade", "Date", "Server"];
  const response = answer(names.map((name) => `${name}: x\n`).join("") + "X-A: b\n");
  assertEquals([...response.headers.keys()], ["x-a"]);
  await response.body?.cancel();
});

Deno.test("scriptResponse() sends no body with HEAD, 204, 205 and 304, and lengths only where they may be", async () => {
  const shown = async (header: string, method?: string) => {
    const response = answer(header, method);
    return [response.status, response.headers.get("content-length"), await response.text()];
  };
  assertEquals(await shown("Content-Length: 4\n"), [200, "4", "body"]);
  assertEquals(await shown("Content-Length: 4\n", "HEAD"), [200, "4", ""]);
  assertEquals(await shown("Status: 304\nContent-Length: 4\n"), [304, "4", ""]);
  assertEquals(await shown("Status: 204\nContent-Length: 4\n"), [204, null, ""]);
  assertEquals(await shown("Status: 205\nContent-Length: 4\n"), [205, null, ""]);
  assertEquals(hasBody(new Request("http://h/"), headOf("Status: 205\n")), false);
  assertEquals(hasBody(new Request("http://h/"), headOf("Status: 206\n")), true);
});

Deno.test("scriptResponse() sends one Content-Type: the last", () => {
  const head = new CgiHeaderParser().push(new TextEncoder().encode("Content-Type: text/html\nContent-Type: a/b\n\n"));
  assert(head !== null && !(head instanceof Refusal));
  const response = scriptResponse(new Request("http://localhost/"), head, null);
  assertEquals(response.headers.get("content-type"), "a/b");
});
