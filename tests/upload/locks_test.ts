/** Locks stop every method that writes; a request with the token of the lock, in the If header, passes (RFC 4918 section 10.4). */

import { assertEquals } from "@std/assert";
import { disk, toFetch, upload } from "@x/pyserve";
import type { Locks } from "@x/pyserve/store";
import { treeOf } from "../store/support.ts";
import { tempTree } from "../support/tree.ts";

Deno.test("a lock stops every method that writes, on both ends, and its token in the If header lets it pass", async () => {
  await using tree = await tempTree({ "a/b.txt": "b", "c.txt": "c" });
  const locks: Locks = {
    blocking: (path, { tokens }) => path.text.startsWith("/a") && !tokens.includes("urn:lock:1") ? path : null,
  };
  const fetch = toFetch(upload(disk(tree.path), { rights: { create: true, change: true }, locks }));
  const status = async (method: string, target: string, headers: Record<string, string> = {}) => {
    const body = method === "PUT" || method === "PATCH" ? "new" : null;
    return (await fetch(new Request(`http://localhost${target}`, { method, headers, body }))).status;
  };
  const rows: readonly [method: string, target: string, headers: Record<string, string>, status: number][] = [
    ["PUT", "/a/new.txt", {}, 201],
    ["PUT", "/a/b.txt", { "if-match": "*" }, 204],
    ["PATCH", "/a/c.txt?upload=12345678", { "upload-offset": "0", "upload-complete": "?1" }, 201],
    ["MKCOL", "/a/d", {}, 201],
    ["COPY", "/c.txt", { destination: "/a/copy.txt" }, 201],
    ["MOVE", "/c.txt", { destination: "/a/moved.txt" }, 201],
    ["MOVE", "/a/moved.txt", { destination: "/c.txt" }, 201],
    ["DELETE", "/a?recursive", {}, 204],
  ];
  for (const [method, target, headers, expected] of rows) {
    const before = treeOf(tree.path);
    assertEquals([method, target, await status(method, target, headers)], [method, target, 423]);
    assertEquals(await status(method, target, { ...headers, if: "(<urn:lock:2>)" }), 423);
    assertEquals(treeOf(tree.path), before);
    assertEquals(await status(method, target, { ...headers, if: "(<urn:lock:1>)" }), expected, `${method} ${target}`);
  }
});
