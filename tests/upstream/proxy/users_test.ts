/** Users and proxies: who may use an application, and what it learns of them. */

import { assertEquals } from "@std/assert";
import type { ProxyOptions } from "@x/pyserve/handlers";
import { auth } from "../../../handlers/identity/auth.ts";
import type { Users } from "../../../handlers/identity/users.ts";
import { application, proxySite, type Seen } from "../../support/proxy_site.ts";

const find = (name: string) => ["ann", "bob"].includes(name) ? { name, epoch: "1" } : null;
const USERS: Users = {
  find,
  verify: (name, password) => password === "secret" ? find(name) : null,
  token: () => null,
};
const RULES = ["anyone:read", "ann:read,run", "bob:read", "bob:run@/api/open"];
const ANN = `Basic ${btoa("ann:secret")}`;
const BOB = `Basic ${btoa("bob:secret")}`;

function site(upstream: string, options: Partial<ProxyOptions> = {}) {
  return proxySite({ upstream, ...options }, {}, { layers: [auth({ users: USERS, rules: RULES })] });
}

async function status(url: string, headers: Record<string, string> = {}): Promise<number> {
  const response = await fetch(url, { headers, redirect: "manual" });
  await response.body?.cancel();
  return response.status;
}

Deno.test("an application needs the right run, at the path that it sees", async () => {
  await using app = application();
  await using guarded = site(app.url);
  assertEquals(await status(`${guarded.url}/api/a`, { authorization: ANN }), 200);
  assertEquals(await status(`${guarded.url}/api/a`, { authorization: BOB }), 403);
  assertEquals(await status(`${guarded.url}/api/open/a`, { authorization: BOB }), 200);
  assertEquals(await status(`${guarded.url}/api/open/%2e%2e/a`, { authorization: BOB }), 403);
  assertEquals(await status(`${guarded.url}/api/open/..%2Fa`, { authorization: BOB }), 404);
  assertEquals(await status(`${guarded.url}/api/a`), 401);
});

Deno.test("the application learns the name, and neither password nor session unless asked to", async () => {
  await using app = application();
  const headers = { authorization: ANN, cookie: "own=1; pyserve-80=s; __Host-pyserve=t", "x-forwarded-user": "root" };
  for (const passAuth of [undefined, true]) {
    await using guarded = site(app.url, { ...(passAuth && { passAuth }) });
    const seen: Seen = await (await fetch(`${guarded.url}/api/`, { headers })).json();
    assertEquals(seen.headers["x-forwarded-user"], "ann");
    assertEquals(seen.headers["authorization"], passAuth ? ANN : undefined);
    assertEquals(seen.headers["cookie"], passAuth ? headers.cookie : "own=1");
  }
});

Deno.test("a WebSocket needs the same right", async () => {
  await using app = application((request) => Deno.upgradeWebSocket(request).response);
  await using guarded = site(app.url);
  const url = `${guarded.url.replace("http", "ws")}/api/`;
  const outcome = (authorization: string) => {
    const socket = new WebSocket(url, { headers: { authorization } });
    return new Promise((resolve) => {
      socket.onerror = () => {};
      socket.onclose = ({ wasClean }) => resolve(wasClean);
      socket.onopen = () => socket.close();
    });
  };
  assertEquals([await outcome(ANN), await outcome(BOB)], [true, false]);
});
