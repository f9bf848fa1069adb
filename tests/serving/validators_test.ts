/** A validator covers everything that a response depends on: after a change of options, caches revalidate. */

import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { disk, type Feature, fileServer, type FileServerOptions, memory, toFetch, uploadFeatures } from "@x/pyserve";
import { SimpleHTTPRequestHandler } from "@x/pyserve/python";
import { serving } from "../support/python.ts";
import { IN_BROWSER, launch, newPage } from "../support/browser.ts";
import { start } from "../support/command.ts";
import { ask, latin1 } from "../support/raw.ts";
import { clockAhead } from "../support/clock.ts";
import { oldTree, settleTimes, tempTree } from "../support/tree.ts";

const MODIFIED = Date.UTC(2026, 0, 2, 3, 4, 5);
const DATE = new Date(MODIFIED).toUTCString();

const FILES = {
  "p.html": "<script>document.title = origin</script>",
  "x.svg": "<svg xmlns='http://www.w3.org/2000/svg'/>",
  "n.zzz": "x",
  "a.txt": "a",
  "a.css": "a {}",
  "d/e.txt": "e",
};

const EDITS: Feature = { methods: ["DELETE"], abilities: ["delete"], handler: () => () => null };

/** Options, and targets whose responses they change. */
const CHANGES: readonly (readonly [what: string, options: FileServerOptions, targets: readonly string[]])[] = [
  ["a feature that writes", { features: [EDITS] }, ["/p.html", "/x.svg", "/d/"]],
  ["a sandbox", { sandbox: true }, ["/p.html", "/x.svg"]],
  ["another type for unknown names", { fallback: "text/plain" }, ["/n.zzz"]],
  ["another type for an extension", { types: { txt: "text/html" } }, ["/a.txt"]],
  ["another type for a name", { typeOf: (name) => name === "a.txt" ? "text/html" : undefined }, ["/a.txt"]],
  ["another charset", { charset: "windows-1252" }, ["/p.html", "/a.txt", "/a.css"]],
  ["no charset", { charset: null }, ["/p.html", "/a.txt", "/a.css"]],
  ["another Cache-Control", { cacheControl: "max-age=60" }, ["/p.html", "/a.txt"]],
  ["codings", { precompressed: false }, ["/p.html", "/a.txt"]],
  ["a header", { headers: [["X-Frame-Options", "DENY"]] }, ["/p.html", "/a.txt", "/d/"]],
  ["what a layer does", { variant: "mine" }, ["/p.html", "/a.txt", "/d/"]],
];

/** A site that never changes, asked in a test. */
function siteOf(options: FileServerOptions) {
  const fetch = toFetch(fileServer(memory(FILES, { modified: MODIFIED }), { ...options, log: false }));
  return async (target: string, headers: Record<string, string> = {}, method = "GET") => {
    const response = await fetch(new Request(`http://localhost${target}`, { headers, method }));
    await response.body?.cancel();
    return response;
  };
}

Deno.test("an entity tag changes with everything that affects how a file is sent", async (t) => {
  const plain = siteOf({});
  for (const [what, options, targets] of CHANGES) {
    for (const target of targets) {
      await t.step(`${target}: ${what}`, async () => {
        const before = (await plain(target)).headers.get("etag")!;
        const changed = siteOf(options);
        const asked = await changed(target, { "if-none-match": before });
        assertEquals(asked.status, 200);
        const after = asked.headers.get("etag")!;
        assertNotEquals(after, before);
        assertEquals(after.startsWith("W/"), before.startsWith("W/"));
        assertEquals((await changed(target, { "if-none-match": after })).status, 304);
        assertEquals((await plain(target, { "if-none-match": after })).status, 200);
        if (before.startsWith("W/")) return;
        assertEquals((await changed(target, { range: "bytes=0-0", "if-range": before })).status, 200);
        assertEquals((await changed(target, { "if-match": before })).status, 412);
      });
    }
  }
  await t.step("and with nothing else", async () => {
    for (const target of Object.keys(FILES).map((name) => `/${name}`)) {
      const [one, two] = [await siteOf({})(target), await siteOf({ cacheSize: 0, listing: false })(target, {}, "HEAD")];
      assertEquals(one.headers.get("etag"), two.headers.get("etag"));
    }
  });
});

Deno.test("a 304 has the current policy, and the type for clients that revalidate by date", async (t) => {
  await using tree = await oldTree({ "p.html": "<meta charset=koi8-r>", "a.txt": "a" });
  for (const name of ["p.html", "a.txt"]) await settleTimes(tree.at(name), MODIFIED / 1000);
  const source = disk(tree.path);
  const site = (options: FileServerOptions) => toFetch(fileServer(source, { ...options, log: false }));
  const kept = site({ sandbox: true, headers: [["X-Own", "1"]] });
  const cold = site({ sandbox: true, headers: [["X-Own", "1"]], cacheSize: 0 });
  const whole = async (target: string) => {
    const response = await kept(new Request(`http://localhost${target}`));
    await response.body?.cancel();
    return response.headers;
  };
  for (const target of ["/p.html", "/a.txt"]) {
    for (let i = 0; i < 2; i++) await whole(target);
    const sent = await whole(target);
    for (const [name, door] of [["kept", kept], ["cold", cold]] as const) {
      for (const method of ["GET", "HEAD"]) {
        await t.step(`${target}, ${name}, ${method}`, async () => {
          const conditional = (headers: Record<string, string>) => {
            return door(new Request(`http://localhost${target}`, { method, headers }));
          };
          const byTag = await conditional({ "if-none-match": sent.get("etag")! });
          const byDate = await conditional({ "if-modified-since": DATE });
          for (const { status, headers } of [byTag, byDate]) {
            assertEquals(status, 304);
            assertEquals(headers.get("content-security-policy"), sent.get("content-security-policy"));
            assertEquals([headers.get("etag"), headers.get("x-own")], [sent.get("etag"), "1"]);
            assertEquals(headers.get("last-modified"), null);
          }
          assertEquals(byTag.headers.get("content-type"), null);
          assertEquals(byDate.headers.get("content-type"), sent.get("content-type"));
          assertEquals(byDate.headers.get("x-content-type-options"), "nosniff");
        });
      }
    }
  }
  assertEquals((await whole("/p.html")).get("content-type"), "text/html");
  assert((await whole("/p.html")).get("content-security-policy")?.startsWith("sandbox"));
});

Deno.test("a listing's 304 has its policy, too", async () => {
  const site = siteOf({});
  const sent = await site("/d/", { accept: "text/html" });
  const again = await site("/d/", { accept: "text/html", "if-none-match": sent.headers.get("etag")! });
  assertEquals(again.status, 304);
  for (const name of ["content-security-policy", "referrer-policy", "vary", "cache-control"]) {
    assertEquals(again.headers.get(name), sent.headers.get(name), name);
  }
});

for (const protocol of ["HTTP/1.1", "HTTP/1.0"]) {
  Deno.test(`a page cached while the server was read-only is sent again with uploads (${protocol})`, async () => {
    await using tree = await tempTree({ "p.html": "<p>" });
    await settleTimes(tree.at("p.html"), MODIFIED / 1000);
    const args = [tree.path, "--protocol", protocol];
    await using reading = await start(args);
    await using writing = await start([...args, "--upload"]);
    const tag = (await ask(reading.port, "GET", "/p.html")).headers.get("etag")!;
    const byTag = await ask(writing.port, "GET", "/p.html", `If-None-Match: ${tag}`);
    const byDate = await ask(writing.port, "GET", "/p.html", `If-Modified-Since: ${DATE}`);
    assertEquals([byTag.status, byDate.status], [200, 304]);
    for (const { headers } of [byTag, byDate]) assert(headers.get("content-security-policy")?.startsWith("sandbox"));
  });
}

Deno.test("an upload's tag is that of its file, and a tag of another configuration still identifies the bytes", async () => {
  await using tree = await tempTree({});
  const writing = toFetch(fileServer(tree.path, { features: uploadFeatures(), log: false, headers: [["X-A", "1"]] }));
  const features = uploadFeatures({ rights: { create: true, change: true } });
  const changing = toFetch(fileServer(tree.path, { features, log: false, charset: null }));
  const reading = toFetch(fileServer(tree.path, { log: false }));
  const send = async (door: typeof reading, method: string, headers: Record<string, string> = {}) => {
    const body = method === "PUT" ? { body: "<p>" } : {};
    const response = await door(new Request("http://localhost/p.html", { method, headers, ...body }));
    await response.body?.cancel();
    return response;
  };
  const stored = await send(writing, "PUT");
  assertEquals(stored.headers.get("etag"), (await send(writing, "GET")).headers.get("etag"));
  await settleTimes(tree.at("p.html"), MODIFIED / 1000);
  using _clock = clockAhead();
  const tag = (await send(reading, "GET")).headers.get("etag")!;
  assertNotEquals(tag, (await send(changing, "GET")).headers.get("etag"));
  assertEquals((await send(changing, "PUT", { "if-match": '"x"' })).status, 412);
  assertEquals((await send(changing, "PUT", { "if-none-match": tag, "on-conflict": "overwrite" })).status, 412);
  assertEquals((await send(changing, "DELETE", { "if-match": tag })).status, 204);
});

Deno.test("Python's classes: extra headers are in the tag, and on the 304", async () => {
  await using tree = await tempTree({ "a.txt": "a" });
  const classOf = (...extra: [string, string][]) => {
    return class extends SimpleHTTPRequestHandler {
      override directory = tree.path;
      override extra_response_headers = extra;
    };
  };
  await using plain = serving(classOf());
  await using dressed = serving(classOf(["X-Frame-Options", "DENY"], ["Content-Language", "en"]));
  for (const target of ["/a.txt", "/"]) {
    const before = (await ask(plain.port, "GET", target)).headers.get("etag")!;
    const asked = await ask(dressed.port, "GET", target, `If-None-Match: ${before}`);
    assertEquals([asked.status, asked.headers.get("x-frame-options")], [200, "DENY"]);
    const again = await ask(dressed.port, "GET", target, `If-None-Match: ${asked.headers.get("etag")}`);
    assertEquals([again.status, again.headers.get("x-frame-options")], [304, "DENY"]);
    assertEquals(again.headers.get("content-language"), null);
  }
});

Deno.test("a document keeps its own encoding for every kind of request and response", async (t) => {
  const html = (charset: string) => latin1(`<!DOCTYPE html><meta charset="${charset}"><p>caf\xe9</p>`);
  const long = new Uint8Array(200_000).fill(0x20);
  long.set(html("iso-8859-1"));
  await using tree = await tempTree({
    "latin.html": html("iso-8859-1"),
    "long.html": long,
    "none.html": "<p>",
    "says.html": html("UTF-8"),
    "empty.html": "",
    "feed.xml": '<?xml version="1.0" encoding="ISO-8859-1"?><r/>',
    "page.xhtml": "<html/>",
    "latin.css": '@charset "iso-8859-1";',
    "a.css": "a {}",
    "a.txt": "a",
    "a.js": "a",
    "coded.html": html("iso-8859-1"),
    "coded.html.gz": "gzip",
  });
  const rows: Record<string, string> = {
    "latin.html": "text/html",
    "long.html": "text/html",
    "none.html": "text/html; charset=utf-8",
    "says.html": "text/html; charset=utf-8",
    "empty.html": "text/html; charset=utf-8",
    "feed.xml": "text/xml",
    "page.xhtml": "application/xhtml+xml",
    "latin.css": "text/css",
    "a.css": "text/css; charset=utf-8",
    "a.txt": "text/plain; charset=utf-8",
    "a.js": "text/javascript; charset=utf-8",
    "coded.html": "text/html",
  };
  class Handler extends SimpleHTTPRequestHandler {
    override directory = tree.path;
    override log_message() {}
  }
  await using classes = serving(Handler);
  await using command = await start([tree.path, "--precompressed"]);
  await using bare = await start([tree.path, "--charset", "none", "--protocol", "HTTP/1.0"]);
  for (const [name, type] of Object.entries(rows)) {
    for (const { port } of [classes, command]) {
      await t.step(`${name} from ${port === classes.port ? "a class" : "the command"}`, async () => {
        const { headers, body } = await ask(port, "GET", `/${name}`);
        assertEquals(headers.get("content-type"), type);
        assertEquals(body, await Deno.readFile(tree.at(name)));
        assertEquals((await ask(port, "HEAD", `/${name}`)).headers.get("content-type"), type);
        const since = await ask(port, "GET", `/${name}`, `If-Modified-Since: ${headers.get("last-modified")}`);
        assertEquals([since.status, since.headers.get("content-type")], [304, type]);
        if (body.length === 0) return;
        const part = await ask(port, "GET", `/${name}`, "Range: bytes=0-0");
        assertEquals([part.status, part.headers.get("content-type")], [206, type]);
        if (body.length < 5) return;
        const { text } = await ask(port, "GET", `/${name}`, "Range: bytes=0-0,3-3");
        assertEquals(text.match(/(?<=Content-Type: ).*/g), [type, type]);
      });
    }
    await t.step(`${name} with --charset none`, async () => {
      const { headers } = await ask(bare.port, "GET", `/${name}`);
      assertEquals(headers.get("content-type"), type.replace(/;.*/, ""));
    });
  }
  await t.step("a precompressed file has the type of the plain file", async () => {
    const { headers } = await ask(command.port, "GET", "/coded.html", "Accept-Encoding: gzip");
    assertEquals([headers.get("content-encoding"), headers.get("content-type")], ["gzip", "text/html"]);
  });
});

Deno.test({
  ...IN_BROWSER,
  name: "Chromium reads documents in the encoding that they declare",
  async fn() {
    const xml = '<?xml version="1.0" encoding="ISO-8859-1"?><r>caf\xe9</r>';
    const rows: readonly (readonly [name: string, text: string, shows: string])[] = [
      ["latin.html", "<!DOCTYPE html><meta charset=iso-8859-1><p>caf\xe9", "café"],
      ["pragma.html", '<meta http-equiv=content-type content="text/html; charset=koi8-r"><p>\xc1', "а"],
      ["utf8.html", "<!DOCTYPE html><p>caf\xc3\xa9", "café"],
      ["utf16.html", "\xff\xfe<\0p\0>\0\xe9\0", "é"],
      ["feed.xml", xml, "café"],
      ["latin.svg", xml.replaceAll("r>", "text>"), "café"],
      ["utf8.txt", "caf\xc3\xa9", "café"],
    ];
    await using tree = await tempTree(Object.fromEntries(rows.map(([name, text]) => [name, latin1(text)])));
    await using command = await start([tree.path]);
    const base = `http://127.0.0.1:${command.port}`;
    await using browser = await launch();
    const page = await newPage(browser, base);
    for (const [name, , shows] of rows) {
      await page.goto(`${base}/${name}`);
      const text = await page.evaluate("document.body?.textContent ?? document.documentElement.textContent");
      assert(String(text).includes(shows) && !/error/i.test(String(text)), `${name}: ${text}`);
    }
    assertEquals(page.problems, []);
  },
});
