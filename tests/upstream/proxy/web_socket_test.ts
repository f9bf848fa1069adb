/** WebSockets through the proxy. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { application, proxySite } from "../../support/proxy_site.ts";
import { IN_BROWSER, launch, newPage } from "../../support/browser.ts";
import { ask } from "../../support/raw.ts";
import { within } from "../../support/wait.ts";

const LIMIT_MS = 20_000;

/** An application that echoes messages, and closes with 4001 on "bye". */
function echo(onClose: (event: CloseEvent) => void = () => {}, seen: Headers[] = []) {
  return application((request) => {
    if (request.headers.get("upgrade") !== "websocket") return new Response("no WebSocket", { status: 426 });
    if (new URL(request.url).pathname === "/api/refused") return new Response("no", { status: 403 });
    seen.push(new Headers(request.headers));
    const wanted = request.headers.get("sec-websocket-protocol")?.split(", ").at(-1);
    const { socket, response } = Deno.upgradeWebSocket(request, wanted ? { protocol: wanted } : {});
    socket.onmessage = ({ data }) => data === "bye" ? socket.close(4001, "see you") : socket.send(data);
    socket.onclose = onClose;
    return response;
  });
}

async function opened(socket: WebSocket): Promise<WebSocket> {
  socket.binaryType = "arraybuffer";
  await within(
    new Promise((resolve, reject) => {
      socket.onopen = resolve;
      socket.onerror = reject;
    }),
    LIMIT_MS,
  );
  return socket;
}

function next<K extends keyof WebSocketEventMap>(socket: WebSocket, name: K): Promise<WebSocketEventMap[K]> {
  return within(new Promise((resolve) => socket.addEventListener(name, resolve, { once: true })), LIMIT_MS);
}

Deno.test("messages of both kinds, subprotocols, fields and closing codes", async () => {
  const closed = Promise.withResolvers<CloseEvent>();
  const seen: Headers[] = [];
  await using app = echo(closed.resolve, seen);
  await using site = proxySite({ upstream: app.url });
  const url = `${site.url.replace("http", "ws")}/api/chat?x`;
  const socket = await opened(new WebSocket(url, ["first", "second"]));
  assertEquals(socket.protocol, "second");
  for (const message of ["héllo", new Uint8Array([0, 255]).buffer, "x".repeat(1_000_000)]) {
    socket.send(message);
    assertEquals((await next(socket, "message")).data, message);
  }
  socket.close(3000, "enough");
  await next(socket, "close");
  const { code, reason } = await within(closed.promise, LIMIT_MS);
  assertEquals([code, reason], [3000, "enough"]);
  assertEquals(seen[0]!.get("x-forwarded-for"), "127.0.0.1");
  assertEquals(seen[0]!.get("host"), app.url.slice("http://".length));
  assertStringIncludes(site.lines.join(), '"GET /api/chat?x HTTP/1.1" 101');
  const another = await opened(new WebSocket(url));
  another.send("bye");
  const close = await next(another, "close");
  assertEquals([close.code, close.reason], [4001, "see you"]);
});

Deno.test("each log format can tell a WebSocket", async (t) => {
  for (const log of ["python", "common", "combined", "json"] as const) {
    await t.step(log, async () => {
      await using app = echo();
      await using site = proxySite({ upstream: app.url }, {}, { log });
      const socket = await opened(new WebSocket(`${site.url.replace("http", "ws")}/api/`));
      socket.close();
      await next(socket, "close");
      assertStringIncludes(site.lines.join(), "101");
      assertEquals(site.errors, []);
    });
  }
});

Deno.test("a proxy that is stopped closes both sides", async () => {
  const closed = Promise.withResolvers<CloseEvent>();
  await using app = echo(closed.resolve);
  await using site = proxySite({ upstream: app.url });
  const socket = await opened(new WebSocket(`${site.url.replace("http", "ws")}/api/`));
  await site[Symbol.asyncDispose]();
  assertEquals((await next(socket, "close")).wasClean, false);
  await within(closed.promise, LIMIT_MS);
});

Deno.test("refusals: by the application, of other sites, of an application that is not there", async (t) => {
  await using app = echo();
  await using site = proxySite({ upstream: app.url });
  const upgrade = ["Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="];
  const asking = async (port: number, target: string, ...lines: string[]) => {
    const all = [...upgrade, ...lines];
    const { status, text } = await ask(port, "GET", target, "Connection: Upgrade", ...all);
    return { status, text };
  };
  await t.step("by the application", async () => {
    const { status, text } = await asking(site.port, "/api/refused");
    assertEquals(status, 502);
    assertStringIncludes(text, "has refused the WebSocket");
  });
  await t.step("of other sites", async () => {
    const { status, text } = await asking(site.port, "/api/", "Origin: http://evil.example");
    assertEquals(status, 403);
    assertStringIncludes(text, "A page of another site");
  });
  await t.step("nothing listens", async () => {
    await using dead = proxySite({ upstream: "http://127.0.0.1:1" });
    assertEquals((await asking(dead.port, "/api/")).status, 502);
  });
  await t.step("an application that never answers", async () => {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    await using dead = proxySite({ upstream: `http://127.0.0.1:${listener.addr.port}`, connectTimeout: 50 });
    assertEquals((await asking(dead.port, "/api/")).status, 504);
    (await listener.accept()).close();
    listener.close();
  });
});

Deno.test({
  name: "Chromium opens a WebSocket through the proxy",
  ...IN_BROWSER,
  async fn() {
    await using app = echo();
    await using site = proxySite({ upstream: app.url }, { "index.html": "<!doctype html><title>x</title>" });
    await using browser = await launch();
    const page = await newPage(browser, site.url);
    await page.goto(`${site.url}/`);
    const answer = await page.evaluate(() =>
      new Promise((resolve, reject) => {
        const socket = new WebSocket(`ws://${location.host}/api/chat`);
        socket.onopen = () => socket.send("from a page");
        socket.onmessage = ({ data }) => resolve(data);
        socket.onerror = () => reject(new Error("no WebSocket"));
      })
    );
    assertEquals(answer, "from a page");
  },
});
