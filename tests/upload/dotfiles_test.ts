/** Dotfiles are not written without --hidden, not even .well-known, which is readable and authoritative for the whole site. */

import { assertEquals } from "@std/assert";
import { chain, disk, files, filtered, toFetch, upload } from "@x/pyserve";
import { isVisible } from "@x/pyserve/sources";
import { start } from "../support/command.ts";
import { tempTree } from "../support/tree.ts";
import { form, namesBelow, send } from "../support/upload.ts";

const FILES = { ".well-known/security.txt": "mine", "sub/a.txt": "a" };

/** Requests that would write to `.well-known`, or create it. */
const WRITES: readonly (readonly [method: string, target: string, headers?: Record<string, string>, body?: string])[] =
  [
    ["PUT", "/.well-known/acme-challenge/token", {}, "x"],
    ["PUT", "/.well-known/security.txt?on-conflict=overwrite", {}, "x"],
    ["PUT", "/sub/.well-known/x", {}, "x"],
    ["PUT", "/%2ewell-known/x?upload=abcdefgh", {}, "x"],
    ["PATCH", "/.well-known/x?upload=abcdefgh", { "upload-offset": "0", "upload-complete": "?1" }, "x"],
    ["POST", "/.well-known/x", { "upload-complete": "?1", "content-type": "application/partial-upload" }, "x"],
    ["MKCOL", "/sub/.well-known"],
    ["DELETE", "/.well-known/security.txt"],
    ["DELETE", "/.well-known/?recursive"],
    ["COPY", "/sub/a.txt", { destination: "/.well-known/a.txt" }],
    ["COPY", "/sub", { destination: "/.well-known/sub" }],
    ["MOVE", "/sub/a.txt", { destination: "/.well-known/a.txt" }],
    ["MOVE", "/sub", { destination: "/.well-known/sub" }],
    ["MOVE", "/.well-known", { destination: "/sub/well-known" }],
  ];

Deno.test("nothing is written to .well-known: the command", async (t) => {
  await using tree = await tempTree(FILES);
  const before = await namesBelow(tree.path);
  await using server = await start([tree.path, "--quiet", "--all"]);
  for (const [method, target, headers = {}, body] of WRITES) {
    await t.step(`${method} ${target}`, async () => {
      const sent = { headers: Object.entries(headers), ...(body !== undefined && { body }) };
      assertEquals((await send(server.port, method, target, sent)).status, 403);
      assertEquals(await namesBelow(tree.path), before);
    });
  }
  await t.step("POST of a form", async () => {
    assertEquals(
      (await send(server.port, "POST", "/.well-known/", form([`name="f"; filename="acme"`, "x"]))).status,
      403,
    );
    assertEquals(await namesBelow(tree.path), before);
  });
  assertEquals((await send(server.port, "GET", "/.well-known/security.txt")).text, "mine");
});

Deno.test("nothing is written to .well-known: a custom chain", async () => {
  await using tree = await tempTree(FILES);
  const source = filtered(disk(tree.path), isVisible);
  const fetch = toFetch(chain(upload(source), files(source)));
  const put = (path: string) => fetch(new Request(`http://localhost${path}`, { method: "PUT", body: "x" }));
  assertEquals((await put("/.well-known/x")).status, 403);
  assertEquals((await put("/sub/x")).status, 201);
  assertEquals(await (await fetch(new Request("http://localhost/.well-known/security.txt"))).text(), "mine");
});

Deno.test("with --hidden, .well-known is written like everything else", async () => {
  await using tree = await tempTree({});
  await using server = await start([tree.path, "--quiet", "--upload", "--hidden"]);
  assertEquals((await send(server.port, "PUT", "/.well-known/x", { body: "x" })).status, 201);
});
