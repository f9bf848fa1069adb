/** The real nginx as the application behind the proxy, and as the proxy before pyserve. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fileServer, serve, toFetch } from "@x/pyserve";
import { disk } from "@x/pyserve/sources";
import { proxyFeature, uploadFeatures } from "@x/pyserve/handlers";
import { type Nginx, startNginx } from "../../support/nginx.ts";
import { hasProgram } from "../../support/programs.ts";
import { application, proxySite } from "../../support/proxy_site.ts";
import { ask, latin1 } from "../../support/raw.ts";
import { tempTree } from "../../support/tree.ts";
import { until, within } from "../../support/wait.ts";

const WITH_NGINX = { ignore: !hasProgram("nginx") };
const SIZE = 100 * 1024 * 1024;
const LIMIT_MS = 30_000;
const TEXT = "a line of text\n".repeat(100);

/** Keeps connections as `--proxy` does. */
const KEPT = { idleConnections: 8 };

/** Closes the site last, and waits until nginx, which is ended before, has closed the connections that were kept. */
async function behind(
  use: (site: ReturnType<typeof proxySite>, back: Nginx, root: string) => Promise<void>,
  options = {},
) {
  await using tree = await tempTree({ "api/a.txt": TEXT, "api/empty.txt": "" });
  await using app = echo();
  Deno.truncateSync(tree.at("api/empty.txt"), 0);
  await Deno.writeFile(tree.at("api/big.bin"), new Uint8Array());
  await Deno.truncate(tree.at("api/big.bin"), SIZE);
  const back = await startNginx(
    tree.path,
    `root ${tree.path}; client_max_body_size 0; keepalive_requests 5; error_page 404 /api/a.txt;
     gzip on; gzip_proxied any; gzip_types text/plain; gzip_min_length 100; default_type text/plain;
     location /api/put/ { dav_methods PUT; create_full_put_path on; }
     location /api/small/ { client_max_body_size 10; dav_methods PUT; }
     location /api/drop { return 444; }
     location /api/fails { return 503 "out of order"; }
     location /api/moved { return 301 /api/a.txt; }
     location /api/head { add_header X-Long ${"x".repeat(3_000)}; ${
      'add_header X-More "yyyyyyyyyyyyyyyy";'.repeat(40)
    } return 200 "ok"; }
     location /api/app/ { proxy_pass ${app.url}; proxy_http_version 1.1; proxy_request_buffering off; proxy_buffering off;
       proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade; }`,
    "map $http_upgrade $connection_upgrade { default upgrade; '' close; } sendfile on;",
  );
  await using site = proxySite({ upstream: back.url, ...KEPT, ...options });
  try {
    await use(site, back, tree.path);
  } finally {
    await back[Symbol.asyncDispose]();
  }
}

/** An application that tells the length of a body, and echoes messages of WebSockets. */
function echo() {
  return application(async (request) => {
    if (request.headers.get("upgrade") !== "websocket") return new Response(`${await lengthOf(request)} bytes`);
    const { socket, response } = Deno.upgradeWebSocket(request);
    socket.onmessage = ({ data }) => socket.send(data);
    return response;
  });
}

/** A body of this size, without a length. */
function zeros(size: number): ReadableStream<Uint8Array<ArrayBuffer>> {
  let left = size;
  return new ReadableStream({
    pull(controller) {
      if (left === 0) return controller.close();
      const piece = new Uint8Array(Math.min(left, 65_536));
      left -= piece.length;
      controller.enqueue(piece);
    },
  });
}

async function lengthOf(message: Request | Response): Promise<number> {
  let length = 0;
  for await (const piece of message.body ?? []) length += piece.length;
  return length;
}

/** Whether a WebSocket echoes a message. */
async function echoes(url: string): Promise<void> {
  const socket = new WebSocket(url.replace("http", "ws"));
  socket.onopen = () => socket.send("hello");
  const { data } = await within(new Promise<MessageEvent>((resolve) => socket.onmessage = resolve), LIMIT_MS);
  assertEquals(data, "hello");
  const closed = new Promise((resolve) => socket.onclose = resolve);
  socket.close();
  await within(closed, LIMIT_MS);
}

Deno.test("nginx behind the proxy", WITH_NGINX, async (t) => {
  await behind(async ({ url, port, errors }, back, root) => {
    await t.step("what nginx says is what clients get: gzip, ranges, 304, HEAD, errors, redirects", async () => {
      const rows: [method: string, target: string, lines: string[], status: number][] = [
        ["GET", "/api/a.txt", [], 200],
        ["GET", "/api/a.txt", ["Accept-Encoding: gzip"], 200],
        ["HEAD", "/api/a.txt", [], 200],
        ["HEAD", "/api/a.txt", ["Accept-Encoding: gzip"], 200],
        ["GET", "/api/a.txt", ["Range: bytes=3-9"], 206],
        ["GET", "/api/a.txt", ["Range: bytes=-5"], 206],
        ["GET", "/api/a.txt", ["Range: bytes=999999-"], 416],
        ["GET", "/api/a.txt", ["If-Modified-Since: Fri, 31 Dec 2100 00:00:00 GMT"], 200],
        ["GET", "/api/empty.txt", [], 200],
        ["GET", "/api/missing", [], 404],
        ["HEAD", "/api/missing", [], 404],
        ["GET", "/api/fails", [], 503],
        ["GET", "/api/head", [], 200],
        ["POST", "/api/a.txt", [], 405],
        ["OPTIONS", "/api/a.txt", [], 405],
        ["DELETE", "/api/a.txt", [], 405],
      ];
      const told = [
        "content-encoding",
        "content-length",
        "content-range",
        "content-type",
        "etag",
        "last-modified",
        "x-long",
      ];
      for (const [method, target, lines, status] of rows) {
        const [given, direct] = [
          await ask(port, method, target, ...lines),
          await ask(back.port, method, target, ...lines),
        ];
        const name = `${method} ${target} ${lines}`;
        assertEquals([given.status, given.body, given.complete], [status, direct.body, direct.complete], name);
        for (const field of told) {
          assertEquals(given.headers.get(field), direct.headers.get(field), `${name}: ${field}`);
        }
      }
      const etag = (await ask(port, "GET", "/api/a.txt")).headers.get("etag");
      const unchanged = await ask(port, "GET", "/api/a.txt", `If-None-Match: ${etag}`);
      assertEquals([unchanged.status, unchanged.body.length, unchanged.headers.get("etag")], [304, 0, etag]);
      assertEquals((await ask(port, "GET", "/api/moved")).headers.get("location"), "/api/a.txt");
    });
    await t.step("100 MiB in each direction, with and without a length", async () => {
      assertEquals(await lengthOf(await fetch(`${url}/api/big.bin`)), SIZE);
      const put = await fetch(`${url}/api/put/chunked.bin`, { method: "PUT", body: zeros(SIZE) });
      assertEquals([put.status, (await Deno.stat(`${root}/api/put/chunked.bin`)).size], [201, SIZE]);
      await put.body?.cancel();
      const known = await fetch(`${url}/api/put/known.bin`, { method: "PUT", body: new Uint8Array(5_000_000) });
      assertEquals([known.status, (await Deno.stat(`${root}/api/put/known.bin`)).size], [201, 5_000_000]);
      await known.body?.cancel();
      const echoed = await fetch(`${url}/api/app/`, { method: "POST", body: zeros(SIZE) });
      assertEquals(await echoed.text(), `${SIZE} bytes`);
    });
    await t.step("a body that nginx refuses, a response that it does not send, a head that is too large", async () => {
      const refused = await fetch(`${url}/api/small/x`, { method: "PUT", body: new Uint8Array(100_000) });
      assertEquals(refused.status, 413);
      await refused.body?.cancel();
      const dropped = await ask(port, "GET", "/api/drop");
      assertEquals(dropped.status, 502);
      assertStringIncludes(dropped.text, "sent no response");
      const large = await ask(port, "GET", "/api/a.txt", `X-Large: ${"x".repeat(20_000)}`);
      assertEquals(large.status, 400); // by nginx: its buffers have 8 KiB
    });
    await t.step("a WebSocket", async () => await echoes(`${url}/api/app/`));
    await t.step("more requests than nginx accepts on one connection, also at the same time", async () => {
      for (let time = 0; time < 12; time++) {
        assertEquals(await (await fetch(`${url}/api/a.txt?${time}`)).text(), TEXT);
      }
      const all = Array.from({ length: 40 }, async () => await (await fetch(`${url}/api/a.txt`)).text());
      assert((await Promise.all(all)).every((text) => text === TEXT));
    });
    await t.step("clients that leave in the middle", async () => {
      for (let time = 0; time < 5; time++) await (await fetch(`${url}/api/big.bin`)).body!.cancel();
      assertEquals(await (await fetch(`${url}/api/a.txt`)).text(), TEXT);
    });
    assertEquals(errors, []);
  });
});

Deno.test("nginx that ends: 502, and the log says in words what is wrong", WITH_NGINX, async () => {
  await behind(async ({ url, errors }, back) => {
    assertEquals(await (await fetch(`${url}/api/a.txt`)).text(), TEXT);
    await back[Symbol.asyncDispose]();
    const response = await fetch(`${url}/api/a.txt`);
    assertEquals(response.status, 502);
    assertStringIncludes(await response.text(), "The application cannot be reached");
    assertEquals(errors, [`Cannot answer GET /api/a.txt: nothing listens at 127.0.0.1:${back.port}`]);
  });
});

Deno.test(
  "nginx before pyserve: files, gzip, ranges, uploads of 100 MiB, WebSockets and early ends",
  WITH_NGINX,
  async (t) => {
    await using tree = await tempTree({ "site/a.txt": TEXT });
    await Deno.writeFile(tree.at("site/big.bin"), new Uint8Array());
    await Deno.truncate(tree.at("site/big.bin"), SIZE);
    await using app = echo();
    const features = [proxyFeature({ path: "/api", upstream: app.url }), ...uploadFeatures()];
    const log = { access() {}, error() {} };
    const server = serve(toFetch(fileServer(disk(tree.at("site")), { features }), { log }), {
      hostname: "127.0.0.1",
      port: 0,
    });
    await using _server = { [Symbol.asyncDispose]: () => server.abort() };
    const { port } = server.address;
    await using front = await startNginx(
      tree.path,
      `client_max_body_size 0; proxy_http_version 1.1; proxy_set_header Host $host; proxy_set_header Connection $connection_upgrade;
     proxy_set_header Upgrade $http_upgrade; proxy_request_buffering off; proxy_buffering off;
     location / { proxy_pass http://back; }`,
      `map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
     upstream back { server 127.0.0.1:${port}; keepalive 4; }`,
    );
    await t.step("what pyserve says is what clients get", async () => {
      for (
        const [method, target, ...lines] of [
          ["GET", "/a.txt"],
          ["HEAD", "/a.txt"],
          ["GET", "/a.txt", "Range: bytes=3-9"],
          ["GET", "/a.txt", "Range: bytes=0-0,5-6"],
          ["GET", "/a.txt", "Range: bytes=999999-"],
          ["GET", "/", "Accept-Encoding: gzip"],
          ["GET", "/missing"],
          ["GET", "/", `X-Large: ${"x".repeat(7_000)}`],
        ]
      ) {
        const lengths = [];
        for (const each of [port, front.port]) {
          const { status, headers, body, complete } = await ask(each, method!, target!, ...lines);
          const length = headers.get("content-type")?.startsWith("multipart/") ? null : body.length;
          lengths.push([status, complete, length, headers.get("etag"), headers.get("content-encoding")]);
        }
        assertEquals(lengths[0], lengths[1], `${method} ${target} ${lines}`);
      }
    });
    await t.step("100 MiB in each direction", async () => {
      assertEquals(await lengthOf(await fetch(`${front.url}/big.bin`)), SIZE);
      const put = await fetch(`${front.url}/new.bin`, { method: "PUT", body: zeros(SIZE) });
      assertEquals([put.status, (await Deno.stat(tree.at("site/new.bin"))).size], [201, SIZE]);
      await put.body?.cancel();
      const posted = await fetch(`${front.url}/api/`, { method: "POST", body: zeros(SIZE) });
      assertEquals(await posted.text(), `${SIZE} bytes`);
    });
    await t.step("a WebSocket through both proxies", async () => await echoes(`${front.url}/api/`));
    await t.step("an upload that breaks off leaves nothing", async () => {
      using client = await Deno.connect({ port: front.port });
      await client.write(latin1("PUT /half.bin HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\nhalf"));
      client.close();
      assertEquals(await (await fetch(`${front.url}/a.txt`)).text(), TEXT);
      await until(() => [...Deno.readDirSync(tree.at("site"))].length === 3);
      assertEquals((await ask(front.port, "GET", "/half.bin")).status, 404);
    });
  },
);
