/** `--workers`: several processes that are one server. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { main } from "@x/pyserve/cli";
import config from "../../deno.json" with { type: "json" };
import { parse } from "../../cli/parse.ts";
import { settingsOf } from "../../cli/settings.ts";
import { makeCertificate } from "../support/certificate.ts";
import { runCommand, type RunningCommand, start, startProcess } from "../support/command.ts";
import { freshMachine } from "../support/jsr_registry.ts";
import { CLI } from "../support/paths.ts";
import { missing } from "../support/programs.ts";
import { childrenOf, isAlive } from "../support/processes.ts";
import { ask, raw } from "../support/raw.ts";
import { tempTree } from "../support/tree.ts";
import { until } from "../support/wait.ts";

const LINUX = Deno.build.os === "linux";
// deno-lint-ignore no-console
if (!LINUX) console.log("skipped: only Linux distributes connections among processes");

/** A test with workers, skipped on other systems. */
function testOnLinux(name: string, fn: (t: Deno.TestContext) => Promise<void>): void {
  Deno.test({ name, ignore: !LINUX, fn });
}

/** The sockets that a process holds, by number. */
function socketsOf(pid: number): Set<string> {
  const sockets = new Set<string>();
  for (const { name } of Deno.readDirSync(`/proc/${pid}/fd`)) {
    try {
      const inode = /^socket:\[(\d+)\]$/.exec(Deno.readLinkSync(`/proc/${pid}/fd/${name}`))?.[1];
      if (inode) sockets.add(inode);
    } catch {
      // Closed while we looked.
    }
  }
  return sockets;
}

/** The sockets of the connections that came to a port, by number. */
function connectionsTo(port: number): string[] {
  const local = ":" + port.toString(16).toUpperCase().padStart(4, "0");
  const rows = Deno.readTextFileSync("/proc/net/tcp").split("\n").slice(1).map((row) => row.trim().split(/\s+/));
  return rows.filter(([, address, , state]) => address?.endsWith(local) && state === "01").map((row) => row[9]!);
}

async function request(connection: Deno.Conn, target: string): Promise<string> {
  await connection.write(new TextEncoder().encode(`GET ${target} HTTP/1.1\r\nHost: localhost\r\n\r\n`));
  const buffer = new Uint8Array(4096);
  let text = "";
  while (!text.endsWith("the end")) {
    const n = await connection.read(buffer);
    assert(n !== null, text);
    text += new TextDecoder().decode(buffer.subarray(0, n));
  }
  return text;
}

/** Whether the port refuses connections. */
async function isClosed(port: number): Promise<boolean> {
  try {
    (await Deno.connect({ hostname: "127.0.0.1", port })).close();
    return false;
  } catch {
    return true;
  }
}

/** Two workers on a free port: `start` takes a word that is a number for the port. */
async function twoWorkers(directory: string, ...args: string[]): Promise<RunningCommand & { workers: number[] }> {
  const server = await start([directory, "--workers=2", ...args]);
  return Object.assign(server, { workers: childrenOf(server.process.pid) });
}

Deno.test("--workers takes a number or auto", () => {
  const workers = (...args: string[]) => settingsOf(parse(args)).workers;
  assertEquals(workers(), 1);
  assertEquals(workers("--workers", "3"), 3);
  assertEquals(workers("--workers=auto"), navigator.hardwareConcurrency);
});

/** Runs the command in process. */
async function ran(...args: string[]) {
  const err: string[] = [];
  const status = await main(args, {
    out: (text) => err.push(text),
    err: { write: (bytes) => (err.push(new TextDecoder().decode(bytes)), Promise.resolve(bytes.length)) },
  });
  return { status, err: err.join("") };
}

Deno.test("an invalid number of workers is a usage error", async () => {
  for (const value of ["0", "-1", "x", "", "1.5", "257", "AUTO", "1e1"]) {
    assertEquals(await ran(`--workers=${value}`), {
      status: 2,
      err:
        `pyserve: Cannot use --workers "${value}": it is neither a number from 1 to 256 nor auto (see pyserve --help)\n`,
    });
  }
  assertStringIncludes((await ran("--workers", "-1")).err, 'Cannot use --workers "-1"');
  assertStringIncludes((await ran("--workers")).err, "The option --workers needs N");
});

Deno.test("a program that calls main() does not start itself as a worker", async () => {
  const { status, err } = await ran("--workers", "2", "0");
  assertEquals(status, 1);
  assertMatch(err, /^pyserve: Cannot use --workers: only .*\n$/);
});

testOnLinux("--workers 1 starts no other process", async () => {
  await using tree = await tempTree();
  await using server = await start([tree.path, "--workers=1"]);
  assertEquals(childrenOf(server.process.pid), []);
});

testOnLinux("connections are spread over several workers with the same responses", async () => {
  await using tree = await tempTree({ "a.txt": "the end" });
  await using server = await twoWorkers(tree.path, "--quiet");
  const { port } = server;
  assertEquals(server.stdout(), `Serving HTTP on 127.0.0.1 port ${port} (http://127.0.0.1:${port}/) ...\n`);
  assertEquals(server.workers.length, 2);
  const connections = await Promise.all(
    Array.from({ length: 64 }, () => Deno.connect({ hostname: "127.0.0.1", port })),
  );
  for (const text of await Promise.all(connections.map((each) => request(each, "/a.txt")))) {
    assertMatch(text, /^HTTP\/1\.1 200 OK\r\n.*\r\n\r\nthe end$/s);
  }
  // The odds that the system gives all 64 to one of two are 1 to 2^63.
  const ours = connectionsTo(port);
  const shares = server.workers.map((pid) => ours.filter((socket) => socketsOf(pid).has(socket)).length);
  assertEquals(shares[0]! + shares[1]!, 64);
  assert(shares.every((share) => share > 0), shares.join(" and "));
  for (const connection of connections) connection.close();
  assertEquals(await server.stop("SIGINT"), 0);
  assertEquals(server.stderr(), "");
});

testOnLinux("all workers share one log of complete lines", async () => {
  await using tree = await tempTree({ "a.txt": "hello" });
  await using server = await twoWorkers(tree.path, "--log-format", "json");
  const padding = "x".repeat(6000); // longer than what a pipe takes in one piece
  const targets = Array.from({ length: 200 }, (_, i) => `/a.txt?${i}-${padding}`);
  await Promise.all(targets.map((target) => ask(server.port, "GET", target)));
  assertEquals(await server.stop("SIGTERM"), 0);
  const lines = server.stderr().trimEnd().split("\n").map((line) => JSON.parse(line).target);
  assertEquals(lines.sort(), targets.sort());
});

testOnLinux("no worker waits for a log that is not read", async () => {
  await using tree = await tempTree({ "a.txt": "hello" });
  const process = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-lock", CLI, tree.path, "--workers", "2", "-b", "127.0.0.1", "0"],
    stdin: "null",
    stdout: "piped",
    stderr: "piped", // and never read
  }).spawn();
  const reader = process.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const port = Number(/port (\d+)/.exec((await reader.read()).value!)![1]);
  const request = `GET /a.txt?${"x".repeat(8000)} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
  const last = request.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
  for (let i = 0; i < 4; i++) { // 3 MB of log; the pipes hold 64 KiB
    assertEquals((await raw(port, request.repeat(99) + last)).text.split("hello").length - 1, 100);
  }
  process.kill("SIGTERM");
  assertEquals((await process.status).code, 0);
  await reader.cancel();
  await process.stderr.cancel();
});

testOnLinux("Ctrl-C ends all workers with one message and status 0", async () => {
  await using tree = await tempTree({ "big.bin": new Uint8Array(30_000_000) });
  await using server = await twoWorkers(tree.path, "--quiet");
  const connection = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
  await connection.write(new TextEncoder().encode("GET /big.bin HTTP/1.1\r\nHost: localhost\r\n\r\n"));
  // A terminal signals every process of the group; only the parent may act on it.
  for (const pid of server.workers) Deno.kill(pid, "SIGINT");
  assertEquals((await ask(server.port, "GET", "/nothing")).status, 404);
  assertEquals(server.workers.filter(isAlive).length, 2);
  assertEquals(await server.stop("SIGINT"), 0);
  assertMatch(server.stdout(), /^Serving [^\n]*\n\nKeyboard interrupt received, exiting\.\n$/);
  assertEquals(server.stderr(), "");
  assertEquals(server.workers.filter(isAlive), []);
  connection.close();
});

testOnLinux("SIGTERM lets the transfers of all workers finish, and exits with 0", async () => {
  await using tree = await tempTree({ "big.bin": new Uint8Array(8_000_000) });
  await using server = await twoWorkers(tree.path, "--quiet");
  const { port } = server;
  const connections = await Promise.all(Array.from({ length: 8 }, () => Deno.connect({ hostname: "127.0.0.1", port })));
  const received = await Promise.all(connections.map(async (connection) => {
    await connection.write(
      new TextEncoder().encode("GET /big.bin HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
    );
    return await connection.read(new Uint8Array(1000)) ?? 0;
  }));
  // A service manager signals every process.
  for (const pid of server.workers) Deno.kill(pid, "SIGTERM");
  const ended = server.stop("SIGTERM");
  await until(() => isClosed(port));
  for (const [i, connection] of connections.entries()) {
    for await (const chunk of connection.readable) received[i]! += chunk.length;
  }
  for (const bytes of received) assert(bytes > 8_000_000, String(bytes));
  assertEquals(await ended, 0);
  assertMatch(server.stdout(), /^Serving [^\n]*\n$/);
  assertEquals([server.stderr(), server.workers.filter(isAlive)], ["", []]);
});

testOnLinux("a second signal aborts running transfers", async () => {
  await using tree = await tempTree({ "big.bin": new Uint8Array(30_000_000) });
  await using server = await twoWorkers(tree.path, "--quiet");
  const connection = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
  await connection.write(new TextEncoder().encode("GET /big.bin HTTP/1.1\r\nHost: localhost\r\n\r\n"));
  await connection.read(new Uint8Array(1000));
  server.process.kill("SIGTERM");
  await until(() => isClosed(server.port));
  assertEquals(await server.stop("SIGTERM"), 143);
  assertEquals(server.workers.filter(isAlive), []);
  connection.close();
});

testOnLinux("a worker that was killed is replaced, and serving continues", async () => {
  await using tree = await tempTree({ "a.txt": "hello" });
  await using server = await twoWorkers(tree.path);
  const [victim, other] = server.workers as [number, number];
  Deno.kill(victim, "SIGKILL");
  await server.untilStderr("starting another");
  assertStringIncludes(
    server.stderr(),
    `pyserve: Worker ${victim} exited unexpectedly (SIGKILL); starting another\n`,
  );
  assertEquals((await ask(server.port, "GET", "/a.txt")).text, "hello");
  const replacement = () => childrenOf(server.process.pid).find((pid) => pid !== victim && pid !== other);
  await until(() => replacement() !== undefined);
  const listening = () => Deno.readTextFileSync("/proc/net/tcp").match(portListens(server.port))?.length ?? 0;
  await until(() => listening() === 2);
  Deno.kill(other, "SIGKILL");
  await server.untilStderr(`Worker ${other} exited`);
  assertEquals((await ask(server.port, "GET", "/a.txt")).text, "hello");
  assertEquals(await server.stop("SIGINT"), 0);
});

function portListens(port: number): RegExp {
  return new RegExp(`:${port.toString(16).toUpperCase().padStart(4, "0")} 00000000:0000 0A `, "g");
}

testOnLinux("a worker that repeatedly ends at once ends the command with one sentence", async () => {
  await using tree = await tempTree();
  await using server = await twoWorkers(tree.path);
  const [, stays] = server.workers as [number, number];
  let ended = false;
  server.process.status.then(() => ended = true);
  await until(() => {
    for (const pid of childrenOf(server.process.pid).filter((pid) => pid !== stays)) Deno.kill(pid, "SIGKILL");
    return ended;
  });
  assertEquals(await server.stop(), 1);
  const lines = server.stderr().trimEnd().split("\n");
  assertEquals(
    lines.at(-1),
    "pyserve: The server stopped unexpectedly: a worker exited right after startup 3 times in a row (SIGKILL)",
  );
  assertEquals(lines.filter((line) => line.endsWith("starting another")).length, lines.length - 1);
  assertEquals(isAlive(stays), false);
});

testOnLinux("no worker outlives a command that was killed", async () => {
  await using tree = await tempTree();
  await using server = await twoWorkers(tree.path);
  await server.stop("SIGKILL");
  await until(() => !server.workers.some(isAlive));
});

testOnLinux("an error of the system is reported once", async (t) => {
  await using tree = await tempTree();
  await using first = await twoWorkers(tree.path);
  const rows: readonly [args: string[], sentence: RegExp][] = [
    [[tree.path, String(first.port)], /^pyserve: Cannot listen on port \d+: it is in use; port \d+ is free\n$/],
    [[tree.at("nothing"), "0"], /^pyserve: Cannot serve ".*nothing": it does not exist\n$/],
    [[tree.path, "0", "--tls-cert", tree.at("nothing")], /^pyserve: Cannot read the certificate file .*\n$/],
  ];
  for (const [args, sentence] of rows) {
    await t.step(args.slice(-2).join(" "), async () => {
      const { code, stdout, stderr } = await runCommand(["--workers", "2", "-b", "127.0.0.1", ...args]);
      assertEquals([code, stdout], [1, ""]);
      assertMatch(stderr, sentence);
    });
  }
});

testOnLinux("workers get no more permissions than the command, or do not start", async (t) => {
  await using tree = await tempTree({ "a.txt": "hello", "b/": "", "c,d/": "" });
  const run = (...flags: string[]) => ["--no-prompt", `--allow-run=${Deno.execPath()}`, ...flags, CLI];
  await t.step(
    "a sufficient list is passed on, without write permission if uploads are off",
    async () => {
      const flags = run(`--allow-read=${tree.path}`, "--allow-net=127.0.0.1", `--allow-write=${tree.path}`);
      await using server = await start([tree.path, "--workers=2"], { run: flags });
      assertEquals((await ask(server.port, "GET", "/a.txt")).text, "hello");
      const [worker] = childrenOf(server.process.pid);
      const words = Deno.readTextFileSync(`/proc/${worker}/cmdline`).split("\0");
      assertEquals(words.filter((word) => word.startsWith("--allow")), [
        `--allow-net=127.0.0.1:${server.port}`,
        `--allow-read=${tree.path}`,
      ]);
    },
  );
  const rows: readonly [flags: string[], root: string, sentence: RegExp][] = [
    [
      ["--allow-read", `--deny-read=${tree.at("b")}`, "--allow-net"],
      tree.path,
      /--deny-read cannot be passed on/,
    ],
    [
      [`--allow-read=${tree.path}`, `--deny-read=${tree.at("b")}`, "--allow-net"],
      tree.path,
      /--deny-read cannot be passed on/,
    ],
    [["--allow-all", "--deny-env=HOME"], tree.path, /--deny-env cannot be passed on/],
    [
      ["--allow-net", `--allow-read=${tree.path}`],
      tree.at("c,d"),
      /contains a comma, so unrestricted --allow-read is needed/,
    ],
  ];
  for (const [flags, root, sentence] of rows) {
    await t.step(flags.join(" "), async () => {
      const words = flags.includes("--allow-all") ? ["--no-prompt", ...flags, CLI] : run(...flags);
      const ended = await runCommand([root, "--workers", "2", "-b", "127.0.0.1", "0"], { run: words });
      assertEquals([ended.code, ended.stdout], [1, ""], ended.stderr);
      assertMatch(ended.stderr, /^pyserve: Cannot use --workers: [^\n]*\n$/);
      assertMatch(ended.stderr, sentence);
    });
  }
  await t.step("without the permission to start them", async () => {
    const words = ["--no-prompt", "--allow-read", "--allow-net", CLI];
    const ended = await runCommand([tree.path, "--workers", "2", "-b", "127.0.0.1", "0"], { run: words });
    assertEquals(ended.code, 1);
    assertMatch(ended.stderr, /^pyserve: Not permitted: Requires run access .*\n$/);
  });
});

Deno.test({
  name: "workers speak HTTPS",
  ignore: !LINUX || missing("openssl", "curl"),
  async fn() {
    await using tree = await tempTree({ "site/a.txt": "hello" });
    const { options } = await makeCertificate(tree.path);
    await using server = await twoWorkers(tree.at("site"), ...options, "-b", "localhost");
    const url = `https://localhost:${server.port}/a.txt`;
    const { stdout } = await new Deno.Command("curl", { args: ["-sSk", url] }).output();
    assertEquals(new TextDecoder().decode(stdout), "hello");
  },
});

testOnLinux("the published package starts workers, too, and loads nothing from the served directory", async () => {
  await using machine = await freshMachine({
    "site/a.txt": "hello",
    "site/deno.json": JSON.stringify({ imports: { "jsr:@std/path@^1.0.0/join": "./replaced.ts" } }),
    "site/replaced.ts": `Deno.writeTextFileSync("written.txt", ""); export { join } from "node:path";`,
  });
  const args = [
    "run",
    "-A",
    "--no-config",
    "--no-lock",
    `jsr:${config.name}`,
    "--workers",
    "2",
    "-b",
    "127.0.0.1",
    "0",
  ];
  await using server = await startProcess(Deno.execPath(), args, { cwd: machine.tree.at("site"), env: machine.env });
  assertEquals(childrenOf(server.process.pid).length, 2);
  assertEquals((await ask(server.port, "GET", "/a.txt")).text, "hello");
  assertEquals(await server.stop("SIGINT"), 0);
  assertEquals([...Deno.readDirSync(machine.tree.at("site"))].map(({ name }) => name).sort(), [
    "a.txt",
    "deno.json",
    "replaced.ts",
  ]);
});

testOnLinux("--workers auto starts one for each core", async () => {
  await using tree = await tempTree({ "a.txt": "hello" });
  await using server = await start([tree.path, "--workers=auto"]);
  const expected = navigator.hardwareConcurrency === 1 ? 0 : navigator.hardwareConcurrency;
  assertEquals(childrenOf(server.process.pid).length, expected);
  assertEquals(
    (await raw(server.port, "GET /a.txt HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")).text,
    "hello",
  );
});
