/** The transport: running out of descriptors, and TLS. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { serve, toFetch } from "@x/pyserve";
import { complainer } from "../../handlers/transport/complain.ts";
import { makeCertificate } from "../support/certificate.ts";
import { type RunningCommand, start, startProcess } from "../support/command.ts";
import { CLI } from "../support/paths.ts";
import { missing } from "../support/programs.ts";
import { ask } from "../support/raw.ts";
import { tempTree } from "../support/tree.ts";
import { until } from "../support/wait.ts";

const LINUX = Deno.build.os === "linux";
const BIG = 20_000_000;

Deno.test({
  name: "without descriptors it waits, closes idle connections, and keeps running transfers",
  ignore: Deno.build.os === "windows" || missing("bash"),
  async fn() {
    await using tree = await tempTree({ "big.bin": new Uint8Array(BIG), "a.txt": "hello" });
    const command = [Deno.execPath(), "run", "-A", "--no-lock", CLI, tree.path, "-b", "127.0.0.1", "0"];
    await using server = await startProcess("bash", ["-c", 'ulimit -n 64; exec "$0" "$@"', ...command]);
    await using download = await startDownload(server.port);
    const idle = await connections(server.port, 100);
    await server.untilStderr("Out of file descriptors");
    for (const connection of idle) connection.close();
    await until(async () => await statusOf(server.port) === 200);
    assertEquals((await ask(server.port, "GET", "/a.txt")).text, "hello");
    const ended = server.stop("SIGTERM");
    assertEquals(await download.rest(), BIG);
    assertEquals(await ended, 0);
    const lines = server.stderr().split("\n").filter((line) => line.startsWith("pyserve:"));
    assertEquals(lines, ["pyserve: Out of file descriptors: waiting for connections to close"]);
  },
});

Deno.test("errors of accepting connections are logged at most once a minute", () => {
  const { now } = performance;
  const lines: string[] = [];
  const complain = complainer({ access() {}, error: (line) => lines.push(line) });
  try {
    let time = 0;
    performance.now = () => time;
    for (time = 0; time <= 60_000; time += 1_000) complain(new Error("Too many open files (os error 24)"));
    assertEquals(lines, Array(2).fill("Out of file descriptors: waiting for connections to close"));
    complain(new Error("another"));
    time += 60_000;
    complain(new Error("another"));
    assertEquals(lines.slice(2), ["Cannot accept connections: retrying"]);
  } finally {
    performance.now = now;
  }
});

/** As many connections as the server accepts. */
async function connections(port: number, count: number): Promise<Deno.TcpConn[]> {
  const opened = await Promise.allSettled(
    Array.from({ length: count }, () => Deno.connect({ hostname: "127.0.0.1", port })),
  );
  return opened.filter((each) => each.status === "fulfilled").map(({ value }) => value);
}

async function statusOf(port: number): Promise<number> {
  return await ask(port, "GET", "/a.txt").then(({ status }) => status, () => 0);
}

interface Download extends AsyncDisposable {
  /** Reads to the end; resolves with the length of the body. */
  rest(): Promise<number>;
}

/** Requests big.bin, and reads the first bytes of the response. */
async function startDownload(port: number): Promise<Download> {
  const connection = await Deno.connect({ hostname: "127.0.0.1", port });
  return await startDownloadOn(connection);
}

async function startDownloadOn(connection: Deno.Conn): Promise<Download> {
  await connection.write(encode("GET /big.bin HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
  const buffer = new Uint8Array(1_000_000);
  let text = "";
  let received = 0;
  const read = async () => {
    const count = await connection.read(buffer);
    if (count === null) return false;
    received += count;
    if (!text.includes("\r\n\r\n")) text += new TextDecoder("latin1").decode(buffer.subarray(0, count));
    return true;
  };
  while (!text.includes("\r\n\r\n")) assert(await read(), text);
  return {
    async rest() {
      while (await read());
      return received - text.indexOf("\r\n\r\n") - 4;
    },
    // deno-lint-ignore require-await
    async [Symbol.asyncDispose]() {
      connection.close();
    },
  };
}

function encode(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

Deno.test("drain and abort settle finished, in any order and more than once", async () => {
  for (const ways of [["drain", "drain"], ["abort", "abort"], ["drain", "abort"], ["abort", "drain"]] as const) {
    const server = serve(toFetch(() => new Response("hello")), { hostname: "127.0.0.1", port: 0 });
    const { port } = server.address;
    assertEquals(await (await fetch(`http://127.0.0.1:${port}/`)).text(), "hello");
    for (const way of ways) await server[way]();
    await server.finished;
    Deno.listen({ hostname: "127.0.0.1", port }).close();
  }
});

Deno.test("an exception of a fetch function is a 500 without detail, and is not printed", async () => {
  const { console } = globalThis;
  const printed: unknown[] = [];
  globalThis.console = { ...console, error: (...words: unknown[]) => void printed.push(...words) };
  const server = serve(() => {
    throw new Error("SECRET");
  }, { hostname: "127.0.0.1", port: 0 });
  try {
    const response = await fetch(`http://127.0.0.1:${server.address.port}/`);
    assertEquals([response.status, await response.text(), printed], [500, "", []]);
  } finally {
    globalThis.console = console;
    await server.drain();
  }
});

Deno.test("abort does not wait for transfers, even after a drain", async () => {
  const server = serve(() => new Response(new ReadableStream({ start: (body) => body.enqueue(encode("begun")) })), {
    hostname: "127.0.0.1",
    port: 0,
  });
  const reader = (await fetch(`http://127.0.0.1:${server.address.port}/`)).body!.getReader();
  await reader.read();
  const drained = server.drain();
  const late = Promise.withResolvers<string>();
  const timer = setTimeout(late.resolve, 20_000, "It waits");
  try {
    assertEquals(await Promise.race([server.abort(), late.promise]), undefined);
    await server.finished;
  } finally {
    clearTimeout(timer);
    await reader.cancel();
  }
  await drained;
});

/** A certificate, a big file, and the arguments that serve them. */
async function tlsTree() {
  const bytes = new Uint8Array(BIG).map((_, at) => (at * 2_654_435_761) >>> 13);
  const tree = await tempTree({ "site/a.txt": "hello", "site/big.bin": bytes });
  const files = await makeCertificate(tree.path);
  const args = [tree.at("site"), ...files.options];
  const cert = await Deno.readTextFile(files.cert);
  const key = await Deno.readTextFile(files.key);
  return { tree, args, bytes, cert, key, [Symbol.asyncDispose]: () => tree[Symbol.asyncDispose]() };
}

async function curl(...args: string[]): Promise<Uint8Array> {
  const { stdout } = await new Deno.Command("curl", { args: ["-sSk", ...args], stderr: "null" }).output();
  return stdout;
}

async function curlText(...args: string[]): Promise<string> {
  return new TextDecoder().decode(await curl(...args));
}

/** A TLS connection of HTTP/1.1, whatever the certificate. */
function connectTls({ port }: RunningCommand, cert: string): Promise<Deno.TlsConn> {
  return Deno.connectTls({ hostname: "127.0.0.1", port, caCerts: [cert], alpnProtocols: ["http/1.1"] });
}

const TLS = { ignore: missing("openssl", "curl") } as const;

Deno.test({
  ...TLS,
  name: "TLS: big bodies and ranges arrive as they are over HTTP/1.1 and HTTP/2, and the log has the client's address",
  async fn() {
    await using site = await tlsTree();
    await using server = await start([...site.args, "-b", "0.0.0.0"]);
    for (const version of ["1.1", "2"]) {
      for (const host of ["127.0.0.1", "localhost"]) {
        const url = `https://${host}:${server.port}/big.bin`;
        assertEquals(await curl(`--http${version}`, url), site.bytes);
        assertEquals(await curl(`--http${version}`, "-r", "100-70000", url), site.bytes.subarray(100, 70_001));
        assertEquals(
          await curlText(`--http${version}`, "-o", "-", "-w", "%{http_version}", "-I", url).then(last),
          version,
        );
      }
    }
    if (!LINUX) return;
    await curl("--interface", "127.0.0.9", `https://127.0.0.1:${server.port}/a.txt`);
    await server.untilStderr("/a.txt");
    assertMatch(server.stderr(), /^127\.0\.0\.9 - - .*"GET \/a\.txt HTTP/m);
  },
});

function last(text: string): string {
  return text.slice(text.lastIndexOf("\n") + 1);
}

Deno.test({
  ...TLS,
  name: "TLS: a handler sees the addresses of the client and of the server",
  async fn() {
    await using site = await tlsTree();
    const seen: unknown[] = [];
    const server = serve((request, info) => {
      const { hostname, transport } = info!.remoteAddr as Deno.NetAddr;
      seen.push([request.url, transport, hostname]);
      return new Response(request.body);
    }, { hostname: "127.0.0.1", port: 0, tls: site });
    const url = `https://localhost:${server.address.port}/x?y`;
    for (const version of ["1.1", "2"]) {
      assertEquals(await curlText(`--http${version}`, "-4", "-d", "upload", url), "upload");
    }
    assertEquals(seen, [[url, "tcp", "127.0.0.1"], [url, "tcp", "127.0.0.1"]]);
    await server.drain();
    await server.finished;
  },
});

Deno.test({
  ...TLS,
  name: "TLS: one connection takes many requests, with silent and foreign clients beside it",
  async fn() {
    await using site = await tlsTree();
    await using server = await start(site.args);
    const silent = await connections(server.port, 20);
    assertEquals((await ask(server.port, "GET", "/a.txt").catch(() => null))?.text ?? "", "");
    using connection = await connectTls(server, site.cert);
    const decoder = new TextDecoderStream();
    const text = connection.readable.pipeThrough(decoder).getReader();
    for (let round = 0; round < 50; round++) {
      await connection.write(encode("GET /a.txt HTTP/1.1\r\nHost: localhost\r\n\r\n"));
      let all = "";
      while (!all.endsWith("hello")) all += (await text.read()).value ?? assert(false, all);
      assertStringIncludes(all, "HTTP/1.1 200");
    }
    for (const each of silent) each.close();
    await text.cancel();
    assertEquals(await server.stop("SIGTERM"), 0);
    assert(!server.stderr().includes("pyserve:"), server.stderr());
  },
});

Deno.test({
  name: "TLS: clients that disconnect during a download leave nothing open",
  ignore: !LINUX || TLS.ignore,
  async fn() {
    await using site = await tlsTree();
    await using server = await start(site.args);
    const leave = async () => {
      const connection = await connectTls(server, site.cert);
      await using _download = await startDownloadOn(connection);
    };
    await leave(); // now everything that is opened once is open
    const before = descriptors(server, "socket:");
    for (let round = 0; round < 10; round++) await Promise.all(Array.from({ length: 5 }, leave));
    await until(() => descriptors(server, "socket:") <= before && descriptors(server, site.tree.path) === 0);
    assert(!server.stderr().includes("pyserve:"), server.stderr());
  },
});

/** How many descriptors of a kind a process has open. */
function descriptors({ process }: RunningCommand, kind: string): number {
  return descriptorsOf(process).filter((target) => target.startsWith(kind)).length;
}

Deno.test({
  ...TLS,
  name: "TLS: SIGTERM lets a running download finish",
  ignore: Deno.build.os === "windows" || TLS.ignore,
  async fn() {
    await using site = await tlsTree();
    await using server = await start([...site.args, "--quiet"]);
    await using download = await startDownloadOn(await connectTls(server, site.cert));
    using _idle = await connectTls(server, site.cert);
    const ended = server.stop("SIGTERM");
    assertEquals(await download.rest(), BIG);
    assertEquals([await ended, server.stderr()], [0, ""]);
  },
});

/** The targets of a process's descriptors; none for one that is closed meanwhile. */
function descriptorsOf({ pid }: Deno.ChildProcess): string[] {
  const directory = `/proc/${pid}/fd`;
  return [...Deno.readDirSync(directory)].flatMap(({ name }) => {
    try {
      return [Deno.readLinkSync(`${directory}/${name}`)];
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return [];
      throw error;
    }
  });
}

/** Replaces a shell by a command that inherits nothing but the standard streams. */
const CLOSE_INHERITED =
  'for fd in /proc/$$/fd/*; do fd=${fd##*/}; ((fd > 2)) && eval "exec $fd>&-"; done; exec "$0" "$@"';

/** The TCP ports on which a process listens. */
function listeningPorts({ process }: RunningCommand): number[] {
  const inodes = descriptorsOf(process);
  const rows = Deno.readTextFileSync("/proc/net/tcp").trim().split("\n").slice(1).map((row) => row.trim().split(/\s+/));
  return rows.filter(([, , , state, , , , , , inode]) => state === "0A" && inodes.includes(`socket:[${inode}]`))
    .map(([, local]) => parseInt(local!.split(":")[1]!, 16));
}

Deno.test({
  ...TLS,
  name: "TLS: the permission for one port is enough, and there is no other listening port",
  async fn() {
    await using site = await tlsTree();
    const free = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = free.addr;
    free.close();
    const run = ["--no-prompt", "--no-lock", `--allow-net=127.0.0.1:${port}`, `--allow-read=${site.tree.path}`, CLI];
    const command = [Deno.execPath(), "run", ...run, ...site.args, "-b", "127.0.0.1", String(port)];
    // Other tests of this process may have sockets open that children inherit.
    await using server = LINUX
      ? await startProcess("bash", ["-c", CLOSE_INHERITED, ...command])
      : await start([...site.args, String(port)], { run });
    for (const version of ["1.1", "2"]) {
      assertEquals(await curlText(`--http${version}`, `https://localhost:${port}/a.txt`, "-4"), "hello");
    }
    if (LINUX) assertEquals(listeningPorts(server), [port]);
  },
});
