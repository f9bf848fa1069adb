/** The examples, run as programs. */

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { type RunningCommand, startProcess } from "../support/command.ts";
import { fromFileUrl, ROOT } from "../support/paths.ts";
import { Client, exchange } from "../support/python.ts";

/** Runs an example, in the root of the checkout. */
function example(name: string): Promise<RunningCommand> {
  const args = ["run", "-A", "--no-lock", fromFileUrl(`../../examples/${name}.ts`), "0"];
  return startProcess(Deno.execPath(), args, { cwd: ROOT });
}

Deno.test("examples/form.ts takes a form", async () => {
  await using server = await example("form");
  const url = `http://127.0.0.1:${server.port}/`;
  assertStringIncludes(await (await fetch(url)).text(), `<input name="name">`);
  const post = async (body: BodyInit, headers = {}) => {
    const response = await fetch(url, { method: "POST", body, headers });
    return { status: response.status, text: await response.text() };
  };
  assertStringIncludes((await post(new URLSearchParams({ name: "Ä <b>" }))).text, "<p>Hello, Ä &lt;b&gt;!</p>");
  assertEquals((await post("name=x")).status, 415);
  assertEquals((await post(new URLSearchParams({ name: "x".repeat(70_000) }))).status, 413);
});

Deno.test("examples/cors.ts serves files with an additional header", async () => {
  await using server = await example("cors");
  const url = `http://127.0.0.1:${server.port}/deno.json`;
  const response = await fetch(url);
  assertEquals(response.headers.get("access-control-allow-origin"), "*");
  assertEquals(await response.text(), await Deno.readTextFile(`${ROOT}deno.json`));
  const preflight = await fetch(url, { method: "OPTIONS" });
  assertEquals([preflight.status, preflight.headers.get("access-control-allow-methods")], [204, "GET, HEAD, OPTIONS"]);
});

Deno.test("examples/events.ts sends events until the client leaves", async () => {
  await using server = await example("events");
  assertMatch(await exchange(server.port, "GET / HTTP/1.0\r\n\r\n"), /new EventSource\("\/events"\)/);
  {
    using client = await Client.connect(server.port);
    await client.say("GET /events HTTP/1.1\r\nHost: a\r\n\r\n");
    assertMatch(await client.hear("\n\n"), /content-type: text\/event-stream\r\n[^]*\r\n\r\ndata: \d{4}-[^\n]+Z\n\n/i);
  }
  await server.untilStderr("Connection lost: ");
  assertEquals(server.stderr().includes("Exception"), false);
});
