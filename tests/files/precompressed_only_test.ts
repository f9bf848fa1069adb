import { assert, assertEquals, assertNotEquals } from "@std/assert";
import {
  type Context,
  derive,
  fileServer,
  type FileServerOptions,
  type Layer,
  toFetch,
  uploadFeatures,
} from "@x/pyserve";
import { compress } from "@x/pyserve/layers";
import { watching } from "@x/pyserve/handlers";
import { start } from "../support/command.ts";
import { oldTree } from "../support/tree.ts";

const BR = "br, gzip;q=0.5";
const FILES = {
  "app.js.br": "0123456789",
  "app.js.gz": "abcdef",
  "docs/index.html.gz": "zipped page",
  "docs/a.txt": "a",
  "plain/index.html": "plain page",
  "plain/index.html.br": "page in br",
  "LICENSE.br": "license",
  "folder.js.br/a.txt": "a",
  "image.svgz.br": "twice",
  ".env.br": "hidden",
};

function asker(root: string, options: FileServerOptions = {}) {
  const fetch = toFetch(fileServer(root, { precompressedOnly: true, log: false, ...options }));
  return async (path: string, headers: Record<string, string> = { "accept-encoding": BR }, method = "GET") => {
    const response = await fetch(new Request(`http://localhost${path}`, { method, headers }));
    return {
      status: response.status,
      headers: response.headers,
      coding: response.headers.get("content-encoding"),
      text: await response.text(),
    };
  };
}

Deno.test("a variant without an original answers for it, with its own tag, ranges and conditions", async () => {
  await using tree = await oldTree(FILES);
  const ask = asker(tree.path);
  for (let round = 0; round < 3; round++) {
    const whole = await ask("/app.js");
    assertEquals([whole.status, whole.coding, whole.text], [200, "br", "0123456789"]);
    const zipped = await ask("/app.js", { "accept-encoding": "gzip" });
    assertEquals([zipped.status, zipped.coding, zipped.text], [200, "gzip", "abcdef"]);
    const [tag, other] = [whole, zipped].map(({ headers }) => headers.get("etag")!);
    assertNotEquals(tag, other);
    assert(!tag!.startsWith("W/"));
    const same = await ask("/app.js", { "accept-encoding": BR, "if-none-match": tag! });
    assertEquals([same.status, same.coding, same.headers.get("vary")], [304, null, "accept-encoding"]);
    assertEquals((await ask("/app.js", { "accept-encoding": BR, "if-none-match": other! })).status, 200);
    const part = await ask("/app.js", { "accept-encoding": BR, range: "bytes=2-4", "if-range": tag! });
    assertEquals([part.status, part.coding, part.text], [206, "br", "234"]);
    const beyond = await ask("/app.js", { "accept-encoding": BR, range: "bytes=90-" });
    assertEquals([beyond.status, beyond.coding, beyond.headers.get("content-range")], [416, null, "bytes */10"]);
    assertEquals((await ask("/LICENSE")).text, "license");
  }
});

Deno.test("an index file may exist in a coding only", async () => {
  await using tree = await oldTree(FILES);
  const ask = asker(tree.path);
  for (let round = 0; round < 3; round++) {
    const page = await ask("/docs/");
    assertEquals([page.status, page.coding, page.text], [200, "gzip", "zipped page"]);
    assertEquals(page.headers.get("content-type"), "text/html; charset=utf-8");
    assertEquals((await ask("/docs/", {})).status, 406);
    assertEquals((await ask("/plain/")).text, "page in br");
    assertEquals((await ask("/plain/", {})).text, "plain page");
  }
  await Deno.remove(tree.at("docs/index.html.gz"));
  assertEquals((await ask("/docs/?format=text")).text, "a.txt\n");
});

Deno.test("hidden files, directories and compressed SVG are no variants; a 404 is not cached", async () => {
  await using tree = await oldTree(FILES);
  const ask = asker(tree.path, { spa: true });
  for (const path of ["/folder.js", "/.env", "/image.svgz", "/app.js/", "/late.js"]) {
    assertEquals((await ask(path)).status, 404, path);
    assertEquals((await ask(path)).status, 404, path);
  }
  await Deno.writeTextFile(tree.at("late.js.br"), "late");
  assertEquals((await ask("/late.js")).text, "late");
  await Deno.writeTextFile(tree.at("late.js"), "original");
  assertEquals((await ask("/late.js", {})).text, "original");
});

Deno.test("it is neither compressed again, nor rewritten, and sandboxed where uploads are", async () => {
  await using tree = await oldTree({ "page.html.br": "x".repeat(5_000) });
  const uploads = uploadFeatures();
  const live = watching();
  const ask = asker(tree.path, { layers: [compress()], features: [live, ...uploads] });
  const headers = { "accept-encoding": "zstd, br", accept: "text/html", "sec-fetch-dest": "document" };
  const page = await ask("/page.html", headers);
  assertEquals([page.coding, page.text.length], ["br", 5_000]);
  assert(page.headers.get("content-security-policy")?.startsWith("sandbox"));
  for (const feature of [live, ...uploads]) await feature.end?.();
});

Deno.test("it takes the right to read both names, where links lead included", async () => {
  await using tree = await oldTree({ "secret/a.js.br": "secret", "open.js.br": "open" });
  if (Deno.build.os !== "windows") await Deno.symlink("secret/a.js.br", tree.at("link.js.br"));
  const guest: Layer = (next) => (request, context) => {
    const may: Context["may"] = (right, path) => right === "read" && path.segments[0] !== "secret";
    return next(request, derive(context, { may, view: "guest" }));
  };
  const ask = asker(tree.path, { layers: [guest] });
  assertEquals((await ask("/open.js")).text, "open");
  for (const path of ["/secret/a.js", "/link.js"]) assertEquals((await ask(path)).status, 404, path);
});

Deno.test("--precompressed-only", async () => {
  await using tree = await oldTree(FILES);
  await using server = await start([tree.path, "--quiet", "--precompressed-only"]);
  const response = await fetch(`http://127.0.0.1:${server.port}/LICENSE`, { headers: { "accept-encoding": "gzip" } });
  assertEquals(response.status, 406);
  assertEquals(
    await response.text(),
    "406 Not Acceptable: This file exists compressed only: it takes a client that accepts br\n",
  );
});
