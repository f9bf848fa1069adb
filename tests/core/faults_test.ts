/** Mistakes of library users: named at construction where possible, and in one log line where not. */

import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import {
  accessLog,
  archive,
  archives,
  chain,
  checksum,
  checksums,
  disk,
  errorPages,
  type Feature,
  files,
  fileServer,
  filtered,
  type Handler,
  headers,
  HttpError,
  type Layer,
  listing,
  memory,
  mount,
  search,
  searches,
  serve,
  settle,
  toFetch,
  union,
  upload,
  uploadFeatures,
  wrap,
} from "@x/pyserve";
import { join } from "@std/path/join";
import { ROOT } from "../support/paths.ts";
import { tempTree } from "../support/tree.ts";

const SOURCE = memory({ "a.txt": "a" });

/** What only a program without types can pass. */
// deno-lint-ignore no-explicit-any
const untyped = (value: unknown) => value as any;

/** What a request gets, and all that the log has for the operator. */
async function askedOf(handler: Handler, url = "http://localhost/a.txt", accept = "text/html") {
  const errors: string[] = [];
  const error = (message: string, cause?: unknown) => {
    errors.push(`${message}: ${cause instanceof Error ? `${cause.name}: ${cause.message}` : cause}`);
  };
  const fetch = toFetch(handler, { log: { access() {}, error } });
  const response = await fetch(new Request(url, { headers: { accept } }));
  return { status: response.status, text: await response.text(), errors };
}

Deno.test("a feature that is given twice is named at construction, and so are two that are for the same", () => {
  const twice: Record<string, Feature[]> = {
    archive: [archives(), archives({ maxBytes: 1 })],
    checksum: [checksums(), searches(), checksums()],
    search: [searches(), searches()],
    upload: [...uploadFeatures(), ...uploadFeatures()],
    mine: ((feature) => [feature, feature])({ name: "mine", methods: ["GET"], handler: () => () => null }),
  };
  for (const [name, features] of Object.entries(twice)) {
    assertThrows(() => fileServer(SOURCE, { features }), TypeError, `Cannot add feature "${name}" twice`);
  }
  assertThrows(
    () => fileServer(SOURCE, { features: twice.archive! }),
    TypeError,
    'Cannot add feature "archive" twice: call archives() once, with the options for all',
  );
  const other: Feature = { name: "mine", queries: ["archive"], methods: ["GET"], handler: () => () => null };
  assertThrows(
    () => fileServer(SOURCE, { features: [archives(), other] }),
    TypeError,
    'Cannot add feature "mine" beside feature "archive": both are for "?archive"',
  );
  fileServer(SOURCE, { features: [archives(), searches(), checksums()], log: false });
});

Deno.test("a feature without a handler is named at construction", () => {
  const methods = ["GET"];
  const features: [Feature, string][] = [
    [untyped({ name: "mine", methods }), 'Cannot use the handler of feature "mine": it is undefined, not a function'],
    [
      untyped({ queries: ["size"], methods, handler: () => null }),
      'Cannot use what feature "size" made as its handler',
    ],
    [untyped({ methods, handler: 1 }), "Cannot use the handler of feature 1: it is a number, not a function"],
  ];
  for (const [feature, message] of features) {
    assertThrows(() => fileServer(SOURCE, { features: [feature] }), TypeError, message);
  }
});

Deno.test("what is no layer, and a layer that makes no handler, is named at construction", () => {
  const auth = () => undefined;
  const layers: [unknown, string][] = [
    [undefined, "Cannot use layer 2: it is undefined, not a function"],
    [{ user: "alice" }, "Cannot use layer 2: it is an object (Object), not a function"],
    [auth, 'Cannot use what layer "auth" returned for its handler: it is undefined, not a function'],
    [() => Promise.resolve(), "Cannot use what layer 2 returned for its handler: it is an object (Promise)"],
  ];
  for (const [layer, message] of layers) {
    const both = [headers([]), untyped(layer)];
    assertThrows(() => wrap(files(SOURCE), ...both), TypeError, message);
    assertThrows(() => fileServer(SOURCE, { layers: both }), TypeError, message);
  }
  assertThrows(() => wrap(untyped(null)), TypeError, "Cannot use the handler of wrap: it is null, not a function");
});

Deno.test("what is no handler is named at construction", () => {
  const uses: Record<string, (handler: Handler) => unknown> = {
    "the handler of toFetch": (handler) => toFetch(handler),
    "the handler of settle": settle,
    'the handler mounted at "/api"': (handler) => mount("/api", handler),
    "the handler of wrap": (handler) => wrap(handler),
    "handler 1 of the chain": (handler) => chain(handler),
  };
  for (const [title, use] of Object.entries(uses)) {
    assertThrows(() => use(untyped({})), TypeError, `Cannot use ${title}: it is an object (Object), not a function`);
  }
});

Deno.test("what is no source is named at construction", () => {
  const text = 'a string, not a FileSource; for a directory, use disk("pub")';
  const uses: [() => unknown, string][] = [
    [() => fileServer(untyped(undefined)), "Cannot serve the root: it is undefined, not a path or a FileSource"],
    [
      () => fileServer(untyped({ root: "pub" })),
      "Cannot serve the root: it is an object (Object), not a path or a FileSource",
    ],
    [() => fileServer(untyped(8000)), "Cannot serve the root: it is a number, not a path or a FileSource"],
    [() => fileServer(untyped(memory)), "Cannot serve the root: it is a function, not a path or a FileSource"],
    [() => union({ "/": untyped("pub") }), `Cannot use the source at "/": it is ${text}`],
    [() => files(untyped("pub")), `Cannot use the source of files: it is ${text}`],
    [() => listing(untyped(null)), "Cannot use the source of listing: it is null, not a FileSource"],
    [() => filtered(untyped("pub"), () => true), `Cannot use the source of filtered: it is ${text}`],
    [() => search(untyped(disk)), "Cannot use the source of search: it is a function, not a FileSource"],
    [() => archive(untyped([])), "Cannot use the source of archive: it is an array, not a FileSource"],
    [() => checksum(untyped({})), "Cannot use the source of checksum: it is an object (Object), not a FileSource"],
    [() => upload(untyped("pub")), `Cannot use the source of upload: it is ${text}`],
  ];
  for (const [use, message] of uses) assertThrows(use, TypeError, message);
});

Deno.test("headers that are no pairs, and log formats that do not exist, are named at construction", () => {
  const uses: [() => unknown, string][] = [
    [
      () => fileServer(SOURCE, { headers: untyped(["x-a: b"]) }),
      'Cannot use header 1: it is a string, not a pair such as ["x-name", "value"]',
    ],
    [
      () => headers(untyped({ "x-a": "b" })),
      "Cannot use the headers: they are an object (Object), not an array of pairs",
    ],
    [() => headers(untyped([["x-a", "b"], ["x-b"]])), "Cannot use header 2: it is an array, not a pair"],
    [
      () => fileServer(SOURCE, { log: untyped(true) }),
      "Cannot use the log format true: use python, common, combined or json, or false for no log",
    ],
    [() => accessLog(untyped("toString")), 'Cannot use the log format "toString": use python'],
    [() => toFetch(files(SOURCE), { accessLog: untyped("apache") }), 'Cannot use the log format "apache"'],
    [
      () => toFetch(files(SOURCE), { log: untyped("json") }),
      "Cannot use the log of toFetch: it is a string, not a Logger with the methods access and error",
    ],
  ];
  for (const [use, message] of uses) assertThrows(use, TypeError, message);
  fileServer(SOURCE, { headers: new Map([["x-a", "b"]]).entries().toArray(), log: false });
});

Deno.test("a feature or a layer that is not called yet is named at construction", () => {
  const uses: [() => unknown, string][] = [
    [
      () => fileServer(SOURCE, { features: [searches(), untyped(archives)] }),
      "Cannot use feature 2: it is a function; call it: archives()",
    ],
    [() => fileServer(SOURCE, { features: untyped(archives()) }), "Cannot use the features: they are an object"],
    [
      () => fileServer(SOURCE, { features: [untyped(uploadFeatures())] }),
      "Cannot use feature 1: it is an array; spread it: ...uploadFeatures()",
    ],
    [() => fileServer(SOURCE, { features: [untyped(null)] }), "Cannot use feature 1: it is null, not a feature"],
    ...[headers, accessLog, errorPages].map((maker): [() => unknown, string] => [
      () => fileServer(SOURCE, { layers: [untyped(maker)] }),
      `Cannot use layer "${maker.name}": it makes a layer; call it: ${maker.name}()`,
    ]),
    [() => wrap(files(SOURCE), untyped(headers)), 'Cannot use layer "headers": it makes a layer; call it: headers()'],
    [() => fileServer(SOURCE, { layers: untyped(errorPages()) }), "Cannot use the layers: they are a function"],
  ];
  for (const [use, message] of uses) assertThrows(use, TypeError, message);
});

Deno.test("an unknown option of a file server is named at construction, with the one that is meant", () => {
  const uses: [Record<string, unknown>, string][] = [
    [{ hiden: true }, 'Cannot use the option "hiden" of fileServer: there is none; did you mean "hidden"?'],
    [{ feature: [] }, 'did you mean "features"?'],
    [{ typeof: () => "" }, 'did you mean "typeOf"?'],
    [{ completelyDifferent: 1 }, 'Cannot use the option "completelyDifferent" of fileServer: there is none'],
  ];
  for (const [options, message] of uses) assertThrows(() => fileServer(SOURCE, untyped(options)), TypeError, message);
  fileServer(SOURCE, untyped({ log: false, hidden: undefined, cacheControl: "no-store", types: {}, charset: null }));
});

Deno.test("serve on a port or a socket in use says which", async () => {
  const fetch = toFetch(files(SOURCE));
  const server = serve(fetch, { hostname: "127.0.0.1", port: 0 });
  const { port } = server.address;
  const message = `Cannot listen on port ${port} of 127.0.0.1: it is in use`;
  assertThrows(() => serve(fetch, { hostname: "127.0.0.1", port }), Deno.errors.AddrInUse, message);
  await server.drain();
});

Deno.test("a method that needs an option says which, and all say equally much", async () => {
  const fetch = toFetch(fileServer(SOURCE, { log: false }));
  const asked = async (method: string, target: string) => {
    const response = await fetch(new Request(`http://localhost${target}`, { method }));
    return [response.status, response.headers.get("allow"), await response.text()];
  };
  for (const target of ["/a.txt", "/missing.txt", "/"]) {
    const say = (text: string) => [405, "GET, HEAD, OPTIONS", `405 Method Not Allowed: ${text}\n`];
    assertEquals(await asked("PUT", target), say("Uploading is not allowed here; enable it with --upload"));
    assertEquals(await asked("DELETE", target), say("Deleting is not allowed here; enable it with --delete"));
    assertEquals(await asked("POST", target), say("The method is not allowed here"));
  }
});

Deno.test("a file server that is served without toFetch says so, once", async (t) => {
  const site = fileServer(SOURCE, { log: false });
  await t.step("serve refuses it", () => {
    for (const handler of [site, settle(files(SOURCE))]) {
      assertThrows(
        () => serve(untyped(handler), { port: 0 }),
        TypeError,
        "Cannot serve a handler: wrap it in toFetch()",
      );
    }
    assertThrows(() => serve(untyped({})), TypeError, "Cannot use what serve serves: it is an object (Object)");
  });
  for (const [name, log] of [["without a log", false], ["with a log", "json"]] as const) {
    await t.step(`Deno.serve gets a 500 ${name}`, async () => {
      await using tree = await tempTree({
        "main.ts": `import { fileServer, memory } from ${JSON.stringify(join(ROOT, "mod.ts"))};
const site: any = fileServer(memory({ "a.txt": "a" }), { log: ${JSON.stringify(log)} });
const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, site);
for (const _ of [1, 2]) {
  const response = await fetch(\`http://127.0.0.1:\${server.addr.port}/a.txt\`);
  console.log(response.status, JSON.stringify(await response.text()));
}
await server.shutdown();
`,
      });
      const args = ["run", "-A", "--no-check", "--config", join(ROOT, "deno.json"), tree.at("main.ts")];
      const { stdout, stderr } = await new Deno.Command(Deno.execPath(), { args, env: { NO_COLOR: "1" } }).output();
      const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
      assertEquals(out, '500 "500 Internal Server Error\\n"\n'.repeat(2));
      assertEquals(err, "Cannot serve a handler: wrap it in toFetch(), as in Deno.serve(toFetch(handler))\n");
    });
  }
});

Deno.test("a function that makes a handler, in the place of one, is named when it is called", async () => {
  const { status, errors } = await askedOf(untyped(fileServer));
  assertEquals([status, errors.length], [500, 1]);
  assertMatch(
    errors[0]!,
    /^Cannot answer GET \/a\.txt: TypeError: Cannot serve a request with fileServer itself: use toFetch\(/,
  );
});

Deno.test("a handler after one that never declines is named at construction", () => {
  const health: Handler = () => new Response("ok");
  const site = fileServer(SOURCE, { log: false });
  const message = 'Cannot chain handler "health": handler 1 before it never declines; put that one last';
  assertThrows(() => chain(site, health), TypeError, message);
  assertThrows(() => chain(settle(files(SOURCE)), health), TypeError, message);
  assertThrows(() => chain(health, untyped(undefined)), TypeError, "Cannot use handler 2 of the chain");
  chain(health, mount("/files", site), settle(files(SOURCE)));
});

Deno.test("settle outside of a layer that error responses have to pass through is refused at construction", async () => {
  for (
    const [name, layer] of Object.entries({ accessLog: accessLog(), errorPages: errorPages(), headers: headers([]) })
  ) {
    const message = `Cannot wrap: settle is outside of the layer "${name}"`;
    assertThrows(() => wrap(files(SOURCE), settle, layer), TypeError, message);
    wrap(files(SOURCE), layer, settle);
    wrap(files(SOURCE), settle, layer, settle);
    wrap(settle(files(SOURCE)), settle, layer);
    wrap(files(SOURCE), layer);
  }
  const { text } = await askedOf(wrap(files(SOURCE), errorPages(), settle), "http://localhost/nothing");
  assertMatch(text, /<!DOCTYPE html>/i);
});

const broken: Layer = () => () => {
  throw new Error("secret");
};
const brokenLate: Layer = () => async () => await Promise.reject(new RangeError("secret"));
const silent: Layer = (next) =>
  untyped((request: Request, context: Parameters<Handler>[1]) => void next(request, context));
const silentLate: Layer = (next) => async (request, context) => untyped(void await next(request, context));
const chatty: Layer = () => untyped(() => "secret");
const nested: Layer = () => untyped(() => () => new Response());

Deno.test("a layer that fails, or returns no response, is a 500 without details, and one line of the log names it", async () => {
  const faults: [Layer, string][] = [
    [broken, 'Cannot answer GET /a.txt: layer "broken" failed: Error: secret'],
    [brokenLate, 'Cannot answer GET /a.txt: layer "brokenLate" failed: RangeError: secret'],
    [silent, 'Cannot answer GET /a.txt: TypeError: layer "silent" returned undefined, not a Response or null'],
    [silentLate, 'Cannot answer GET /a.txt: TypeError: layer "silentLate" returned undefined, not a Response or null'],
    [chatty, 'Cannot answer GET /a.txt: TypeError: layer "chatty" returned a string, not a Response or null'],
    [nested, 'Cannot answer GET /a.txt: TypeError: layer "nested" returned a function, not a Response or null'],
    [(() => broken)()!, 'Cannot answer GET /a.txt: layer "broken" failed: Error: secret'],
  ];
  const passing: Layer = (next) => (request, context) => next(request, context);
  const late: Layer = (next) => async (request, context) => await next(request, context);
  for (const [layer, line] of faults) {
    const sites = [
      fileServer(SOURCE, { layers: [layer], log: false }),
      fileServer(SOURCE, { layers: [passing, late, layer, late], log: false }),
      wrap(fileServer(SOURCE, { log: false }), passing, layer),
      wrap(chain(mount("/b", files(SOURCE)), files(SOURCE)), late, errorPages(), layer),
      mount("/", wrap(files(SOURCE), layer)),
    ];
    for (const site of sites) {
      const { status, text, errors } = await askedOf(site);
      assertEquals([status, errors], [500, [line]]);
      assert(!text.includes("secret") && !text.includes(".ts:"));
    }
  }
});

Deno.test("a layer without a name is named by its position", async () => {
  const layers: Layer[] = [(next) => next, () => () => Promise.reject("secret")];
  const { status, errors } = await askedOf(fileServer(SOURCE, { layers, log: false }));
  assertEquals([status, errors], [500, [
    "Cannot answer GET /a.txt: layer 2 failed: Error: a string was thrown: secret",
  ]]);
});

Deno.test("a layer is not blamed for what is inside of it, nor for an HttpError", async () => {
  const passing: Layer = (next) => async (request, context) => await next(request, context);
  const failing: Handler = () => {
    throw new Error("inside");
  };
  const inside = await askedOf(wrap(failing, passing, passing));
  assertEquals(inside.errors, ['Cannot answer GET /a.txt: handler "failing" failed: Error: inside']);
  const anonymous = await askedOf(wrap((() => failing)().bind(null), passing));
  assertMatch(anonymous.errors[0]!, /^Cannot answer GET \/a\.txt: handler "bound failing" failed: Error: inside$/);
  const refusing: Layer = () => () => {
    throw new HttpError(503, "Closed", { cause: new Error("no power") });
  };
  const refused = await askedOf(wrap(failing, refusing));
  assertEquals([refused.status, refused.errors], [503, ["Cannot answer GET /a.txt: Error: no power"]]);
});

Deno.test("a layer can still catch what its handler throws, as it was thrown", async () => {
  const thrown = new Deno.errors.NotFound("inside");
  const failing: Handler = () => Promise.reject(thrown);
  const caught: unknown[] = [];
  const catching: Layer = (next) => async (request, context) => {
    try {
      return await next(request, context);
    } catch (error) {
      caught.push(error);
      throw error;
    }
  };
  const { status, errors } = await askedOf(wrap(failing, catching));
  assertEquals([status, errors], [404, []]);
  assert(caught[0] === thrown);
});

Deno.test("a handler that returns no response is a 500, and one line of the log names it", async () => {
  const forgetful: Handler = () => untyped(undefined);
  const forgetfulLate: Handler = () => Promise.resolve(untyped(undefined));
  for (const [handler, name] of [[forgetful, "forgetful"], [forgetfulLate, "forgetfulLate"]] as const) {
    const said = `handler "${name}" returned undefined, not a Response or null`;
    for (const site of [handler, settle(handler), chain(handler, files(SOURCE)), wrap(handler, errorPages())]) {
      const { status, errors } = await askedOf(site);
      assertEquals([status, errors], [500, [`Cannot answer GET /a.txt: TypeError: ${said}`]]);
    }
  }
  const feature: Feature = { name: "mine", methods: ["GET"], handler: () => forgetful };
  const { errors } = await askedOf(fileServer(SOURCE, { features: [feature], log: false }));
  assertEquals(errors, [
    'Cannot answer GET /a.txt: TypeError: feature "mine" returned undefined, not a Response or null',
  ]);
});

Deno.test("a response with immutable headers gets the headers of the server", async () => {
  const elsewhere: Layer = (next) => chain(mount("/old", () => Response.redirect("http://localhost/new", 307)), next);
  const site = fileServer(SOURCE, { layers: [elsewhere], headers: [["x-site", "mine"]], log: false });
  for (const handler of [site, wrap(site, headers([["x-more", "1"]]))]) {
    const response = await toFetch(handler)(new Request("http://localhost/old"));
    const { status, headers: sent } = response;
    assertEquals([status, sent.get("location"), sent.get("x-site")], [307, "http://localhost/new", "mine"]);
    assertEquals(sent.get("x-more"), handler === site ? null : "1");
  }
});
