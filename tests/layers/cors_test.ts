/** Access by pages of other origins: preflight requests, Vary, credentials, private networks. */

import { assertEquals, assertThrows } from "@std/assert";
import { fileServer, HttpError, type Layer, memory, serve, settle, toFetch } from "@x/pyserve";
import { cors, type CorsOptions } from "@x/pyserve/layers";
import { serveClassic } from "../../handlers/python/transport.ts";
import { certificate } from "../doors/doors.ts";
import { start } from "../support/command.ts";
import { missing } from "../support/programs.ts";
import { tempTree } from "../support/tree.ts";

const APP = "https://app.example";
const OTHER = "https://other.example";

function asker(options: CorsOptions, ...layers: Layer[]) {
  const source = memory({ "a.txt": "a".repeat(2000), "docs/index.html": "docs" });
  const fetch = toFetch(
    fileServer(source, { layers: [cors(options), settle, ...layers], log: false, precompressed: true }),
  );
  return async (method: string, target: string, headers: Record<string, string> = {}) => {
    const response = await fetch(new Request(`http://localhost${target}`, { method, headers }));
    await response.body?.cancel();
    return response;
  };
}

/** The fields of CORS, and Vary. */
function policyOf({ status, headers }: Response): unknown {
  const fields = [...headers].filter(([name]) => name.startsWith("access-control-"));
  return {
    status,
    vary: headers.get("vary"),
    ...Object.fromEntries(fields.map(([name, value]) => [name.slice(15), value])),
  };
}

const EXPOSED_WITH_CREDENTIALS =
  "accept-ranges, content-digest, content-disposition, content-encoding, content-range, " +
  "date, etag, link, location, retry-after, upload-complete, upload-limit, upload-offset";

Deno.test("any origin may read, without credentials; the response is the same for all", async () => {
  const ask = asker({});
  const expected = { "allow-origin": "*", "expose-headers": "*" };
  for (const origin of [{}, { origin: APP }, { origin: OTHER }, { origin: "null" }]) {
    for (let round = 0; round < 3; round++) {
      const response = await ask("GET", "/a.txt", origin);
      assertEquals(policyOf(response), { status: 200, vary: "accept-encoding", ...expected });
    }
  }
  const statuses: [string, string, Record<string, string>, number][] = [
    ["GET", "/missing", {}, 404],
    ["GET", "/docs", {}, 301],
    ["HEAD", "/a.txt", {}, 200],
    ["GET", "/a.txt", { range: "bytes=0-1" }, 206],
    ["GET", "/a.txt", { range: "bytes=9999-" }, 416],
    ["GET", "/a.txt", { "if-none-match": "*" }, 304],
    ["DELETE", "/a.txt", {}, 405],
    ["GET", "/%zz", {}, 400],
    ["OPTIONS", "/a.txt", {}, 204], // not a preflight request
  ];
  for (const [method, target, headers, status] of statuses) {
    const response = await ask(method, target, { ...headers, origin: APP });
    assertEquals([response.status, response.headers.get("access-control-allow-origin")], [status, "*"], target);
  }
  assertEquals((await ask("OPTIONS", "/a.txt", { origin: APP })).headers.get("allow"), "GET, HEAD, OPTIONS");
});

Deno.test("named origins may read with credentials; Vary says so to all, and the cache keeps them apart", async () => {
  const ask = asker({ origins: [APP, "http://localhost:3000"] });
  for (let round = 0; round < 3; round++) {
    assertEquals(policyOf(await ask("GET", "/a.txt", { origin: APP })), {
      status: 200,
      vary: "accept-encoding, origin",
      "allow-credentials": "true",
      "allow-origin": APP,
      "expose-headers": EXPOSED_WITH_CREDENTIALS,
    });
    for (const origin of [OTHER, "null", "https://app.example.evil", "https://app.example:444", `${APP}, ${OTHER}`]) {
      assertEquals(policyOf(await ask("GET", "/a.txt", { origin })), { status: 200, vary: "accept-encoding, origin" });
    }
    assertEquals(policyOf(await ask("GET", "/a.txt")), { status: 200, vary: "accept-encoding, origin" });
    assertEquals(policyOf(await ask("GET", "/b", { origin: OTHER })), { status: 404, vary: "accept, origin" });
  }
  const without = asker({ origins: [APP], credentials: false });
  const response = await without("GET", "/a.txt", { origin: APP });
  assertEquals(response.headers.get("access-control-allow-credentials"), null);
  assertEquals(response.headers.get("access-control-expose-headers"), "*");
});

const PREFLIGHT_VARY =
  "origin, access-control-request-method, access-control-request-headers, access-control-request-private-network";

Deno.test("preflight requests", async () => {
  const named = asker({ origins: [APP], maxAge: 5 });
  const wanted = { "access-control-request-method": "GET", "access-control-request-headers": "authorization,x-a" };
  const permitted = {
    status: 204,
    vary: PREFLIGHT_VARY,
    "allow-headers": "authorization,x-a",
    "allow-methods": "GET, HEAD, POST",
    "max-age": "5",
  };
  assertEquals(policyOf(await named("OPTIONS", "/a.txt", { origin: APP, ...wanted })), {
    ...permitted,
    "allow-origin": APP,
    "allow-credentials": "true",
  });
  assertEquals(policyOf(await named("OPTIONS", "/a.txt", { origin: OTHER, ...wanted })), {
    status: 204,
    vary: PREFLIGHT_VARY,
  });
  const any = asker({ methods: ["GET", "PUT"] });
  const privately = { ...wanted, "access-control-request-private-network": "true" };
  assertEquals(policyOf(await any("OPTIONS", "/nothing/here", { origin: OTHER, ...privately })), {
    ...permitted,
    "allow-methods": "GET, PUT",
    "allow-origin": "*",
    "allow-private-network": "true",
    "max-age": "600",
  });
  const odd = await any("OPTIONS", "/", { origin: OTHER, ...wanted, "access-control-request-headers": "a b: c;" });
  assertEquals(odd.headers.get("access-control-allow-headers"), null);
  assertEquals((await any("OPTIONS", "/%zz", { origin: OTHER, ...wanted })).status, 400);
});

Deno.test("it is outside of authentication, and responses to errors have it", async () => {
  const refusing: Layer = () => () => {
    throw new HttpError(401, "Log in first", { headers: { "www-authenticate": "Basic" } });
  };
  const ask = asker({ origins: [APP] }, refusing);
  const wanted = { origin: APP, "access-control-request-method": "GET" };
  assertEquals((await ask("OPTIONS", "/a.txt", wanted)).status, 204);
  const refused = await ask("GET", "/a.txt", { origin: APP });
  assertEquals([refused.status, refused.headers.get("access-control-allow-origin")], [401, APP]);
});

Deno.test("headers that cannot be changed are replaced", async () => {
  const redirecting: Layer = () => () => Response.redirect("http://localhost/b");
  const response = await asker({}, redirecting)("GET", "/a.txt");
  assertEquals([response.status, response.headers.get("access-control-allow-origin")], [302, "*"]);
});

Deno.test("what is no origin is an error", () => {
  for (
    const origin of ["app.example", "https://app.example/", "https://APP.example", "null", "", "https://a.b:443", "*"]
  ) {
    assertThrows(() => cors({ origins: [origin] }), TypeError, "as an origin");
  }
  for (const origin of ["http://[::1]:3000", "capacitor://localhost", "chrome-extension://abcdef"]) {
    cors({ origins: [origin] });
  }
  assertThrows(() => cors({ credentials: true }), TypeError, "browsers refuse that");
  assertThrows(() => cors({ maxAge: -1 }), TypeError, "whole seconds");
});

Deno.test({
  name: "it means the same through every engine",
  ignore: missing("openssl"),
  fn: async () => {
    const { cert, key } = await certificate();
    const source = memory({ "a.txt": "a" });
    const handler = toFetch(fileServer(source, { layers: [cors({ origins: [APP] }), settle], log: false }));
    const [plain, tls] = [{ hostname: "127.0.0.1", port: 0 }, { hostname: "127.0.0.1", port: 0, tls: { cert, key } }];
    const doors = [serve(handler, plain), serveClassic(handler, plain), serve(handler, tls)];
    using client = Deno.createHttpClient({ caCerts: [cert], poolMaxIdlePerHost: 0 });
    for (const [position, server] of doors.entries()) {
      const base = `http${position === 2 ? "s" : ""}://localhost:${server.address.port}`;
      const ask = async (method: string, target: string, headers: Record<string, string>) => {
        const response = await fetch(`${base}${target}`, { method, headers, client });
        await response.body?.cancel();
        return [
          response.status,
          ...["allow-origin", "allow-methods", "allow-headers"].map((name) => {
            return response.headers.get(`access-control-${name}`);
          }),
        ];
      };
      const wanted = { "access-control-request-method": "GET", "access-control-request-headers": "range,x-a" };
      assertEquals(await ask("OPTIONS", "/a.txt", { origin: APP, ...wanted }), [
        204,
        APP,
        "GET, HEAD, POST",
        "range,x-a",
      ]);
      assertEquals(await ask("OPTIONS", "/a.txt", { origin: OTHER, ...wanted }), [204, null, null, null]);
      assertEquals(await ask("GET", "/a.txt", { origin: APP }), [200, APP, null, null]);
      assertEquals(await ask("GET", "/a.txt", { origin: OTHER }), [200, null, null, null]);
      assertEquals(await ask("GET", "/missing", { origin: APP }), [404, APP, null, null]);
      await server.abort();
    }
  },
});

Deno.test("--cors with users: preflight requests need no password, and a 401 can be read", async () => {
  await using tree = await tempTree({ "site/a.txt": "a" });
  const authorization = `Basic ${btoa("ann:secret")}`;
  const args = [tree.at("site"), `--cors=${APP}`, "--auth-env", "U", "--state", tree.at("state")];
  await using server = await start(args, { env: { U: "ann:secret" } });
  const ask = async (method: string, headers: Record<string, string>) => {
    const response = await fetch(`http://127.0.0.1:${server.port}/a.txt`, { method, headers });
    await response.body?.cancel();
    const { status } = response;
    return [status, response.headers.get("access-control-allow-origin"), response.headers.get("vary")];
  };
  const wanted = { "access-control-request-method": "GET", "access-control-request-headers": "authorization" };
  assertEquals(await ask("OPTIONS", { origin: APP, ...wanted }), [204, APP, PREFLIGHT_VARY]);
  assertEquals((await ask("GET", { origin: APP })).slice(0, 2), [401, APP]);
  for (let round = 0; round < 3; round++) {
    assertEquals((await ask("GET", { origin: APP, authorization })).slice(0, 2), [200, APP]);
    assertEquals((await ask("GET", { origin: OTHER, authorization })).slice(0, 2), [200, null]);
  }
  assertEquals((await ask("GET", { origin: APP, authorization: "Basic eDp5" })).slice(0, 2), [401, APP]);
});
