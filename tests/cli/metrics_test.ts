/** `--metrics`: an address of its own, and the sums of workers. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { ENGINES, runCommand, type RunningCommand, start } from "../support/command.ts";
import { freePort } from "../support/port.ts";
import { ask, latin1, parseResponse, raw } from "../support/raw.ts";
import { tempTree } from "../support/tree.ts";
import { until } from "../support/wait.ts";

function portOf(server: RunningCommand): number {
  return Number(/metrics at http:\/\/127\.0\.0\.1:(\d+)\/-\/metrics/.exec(server.stdout())?.[1]);
}

async function valueOf(port: number, series: string): Promise<number> {
  const { text } = await ask(port, "GET", "/-/metrics");
  const line = text.split("\n").find((line) => line.startsWith(`${series} `));
  return line === undefined ? NaN : Number(line.slice(series.length + 1));
}

const HITS = 'pyserve_requests_total{method="GET",status="2xx"}';

Deno.test("metrics are on a port of their own, for names of this machine, and unlogged", async (t) => {
  await using tree = await tempTree({ "a.txt": "hello" });
  for (const engine of ENGINES) {
    await t.step(engine.join(" ") || "HTTP/1.1", async () => {
      await using server = await start([tree.path, ...engine, "--metrics=0", "--health"]);
      const port = portOf(server);
      await ask(server.port, "GET", "/a.txt");
      await ask(server.port, "GET", "/-/health"); // is not counted
      assertEquals(await valueOf(port, HITS), 1);
      for (const path of ["/-/metrics", "/metrics"]) assertEquals((await ask(server.port, "GET", path)).status, 404);
      const rebound = "GET /metrics HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
      assertEquals((await raw(port, rebound)).status, 421);
      assertEquals((await ask(port, "GET", "/a.txt")).status, 404);
      if (Deno.build.os === "linux") {
        assert(await valueOf(port, "process_open_fds") > 5);
        assertEquals(await valueOf(port, "pyserve_connections"), 0);
      }
      assertEquals(await server.stop(), 0);
      const lines = server.stderr().split("\n").filter((line) => line.includes('metrics HTTP/1.1"'));
      assertEquals(lines.length, 2); // those of the site
    });
  }
});

Deno.test("a Unix socket takes scrapes", { ignore: Deno.build.os === "windows" }, async () => {
  await using tree = await tempTree({ "a.txt": "hello" });
  await using server = await start([tree.path, `--metrics=unix:${tree.at("metrics")}`]);
  const connection = await Deno.connect({ transport: "unix", path: tree.at("metrics") });
  await connection.write(latin1("GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
  assertMatch(parseResponse(await new Response(connection.readable).bytes()).text, /^pyserve_processes 1$/m);
  assertEquals(await server.stop(), 0);
});

Deno.test(
  "workers: sums, which do not decrease when one is killed",
  { ignore: Deno.build.os !== "linux" },
  async () => {
    await using tree = await tempTree({ "a.txt": "hello" });
    await using server = await start([tree.path, "--workers", "2", "--metrics=0"]);
    const port = portOf(server);
    const requests = 20;
    for (let time = 0; time < requests; time++) assertEquals((await ask(server.port, "GET", "/a.txt")).status, 200);
    assertEquals([await valueOf(port, HITS), await valueOf(port, "pyserve_processes")], [requests, 2]);
    const before = await valueOf(port, "process_cpu_seconds_total");
    Deno.kill(childrenOf(server.process.pid)[0]!, "SIGKILL");
    await server.untilStderr("starting another");
    assertEquals(await valueOf(port, HITS), requests);
    await until(async () => await valueOf(port, "pyserve_processes") === 2);
    assertEquals(await valueOf(port, HITS), requests);
    assert(await valueOf(port, "process_cpu_seconds_total") >= before);
    const together = await Promise.all(Array.from({ length: 20 }, () => valueOf(port, HITS)));
    assertEquals(together, Array(20).fill(requests));
    const stopped = childrenOf(server.process.pid)[0]!;
    Deno.kill(stopped, "SIGSTOP"); // it does not answer: its last values count
    assertEquals(await valueOf(port, HITS), requests);
    Deno.kill(stopped, "SIGCONT");
    assertEquals(await server.stop("SIGTERM"), 0);
  },
);

function childrenOf(pid: number): number[] {
  return Deno.readTextFileSync(`/proc/${pid}/task/${pid}/children`).trim().split(" ").map(Number);
}

Deno.test("addresses that cannot be used are refused, in one sentence", async () => {
  await using tree = await tempTree({ "a.txt": "a" });
  for (const address of ["localhost", "1.2.3.4:", "127.0.0.1:65536", "fd:3", "unix:", "x y:1"]) {
    const { code, stderr } = await runCommand([tree.path, "0", `--metrics=${address}`]);
    assertEquals(code, 2, address);
    assertMatch(stderr, /^pyserve: Cannot use --metrics ".*": .*\n$/);
  }
  const port = freePort();
  const { code, stderr } = await runCommand([tree.path, "-b", `127.0.0.1:${port}`, `--metrics=${port}`]);
  assertEquals(code, 1);
  assertMatch(stderr, /^pyserve: Cannot listen on port \d+: it is in use; port \d+ is free\n$/);
});
