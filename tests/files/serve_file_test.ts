/** One file, by the same rules as all files. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  disk,
  errorPages,
  files,
  fileServer,
  type Handler,
  type Layer,
  memory,
  serveFile,
  toFetch,
  wrap,
} from "@x/pyserve";
import { oldTree, tempTree } from "../support/tree.ts";

const SOURCE = memory({ "docs/a b.txt": "0123456789", "docs/index.html": "<p>docs" });

const request = (init: RequestInit = {}) => new Request("http://localhost/whatever?q", init);

async function told(response: Response) {
  return { status: response.status, headers: Object.fromEntries(response.headers), text: await response.text() };
}

Deno.test("serveFile answers as files does: ranges, preconditions, HEAD, types, compressed siblings", async () => {
  const old = new Date("2020-01-01T00:00:00Z");
  await using tree = await oldTree({ "a b.txt": "0123456789", "a b.txt.gz": "gz", "x.html": "<p>é" });
  for (const name of ["a b.txt", "a b.txt.gz", "x.html"]) await Deno.utime(tree.at(name), old, old);
  const options = { precompressed: true, cacheControl: "max-age=1" };
  const site = toFetch(files(disk(tree.path), options));
  const etag = (await site(new Request("http://localhost/a%20b.txt"))).headers.get("etag")!;
  assertMatch(etag, /^"/);
  const headers: Record<string, string>[] = [
    {},
    { range: "bytes=2-4" },
    { range: "bytes=2-4,6-7" },
    { range: "bytes=99-" },
    { "if-none-match": etag },
    { "if-match": '"other"' },
    { "if-modified-since": old.toUTCString() },
    { "accept-encoding": "gzip" },
  ];
  for (const name of ["a b.txt", "x.html"]) {
    for (const method of ["GET", "HEAD"]) {
      for (const header of headers) {
        const init = { method, headers: header };
        const served = await told(await serveFile(request(init), tree.at(name), options));
        const expected = await told(await site(new Request(`http://localhost/${encodeURIComponent(name)}`, init)));
        if (served.headers["content-type"]?.startsWith("multipart")) continue; // the boundary is random
        assertEquals(served, expected, `${method} ${name} ${JSON.stringify(header)}`);
      }
    }
  }
});

Deno.test("serveFile serves a file of a source by its decoded path, and nothing else", async () => {
  const paths: [string, number][] = [
    ["/docs/a b.txt", 200],
    ["docs/a b.txt", 200],
    ["/docs/a%20b.txt", 404],
    ["/docs", 404],
    ["/docs/", 404],
    ["/", 404],
    ["", 404],
    ["/docs/../docs/a b.txt", 404],
    ["/nothing", 404],
  ];
  for (const [path, status] of paths) {
    const response = await serveFile(request(), path, { source: SOURCE });
    assertEquals([path, response.status], [path, status]);
    await response.body?.cancel();
  }
});

Deno.test("serveFile on disk: a symbolic link is followed; a directory, a missing file and a missing directory are 404", async () => {
  await using tree = await tempTree({ "a.txt": "a", "d/b.txt": "b" });
  await Deno.symlink("../a.txt", tree.at("d/link.txt"));
  for (const path of ["a.txt", "d/link.txt"]) {
    assertEquals(await (await serveFile(request(), tree.at(path))).text(), "a");
  }
  for (const path of ["d", "d/", "nothing", "nothing/a.txt", "a.txt/b"]) {
    const response = await serveFile(request(), tree.at(path));
    assertEquals([path, response.status], [path, 404]);
    assertMatch(await response.text(), /^404 Not Found: File not found\n$/);
  }
});

Deno.test("serveFile is 405 for other methods, and 400 for a target that is refused", async () => {
  const posted = await serveFile(request({ method: "POST", body: "x" }), "/docs/index.html", { source: SOURCE });
  assertEquals([posted.status, posted.headers.get("allow")], [405, "GET, HEAD"]);
  await posted.body?.cancel();
  const refused = await serveFile(new Request("http://localhost/%zz"), "/docs/index.html", { source: SOURCE });
  assertEquals(refused.status, 400);
  await refused.body?.cancel();
});

Deno.test("serveFile inside a server: its error pages, its log, its headers; rights are the caller's", async () => {
  const errors: string[] = [];
  const lines: string[] = [];
  const log = {
    access: (line: string) => void lines.push(line),
    error: (message: string) => void errors.push(message),
  };
  const failing = { ...SOURCE, stat: () => Promise.reject(new Error("disk on fire")) };
  const pages: Record<string, Handler> = {
    "/found": (request, context) => serveFile(request, "/docs/index.html", { source: SOURCE, context }),
    "/gone": (request, context) => serveFile(request, "/gone.html", { source: SOURCE, context }),
    "/broken": (request, context) => serveFile(request, "/docs/index.html", { source: failing, context }),
  };
  const routes: Layer = (next) => (request, context) => (pages[context.target.path.text] ?? next)(request, context);
  const sites = [
    fileServer(SOURCE, { layers: [routes], log: "common" }),
    wrap(fileServer(SOURCE, { log: false }), errorPages(), routes),
  ];
  for (const [i, site] of sites.entries()) {
    const fetch = toFetch(site, { log, accessLog: "common" });
    errors.length = lines.length = 0;
    const ask = async (path: string) => {
      return await told(await fetch(new Request(`http://localhost${path}`, { headers: { accept: "text/html" } })));
    };
    assertEquals((await ask("/found")).text, "<p>docs");
    const gone = await ask("/gone");
    assert(gone.status === 404 && gone.text.startsWith("<!DOCTYPE html>"), gone.text);
    const broken = await ask("/broken");
    assertEquals([broken.status, errors], [500, ["Cannot answer GET /broken"]]);
    assert(!broken.text.includes("fire"));
    assertEquals(lines.map((line) => line.replace(/.*" (\d+) .*/, "$1")), ["200", "404", "500"], `site ${i}`);
  }
});
