/** Layers of the user in a file server: run for each request, logged and dressed like the site itself. */

import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import {
  chain,
  derive,
  fileServer,
  type FileServerOptions,
  type Handler,
  HttpError,
  type Layer,
  memory,
  SitePath,
  toFetch,
} from "@x/pyserve";
import { oldTree } from "../support/tree.ts";

/** A server with layers, and the lines of its log. */
function serving(root: Parameters<typeof fileServer>[0], options: FileServerOptions) {
  const lines: string[] = [];
  const log = { access: (line: string) => void lines.push(line), error() {} };
  const site = fileServer(root, { headers: [["x-site", "mine"]], log: "common", ...options });
  const fetch = toFetch(site, { log, hosts: "any" });
  const ask = async (target: string, init: RequestInit = {}) => {
    lines.length = 0;
    const response = await fetch(new Request(`http://localhost${target}`, init));
    return { response, text: await response.text(), lines: lines.map((line) => line.replace(/^.*" (\d+) .*$/, "$1")) };
  };
  return ask;
}

const answering: Layer = (next) => (request, context) => {
  if (request.headers.has("authorization")) return next(request, context);
  return new Response("Who is there?", { status: 401, headers: { "www-authenticate": "Basic" } });
};

const throwing: Layer = (next) => (request, context) => {
  if (request.headers.has("authorization")) return next(request, context);
  throw new HttpError(401, "Who is there?", { headers: { "www-authenticate": "Basic" } });
};

Deno.test("an answer of a layer, an error it throws and a refused request have one log line and all headers", async () => {
  for (const layer of [answering, throwing, async_(throwing)]) {
    const ask = serving(memory({ "a.txt": "a" }), { layers: [layer] });
    for (const method of ["GET", "HEAD", "PUT"]) {
      for (const target of ["/a.txt", "/nothing", "/%zz"]) {
        const { response, text, lines } = await ask(target, { method });
        assertEquals([response.status, lines], [401, ["401"]]);
        assertEquals([response.headers.get("server"), response.headers.get("x-site")], ["pyserve", "mine"]);
        if (method === "HEAD") assertEquals(text, "");
      }
    }
    const authorization = { headers: { authorization: "x" } };
    assertEquals((await ask("/a.txt", authorization)).text, "a");
    const refused = await ask("/%zz", authorization);
    assertEquals([refused.response.status, refused.lines], [400, ["400"]]);
    assertEquals(refused.response.headers.get("server"), "pyserve");
  }
  const ask = serving(memory({}), { layers: [throwing] });
  const { text, response } = await ask("/", { headers: { accept: "text/html" } });
  assertMatch(text, /<h1>401 Unauthorized<\/h1>/);
  assertEquals(response.headers.get("www-authenticate"), "Basic");
});

/** The same layer, asynchronous. */
function async_(layer: Layer): Layer {
  return (next) => async (request, context) => {
    await Promise.resolve();
    return await layer(next)(request, context);
  };
}

Deno.test("a layer that fails is a 500 with a page, a line, and its cause in the log", async () => {
  const broken: Layer = () => () => {
    throw new Error("a secret");
  };
  const ask = serving(memory({ "a.txt": "a" }), { layers: [broken] });
  const { response, text, lines } = await ask("/a.txt", { headers: { accept: "text/html" } });
  assertEquals([response.status, response.headers.get("x-site"), lines], [500, "mine", ["500"]]);
  assert(text.includes("<h1>500") && !text.includes("secret"));
});

Deno.test("a layer runs for each request, also for cached responses, and changes the headers of this response only", async () => {
  await using tree = await oldTree({ "a.txt": "a", "d/b.txt": "b" });
  let asked = 0;
  const counting: Layer = (next) => async (request, context) => {
    asked += 1;
    const response = await next(request, context);
    response?.headers.set("x-count", String(asked));
    response?.headers.append("x-site", String(asked));
    return response;
  };
  const ask = serving(tree.path, { layers: [counting] });
  for (const target of ["/a.txt", "/d/", "/nothing"]) {
    for (let round = 0; round < 4; round++) {
      const { response, lines } = await ask(target);
      assertEquals([response.headers.get("x-count"), lines.length], [String(asked), 1]);
      assertEquals(response.headers.get("x-site"), `mine, ${asked}`);
    }
  }
});

Deno.test("a layer's own response gets headers and error pages, and one for a rewritten path gets them once", async () => {
  const fallback: Layer = (next) => async (request, context) => {
    const response = await next(request, context);
    if (response?.status !== 404 || !request.headers.has("x-app")) return response;
    await response.body?.cancel();
    return await next(request, derive(context, { target: { ...context.target, path: SitePath.root, slash: true } }));
  };
  const api: Handler = (_request, { target }) => {
    if (target.path.text === "/api/fail") throw new HttpError(409, "It is taken");
    return target.path.text === "/api" ? Response.json({ ok: true }) : null;
  };
  const layers: Layer[] = [fallback, (next) => chain(api, next)];
  const ask = serving(memory({ "index.html": "app", "a.txt": "a" }), { layers, headers: [["x-a", "1"], ["x-a", "2"]] });
  const rows: readonly (readonly [string, number, string | RegExp, HeadersInit?])[] = [
    ["/api", 200, '{"ok":true}'],
    ["/api/fail", 409, /It is taken/],
    ["/a.txt", 200, "a", { "x-app": "1" }],
    ["/some/where", 200, "app", { "x-app": "1" }],
    ["/some/where", 404, /<h1>404/, { accept: "text/html" }],
  ];
  for (const [target, status, expected, headers] of rows) {
    const { response, text, lines } = await ask(target, headers ? { headers } : {});
    assertEquals([response.status, response.headers.get("x-a"), lines], [status, "1, 2", [String(status)]], target);
    if (typeof expected === "string") assertEquals(text, expected);
    else assertMatch(text, expected);
  }
});

Deno.test("derive() requires a view with rights, so that no response is cached under the view of all rights", async () => {
  const may = () => false;
  const changes = [{ may }, { may, view: "" }];
  for (const change of changes) {
    const layer: Layer = (next) => (request, context) => next(request, derive(context, change));
    const handler = layer(() => null);
    const caught: Handler = (request, context) => {
      assertThrows(() => handler(request, context), TypeError, "needs view");
      return new Response("caught");
    };
    assertEquals(await (await toFetch(caught)(new Request("http://localhost/"))).text(), "caught");
  }
});
