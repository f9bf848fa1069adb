/** How handlers are composed: chain, wrap, settle, mount, derive, errors and error pages. */

import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import {
  chain,
  type Context,
  derive,
  errorPages,
  files,
  fileServer,
  type Handler,
  headers,
  HttpError,
  listing,
  type Logger,
  memory,
  mount,
  settle,
  SitePath,
  toFetch,
  wrap,
} from "@x/pyserve";
import { allow, toHttpError } from "@x/pyserve/handlers";

function recorder(): Logger & { readonly lines: string[]; readonly errors: [string, unknown][] } {
  const lines: string[] = [];
  const errors: [string, unknown][] = [];
  return {
    lines,
    errors,
    access: (line) => lines.push(line),
    error: (...error) => errors.push(error as [string, unknown]),
  };
}

async function fetched(handler: Handler, request: Request | string = "http://localhost/", log: Logger = recorder()) {
  const response = await toFetch(handler, { log })(typeof request === "string" ? new Request(request) : request);
  return { status: response.status, headers: response.headers, text: await response.text() };
}

const yes = (text: string): Handler => () => new Response(text);
const later = (handler: Handler): Handler => async (...args) => {
  await Promise.resolve();
  return handler(...args);
};
const no: Handler = () => null;

Deno.test("chain() tries handlers in turn, synchronously if it can, and declines if all do", async () => {
  assertEquals((await fetched(chain(no, later(no), yes("b"), yes("c")))).text, "b");
  assertEquals((await fetched(chain(later(yes("a")), yes("b")))).text, "a");
  assertEquals((await fetched(chain(no, later(no)))).status, 404);
  assertEquals((await fetched(chain())).status, 404);
  const answer = toFetch(chain(no, yes("at once")))(new Request("http://localhost/"));
  assert(answer instanceof Response);
});

Deno.test("wrap() puts the first layer outermost", async () => {
  const seen: string[] = [];
  const layer = (name: string) => (next: Handler): Handler => async (request, context) => {
    seen.push(`${name} in`);
    const response = await next(request, context);
    seen.push(`${name} out`);
    return response;
  };
  await fetched(wrap(yes(""), layer("a"), layer("b")));
  assertEquals(seen, ["a in", "b in", "b out", "a out"]);
});

Deno.test("a crash in a handler is a 500 without detail, logged with its cause", async () => {
  for (
    const crash of [() => {
      throw new TypeError("secret");
    }, () => Promise.reject(new TypeError("secret"))]
  ) {
    const log = recorder();
    const { status, text } = await fetched(crash as Handler, "http://localhost/x", log);
    assertEquals([status, text], [500, "500 Internal Server Error\n"]);
    assertEquals(log.errors.length, 1);
    assertEquals(log.errors[0]![0], "Cannot answer GET /x");
    assertStringIncludes(String(log.errors[0]![1]), "secret");
  }
});

Deno.test("a crash in a layer is a 500, too", async () => {
  const broken = () => () => {
    throw new Error("secret");
  };
  assertEquals((await fetched(wrap(settle(yes("")), broken))).status, 500);
});

Deno.test("toHttpError() maps every kind of error", async (t) => {
  const coded = (code: string) => Object.assign(new Error(code), { code });
  const rows: readonly [thrown: unknown, status: number][] = [
    [new HttpError(418), 418],
    [new Deno.errors.NotFound(), 404],
    [new Deno.errors.NotADirectory(), 404],
    [new Deno.errors.IsADirectory(), 404],
    [new Deno.errors.FilesystemLoop(), 404],
    [coded("ENAMETOOLONG"), 404],
    [coded("ENXIO"), 404],
    [new Deno.errors.PermissionDenied(), 403],
    [new Deno.errors.NotCapable(), 403],
    [coded("EMFILE"), 503],
    [coded("ENOSPC"), 507],
    [coded("EIO"), 500],
    [new Error("x"), 500],
    ["a string", 500],
    [undefined, 500],
  ];
  for (const [thrown, status] of rows) {
    await t.step(`${thrown}`, () => assertEquals(toHttpError(thrown).status, status));
  }
  assertEquals(toHttpError(coded("EMFILE")).headers["retry-after"], "1");
});

Deno.test("a missing permission of the runtime is a 403, and the log says so", async () => {
  const log = recorder();
  const { status } = await fetched(
    () => {
      throw new Deno.errors.NotCapable("Requires read access to x, run again with the --allow-read flag");
    },
    "http://localhost/x",
    log,
  );
  assertEquals(status, 403);
  assertStringIncludes(String(log.errors[0]![1]), "--allow-read");
});

Deno.test("settle() drops a body that a handler gives to HEAD by mistake", async () => {
  const response = await toFetch(yes("body"))(new Request("http://localhost/", { method: "HEAD" }));
  assertEquals(response.body, null);
});

Deno.test("toFetch() refuses a request before handlers run, and layers see the refusal", async () => {
  let asked = false;
  const handler: Handler = () => {
    asked = true;
    return new Response();
  };
  const log = recorder();
  const site = wrap(settle(handler), headers([["x-layer", "yes"]]));
  const fetch = toFetch(site, { log });
  const refused = [
    new Request("http://localhost/%00"),
    new Request("http://localhost/", { headers: { "host": "a/b" } }),
    new Request("http://localhost/", { headers: { "transfer-encoding": "gzip, chunked" } }),
    new Request("http://localhost/", { headers: { "x-large": "x".repeat(33_000) } }),
    new Request("http://localhost/" + "a".repeat(17_000)),
  ];
  const statuses: number[] = [];
  for (const request of refused) {
    const response = await fetch(request);
    await response.body?.cancel();
    assertEquals(response.headers.get("x-layer"), "yes");
    statuses.push(response.status);
  }
  assertEquals(statuses, [400, 400, 501, 431, 414]);
  assertEquals(asked, false);
});

Deno.test("mount() removes its prefix at a segment boundary, after decoding", async () => {
  const site = mount(
    "/docs/",
    chain(files(memory({ "a.txt": "a", "d/e/index.html": "e" })), listing(memory({ "x": "" }))),
  );
  assertEquals((await fetched(site, "http://localhost/docs/a.txt")).text, "a");
  assertEquals((await fetched(site, "http://localhost/%64ocs/a.txt")).text, "a");
  for (
    const target of ["/docs-old/a.txt", "/docsa.txt", "/a.txt", "/doc", "/docs/../a.txt"]
  ) {
    assertEquals((await fetched(site, `http://localhost${target}`)).status, 404, target);
  }
  const answer = async (target: string) => (await fetched(site, `http://localhost${target}`)).headers.get("location");
  assertEquals(await answer("/docs"), "docs/");
  assertEquals(await answer("/docs/d/e?q"), "e/?q");
  assertThrows(() => mount("docs", no), TypeError, 'Cannot mount at "docs"');
  assertThrows(() => mount("/%zz", no), TypeError);
});

Deno.test("derive() replaces fields and keeps the rest, the lazy ones too", async () => {
  let inner: Context | undefined;
  const handler: Handler = (_request, context) => {
    inner = derive(context, { user: "ada" });
    return new Response();
  };
  const info = { remoteAddr: { transport: "tcp", hostname: "::ffff:192.0.2.7", port: 1 } as const };
  await toFetch(handler)(new Request("http://example.org/x", { headers: { host: "example.org" } }), info);
  assertEquals([inner?.user, inner?.remoteAddress, inner?.target.path.text], ["ada", "192.0.2.7", "/x"]);
  assertEquals(inner?.base, SitePath.root);
});

Deno.test("allow() closes a chain", async (t) => {
  const site = chain(files(memory({ "a": "a" })), allow(["GET", "HEAD"]));
  const rows = [["OPTIONS", 204], ["POST", 405], ["PUT", 405], ["DELETE", 405], ["PATCH", 405], ["FROB", 501], [
    "HEAD",
    200,
  ]] as const;
  for (const [method, status] of rows) {
    await t.step(method, async () => {
      const answer = await fetched(site, new Request("http://localhost/a", { method }));
      assertEquals(answer.status, status);
      assertEquals(answer.headers.get("allow"), status === 204 || status === 405 ? "GET, HEAD, OPTIONS" : null);
    });
  }
});

Deno.test("errorPages() renders the error in the format that each client accepts", async () => {
  const site = wrap(settle(no), errorPages());
  const as = (accept: string) => fetched(site, new Request("http://localhost/<script>", { headers: { accept } }));
  const html = await as("text/html,*/*;q=0.8");
  assertEquals(html.headers.get("content-type"), "text/html; charset=utf-8");
  assertStringIncludes(html.text, "<h1>404 Not Found</h1>");
  assertStringIncludes(html.headers.get("content-security-policy")!, "default-src 'none'");
  for (const accept of ["application/json", "application/problem+json"]) {
    const { headers, text } = await as(accept);
    assertEquals(headers.get("content-type"), "application/problem+json");
    assertEquals(JSON.parse(text), { status: 404, title: "Not Found", detail: "File not found" });
  }
  const told = wrap(
    settle(() => {
      throw new HttpError(409, "Taken", { problem: { type: "https://example.com/taken", name: "a", status: 200 } });
    }),
    errorPages(),
  );
  const problem = await fetched(told, new Request("http://localhost/", { headers: { accept: "application/json" } }));
  const rest = { title: "Conflict", detail: "Taken" };
  assertEquals(JSON.parse(problem.text), { type: "https://example.com/taken", name: "a", status: 409, ...rest });
  for (const accept of ["*/*", "text/plain", "image/png"]) {
    assertEquals((await as(accept)).text, "404 Not Found: File not found\n", accept);
  }
  for (const { headers, text } of [html, await as("*/*")]) {
    assertEquals(headers.get("content-length"), String(new TextEncoder().encode(text).length));
    assertEquals(headers.get("vary"), "accept");
  }
});

Deno.test("errorPages() leaves a handler's own error page alone", async () => {
  const own: Handler = () => new Response("<p>mine", { status: 404, headers: { "content-type": "text/html" } });
  const { text } = await fetched(
    wrap(settle(own), errorPages()),
    new Request("http://localhost/", { headers: { accept: "application/json" } }),
  );
  assertEquals(text, "<p>mine");
});

Deno.test("errorPages() escapes what an error says", async () => {
  const site = wrap(
    settle(() => {
      throw new HttpError(400, "<script>");
    }),
    errorPages(),
  );
  const { text } = await fetched(site, new Request("http://localhost/", { headers: { accept: "text/html" } }));
  assert(!text.includes("<script>"));
});

Deno.test("headers() replaces existing headers and repeats those given twice", async () => {
  const inner: Handler = () => new Response("", { headers: { "cache-control": "no-cache", "x-kept": "1" } });
  const layer = headers([["Cache-Control", "max-age=1"], ["Link", "<a>"], ["Link", "<b>"]]);
  const { headers: got } = await fetched(wrap(inner, layer));
  assertEquals([got.get("cache-control"), got.get("link"), got.get("x-kept")], ["max-age=1", "<a>, <b>", "1"]);
  assertThrows(() => headers([["a b", "c"]]), TypeError);
  assertThrows(() => headers([["a", "b\r\nc: d"]]), TypeError);
});

Deno.test("fileServer() puts the headers on every status", async () => {
  const site = fileServer(memory({ "a": "a", "d/b": "b" }), { headers: [["x-mine", "1"]], log: false });
  for (const [target, status] of [["/a", 200], ["/d", 301], ["/d/", 200], ["/nothing", 404], ["/%00", 400]] as const) {
    const answer = await fetched(site, `http://localhost${target}`);
    assertEquals([answer.status, answer.headers.get("x-mine")], [status, "1"], target);
    assertEquals(answer.headers.get("server"), "pyserve");
  }
  const named = fileServer(memory({}), { headers: [["Server", "mine"]], log: false });
  assertEquals((await fetched(named)).headers.get("server"), "mine");
});

Deno.test("fileServer() without listing answers 404 for a directory without an index", async () => {
  const site = fileServer(memory({ "d/b": "b" }), { listing: false, log: false });
  assertEquals((await fetched(site, "http://localhost/d/")).status, 404);
  assertEquals((await fetched(site, "http://localhost/d")).status, 301);
});
