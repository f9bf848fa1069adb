/** A proxy before applications of Deno.serve. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { archives, chain, mount, proxy, searches, toFetch } from "@x/pyserve";
import { application, proxySite, type Seen } from "../../support/proxy_site.ts";
import { ask, raw } from "../../support/raw.ts";

async function seen(response: Response): Promise<Seen> {
  return await response.json();
}

Deno.test("a request reaches the application with its method, target, fields and body", async () => {
  await using app = application();
  await using site = proxySite({ upstream: app.url });
  const response = await fetch(`${site.url}/api/a%20b;c=1//d?x=%41&y`, {
    method: "PATCH",
    body: "hello",
    headers: { "x-own": "1", authorization: "Bearer theirs", cookie: "a=b; pyserve-80=secret" },
  });
  const { method, target, headers, body } = await seen(response);
  assertEquals([method, target, body], ["PATCH", "/api/a%20b;c=1//d?x=%41&y", "hello"]);
  assertEquals(headers["host"], app.url.slice("http://".length));
  assertEquals([headers["x-own"], headers["content-length"], headers["connection"]], ["1", "5", "close"]);
  // Without users, credentials are the application's.
  assertEquals([headers["authorization"], headers["cookie"]], ["Bearer theirs", "a=b; pyserve-80=secret"]);
});

Deno.test("the application learns who the client is, and only from this server", async () => {
  await using app = application();
  await using site = proxySite({ upstream: app.url });
  const forged = [
    "X-Forwarded-For: 6.6.6.6",
    "X_Forwarded_For: 6.6.6.6",
    "Forwarded: for=6.6.6.6",
    "X-Real-IP: 6.6.6.6",
  ];
  const more = ["X-Forwarded-User: root", "Remote-User: root", "Proxy: http://evil", "X-Forwarded-Host: evil"];
  const { text } = await ask(site.port, "GET", "/api/", ...forged, ...more);
  const { headers } = JSON.parse(text) as Seen;
  assertEquals(headers["x-forwarded-for"], "127.0.0.1");
  assertEquals([headers["x-forwarded-host"], headers["x-forwarded-proto"]], ["localhost", "http"]);
  assertEquals(headers["forwarded"], 'for=127.0.0.1;host="localhost";proto=http');
  assertMatch(headers["via"]!, /^1\.1 pyserve-[0-9a-f]{8}$/);
  for (const name of ["x_forwarded_for", "x-real-ip", "x-forwarded-user", "remote-user", "proxy"]) {
    assertEquals(headers[name], undefined, name);
  }
});

Deno.test("hop-by-hop fields are dropped in both directions, also those that Connection names", async () => {
  await using app = application((request) =>
    new Response(JSON.stringify([...request.headers.keys()]), {
      headers: { "x-hop": "1", "x-kept": "2", "proxy-authenticate": "Basic", connection: "x-hop" },
    })
  );
  await using site = proxySite({ upstream: app.url });
  const lines = [
    "Connection: close, X-Secret, X-Forwarded-For",
    "X-Secret: 1",
    "TE: trailers",
    "Keep-Alive: timeout=5",
  ];
  const { text, headers } = await ask(site.port, "GET", "/api/", ...lines, "Proxy-Authorization: Basic eDp5");
  const names = JSON.parse(text) as string[];
  for (const name of ["x-secret", "te", "keep-alive", "proxy-authorization", "upgrade", "http2-settings"]) {
    assert(!names.includes(name), name);
  }
  assert(names.includes("x-forwarded-for"));
  assertEquals([headers.get("x-hop"), headers.get("x-kept"), headers.get("proxy-authenticate")], [null, "2", null]);
});

Deno.test("paths stay as they are, or lose the prefix if the URL has a path; dots never leave it", async (t) => {
  await using app = application();
  const rows: [suffix: string, target: string, expected: string | number][] = [
    ["", "/api", "/api"],
    ["", "/api/", "/api/"],
    ["", "/%61pi/%41+b?%20", "/%61pi/%41+b?%20"],
    ["", "/x/../api/./a/../b", "/api/b"],
    ["", "/api/a/%2e%2e/b/%2E", "/api/b/"],
    ["", "//api//a", "/api//a"],
    ["", "/api/a%2Fb", "/api/a%2Fb"],
    ["", "/api/a%2F..%2Fb", 404],
    ["", "/api/..%5Cadmin", 404],
    ["", "/api/a%5Cb", "/api/a%5Cb"],
    ["", "/api/../secret", 404],
    ["", "/apis", 404],
    ["/", "/api", "/"],
    ["/", "/api/", "/"],
    ["/", "/%61pi/a%20b/?q", "/a%20b/?q"],
    ["/v2", "/api", "/v2"],
    ["/v2/", "/api/x", "/v2/x"],
    ["/v2", "/api/../api/x/..", "/v2/"],
  ];
  for (const [suffix, target, expected] of rows) {
    await t.step(`${target} at ${suffix || "no path"}`, async () => {
      await using site = proxySite({ upstream: app.url + suffix });
      const { status, text } = await ask(site.port, "GET", target);
      if (typeof expected === "number") assertEquals(status, expected);
      else assertEquals((JSON.parse(text) as Seen).target, expected);
    });
  }
});

Deno.test("redirects of the application lead to this server, all others stay", async (t) => {
  const rows: [suffix: string, location: string, expected: string][] = [
    ["", "/login", "/login"],
    ["", "ORIGIN/login?x#y", "/login?x#y"],
    ["", "ORIGIN", "/"],
    ["", "next", "next"],
    ["", "https://elsewhere.example/api", "https://elsewhere.example/api"],
    ["", "//elsewhere.example/", "//elsewhere.example/"],
    ["/", "/login", "/api/login"],
    ["/", "ORIGIN/login", "/api/login"],
    ["/v2", "/v2/login", "/api/login"],
    ["/v2", "/v2", "/api/"],
    ["/v2", "/v22", "/v22"],
    ["/v2", "ORIGIN/other", "ORIGIN/other"],
  ];
  for (const [suffix, location, expected] of rows) {
    await t.step(`${location} at ${suffix || "no path"}`, async () => {
      let origin = "";
      await using app = application(() =>
        new Response(null, { status: 302, headers: { location: location.replace("ORIGIN", origin) } })
      );
      origin = app.url;
      await using site = proxySite({ upstream: app.url + suffix });
      const response = await fetch(`${site.url}/api/`, { redirect: "manual" });
      assertEquals(response.headers.get("location"), expected.replace("ORIGIN", origin));
      await response.body?.cancel();
    });
  }
});

Deno.test("responses: status, cookies with their paths, content coding, HEAD, 204, 304", async () => {
  const gzipped = new Uint8Array(
    await new Response(new Blob(["hello"]).stream().pipeThrough(new CompressionStream("gzip"))).arrayBuffer(),
  );
  await using app = application((request) => {
    const status = Number(new URL(request.url).searchParams.get("status") ?? 200);
    const headers = new Headers({ "content-encoding": "gzip", "content-length": String(gzipped.length) });
    headers.append("set-cookie", "a=1; Path=/x");
    headers.append("set-cookie", "b=2; Path=/");
    return new Response([204, 304].includes(status) ? null : gzipped, { status, headers });
  });
  await using site = proxySite({ upstream: app.url });
  const plain = await ask(site.port, "GET", "/api/?status=418", "Accept-Encoding: gzip");
  assertEquals([plain.status, plain.body], [418, gzipped]);
  assertEquals(plain.headers.get("content-encoding"), "gzip");
  assertEquals(plain.headers.getSetCookie(), ["a=1; Path=/x", "b=2; Path=/"]);
  const head = await ask(site.port, "HEAD", "/api/");
  assertEquals([head.status, head.body.length, head.headers.get("content-length")], [200, 0, String(gzipped.length)]);
  for (const status of [204, 304]) assertEquals((await ask(site.port, "GET", `/api/?status=${status}`)).status, status);
});

Deno.test("with the path /, files win, and the rest and other methods go to the application", async () => {
  await using app = application();
  await using site = proxySite({ upstream: app.url, path: "/" }, { "a.txt": "a file", "docs/b.txt": "b" });
  assertEquals(await (await fetch(`${site.url}/a.txt`)).text(), "a file");
  for (let time = 0; time < 2; time++) { // not from a cache either
    assertEquals((await seen(await fetch(`${site.url}/missing?x`))).target, "/missing?x");
  }
  const { method, body } = await seen(await fetch(`${site.url}/a.txt`, { method: "POST", body: "x" }));
  assertEquals([method, body], ["POST", "x"]);
  assertEquals((await seen(await fetch(`${site.url}/other`, { method: "OPTIONS" }))).method, "OPTIONS");
  assertStringIncludes(await (await fetch(`${site.url}/docs/`)).text(), "b.txt");
  assertEquals((await seen(await fetch(`${site.url}/a%2Fb`))).target, "/a%2Fb");
});

Deno.test("files at the path of a proxy are neither served nor found", async () => {
  await using app = application();
  await using site = proxySite({ upstream: app.url }, { "api/secret.txt": "s", "b.txt": "b" }, {
    features: [searches(), archives()],
  });
  assertEquals((await seen(await fetch(`${site.url}/api/secret.txt`))).target, "/api/secret.txt");
  const found = await (await fetch(`${site.url}/?q=txt`, { headers: { accept: "application/json" } })).text();
  assertEquals([found.includes("b.txt"), found.includes("secret.txt")], [true, false]);
  const archive = await (await fetch(`${site.url}/?archive=tar`)).text();
  assertEquals([archive.includes("b.txt"), archive.includes("secret.txt")], [true, false]);
});

Deno.test("a host that is not the server's own is refused", async () => {
  await using app = application();
  await using site = proxySite({ upstream: app.url });
  const request = "GET /api/ HTTP/1.1\r\nHost: rebound.example\r\nConnection: close\r\n\r\n";
  assertEquals((await raw(site.port, request)).status, 421);
});

Deno.test("so it is by the handler in a chain, whoever may reach the server", async () => {
  await using app = application();
  const fetch = toFetch(chain(proxy({ path: "/api", upstream: app.url })));
  const status = async (host: string) => {
    const response = await fetch(new Request(`http://${host}/api/`));
    await response.body?.cancel();
    return response.status;
  };
  assertEquals([await status("rebound.example"), await status("localhost")], [421, 200]);
});

Deno.test("CONNECT and TRACE never reach the application", async () => {
  let asked = 0;
  await using app = application(() => (asked += 1, null));
  await using site = proxySite({ upstream: app.url });
  assertEquals((await ask(site.port, "TRACE", "/api/")).status, 405);
  const tunnel = "CONNECT 127.0.0.1:1 HTTP/1.1\r\nHost: 127.0.0.1:1\r\nConnection: close\r\n\r\n";
  assert((await raw(site.port, tunnel)).status >= 400);
  assertEquals(asked, 0);
});

Deno.test("a proxy below a mount: the application sees the path below it, clients the whole one", async () => {
  await using app = application((request) =>
    request.url.endsWith("/go") ? new Response(null, { status: 302, headers: { location: "/api/here" } }) : null
  );
  const fetch = toFetch(mount("/team", chain(proxy({ path: "/api", upstream: app.url }))));
  const told = await fetch(new Request("http://localhost/team/api/x?y"));
  assertEquals((await seen(told)).target, "/api/x?y");
  const redirected = await fetch(new Request("http://localhost/team/api/go"));
  assertEquals(redirected.headers.get("location"), "/team/api/here");
});

Deno.test("a proxy that leads back to its own server is 508", async () => {
  let port = 0;
  let rounds = 0;
  await using between = application((request) => {
    rounds += 1;
    return fetch(`http://127.0.0.1:${port}/api/`, { headers: request.headers });
  });
  await using loop = proxySite({ upstream: between.url });
  port = loop.port;
  const response = await fetch(`${loop.url}/api/`);
  assertEquals(response.status, 508);
  assertStringIncludes(await response.text(), "leads back to this server");
  assertEquals(rounds, 1);
});

Deno.test("invalid paths and URLs are TypeErrors", () => {
  const rows: [path: string, upstream: string][] = [
    ["api", "http://127.0.0.1"],
    ["/%", "http://127.0.0.1"],
    ["/a", "127.0.0.1:80"],
    ["/a", "ftp://127.0.0.1"],
    ["/a", "http://x:y@127.0.0.1"],
    ["/a", "http://127.0.0.1/?q"],
    ["/a", "http:///"],
  ];
  for (const [path, upstream] of rows) {
    let thrown: unknown;
    try {
      proxy({ path, upstream });
    } catch (error) {
      thrown = error;
    }
    assert(thrown instanceof TypeError, upstream);
  }
});
