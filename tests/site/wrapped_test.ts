/** The log and the response are the same, however the handler is wrapped. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  accessLog,
  cgi,
  chain,
  disk,
  errorPages,
  type Feature,
  type FetchFunction,
  files,
  fileServer,
  type Handler,
  headers,
  HttpError,
  type Layer,
  listing,
  memory,
  mount,
  settle,
  toFetch,
  type ToFetchOptions,
  upload,
  wrap,
} from "@x/pyserve";
import { oldTree, tempTree } from "../support/tree.ts";

/** A handler that fails in an unusual way, and answers paths with an encoded slash. */
const failing: Feature = {
  methods: ["GET"],
  encodedSlashes: true,
  handler: () => (_request, { target }) => {
    if (target.path.text.startsWith("/wiki")) return new Response(`wiki ${target.path.text}`);
    if (target.path.text === "/crash") throw new Error("a secret");
    if (target.path.text === "/busy") throw new HttpError(503, "Come again", { headers: { "retry-after": "9" } });
    return null;
  },
};

const SOURCE = memory({ "a.txt": "a", "index.html": "index" });

function site(): Handler {
  return fileServer(SOURCE, { features: [failing], headers: [["x-site", "mine"]], log: "common" });
}

/** A layer as users write it: it reads the request and passes it on. */
const greeting: Layer = (next) => async (request, context) => {
  const { target, base } = context;
  const response = await next(request, context);
  response?.headers.set("x-greeting", `${target.path.text.length > 0} ${base.text.length > 0}`);
  return response;
};

/** A custom handler for some paths. */
const health: Handler = ({ method }, { target }) => {
  if (method === "DELETE" && target.path.segments.length === 0) throw new Error("All is deleted");
  return target.path.text === "/health" ? new Response("ok") : null;
};

/** Ways to wrap a site, each with its prefix. */
const SHAPES: Readonly<Record<string, readonly [prefix: string, put: (site: Handler) => Handler]>> = {
  "plain": ["", (site) => site],
  "in a layer written by hand": ["", (site) => (request, context) => site(request, context)],
  "in a layer that reads the context": ["", greeting],
  "in two": ["", (site) => greeting(greeting(site))],
  "in wrap": ["", (site) => wrap(site, greeting)],
  "in a chain": ["", (site) => chain(health, site)],
  "in a function that asks in turn": ["", (site) => async (request, context) => {
    return await health(request, context) ?? await site(request, context);
  }],
  "below a mount": ["/docs", (site) => mount("/docs", site)],
  "below two": ["/docs/a%20b", (site) => chain(mount("/other", health), mount("/docs/", mount("/a b", site)))],
  "below a mount, in a layer, in a chain": ["/docs", (site) => chain(health, mount("/docs", greeting(site)), health)],
};

/** Requests: method, target below the prefix, headers. */
const REQUESTS: readonly (readonly [method: string, target: string, fields?: Record<string, string>])[] = [
  ["GET", "/%zz"],
  ["HEAD", "/%zz"],
  ["DELETE", "/%zz"],
  ["GET", "/a.txt/%ff"],
  ["GET", "/%00"],
  ["GET", "/a%2fb"],
  ["GET", "/wiki/a%2Fb/c?q"],
  ["GET", "/wiki/%2e%2e%2f"],
  ["GET", `/${"x".repeat(17_000)}`],
  ["GET", "/a.txt", { host: "a/b" }],
  ["GET", "/a.txt", { host: "evil.example" }],
  ["PUT", "/a.txt", { host: "evil.example" }],
  ["GET", "/a.txt", { "transfer-encoding": "gzip" }],
  ["GET", "/a.txt", { "x-long": "x".repeat(40_000) }],
  ["GET", "/nothing"],
  ["HEAD", "/nothing"],
  ["POST", "/a.txt"],
  ["FROB", "/a.txt"],
  ["GET", "/crash"],
  ["GET", "/busy"],
  ["GET", "/a.txt", { "if-match": '"x"' }],
  ["GET", "/a.txt", { range: "bytes=9-" }],
  ["GET", "/a.txt"],
  ["OPTIONS", "/"],
];

const ACCEPTED = ["text/html", "application/json", "*/*"];

interface Said {
  readonly status: number;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: string;
  readonly lines: readonly string[];
}

/** Wraps a site, and sends it a request. */
function asking(put: (site: Handler) => Handler, prefix: string, options: ToFetchOptions = {}) {
  const lines: string[] = [];
  const log = { access: (line: string) => void lines.push(line), error() {} };
  const fetch = toFetch(put(site()), { hosts: [], log, accessLog: "common", ...options });
  return async (method: string, target: string, fields: Record<string, string> = {}): Promise<Said> => {
    lines.length = 0;
    const host = fields.host ?? "localhost";
    const request = requestOf(method, `http://${host}${prefix}${target}`, { host, ...fields });
    const response = await fetch(request, { remoteAddr: { transport: "tcp", hostname: "192.0.2.1", port: 1 } });
    const own = [...response.headers].filter(([name]) => !["x-greeting", "content-length"].includes(name));
    // The start page is the same, with another relative reference.
    const body = (await response.text()).replace(/<a href="[./]*">Go to/, "<a>Go to").replaceAll(prefix || "\0", "");
    const told = lines.map((line) => line.replace(/\[.*?\]/, "[]").replace(prefix, "").replace(/\d+$/, "N"));
    return { status: response.status, headers: own, body, lines: told };
  };
}

/** A request as it comes over the wire: the constructor would normalise it. */
function requestOf(method: string, url: string, fields: Record<string, string>): Request {
  return Object.defineProperties(new Request("http://localhost/", { headers: fields }), {
    url: { value: url },
    method: { value: method },
  });
}

const plain = asking(...([(site: Handler) => site, ""] as const));

for (const [name, [prefix, put]] of Object.entries(SHAPES)) {
  Deno.test(`refused, failed and valid requests are answered and logged alike: ${name}`, async () => {
    const ask = asking(put, prefix);
    for (const [method, target, fields] of REQUESTS) {
      for (const accept of ACCEPTED) {
        const what = `${method} ${target.slice(0, 40)} ${JSON.stringify(fields ?? {}).slice(0, 40)} ${accept}`;
        const [expected, said] = [
          await plain(method, target, { ...fields, accept }),
          await ask(method, target, { ...fields, accept }),
        ];
        // A name that is no host moves the path, below a prefix as well.
        const moved = fields?.host === "a/b" && prefix !== "";
        if (!moved) assertEquals([what, said], [what, expected]);
        assertEquals([what, said.status, said.lines.length], [what, expected.status, 1]);
        assert(said.lines[0]!.includes(`" ${expected.status} `), said.lines[0]);
      }
    }
  });
}

Deno.test("each of these requests has the intended status", async () => {
  const statuses = [];
  for (const [method, target, fields] of REQUESTS) statuses.push((await plain(method, target, fields)).status);
  assertEquals(statuses, [
    ...[400, 400, 400, 400, 400, 404, 200, 404, 414, 400, 421, 421, 501, 431, 404, 404, 405, 501, 500, 503],
    ...[412, 416, 200, 204],
  ]);
  const { headers, body, lines } = await plain("GET", "/%zz", { accept: "text/html" });
  const found = new Map(headers);
  assertEquals([found.get("server"), found.get("x-site")], ["pyserve", "mine"]);
  assertMatch(body, /<h1>400 Bad Request<\/h1>/);
  assertEquals(lines, ['192.0.2.1 - - [] "GET /%zz HTTP/1.1" 400 N']);
});

Deno.test("a 401 of an outer layer is logged once, in the format given to toFetch", async () => {
  const guard: Layer = (next) => (request, context) => {
    if (request.headers.has("authorization")) return next(request, context);
    return new Response("Who is there?", { status: 401, headers: { "www-authenticate": "Basic" } });
  };
  const throwing: Layer = (next) => (request, context) => {
    if (request.headers.has("authorization")) return next(request, context);
    throw new HttpError(401, "Who is there?");
  };
  for (const layer of [guard, throwing]) {
    for (const [prefix, put] of Object.values(SHAPES)) {
      const ask = asking((site) => layer(put(site)), prefix, { accessLog: "common" });
      for (const target of ["/a.txt", "/%zz"]) {
        assertEquals((await ask("GET", target)).lines.map((line) => line.replace(/-$/, "N")), [
          `192.0.2.1 - - [] "GET ${target} HTTP/1.1" 401 N`,
        ]);
        assertEquals((await ask("GET", target, { authorization: "x" })).lines.length, 1);
      }
    }
  }
});

Deno.test("without a format the lines are Python's; without a logger, or with logging off, there are none", async () => {
  const lines: string[] = [];
  const log = { access: (line: string) => void lines.push(line), error() {} };
  const request = () => new Request("http://localhost/a.txt");
  const source = memory({ "a.txt": "a" });
  await (await toFetch(files(source), { log })(request())).text();
  assertEquals(lines.length, 1);
  assertMatch(lines[0]!, /^- - - \[.*\] "GET \/a\.txt HTTP\/2\.0" 200 -$/);
  lines.length = 0;
  const asked: readonly FetchFunction[] = [
    toFetch(files(source), { log, accessLog: false }),
    toFetch(fileServer(source, { log: false }), { log }),
    toFetch(wrap(fileServer(source, { log: false }), greeting), { log }),
  ];
  for (const fetch of asked) for (let i = 0; i < 4; i++) await (await fetch(request())).text();
  assertEquals(lines, []);
  const twice = toFetch(wrap(settle(files(source)), accessLog("common")), { log });
  await (await twice(request())).text();
  assertEquals(lines.length, 1);
});

Deno.test("a cache hit has one line, however it is wrapped", async () => {
  await using tree = await oldTree({ "a.txt": "a" });
  const lines: string[] = [];
  const log = { access: (line: string) => void lines.push(line), error() {} };
  for (const fetch of [toFetch(fileServer(tree.path), { log }), toFetch(greeting(fileServer(tree.path)), { log })]) {
    lines.length = 0;
    for (let i = 1; i < 5; i++) {
      await (await fetch(new Request("http://localhost/a.txt"))).text();
      assertEquals(lines.length, i);
    }
  }
  lines.length = 0;
  const unlogged = toFetch(greeting(fileServer(tree.path, { log: false })), { log });
  for (let i = 1; i < 5; i++) await (await unlogged(new Request("http://localhost/a.txt"))).text();
  assertEquals(lines, []);
});

Deno.test("a handler that ignores refusals is not heard for a refused request, and gets a path that leads nowhere", async () => {
  const seen: string[] = [];
  const careless: Handler = (_request, { target }) => {
    seen.push(`${target.path.text}?${target.query}`);
    return new Response("secret");
  };
  for (const handler of [careless, chain(() => null, careless), mount("/", careless), greeting(careless)]) {
    const fetch = toFetch(handler, { hosts: [] });
    for (const url of ["http://evil.example/docs/a?b", "http://localhost/docs/%zz?b", "http://localhost/a%2fb"]) {
      const response = await fetch(new Request(url, { method: "DELETE" }));
      assertEquals([url, response.status], [url, url.includes("evil") ? 421 : url.includes("%2f") ? 404 : 400]);
      assert(!(await response.text()).includes("secret"));
    }
  }
  for (const path of seen) assertEquals(path, "/\uffff?");
});

Deno.test("handlers of this package do nothing for a refused request", async () => {
  await using tree = await tempTree({ "a.txt": "a", "docs/b.txt": "b", "cgi-bin/run": "#!/bin/sh\ntouch ../ran\n" });
  await Deno.chmod(tree.at("cgi-bin/run"), 0o755).catch(() => {}); // Windows has no modes
  const source = disk(tree.path);
  const rights = { create: true, change: true };
  const site = chain(cgi(source), upload(source, { rights }), files(source), listing(source));
  for (const handler of [site, mount("/docs", site), wrap(site, greeting, headers([]), errorPages())]) {
    const fetch = toFetch(handler, { hosts: [], log: { access() {}, error() {} } });
    for (const method of ["PUT", "DELETE", "MKCOL", "MOVE", "PATCH", "POST", "GET"]) {
      for (const target of ["/docs/%zz?recursive", "/docs/%zz/?recursive", "/%ff", "/docs/a%2fb", "/cgi-bin/run/%zz"]) {
        const destination = { destination: "/moved" };
        const request = requestOf(method, `http://localhost${target}`, { host: "localhost", ...destination });
        const response = await fetch(request);
        await response.body?.cancel();
        assert([400, 404].includes(response.status), `${method} ${target}: ${response.status}`);
      }
      const foreign = requestOf(method, "http://evil.example/docs/?recursive", { host: "evil.example" });
      assertEquals((await fetch(foreign)).status, 421);
    }
  }
  const names = [...Deno.readDirSync(tree.path), ...Deno.readDirSync(tree.at("docs"))].map(({ name }) => name);
  assertEquals(names.sort(), ["a.txt", "b.txt", "cgi-bin", "docs"]);
});

Deno.test("a refused request stays refused whatever a handler returns, unless that is an error", async () => {
  for (const [given, status] of [[200, 400], [206, 400], [204, 400], [301, 400], [304, 400], [403, 403], [503, 503]]) {
    const fetch = toFetch(() => new Response(null, { status: given! }), { log: { access() {}, error() {} } });
    const response = await fetch(new Request("http://localhost/%zz"));
    await response.body?.cancel();
    assertEquals(response.status, status, `${given}`);
  }
});
