/** The queries of features that are turned off are refused, not ignored. */

import { assertEquals, assertMatch } from "@std/assert";
import { archives, checksums, fileServer, memory, searches, toFetch } from "../../mod.ts";
import { listing } from "../../handlers/listing/listing.ts";
import { watching } from "../../handlers/watch/watching.ts";
import type { FileServerOptions } from "../../handlers/site/options.ts";

const FILES = { "a.bin": "bytes", "app/index.html": "<h1>app</h1>", "docs/b.txt": "b" };

async function ask(
  target: string,
  options: FileServerOptions = {},
  { method = "GET", accept = "*/*" } = {},
): Promise<[number, string]> {
  const fetch = toFetch(fileServer(memory(FILES), { log: false, ...options }));
  const response = await fetch(new Request(`http://localhost${target}`, { method, headers: { accept } }));
  return [response.status, await response.text()];
}

Deno.test("a server without a feature answers its queries with 404 and a sentence, also after a hit", async () => {
  const rows: readonly [targets: readonly string[], message: RegExp][] = [
    [["/a.bin?md5", "/a.bin?sha256", "/a.bin?sha512=", "/a.bin?sha1&format=json"], /Checksums are not enabled here/],
    [["/a.bin?watch", "/docs/?watch", "/?watch&since=x-1"], /Watching for changes is not enabled here/],
    [["/docs/?archive=zip", "/docs/?archive"], /Archives are not enabled here/],
    [["/?q=b", "/docs/?format=json&q=b"], /Search is not enabled here/],
    [["/?upload=01234567"], /Uploading is not enabled here/],
    [["/?manage"], /Changing files is not enabled here/],
    [
      ["/a.bin?sha384", "/a.bin?sha-256", "/a.bin?MD5", "/a.bin?sha265"],
      /There is no checksum "[\w-]+": ask for sha256/,
    ],
  ];
  const fetch = toFetch(fileServer(memory(FILES), { log: false }));
  for (const path of ["/a.bin", "/docs/", "/"]) {
    for (let i = 0; i < 3; i++) await (await fetch(new Request(`http://localhost${path}`))).text();
  }
  for (const [targets, message] of rows) {
    for (const target of targets) {
      const response = await fetch(new Request(`http://localhost${target}`));
      assertEquals(response.status, 404, target);
      assertMatch(await response.text(), message);
    }
  }
});

Deno.test("parameters of sites' own stay theirs: of pages, of files with a value, of what is missing", async () => {
  for (
    const target of ["/a.bin?v=123", "/a.bin?4f2a", "/a.bin?md5=00ff", "/a.bin?watch=1", "/a.bin?q=x", "/a.bin?archive"]
  ) {
    assertEquals(await ask(target), [200, "bytes"], target);
  }
  for (const target of ["/app/?q=x", "/app/?archive=2024", "/app/?watch", "/app/?manage"]) {
    assertEquals(await ask(target), [200, "<h1>app</h1>"], target);
  }
  assertEquals((await ask("/docs/?utm_source=x&fbclid=y"))[0], 200);
  assertEquals((await ask("/docs?q=b"))[0], 301);
  const spa = { spa: "app/index.html", listing: false };
  assertEquals(await ask("/?q=x", spa, { accept: "text/html" }), [200, "<h1>app</h1>"]);
});

Deno.test("a feature that is on answers its queries, and misnamed checksums are refused beside it", async () => {
  const live = watching();
  const features = [archives(), searches(), checksums(), live];
  for (const target of ["/a.bin?md5", "/docs/?archive=tar", "/?q=b"]) {
    assertEquals((await ask(target, { features }))[0], 200, target);
  }
  assertEquals((await ask("/?watch", { features }, { method: "HEAD" }))[0], 200);
  assertEquals((await ask("/a.bin?sha384", { features }))[0], 404);
  for (const feature of features) await feature.end?.();
});

Deno.test("a feature of a library user may have such a name", async () => {
  const crc = {
    methods: ["GET"],
    queries: ["crc32"],
    handler: () => () => new Response("352441c2"),
  };
  assertEquals(await ask("/a.bin?crc32", { features: [crc] }), [200, "352441c2"]);
});

Deno.test("the handlers alone know of no queries but their own", async () => {
  const response = await toFetch(listing(memory(FILES)))(new Request("http://localhost/?archive=zip"));
  assertEquals(response.status, 200);
  await response.body?.cancel();
});
