/** Responses that the native engine sends again without calling a handler: the same as if it had. */

import { assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { chain, fileServer, type FileServerOptions, hosts, type Layer, mount, toFetch, wrap } from "@x/pyserve";
import { compress, cors, health, metrics } from "@x/pyserve/layers";
import { NATIVE, servingNative, wireTo } from "../../support/native.ts";
import { oldTree, type TempTree } from "../../support/tree.ts";

/** Everything that is received for requests on one connection. */
async function talk(port: number, ...requests: readonly string[]): Promise<string[]> {
  using wire = await wireTo(port);
  const replies: string[] = [];
  let before = 0;
  for (const request of requests) {
    await wire.send(request);
    const heard = await wire.until(new RegExp(`^[^]{${before}}[^]*\\r\\n\\r\\n`));
    const length = Number(/^content-length: (\d+)/m.exec(heard.slice(before))?.[1] ?? 0);
    const isEmpty = / 304 /.test(heard.slice(before, before + 20));
    const end = heard.indexOf("\r\n\r\n", before) + 4 + (isEmpty ? 0 : length);
    const whole = await wire.until(new RegExp(`^[^]{${end}}`));
    replies.push(whole.slice(before, end));
    before = end;
  }
  return replies;
}

function get(target: string, ...lines: readonly string[]): string {
  return [`GET ${target} HTTP/1.1`, "Host: localhost", ...lines, "", ""].join("\r\n");
}

/** A server whose handler counts its requests; and its log. */
function counted(tree: TempTree, options: FileServerOptions = {}) {
  const lines: string[] = [];
  const log = { access: (line: string) => void lines.push(line), error() {} };
  const count = { calls: 0 };
  const localAddress = () => {
    count.calls += 1; // once for each request that the handler is asked
    return null;
  };
  const native = servingNative(toFetch(fileServer(tree.at("site"), options), { log, localAddress }));
  return { ...native, lines, count, [Symbol.asyncDispose]: () => native[Symbol.asyncDispose]() };
}

const SITE = {
  "site/a.txt": "hello",
  "site/long.txt": "x".repeat(100_000),
  "site/dir/b.txt": "b",
} as const;

Deno.test({
  ...NATIVE,
  name: "files, 304, 404 and listings are sent again, byte for byte, without calling the handler, and logged",
  async fn() {
    await using tree = await oldTree(SITE);
    await using native = counted(tree);
    const etag = /^etag: (.*)\r$/m.exec((await talk(native.port, get("/a.txt")))[0]!)![1]!;
    const requests = [
      get("/a.txt"),
      get("/a.txt", "Accept-Encoding: gzip, br", "User-Agent: x"),
      get("/a.txt", `If-None-Match: ${etag}`),
      get("/long.txt"),
      get("/dir/", "Accept: application/json"),
      get("/none"),
    ];
    for (const request of requests) {
      native.lines.length = 0;
      const before = native.count.calls;
      const replies = await talk(native.port, ...Array(10).fill(request));
      // Before they are cached, their fields may be in another order.
      const sorted = replies.map((reply) => reply.replace(/^date: .*\r\n/m, "").split("\r\n").sort().join("\r\n"));
      assertEquals(new Set(sorted).size, 1, request);
      const calls = native.count.calls - before;
      assertEquals(calls <= 8, true, `${calls} calls: ${request}`);
      const perReply = request.includes("/none") ? 2 : 1;
      assertEquals(native.lines.length, 10 * perReply, request);
      assertEquals(new Set(native.lines.map((line) => line.replace(/\[.*?\]/, ""))).size, perReply);
      assertMatch(native.lines.at(-1)!, /^127\.0\.0\.1 - - \[.*\] "GET .* HTTP\/1\.1" \d+ -$/);
    }
  },
});

Deno.test({
  ...NATIVE,
  name: "a health check and metrics do not prevent it, and each response is counted",
  async fn() {
    await using tree = await oldTree(SITE);
    const count = { calls: 0 };
    const { layer, samples } = metrics();
    const handler = wrap(fileServer(tree.at("site"), { log: false }), health(), layer);
    const localAddress = () => {
      count.calls += 1;
      return null;
    };
    await using native = servingNative(toFetch(handler, { localAddress }));
    await talk(native.port, ...Array(20).fill(get("/a.txt")), get("/-/health"), ...Array(20).fill(get("/none")));
    const before = samples();
    const { calls } = count;
    await talk(native.port, ...Array(10).fill(get("/a.txt")), ...Array(10).fill(get("/none")));
    assertEquals(count.calls, calls);
    const after = samples();
    const difference = (name: string) => after[name]! - before[name]!;
    assertEquals(difference('pyserve_requests_total{method="GET",status="2xx"}'), 10);
    assertEquals(difference('pyserve_requests_total{method="GET",status="4xx"}'), 10);
    assertEquals(difference("pyserve_request_duration_seconds_count"), 20);
    assertEquals(difference("pyserve_cache_hits_total"), 20);
    const replies = await talk(native.port, ...Array(5).fill(get("/-/health")));
    assertMatch(replies.at(-1)!, /\r\n\r\nok\n$/);
  },
});

Deno.test({
  ...NATIVE,
  name: "every change is noticed before the next response: of a file, its absence, its directory",
  async fn() {
    await using tree = await oldTree(SITE);
    await using native = counted(tree, { log: false });
    const ask = async (target: string) => (await talk(native.port, get(target, "Accept: text/plain")))[0]!;
    for (const target of ["/a.txt", "/none", "/dir/"]) for (let i = 0; i < 5; i++) await ask(target);
    const before = native.count.calls;
    for (const target of ["/a.txt", "/none", "/dir/"]) await ask(target);
    assertEquals(native.count.calls, before, "the responses are known");
    await Deno.writeTextFile(tree.at("site/a.txt"), "other");
    assertMatch(await ask("/a.txt"), /other$/);
    await Deno.remove(tree.at("site/a.txt"));
    assertMatch(await ask("/a.txt"), /^HTTP\/1\.1 404 /);
    await Deno.writeTextFile(tree.at("site/none"), "there");
    assertMatch(await ask("/none"), /there$/);
    await Deno.writeTextFile(tree.at("site/dir/c.txt"), "c");
    assertMatch(await ask("/dir/"), /c\.txt/);
  },
});

Deno.test({
  ...NATIVE,
  name: "a layer and a function around the handler see each request, and a proxy names its clients",
  async fn() {
    await using tree = await oldTree(SITE);
    const seen: string[] = [];
    const layer: Layer = (next) => (request, context) => {
      seen.push(context.remoteAddress);
      return next(request, context);
    };
    await using layered = counted(tree, { layers: [layer] });
    await talk(layered.port, ...Array(10).fill(get("/a.txt")));
    assertEquals(seen.length, 10);

    const fetch = toFetch(fileServer(tree.at("site"), { log: false }));
    let calls = 0;
    await using wrapped = servingNative((request, info) => {
      calls += 1;
      return fetch(request, info);
    });
    await talk(wrapped.port, ...Array(10).fill(get("/a.txt")));
    assertEquals(calls, 10);

    const lines: string[] = [];
    const log = { access: (line: string) => void lines.push(line), error() {} };
    const proxied = toFetch(fileServer(tree.at("site")), { log, trustedProxies: ["127.0.0.1"] });
    await using native = servingNative(proxied);
    for (let i = 0; i < 5; i++) await talk(native.port, get("/a.txt", "X-Forwarded-For: 192.0.2.7"));
    assertEquals(lines.filter((line) => line.startsWith("192.0.2.7 ")).length, 5);
  },
});

Deno.test({
  ...NATIVE,
  name: "responses below mounts, of virtual hosts and with layers that look at the head only are sent again",
  async fn() {
    await using tree = await oldTree({ ...SITE, "other/a.txt": "other" });
    const lines: string[] = [];
    const log = { access: (line: string) => void lines.push(line), error() {} };
    const main = fileServer(tree.at("site"), { layers: [cors({ origins: ["http://a.example"] })] });
    const named = fileServer(tree.at("other"), { layers: [compress()] });
    const handler = chain(mount("/m", fileServer(tree.at("other"))), hosts({ "b.example": named }), main);
    let calls = 0;
    const localAddress = () => (calls++, null);
    await using native = servingNative(toFetch(handler, { log, localAddress, hosts: ["b.example"] }));
    const cases = [
      [get("/m/a.txt"), /other$/],
      [get("/a.txt", "Origin: http://a.example"), /allow-origin: http:[^]*hello$/],
      [get("/a.txt", "Origin: http://b.example"), /^(?![^]*allow-origin)[^]*hello$/],
      [get("/a.txt").replace("localhost", "b.example"), /other$/],
    ] as const;
    for (const [request, expected] of cases) {
      const before = [calls, lines.length] as const;
      for (const reply of await talk(native.port, ...Array(10).fill(request))) assertMatch(reply, expected);
      assertEquals(calls - before[0] <= 8, true, `${calls - before[0]} calls: ${request}`);
      assertEquals(lines.length - before[1], 10);
    }
  },
});

Deno.test({
  ...NATIVE,
  name: "any byte of the head makes it another request",
  async fn() {
    await using tree = await oldTree(SITE);
    await using native = counted(tree, { log: false });
    await talk(native.port, ...Array(5).fill(get("/a.txt")));
    const others = [
      get("/a.txt", "Host: other"),
      get("/a.txt", "Content-Length: x"),
      get("/a.txt", "If-Match: x"),
      get("/a.txt", "Connection: close"),
      get("/a.txt").replace("localhost", "local host"),
      get("/a.txt").replace("1.1", "1.0"),
    ];
    const statuses: number[] = [];
    for (const other of others) statuses.push(Number((await talk(native.port, get("/a.txt"), other))[1]!.slice(9, 12)));
    assertEquals(statuses, [400, 400, 412, 200, 400, 200]);
    assertNotEquals(native.count.calls, 0);
  },
});

Deno.test({
  ...NATIVE,
  name: "repeated requests that are split and joined in any way are answered in order",
  async fn() {
    await using tree = await oldTree(SITE);
    await using native = counted(tree, { log: false });
    await talk(native.port, ...Array(5).fill(get("/a.txt")), ...Array(5).fill(get("/long.txt")));
    const text = [get("/a.txt"), get("/long.txt"), get("/none"), get("/a.txt")].join("").repeat(5) +
      get("/a.txt", "Connection: close");
    for (const size of [1, 7, 50, 64, 100, 100_000]) {
      using wire = await wireTo(native.port);
      const heard = wire.rest();
      for (let at = 0; at < text.length; at += size) await wire.send(text.slice(at, at + size));
      const statuses = [...(await heard).matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status);
      assertEquals(statuses, [...Array(5).fill(["200", "200", "404", "200"]).flat(), "200"], `pieces of ${size}`);
    }
  },
});

Deno.test({
  ...NATIVE,
  name: "large files and ranges are sent again from an open file, which is exchanged as soon as the file is",
  async fn() {
    const bytes = new TextEncoder().encode("0123456789".repeat(200_000));
    await using tree = await oldTree({ "site/big.bin": bytes });
    await using native = counted(tree, { log: false });
    const request = get("/big.bin", "Range: bytes=1000000-1199999");
    const replies = await talk(native.port, ...Array(10).fill(request));
    assertEquals(replies.map((reply) => reply.slice(-200_000) === "0123456789".repeat(20_000)), Array(10).fill(true));
    assertEquals(native.count.calls <= 4, true, `${native.count.calls} calls`);
    const isOpen = () => {
      return [...Deno.readDirSync("/proc/self/fd")].some(({ name }) => {
        try {
          return Deno.readLinkSync(`/proc/self/fd/${name}`).startsWith(tree.at("site/big.bin"));
        } catch {
          return false;
        }
      });
    };
    assertEquals(isOpen(), true);
    await Deno.remove(tree.at("site/big.bin"));
    await Deno.writeTextFile(tree.at("site/big.bin"), "x".repeat(2_000_000));
    assertEquals((await talk(native.port, request))[0]!.slice(-200_000), "x".repeat(200_000));
    await native.server.abort();
    assertEquals(isOpen(), false);
  },
});
