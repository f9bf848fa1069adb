/** WebSockets through the proxy. */

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { serve } from "@x/pyserve";
import { serveNative } from "@x/pyserve/handlers";
import { application, type Call, type Listen, proxySite, scripted } from "../../support/proxy_site.ts";
import { IN_BROWSER, launch, newPage } from "../../support/browser.ts";
import { NATIVE, wireTo } from "../../support/native.ts";
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

const ENGINES: Readonly<Record<string, Listen>> = {
  "Deno.serve": serve,
  ...Deno.build.os === "linux" && { "the native engine": serveNative },
};

for (const [engine, listen] of Object.entries(ENGINES)) {
  Deno.test(`messages of both kinds, subprotocols, fields and closing codes: ${engine}`, async () => {
    const closed = Promise.withResolvers<CloseEvent>();
    const seen: Headers[] = [];
    await using app = echo(closed.resolve, seen);
    await using site = proxySite({ upstream: app.url }, {}, {}, listen);
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

  Deno.test(`each log format can tell a WebSocket: ${engine}`, async (t) => {
    for (const log of ["python", "common", "combined", "json"] as const) {
      await t.step(log, async () => {
        await using app = echo();
        await using site = proxySite({ upstream: app.url }, {}, { log }, listen);
        const socket = await opened(new WebSocket(`${site.url.replace("http", "ws")}/api/`));
        socket.close();
        await next(socket, "close");
        assertStringIncludes(site.lines.join(), "101");
        assertEquals(site.errors, []);
      });
    }
  });

  Deno.test(`a proxy that is stopped closes both sides: ${engine}`, async () => {
    const closed = Promise.withResolvers<CloseEvent>();
    await using app = echo(closed.resolve);
    await using site = proxySite({ upstream: app.url }, {}, {}, listen);
    const socket = await opened(new WebSocket(`${site.url.replace("http", "ws")}/api/`));
    const end = next(socket, "close"); // it may come before the server has stopped
    await site[Symbol.asyncDispose]();
    assertEquals((await end).wasClean, false);
    await within(closed.promise, LIMIT_MS);
  });

  Deno.test(`refusals: by the application, of other sites, of an application that is not there: ${engine}`, async (t) => {
    await using app = echo();
    await using site = proxySite({ upstream: app.url }, {}, {}, listen);
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
      await using dead = proxySite({ upstream: "http://127.0.0.1:1" }, {}, {}, listen);
      assertEquals((await asking(dead.port, "/api/")).status, 502);
    });
    await t.step("an application that never answers", async () => {
      const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
      await using dead = proxySite(
        { upstream: `http://127.0.0.1:${listener.addr.port}`, connectTimeout: 50 },
        {},
        {},
        listen,
      );
      assertEquals((await asking(dead.port, "/api/")).status, 504);
      (await listener.accept()).close();
      listener.close();
    });
  });
}

const HANDSHAKE = "GET /api/x HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n";

const ACCEPTED = "HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-App: 1\r\n\r\n";

Deno.test("through the native engine, a WebSocket is a tunnel of bytes", NATIVE, async (t) => {
  const tunnel = async (script: (call: Call) => Promise<unknown>) => {
    const app = scripted(script);
    const site = proxySite({ upstream: app.url, connectTimeout: 60_000 }, {}, {}, serveNative);
    const wire = await wireTo(site.port);
    const close = async () => {
      wire[Symbol.dispose]();
      await site[Symbol.asyncDispose]();
      await app[Symbol.asyncDispose]();
    };
    return { app, site, wire, [Symbol.asyncDispose]: close };
  };
  await t.step("what the client sends at once with its request", async () => {
    await using tunnelled = await tunnel(async (call) => {
      await call.send(`${ACCEPTED}first`);
      await call.send(String(await call.untilClosed() + call.rest.length));
    });
    const { wire } = tunnelled;
    await wire.send(`${HANDSHAKE}\r\n12345GET /`);
    assertMatch(await wire.until(/first/), /^HTTP\/1\.1 101 [^]*x-app: 1\r\n[^]*upgrade: websocket\r\n\r\nfirst$/i);
    await wire.conn.closeWrite();
    assertMatch(await wire.rest(), /first10$/);
    assertMatch(tunnelled.app.calls[0]!.head, /\r\nconnection: upgrade\r\nupgrade: websocket(?:\r\n|$)/);
  });
  await t.step("much in both directions, at the pace of the slower side", async () => {
    const size = 8_000_000;
    await using tunnelled = await tunnel(async (call) => {
      await call.send(ACCEPTED);
      await call.send("a".repeat(size));
      await call.send(`${await call.untilClosed()}`);
    });
    const { wire } = tunnelled;
    await wire.send(`${HANDSHAKE}\r\n`);
    await wire.until(/\r\n\r\n/);
    const sending = wire.send("b".repeat(size)).then(() => wire.conn.closeWrite());
    const heard = await wire.rest();
    await sending;
    assertEquals(heard.length - heard.indexOf("\r\n\r\n") - 4, size + `${size}`.length);
    assertEquals(tunnelled.site.errors, []);
  });
  await t.step("a client that leaves, and an application that breaks off", async () => {
    const left = Promise.withResolvers<number>();
    await using tunnelled = await tunnel(async (call) => {
      await call.send(ACCEPTED);
      left.resolve(await call.untilClosed());
    });
    await tunnelled.wire.send(`${HANDSHAKE}\r\n`);
    await tunnelled.wire.until(/\r\n\r\n/);
    tunnelled.wire.conn.close();
    await within(left.promise, LIMIT_MS);
    await using broken = await tunnel((call) => call.send(ACCEPTED));
    await broken.wire.send(`${HANDSHAKE}\r\n`);
    assertMatch(await broken.wire.rest(), /^HTTP\/1\.1 101 /);
  });
  await t.step("a drain closes it", async () => {
    await using tunnelled = await tunnel(async (call) => {
      await call.send(ACCEPTED);
      await call.untilClosed();
    });
    await tunnelled.wire.send(`${HANDSHAKE}\r\n`);
    await tunnelled.wire.until(/\r\n\r\n/);
    await within(tunnelled.site.drain(), LIMIT_MS);
  });
  for (
    const [name, request] of [
      ["HTTP/1.0", HANDSHAKE.replace("1.1", "1.0")],
      ["a request with content", `${HANDSHAKE}Content-Length: 1\r\n`],
    ] as const
  ) {
    await t.step(`not for ${name}`, async () => {
      await using tunnelled = await tunnel((call) => call.send(ACCEPTED));
      await tunnelled.wire.send(`${request}\r\nx`);
      assertMatch(await tunnelled.wire.rest(), /^HTTP\/1\.1 501 /);
      assertEquals(tunnelled.app.calls.length, 0);
    });
  }
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
