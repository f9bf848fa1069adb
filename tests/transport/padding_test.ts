/** The padding that lets the runtime send small responses with one system call. */

import { assert, assertEquals } from "@std/assert";
import { type FetchFunction, files, memory, serve, type ServeOptions, toFetch } from "@x/pyserve";
import { makeCertificate } from "../support/certificate.ts";
import { start } from "../support/command.ts";
import { Kept } from "../support/kept.ts";
import { missing } from "../support/programs.ts";
import { tempTree } from "../support/tree.ts";

const IS_LINUX = Deno.build.os === "linux";
const SITE = memory({ "a.txt": "a".repeat(1024), "b.txt": "b".repeat(3_500), "big.txt": "c".repeat(20_000) });

/** Serves during a test; by default a site with the policy that the command has. */
async function serving(
  test: (port: number) => Promise<void>,
  fetch: FetchFunction = withPolicy("no-cache"),
  options: ServeOptions = {},
): Promise<void> {
  const server = serve(fetch, { hostname: "127.0.0.1", port: 0, ...options } as ServeOptions);
  try {
    await test((server.address as Deno.NetAddr).port);
  } finally {
    await server.abort();
  }
}

function withPolicy(policy: string): FetchFunction {
  const fetch = toFetch(files(SITE));
  return async (request, info) => {
    const response = await fetch(request, info);
    response.headers.set("cache-control", policy);
    return response;
  };
}

function isPadded(head: string): boolean {
  return /^pyserve-padding: /im.test(head);
}

/** Which of several responses on one connection are padded. */
async function padded(port: number, ...requests: [target: string, ...headers: string[]][]): Promise<boolean[]> {
  using kept = await Kept.open(port);
  const result: boolean[] = [];
  for (const request of requests) result.push(isPadded((await kept.get(...request)).head));
  return result;
}

Deno.test("the second response of each connection is padded, and no other", () =>
  serving(async (port) => {
    for (let i = 0; i < 3; i++) {
      assertEquals(await padded(port, ["/a.txt"], ["/a.txt"], ["/a.txt"], ["/b.txt"]), [false, true, false, false]);
    }
  }));

Deno.test("padding is declared hop-by-hop, and leaves the head below the 4 KiB that proxies accept", () =>
  serving(async (port) => {
    using kept = await Kept.open(port);
    const plain = await kept.get("/a.txt");
    const { head, body } = await kept.get("/a.txt");
    assert(isPadded(head) && /^connection: pyserve-padding$/im.test(head), head);
    assert(head.length > 2_048 && head.length < 3_000, `${head.length}`);
    assertEquals(body, plain.body);
    const rest = head.split("\r\n").filter((line) => !/^(?:connection|pyserve-padding|date):/.test(line));
    assertEquals(rest, plain.head.split("\r\n").filter((line) => !line.startsWith("date:")));
  }));

Deno.test("if the second response does not suit, a later one is padded", () =>
  serving(async (port) => {
    const unsuited = ["/big.txt"] as [string];
    assertEquals(await padded(port, ["/a.txt"], unsuited, unsuited, ["/a.txt"], ["/a.txt"]), [
      false,
      false,
      false,
      true,
      false,
    ]);
  }));

for (const field of ["Via: 1.1 cache", "X-Forwarded-For: 192.0.2.7", "Forwarded: for=192.0.2.7"]) {
  Deno.test(`responses to a proxy are not padded (${field.split(":")[0]})`, () =>
    serving(async (port) => {
      assertEquals(await padded(port, ["/a.txt", field], ["/a.txt", field], ["/a.txt", field]), [false, false, false]);
    }));
}

Deno.test("responses that shared caches may store are not padded, nor are 304 and 206", () =>
  serving(async (port) => {
    assertEquals(await padded(port, ["/a.txt"], ["/a.txt"]), [false, false]);
  }, withPolicy("max-age=60")).then(() =>
    serving(async (port) => {
      using kept = await Kept.open(port);
      const etag = /^etag: (.*)$/im.exec((await kept.get("/a.txt")).head)![1]!;
      const { head } = await kept.get("/a.txt", `If-None-Match: ${etag}`);
      assert(head.startsWith("HTTP/1.1 304") && !isPadded(head), head);
      const { head: part } = await kept.get("/a.txt", "Range: bytes=0-999");
      assert(part.startsWith("HTTP/1.1 206") && !isPadded(part), part);
    })
  ));

Deno.test("responses whose headers cannot be changed are sent as they are", () =>
  serving(async (upstream) => {
    const alone = { connection: "close" }; // the upstream server pads nothing then
    await serving(async (port) => {
      using kept = await Kept.open(port);
      for (let i = 0; i < 3; i++) {
        const { head, body } = await kept.get("/");
        assert(!isPadded(head), head);
        assertEquals(body.length, 1024);
      }
    }, () => fetch(`http://127.0.0.1:${upstream}/a.txt`, { headers: alone }));
  }));

Deno.test({
  name: "HTTP/2 responses are not padded, those of HTTPS with HTTP/1.1 are",
  ignore: missing("openssl", "curl"),
  async fn() {
    await using tree = await tempTree({});
    const { cert, key } = await makeCertificate(tree.path);
    const tls = { cert: await Deno.readTextFile(cert), key: await Deno.readTextFile(key) };
    await serving(
      async (port) => {
        const url = `https://127.0.0.1:${port}/a.txt`;
        const heads = async (version: string) => {
          const args = ["-skD", "-", version, ...[1, 2, 3].flatMap(() => [url, "-o", "/dev/null"])];
          const { stdout } = await new Deno.Command("curl", { args }).output();
          return new TextDecoder().decode(stdout).trim().split(/(?=^HTTP\/)/m).map(isPadded);
        };
        assertEquals(await heads("--http2"), [false, false, false]);
        assertEquals(await heads("--http1.1"), [false, true, false]);
      },
      undefined,
      { tls },
    );
  },
});

Deno.test({
  name: "once padded, a connection gets each small response of the command in one segment",
  ignore: !IS_LINUX,
  async fn() {
    await using tree = await tempTree({ "a.txt": "a".repeat(1024), "b.txt": "b".repeat(3_500) });
    await using server = await start([tree.path, "0"]);
    using kept = await Kept.open(server.port);
    const segments: number[] = [];
    for (const target of ["/a.txt", "/a.txt", "/a.txt", "/b.txt", "/a.txt"]) {
      segments.push((await kept.get(target)).segments);
    }
    assertEquals(segments, [2, 1, 1, 1, 1]);
  },
});

Deno.test({
  name: "the runtime still needs padding",
  ignore: !IS_LINUX,
  async fn() {
    const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => new Response("a".repeat(1024)));
    const kept = await Kept.open(server.addr.port);
    const { segments } = await kept.get("/");
    kept[Symbol.dispose]();
    await server.shutdown();
    const change = "The runtime sends a response of 1 KiB at once: delete handlers/transport/padding.ts and its docs";
    assertEquals(segments, 2, change);
  },
});
