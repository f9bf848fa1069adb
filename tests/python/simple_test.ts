/**
 * SimpleHTTPRequestHandler: the cases of CPython's SimpleHTTPServerTestCase under their names, additions of the core, and
 * what a port may override.
 */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path/join";
import { listing, memory } from "@x/pyserve";
import {
  type ClientAddress,
  type Connection,
  SimpleHTTPRequestHandler,
  type SourceFile,
  ThreadingHTTPServer,
} from "@x/pyserve/python";
import { latin1, parseResponse, type RawResponse } from "../support/raw.ts";
import { linksOf, unescapeHtml } from "../support/html.ts";
import { oldTree, type TempTree, tempTree } from "../support/tree.ts";
import { exchange, type Serving, serving } from "../support/python.ts";

const DATA = "We are the knights who say Ni!";

/** The classes that serve a tree. */
function rooted(tree: TempTree) {
  return class extends SimpleHTTPRequestHandler {
    override directory = tree.path;
  };
}

/** Sends a request as http.client does, with CPython's checks of every reply. */
async function request(
  { port }: Serving,
  target: string,
  { method = "GET", headers = [] as string[], version = "HTTP/1.1" } = {},
): Promise<RawResponse & { readonly version: string }> {
  const heard = await exchange(
    port,
    [`${method} ${target} ${version}`, "Host: localhost", ...headers, "", ""].join("\r\n"),
  );
  const response = parseResponse(latin1(heard));
  assertEquals(response.headers.get("connection") ?? "close", "close");
  // Nothing follows the body.
  const length = response.headers.get("content-length");
  if (length !== null) assert(response.body.length === (method === "HEAD" ? 0 : Number(length)), heard);
  return { ...response, version: heard.slice(0, 8) };
}

Deno.test("SimpleHTTPServerTestCase", async (t) => {
  await using tree = await tempTree({ "D/test": DATA });
  await using server = serving(rooted(tree));
  const modified = Math.floor((await Deno.stat(tree.at("D/test"))).mtime!.getTime() / 1000) * 1000;
  const date = (time: number) => new Date(time).toUTCString();
  const status = async (target: string, options = {}) => (await request(server, target, options)).status;

  await t.step("test_get", async () => {
    const file = await request(server, "/D/test");
    assertEquals([file.status, file.text, file.version], [200, DATA, "HTTP/1.0"]);
    assertEquals(await status("/D/test/"), 404);
    assertEquals(await status("/D/test%2f"), 404);
    assertEquals(await status("/D/"), 200);
    const redirect = await request(server, "/D");
    assertEquals([redirect.status, redirect.headers.get("content-length"), redirect.text], [301, "0", ""]);
    assertEquals(await status("/D/?hi=2"), 200);
    const query = await request(server, "/D?hi=1");
    assertEquals([query.status, query.headers.get("location")], [301, "/D/?hi=1"]);
    assertEquals(await status("/ThisDoesNotExist"), 404);
    assertEquals(await status("/ThisDoesNotExist/"), 404);
    await Deno.mkdir(tree.at("D/spam/index.html"), { recursive: true });
    assertEquals(await status("/D/spam/"), 200);
    await Deno.mkdir(tree.at("indexed"));
    await Deno.writeTextFile(tree.at("indexed/index.html"), "Dummy index file\r\n");
    const index = await request(server, "/indexed/");
    assertEquals([index.text, index.headers.get("content-type")], ["Dummy index file\r\n", "text/html; charset=utf-8"]);
  });
  await t.step("test_head", async () => {
    const { status, headers, text } = await request(server, "/D/test", { method: "HEAD" });
    assertEquals([status, text], [200, ""]);
    assertEquals([headers.get("content-length"), headers.get("content-type")], ["30", "application/octet-stream"]);
  });
  await t.step("test_browser_cache, test_browser_cache_file_changed", async () => {
    const rows = [[modified, 304], [modified + 3_600_000, 304], [modified - 365 * 86_400_000, 200]] as const;
    for (const [since, expected] of rows) {
      // A date behind that of the reply is none: http.client's test sends it, and Python takes it.
      const headers = [`If-Modified-Since: ${date(since)}`];
      assertEquals(await status("/D/test", { headers }), expected);
    }
  });
  await t.step("test_browser_cache_with_If_None_Match_header", async () => {
    // Python has no entity tags, and sends the file; RFC 9110 section 13.1.2 wants 304 for `*`, 200 for another tag.
    const since = `If-Modified-Since: ${date(modified)}`;
    assertEquals(await status("/D/test", { headers: [since, "If-None-Match: *"] }), 304);
    assertEquals(await status("/D/test", { headers: [since, 'If-None-Match: "x"'] }), 200);
  });
  await t.step("test_invalid_requests", async () => {
    for (const method of ["FOO", "custom", "GETs", "POST", "OPTIONS"]) assertEquals(await status("/", { method }), 501);
  });
  await t.step("test_last_modified", async () => {
    assertEquals((await request(server, "/D/test")).headers.get("last-modified"), date(modified));
  });
  await t.step("test_path_without_leading_slash", async () => {
    const rows = [["D/test", 200], ["D/test/", 404], ["D/", 200], ["D", 301], ["D/?hi=2", 200], [
      "D?hi=1",
      301,
    ]] as const;
    for (const [target, expected] of rows) assertEquals(await status(target), expected, target);
    // Python's `D/?hi=1` is relative to where the browser believes to be.
    assertEquals((await request(server, "D?hi=1")).headers.get("location"), "/D/?hi=1");
  });
  await t.step("test_get_dir_redirect_location_domain_injection_bug", async () => {
    await Deno.mkdir(tree.at("python.org/%0a%0d"), { recursive: true });
    const targets = [
      "//D",
      "///D",
      "//python.org/../D",
      "/\\D/../D",
      "https://pypi.localhost//D",
      "//D/%0a%0d/..",
      "//D%2f..",
    ];
    for (const target of targets) {
      const { status, headers } = await request(server, target);
      const location = headers.get("location");
      assert(location === null ? status !== 301 : /^\/[^/\\]/.test(location), `${target}: ${location}`);
    }
    assertEquals((await request(server, "//D")).headers.get("location"), "/D/");
    assertEquals((await request(server, "https://pypi.localhost//D")).headers.get("location"), "/D/");
  });
  await t.step({
    name: "test_html_escape_filename",
    ignore: Deno.build.os === "windows",
    fn: async () => {
      await Deno.writeTextFile(tree.at("D/<test&>.txt"), "");
      const { text, headers } = await request(server, "/D/");
      assertEquals(headers.get("content-type"), "text/html; charset=utf-8");
      assertStringIncludes(text, ">&lt;test&amp;&gt;.txt<");
    },
  });
  await t.step("test_undecodable_parameter: the title is the path only, as of Python 3.14", async () => {
    assertStringIncludes((await request(server, "/D/?x=%bb")).text, "<title>Directory listing for /D/</title>");
  });
  await t.step({
    name: "test_list_dir_nonascii_*, test_list_dir_escape_*: every name is shown, and its link leads there",
    ignore: Deno.build.os === "windows",
    fn: async () => {
      const names = ["\xe9 \u0439 \u{1f600}", "q?", "hash#", "&amp;", "<b>bold", '"double"', "'single'", "%3f%23"]
        .concat(["a:b", "back\\slash", "plus+", "semi;colon", "javascript:x"]);
      for (const name of names) {
        await Deno.mkdir(tree.at(`names/${name}`), { recursive: true });
        await Deno.writeTextFile(tree.at(`names/${name}/${name}.txt`), name);
      }
      const base = "http://localhost/names/";
      const shown: string[] = [];
      for (const path of linksOf((await request(server, "/names/")).text, base)) {
        if (!/^\/names\/[^/?]+\/$/.test(path)) continue;
        const { text } = await request(server, path);
        shown.push(unescapeHtml(/<title>Directory listing for \/names\/(.*)\/<\/title>/.exec(text)?.[1] ?? ""));
        const file = linksOf(text, `http://localhost${path}`).find((each) => each.endsWith(".txt"))!;
        assertEquals((await request(server, file)).text, shown.at(-1));
      }
      assertEquals(shown.toSorted(), names.toSorted());
    },
  });
  await t.step("test_list_dir_with_query_and_fragment: a fragment is 400, where Python cuts it off", async () => {
    const { status: listed, text } = await request(server, "/D/?hi=1");
    assertEquals(listed, 200);
    assertStringIncludes(text, "<title>Directory listing for /D/</title>");
    for (const target of ["/D/#frag", "/D/?hi=1#frag", "/D/#frag?hi=1"]) {
      assertEquals(await status(target), 400, target);
    }
  });
  await t.step(
    "test_list_dir_undecodable_dirname2: what is no UTF-8 is 400, where Python looks for U+FFFD",
    async () => {
      await Deno.mkdir(tree.at("\ufffd.dir"));
      assertEquals(await status("/%ff.dir/"), 400);
      assertEquals(await status(`/${encodeURIComponent("\ufffd")}.dir/`), 200);
    },
  );
  assertEquals(server.errors, []);
});

Deno.test("headers stand in Python's order and spelling", async () => {
  await using tree = await tempTree({ "a.txt": "hello" });
  await using server = serving(rooted(tree));
  const { head } = await request(server, "/a.txt");
  assertMatch(
    head,
    /^HTTP\/1\.0 200 OK\r\nServer: SimpleHTTP Deno\/[\d.]+\r\nDate: [^\r]+\r\nContent-type: text\/plain; charset=utf-8\r\nContent-Length: 5\r\nLast-Modified: [^\r]+\r\n/,
  );
});

Deno.test("requests that the core refuses are refused here, too", async () => {
  await using tree = await tempTree({ "root/a.txt": "a", "root/.hidden": "h", "root/.git/config": "g", "secret": "s" });
  if (Deno.build.os !== "windows") {
    await Deno.symlink(tree.at("secret"), tree.at("root/out"));
    await new Deno.Command("mkfifo", { args: [tree.at("root/fifo")] }).output();
  }
  class Handler extends SimpleHTTPRequestHandler {
    override directory = tree.at("root");
  }
  await using server = serving(Handler);
  const rows = [
    ["/a.txt%00", 400],
    ["/%zz", 400],
    ["/%ff", 400],
    ["/\xff", 400],
    ["/../secret", 404],
    ["/%2e%2e/secret", 404],
    ["/..%2fsecret", 404],
    ["/x/..\\..\\secret", 404],
    [tree.at("secret"), 404],
    ["/out", 404],
    ["/fifo", 404],
    ["/.hidden", 404],
    ["/.git/config", 404],
    ["/.git/", 404],
    ["http://localhost/a.txt", 200],
    ["http://host/a.txt", 421],
    ["ftp://host/a.txt", 400],
    ["*", 404],
    ["/a.txt?x", 200],
    ["/a.txt?x#y", 400],
  ] as const;
  for (const [target, expected] of rows) assertEquals((await request(server, target)).status, expected, target);
  const hosts = [["Host: a/b", 400], ["Host: ", 400], ["X: y", 400], ["Host: localhost:8000", 200]] as const;
  for (const [host, expected] of hosts) {
    const heard = await exchange(server.port, `GET /a.txt HTTP/1.1\r\n${host}\r\n\r\n`);
    assertEquals(parseResponse(latin1(heard)).status, expected, host);
  }
  assertMatch(await exchange(server.port, "GET /a.txt HTTP/1.0\r\n\r\n"), /^HTTP\/1\.0 200 /);
  assertEquals(await exchange(server.port, "GET /a.txt\r\n"), "a");
  assertEquals(server.errors, []);
});

Deno.test("hidden files and links out of the root can be served", async () => {
  await using tree = await tempTree({ "root/.hidden": "h", "secret": "s" });
  await Deno.symlink(tree.at("secret"), tree.at("root/out"));
  class Open extends SimpleHTTPRequestHandler {
    override directory = tree.at("root");
    override hidden = true;
    override follow_links = true;
  }
  await using server = serving(Open);
  assertEquals((await request(server, "/.hidden")).text, "h");
  assertEquals((await request(server, "/out")).text, "s");
});

Deno.test("ranges, entity tags and listings as data, over kept connections", async () => {
  await using tree = await tempTree({ "a.txt": "0123456789", "big.bin": new Uint8Array(300_000).fill(98) });
  class Modern extends SimpleHTTPRequestHandler {
    override protocol_version = "HTTP/1.1";
    override directory = tree.path;
  }
  await using server = serving(Modern);
  const head = (target: string, ...headers: string[]) =>
    [`GET ${target} HTTP/1.1`, "Host: localhost", ...headers, "", ""].join("\r\n");
  const heard = await exchange(
    server.port,
    head("/a.txt", "Range: bytes=2-4") + head("/big.bin") + head("/?format=json") + head("/a.txt", "If-None-Match: *") +
      head("/a.txt", "Range: bytes=1-1,3-3") + head("/a.txt", "Range: bytes=99-"),
  );
  assertEquals([...heard.matchAll(/HTTP\/1\.1 (\d{3})/g)].map((match) => match[1]), [
    "206",
    "200",
    "200",
    "304",
    "206",
    "416",
  ]);
  assertStringIncludes(heard, "\r\n\r\n234HTTP/1.1 200 OK");
  assertStringIncludes(heard, `\r\n\r\n${"b".repeat(300_000)}HTTP/1.1 200 OK`);
  assertStringIncludes(heard, '"href":"big.bin"');
  assertMatch(heard, /HTTP\/1\.1 416 [^]*content-range: bytes \*\/10\r\n/);
});

Deno.test("a file that grows or shrinks while it is sent never runs into the next reply", async () => {
  await using tree = await tempTree({ "big.bin": new Uint8Array(50_000_000).fill(98), "a.txt": "a" });
  class Modern extends SimpleHTTPRequestHandler {
    override protocol_version = "HTTP/1.1";
    override directory = tree.path;
    override async copyfile(source: SourceFile, outputfile: typeof this.wfile) {
      if (this.path === "/big.bin") await Deno.truncate(tree.at("big.bin"), 1_000);
      await super.copyfile(source, outputfile);
    }
  }
  await using server = serving(Modern);
  const heard = await exchange(
    server.port,
    "GET /big.bin HTTP/1.1\r\nHost: localhost\r\n\r\nGET /a.txt HTTP/1.1\r\nHost: localhost\r\n\r\n",
  );
  assertEquals([...heard.matchAll(/HTTP\/1\.1 \d{3}/g)].length, 1);
});

Deno.test("a file that grows while it is sent is sent with its original length", async () => {
  await using tree = await tempTree({ "big.bin": new Uint8Array(2_000_000).fill(98), "a.txt": "a" });
  class Modern extends rooted(tree) {
    override protocol_version = "HTTP/1.1";
    override async copyfile(source: SourceFile, outputfile: typeof this.wfile) {
      if (this.path === "/big.bin") await Deno.writeTextFile(tree.at("big.bin"), "x".repeat(100_000), { append: true });
      await super.copyfile(source, outputfile);
    }
  }
  await using server = serving(Modern);
  const get = (target: string, ...more: string[]) =>
    [`GET ${target} HTTP/1.1`, "Host: localhost", ...more, "", ""].join("\r\n");
  const heard = await exchange(server.port, get("/big.bin") + get("/a.txt", "Connection: close"));
  assertStringIncludes(heard, `\r\n\r\n${"b".repeat(2_000_000)}HTTP/1.1 200 OK\r\n`);
});

Deno.test("Python's methods are called", async () => {
  await using tree = await tempTree({
    "root/a.md": "# a",
    "root/b.unheard-of": "b",
    "root/c.gz": "c",
    "root/dir/start.htm": "start",
    "root/bare/x": "x",
    "other/d.txt": "d",
  });
  const asked: string[] = [];
  class Handler extends SimpleHTTPRequestHandler {
    override directory = tree.at("root");
    override index_pages = ["start.htm"];
    override default_content_type = "text/x-unknown";
    override extensions_map = { ...SimpleHTTPRequestHandler.extensions_map, ".md": "text/x-md" };
    override extra_response_headers = [["X-Extra", "1"], ["X-Extra", "2"], ["Content-Type", "no"], [
      "Server",
      "no",
    ]] as const;

    override end_headers() {
      this.send_header("Access-Control-Allow-Origin", "*");
      super.end_headers();
    }
    override async send_head() {
      asked.push(`send_head ${this.path}`);
      return await super.send_head();
    }
    override async copyfile(source: SourceFile, outputfile: typeof this.wfile) {
      asked.push("copyfile");
      await super.copyfile(source, outputfile);
    }
    override async list_directory(path: string) {
      asked.push(`list_directory ${path}`);
      return await super.list_directory(path);
    }
    override guess_type(path: string) {
      asked.push(`guess_type ${path}`);
      return super.guess_type(path);
    }
  }
  await using server = serving(Handler);
  const type = async (target: string) => (await request(server, target)).headers.get("content-type");
  assertEquals(await type("/a.md"), "text/x-md");
  assertEquals(asked.splice(0), ["send_head /a.md", "guess_type a.md", "copyfile"]);
  assertEquals(await type("/b.unheard-of"), "text/x-unknown");
  assertEquals(await type("/c.gz"), "application/gzip");
  asked.splice(0);
  assertEquals(await type("/dir/"), "text/html; charset=utf-8");
  assertEquals(asked.splice(0), ["send_head /dir/", "guess_type start.htm", "copyfile"]);
  const bare = await request(server, "/bare/");
  assertEquals(asked.splice(0), ["send_head /bare/", `list_directory ${join(tree.at("root"), "bare")}/`, "copyfile"]);
  assertEquals(bare.headers.get("x-extra"), "1, 2");
  assertEquals(bare.headers.get("access-control-allow-origin"), "*");
  assertEquals(bare.headers.get("content-type"), "text/html; charset=utf-8");
  const none = await request(server, "/none");
  assertEquals([none.headers.get("x-extra"), none.headers.get("access-control-allow-origin")], [null, "*"]);
});

Deno.test("list_directory can refuse, and send_head can send a file of its own", async () => {
  await using tree = await tempTree({ "dir/x": "x", "made.txt": "made" });
  class Handler extends rooted(tree) {
    // deno-lint-ignore require-await
    override async list_directory(_path: string) {
      this.send_error(403, "No permission to list directory");
      return null;
    }
    override async send_head() {
      if (this.path !== "/made") return await super.send_head();
      const file = await Deno.open(tree.at("made.txt"));
      this.send_response(200);
      this.send_header("Content-Length", (await file.stat()).size);
      this.end_headers();
      return file;
    }
  }
  await using server = serving(Handler);
  assertStringIncludes((await request(server, "/dir/")).head, "403 No permission to list directory");
  assertEquals((await request(server, "/made")).text, "made");
  assertEquals((await request(server, "/made", { method: "HEAD" })).text, "");
});

Deno.test("translate_path can lead elsewhere, with the same checks", async () => {
  await using tree = await tempTree({
    "root/a.txt": "a",
    "other/b.txt": "b",
    "other/sub/index.html": "index",
    "other/list/x.txt": "x",
    "other/.hidden": "h",
    "secret": "s",
  });
  if (Deno.build.os !== "windows") await Deno.symlink(tree.at("secret"), tree.at("other/out"));
  class Handler extends SimpleHTTPRequestHandler {
    override directory = tree.at("root");
    override translate_path(path: string) {
      const below = /^\/o(?:\/([^?]*))?(?:\?|$)/.exec(path);
      return below ? join(tree.at("other"), below[1] ?? "") : super.translate_path(path);
    }
  }
  await using server = serving(Handler);
  assertEquals((await request(server, "/a.txt")).text, "a");
  assertEquals((await request(server, "/o/b.txt")).text, "b");
  assertEquals((await request(server, "/o/b.txt/")).status, 404);
  assertEquals((await request(server, "/o/sub/")).text, "index");
  assertEquals((await request(server, "/o/sub?q")).headers.get("location"), "/o/sub/?q");
  const { text } = await request(server, "/o/list/");
  assertStringIncludes(text, "<title>Directory listing for /o/list/</title>");
  assertStringIncludes(text, 'href="x.txt"');
  for (const target of ["/o/out", "/o/.hidden", "/o/none", "/../secret"]) {
    assertEquals((await request(server, target)).status, 404, target);
  }
  assertEquals((await request(server, "/o/%00")).status, 400);
});

Deno.test("the server can set the directory of its handlers, and a missing one has no files", async () => {
  await using tree = await tempTree({ "a.txt": "a" });
  class Server extends ThreadingHTTPServer {
    override finish_request(request: Connection, address: ClientAddress) {
      const options = { directory: tree.path, extra_response_headers: [["X-Mine", "1"]] as const };
      const handler = new SimpleHTTPRequestHandler(request, address, this, options);
      handler.log_message = () => {};
      return handler.run();
    }
  }
  await using server = serving(SimpleHTTPRequestHandler, Server);
  const { text, headers } = await request(server, "/a.txt");
  assertEquals([text, headers.get("x-mine")], ["a", "1"]);
  class Gone extends SimpleHTTPRequestHandler {
    override directory = tree.at("gone");
  }
  await using gone = serving(Gone);
  assertEquals((await request(gone, "/")).status, 404);
  class File extends SimpleHTTPRequestHandler {
    override directory = tree.at("a.txt");
  }
  await using file = serving(File);
  assertEquals((await request(file, "/")).status, 404);
});

Deno.test("any handler of the package can be called, with the body of the request", async () => {
  class Asking extends SimpleHTTPRequestHandler {
    async do_POST() {
      using file = await this.send_reply(
        await this.ask(async (request, { target, remoteAddress, local }) => {
          const { port } = local!;
          return Response.json([request.method, target.path.text, remoteAddress, port, await request.text()]);
        }),
      );
      if (file) await this.copyfile(file, this.wfile);
    }
    async do_LIST() {
      using file = await this.send_reply(await this.ask(listing(memory({ "a.txt": "a" }))));
      if (file) await this.copyfile(file, this.wfile);
    }
  }
  await using server = serving(Asking);
  const heard = await exchange(server.port, "POST /x/../y HTTP/1.0\r\nContent-Length: 4\r\n\r\nbody");
  assertEquals(JSON.parse(parseResponse(latin1(heard)).text), ["POST", "/y", "127.0.0.1", server.port, "body"]);
  assertEquals((await request(server, "/", { method: "LIST" })).status, 404);
});

Deno.test("the cache never gives another class's type, nor an outdated file", async () => {
  await using tree = await oldTree({ "a.odd": "old", "b.odd": "b" });
  let count = 0;
  const map = { ".odd": "text/x-one" };
  class One extends rooted(tree) {
    override extensions_map: Record<string, string> = map;
  }
  class Counting extends rooted(tree) {
    override guess_type() {
      return `text/x-${++count}`;
    }
  }
  await using plain = serving(rooted(tree));
  await using one = serving(One);
  await using counting = serving(Counting);
  const type = async (server: Serving) => (await request(server, "/a.odd")).headers.get("content-type");
  for (let round = 0; round < 3; round++) {
    assertEquals(await type(plain), "application/octet-stream");
    assertEquals(await type(one), "text/x-one");
    assertEquals(await type(counting), `text/x-${round + 1}`);
  }
  map[".odd"] = "text/x-two";
  assertEquals(await type(one), "text/x-two");
  assertEquals((await request(one, "/a.odd")).text, "old");
  await Deno.writeTextFile(tree.at("a.odd"), "new");
  assertEquals((await request(one, "/a.odd")).text, "new");
  await Deno.remove(tree.at("a.odd"));
  for (let round = 0; round < 3; round++) assertEquals((await request(one, "/a.odd")).status, 404);
  await Deno.writeTextFile(tree.at("a.odd"), "back");
  assertEquals((await request(one, "/a.odd")).text, "back");
});

Deno.test("two classes on one directory serve it by their own fields, whichever comes first", async () => {
  await using outside = await tempTree({ "secret": "outside" });
  await using tree = await tempTree({ ".env": "hidden", "a.xyz": "typed", "sub/start.html": "the start" });
  await Deno.symlink(outside.at("secret"), tree.at("link"));
  const Plain = rooted(tree);
  class Hidden extends Plain {
    override hidden = true;
  }
  class Following extends Plain {
    override follow_links = true;
  }
  class Typed extends Plain {
    override extensions_map = { ".xyz": "text/x-mine" };
  }
  class Starting extends Plain {
    override index_pages = ["start.html"];
  }
  await using plain = serving(Plain);
  await using hidden = serving(Hidden);
  await using following = serving(Following);
  await using typed = serving(Typed);
  await using starting = serving(Starting);
  const seen = async (server: Serving) => {
    const status = async (target: string) => (await request(server, target)).status;
    const type = (await request(server, "/a.xyz")).headers.get("content-type");
    const start = (await request(server, "/sub/")).text === "the start";
    const listed = (await request(server, "/")).text.includes(".env");
    return [await status("/.env"), listed, await status("/link"), type === "text/x-mine", start];
  };
  for (let round = 0; round < 2; round++) { // what the first round caches must not leak into the second
    assertEquals(await seen(hidden), [200, true, 404, false, false]);
    assertEquals(await seen(following), [404, false, 200, false, false]);
    assertEquals(await seen(typed), [404, false, 404, true, false]);
    assertEquals(await seen(starting), [404, false, 404, false, true]);
    assertEquals(await seen(plain), [404, false, 404, false, false]);
  }
});
