/** Sockets that the parent process opens (systemd), at every door. */

import { assert, assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { serve, toFetch } from "@x/pyserve";
import { registrationIn } from "../../handlers/system/listeners.ts";
import { makeCertificate } from "../support/certificate.ts";
import { runCommand, start, startProcess } from "../support/command.ts";
import { passedSocket } from "../support/passed_socket.ts";
import { CLI } from "../support/paths.ts";
import { missing } from "../support/programs.ts";
import { ask } from "../support/raw.ts";
import { tempTree } from "../support/tree.ts";
import { askUnix } from "../support/unix.ts";
import { until } from "../support/wait.ts";

const IGNORE = { ignore: Deno.build.os !== "linux" || missing("curl", "openssl", "bash") } as const;

const DOORS: readonly (readonly [args: string[], secure: boolean])[] = [
  [[], false],
  [["-p", "HTTP/1.0"], false],
  [["--workers", "2"], false],
  [[], true],
  [["-p", "HTTP/1.0"], true],
  [["--workers", "2"], true],
  [["--engine", "native"], false],
  [["--engine", "native", "--workers", "2"], false],
];

async function curl(...args: string[]): Promise<string> {
  const { stdout } = await new Deno.Command("curl", { args: ["-sk", "--max-time", "20", ...args] }).output();
  return new TextDecoder().decode(stdout);
}

for (const [args, secure] of DOORS) {
  const scheme = secure ? "https" : "http";
  Deno.test({
    ...IGNORE,
    name: `one process after the other serves the socket of its parent: ${scheme} ${args.join(" ")}`,
    async fn() {
      await using tree = await tempTree({ "site/a.txt": "hello" });
      const { options } = await makeCertificate(tree.path);
      using socket = passedSocket();
      const url = `${scheme}://127.0.0.1:${socket.port}/`;
      for (let round = 0; round < 2; round++) {
        const words = [tree.at("site"), "-b", `fd:${socket.fd}`, ...args, ...secure ? options : []];
        await using server = await start(words);
        assertStringIncludes(server.stdout(), `on 127.0.0.1 port ${socket.port} (${url}) ...\n`);
        assertEquals(await curl(`${url}a.txt`), "hello");
        await server.untilStderr("/a.txt");
        assertMatch(server.stderr(), /^127\.0\.0\.1 - - \[.*\] "GET \/a\.txt HTTP\/.*" 200 -$/m);
        assertEquals(await server.stop("SIGTERM"), 0);
        assertEquals(server.stderr().match(/^pyserve: .*/gm), null);
      }
    },
  });
}

Deno.test({
  ...IGNORE,
  name: "a Unix socket of the parent stays where it is",
  async fn() {
    await using tree = await tempTree({ "site/a.txt": "hello" });
    const path = tree.at("s.sock");
    using socket = passedSocket(path);
    for (const args of [[], ["-p", "HTTP/1.0"], ["--workers", "2"]]) {
      await using server = await start([tree.at("site"), "-b", `fd:${socket.fd}`, ...args]);
      assertEquals(server.stdout(), `Serving HTTP on unix:${path} ...\n`);
      assertMatch(await askUnix(path, "/a.txt"), /hello$/);
      assertEquals(await server.stop("SIGTERM"), 0);
      assert(Deno.lstatSync(path).isSocket);
    }
  },
});

Deno.test({
  ...IGNORE,
  name: "the socket of systemd is used without an option, and by writing servers, too",
  async fn() {
    await using tree = await tempTree({ "a.txt": "hello" });
    using socket = passedSocket();
    const command = [Deno.execPath(), "run", "-A", "--no-lock", CLI, tree.path, "--upload"];
    const script = `exec 3<&${socket.fd}; export LISTEN_PID=$$ LISTEN_FDS=1; exec "$0" "$@"`;
    await using server = await startProcess("bash", ["-c", script, ...command]);
    assertEquals(server.port, socket.port);
    assertEquals((await ask(server.port, "PUT", "/b.txt")).status, 201);
    assertEquals(await server.stop("SIGTERM"), 0);
  },
});

for (const args of [[], ["-p", "HTTP/1.0"], ["--workers", "2"]]) {
  Deno.test({
    ...IGNORE,
    name: `a restart loses no connection, and those in between wait for the next process: ${args.join(" ")}`,
    async fn() {
      await using tree = await tempTree({ "a.txt": "hello" });
      using socket = passedSocket();
      const clients = connectInALoop(socket.port);
      for (let round = 0; round < 3; round++) {
        await using server = await start([tree.path, "--quiet", "-b", `fd:${socket.fd}`, ...args]);
        const target = clients.answered() + 100;
        await until(() => clients.answered() >= target);
        if (round === 2) assertEquals(await clients.stop(), []);
        assertEquals(await server.stop("SIGTERM"), 0);
      }
    },
  });
}

/** Connections one after the other, each with a request, until told to stop; what failed. */
function connectInALoop(port: number) {
  let [answered, stopped] = [0, false];
  const failures: string[] = [];
  const loop = async () => {
    for (; !stopped; answered++) {
      const { status, text } = await ask(port, "GET", "/a.txt");
      if (status !== 200 || text !== "hello") failures.push(`${status} ${text}`);
    }
  };
  const loops = Promise.all([loop(), loop(), loop()]);
  const stop = async () => {
    stopped = true;
    await loops;
    return failures;
  };
  return { answered: () => answered, stop };
}

Deno.test({
  ...IGNORE,
  name: "programs do not inherit the socket",
  async fn() {
    const script = "#!/bin/sh\necho Content-Type: text/plain\necho\nls -l /proc/self/fd\n";
    await using tree = await tempTree({ "cgi-bin/fds.sh": script });
    await Deno.chmod(tree.at("cgi-bin/fds.sh"), 0o755);
    using socket = passedSocket();
    for (const args of [[], ["--workers", "2"]]) {
      await using server = await start([tree.path, "--cgi", "-b", `fd:${socket.fd}`, ...args]);
      const { text } = await ask(socket.port, "GET", "/cgi-bin/fds.sh");
      assertStringIncludes(text, "/proc/");
      assertEquals(text.includes(` ${socket.fd} ->`), false, text);
      await server.stop();
    }
  },
});

Deno.test({
  ...IGNORE,
  name: "a descriptor that cannot be listened on is one sentence",
  async fn() {
    await using tree = await tempTree();
    for (const more of [[], ["-p", "HTTP/1.0"], ["--workers", "2"]]) {
      for (const fd of ["0", "98"]) {
        const { code, stdout, stderr } = await runCommand([tree.path, "-b", `fd:${fd}`, ...more]);
        assertEquals([code, stdout], [1, ""]);
        assertEquals(stderr, `pyserve: Cannot listen on "fd:${fd}": it is not a listening socket\n`);
      }
    }
    using socket = passedSocket();
    const run = ["--no-prompt", "--allow-read", "--allow-net", CLI];
    const { code, stderr } = await runCommand([tree.path, "-b", `fd:${socket.fd}`], { run });
    assertEquals(code, 1);
    assertEquals(stderr, `pyserve: Cannot listen on "fd:${socket.fd}": this needs Linux and --allow-ffi\n`);
  },
});

Deno.test({
  ...IGNORE,
  name: "serve() on an inherited socket: drain and abort leave the socket open",
  async fn() {
    using socket = passedSocket();
    for (const way of ["drain", "abort"] as const) {
      const server = serve(toFetch(() => new Response("hello")), { endpoint: { kind: "inherited", fd: socket.fd } });
      assertEquals(server.address, { transport: "tcp", hostname: "127.0.0.1", port: socket.port });
      assertEquals((await ask(socket.port, "GET", "/")).text, "hello");
      await server[way]();
      (await Deno.connect({ port: socket.port })).close();
    }
    const endpoint = { kind: "inherited", fd: 98 } as const;
    assertThrows(() => serve(() => new Response(), { endpoint }), Deno.errors.BadResource);
  },
});

Deno.test("the registration of a descriptor is read from the description of an epoll instance", () => {
  const text = "pos:\t0\nflags:\t02000002\nmnt_id:\t16\nino:\t1057\n" +
    "tfd:       14 events: 80000019 data:               14  pos:0 ino:5 sdev:f\n" +
    "tfd:        4 events: 8000201d data:     561a9e3c3a00  pos:0 ino:6 sdev:8\n";
  assertEquals(registrationIn(text, 4), { events: 0x8000201d, data: 0x561a9e3c3a00n });
  assertEquals(registrationIn(text, 14), { events: 0x80000019, data: 0x14n });
  assertEquals(registrationIn(text, 1), null);
});
