/** Unix sockets, at every door. */

import { assert, assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import { serve, toFetch } from "@x/pyserve";
import { removeStaleSocket } from "@x/pyserve/handlers";
import { serveClassic } from "../../handlers/python/transport.ts";
import { runCommand, start } from "../support/command.ts";
import { CLI } from "../support/paths.ts";
import { missing } from "../support/programs.ts";
import { tempTree } from "../support/tree.ts";
import { askUnix } from "../support/unix.ts";

const UNIX = { ignore: Deno.build.os === "windows" || missing("curl") } as const;
const LINUX = { ignore: Deno.build.os !== "linux" || missing("curl") } as const;

const DOORS: readonly (readonly [args: readonly string[], version: string])[] = [
  [[], "1.1"],
  [["-p", "HTTP/1.0"], "1.0"],
  [["--workers", "2"], "1.1"],
  ...Deno.build.os === "linux"
    ? [[["--engine", "native"], "1.1"], [["--engine", "native", "--workers", "2"], "1.1"]] as const
    : [],
];

for (const [args, version] of DOORS) {
  Deno.test({
    ...(args[0] === "--workers" ? LINUX : UNIX),
    name: `a Unix socket for owner and group answers, and is gone at the end: ${args.join(" ") || "by default"}`,
    async fn() {
      await using tree = await tempTree({ "site/a.txt": "hello" });
      const path = tree.at("s.sock");
      for (const [signal, status] of [["SIGTERM", 0], ["SIGINT", 0]] as const) {
        await using server = await start([tree.at("site"), "-b", `unix:${path}`, ...args]);
        assertEquals(server.stdout(), `Serving HTTP on unix:${path} ...\n`);
        assertEquals(Deno.statSync(path).mode! & 0o777, 0o660);
        assertMatch(await askUnix(path, "/a.txt"), new RegExp(`^HTTP/${version} 200 OK\r\n[^]*\r\nhello$`));
        assertMatch(await askUnix(path, "/none"), new RegExp(`^HTTP/${version} 404 `));
        await server.untilStderr("/none");
        assertMatch(server.stderr(), /^unix - - \[.*\] "GET \/a\.txt HTTP\/1\.1" 200 -$/m);
        assertEquals(await server.stop(signal), status);
        assertEquals(isThere(path), false);
        assertEquals(server.stderr().match(/^pyserve: .*/gm), null);
      }
    },
  });
}

Deno.test({
  ...UNIX,
  name: "the socket of a server that was killed is replaced, and one in use or a file is not",
  async fn() {
    await using tree = await tempTree({ "site/a.txt": "hello", "file": "precious" });
    const path = tree.at("s.sock");
    const args = [tree.at("site"), "-b", `unix:${path}`];
    const killed = await start(args);
    await killed.stop("SIGKILL");
    assert(Deno.lstatSync(path).isSocket);
    await using server = await start(args);
    const rows: readonly [socket: string, reason: string][] = [
      [path, "it is in use"],
      [tree.at("file"), "it exists and is not a socket"],
      [tree.at("none/s.sock"), "there is no such directory"],
    ];
    for (const [socket, reason] of rows) {
      for (const more of [[], ["-p", "HTTP/1.0"], ...LINUX.ignore ? [] : [["--workers=2"]]]) {
        const ended = await runCommand([tree.at("site"), "-b", `unix:${socket}`, ...more]);
        assertEquals(ended, { code: 1, stdout: "", stderr: `pyserve: Cannot listen on "unix:${socket}": ${reason}\n` });
      }
    }
    assertEquals(await Deno.readTextFile(tree.at("file")), "precious");
    assertMatch(await askUnix(path, "/a.txt"), /hello$/);
    assertEquals(await server.stop("SIGTERM"), 0);
  },
});

Deno.test({
  ...UNIX,
  name: "a client of a Unix socket has no address, and names of the server count as with any proxy",
  async fn() {
    await using tree = await tempTree({
      "site/cgi-bin/env.sh": "#!/bin/sh\necho Content-Type: text/plain\necho\nenv | grep -E '^(REMOTE|SERVER)_'\n",
    });
    await Deno.chmod(tree.at("site/cgi-bin/env.sh"), 0o755);
    const path = tree.at("s.sock");
    await using _server = await start([tree.at("site"), "--cgi", "--allow-host", "site.example", "-b", `unix:${path}`]);
    const env = await askUnix(path, "/cgi-bin/env.sh", "-H", "Host: site.example", "-H", "X-Forwarded-For: 192.0.2.1");
    assertMatch(env, /^REMOTE_ADDR=$/m);
    assertMatch(env, /^SERVER_NAME=site\.example$/m);
    assertMatch(await askUnix(path, "/cgi-bin/env.sh", "-H", "Host: evil.example"), /^HTTP\/1\.1 421 /);
  },
});

Deno.test({
  ...UNIX,
  name: "serve() on a Unix socket: mode, address, drain and abort; TLS is refused",
  async fn() {
    await using tree = await tempTree();
    const path = tree.at("s.sock");
    for (const way of ["drain", "abort"] as const) {
      await removeStaleSocket(path);
      const server = serve(toFetch(() => new Response("hello")), { endpoint: { kind: "unix", path, mode: 0o600 } });
      assertEquals(server.address, { transport: "unix", path });
      assertEquals(Deno.statSync(path).mode! & 0o777, 0o600);
      assertThrows(() => serve(() => new Response(), { endpoint: { kind: "unix", path } }), Deno.errors.AddrInUse);
      await removeStaleSocket(path); // in use: left alone
      assertMatch(await askUnix(path, "/"), /hello$/);
      await server[way]();
      assertEquals(isThere(path), false);
    }
    const tls = { cert: "", key: "" };
    assertThrows(() => serve(() => new Response(), { endpoint: { kind: "unix", path }, tls }), TypeError, "TLS");
    await Deno.writeTextFile(path, "");
    await assertRejects(() => removeStaleSocket(path), Deno.errors.AlreadyExists);
  },
});

for (const [name, engine] of [["serve", serve], ["serveClassic", serveClassic]] as const) {
  Deno.test({
    ...UNIX,
    name: `${name} removes its own socket only, and leaves no other file`,
    async fn() {
      await using tree = await tempTree();
      const path = tree.at("s.sock");
      const endpoint = { kind: "unix", path } as const;
      const names = () => [...Deno.readDirSync(tree.path)].map(({ name }) => name);
      for (const way of ["drain", "abort"] as const) {
        const first = engine(toFetch(() => new Response("first")), { endpoint });
        assertEquals([first.address, names()], [{ transport: "unix", path }, ["s.sock"]]);
        assertThrows(() => engine(() => new Response(), { endpoint }), Deno.errors.AddrInUse);
        assertEquals(names(), ["s.sock"]);
        Deno.removeSync(path);
        const second = engine(toFetch(() => new Response("second")), { endpoint });
        await first[way]();
        assertMatch(await askUnix(path, "/"), /second$/);
        await second[way]();
        assertEquals(names(), []);
        const third = engine(() => new Response(), { endpoint });
        Deno.removeSync(path);
        Deno.writeTextFileSync(path, "precious");
        await third[way]();
        assertEquals(Deno.readTextFileSync(path), "precious");
        assertThrows(() => engine(() => new Response(), { endpoint }), Deno.errors.AddrInUse);
        Deno.removeSync(path);
      }
    },
  });
}

Deno.test({
  ...LINUX,
  name: "the path of a socket may have 107 bytes",
  async fn() {
    await using tree = await tempTree();
    const directory = `${tree.path}/${"d".repeat(107 - tree.path.length - 3)}`;
    Deno.mkdirSync(directory);
    const path = `${directory}/s`;
    const server = serve(toFetch(() => new Response("hello")), { endpoint: { kind: "unix", path } });
    assertEquals([path.length, [...Deno.readDirSync(directory)].length], [107, 1]);
    assertMatch(await askUnix(path, "/"), /hello$/);
    await server.drain();
    assertEquals(isThere(path), false);
  },
});

Deno.test({
  ...UNIX,
  name: "permissions for the path of the socket are enough",
  async fn() {
    await using tree = await tempTree({ "site/a.txt": "hello" });
    const path = tree.at("s.sock");
    const site = tree.at("site");
    const nets = [`--allow-net=unix:${path}`, "--allow-net"];
    for (
      const files of [["--allow-read", "--allow-write"], [`--allow-read=${site},${path}`, `--allow-write=${path}`]]
    ) {
      for (const net of nets) {
        await using server = await start([site, "-b", `unix:${path}`], { run: ["--no-prompt", ...files, net, CLI] });
        assertMatch(await askUnix(path, "/a.txt"), /hello$/);
        assertEquals(await server.stop("SIGTERM"), 0);
        assertEquals(isThere(path), false);
      }
    }
  },
});

Deno.test({
  ...UNIX,
  name: "of two servers that replace a stale socket at once, one gets it, and the other is told that it is in use",
  async fn() {
    await using tree = await tempTree();
    const path = tree.at("s.sock");
    for (let round = 0; round < 20; round++) {
      const stale = Deno.listen({ transport: "unix", path: tree.at("old") });
      Deno.renameSync(tree.at("old"), path);
      stale.close();
      const started = await Promise.allSettled(["a", "b"].map(async (text) => {
        await removeStaleSocket(path);
        return serve(toFetch(() => new Response(text)), { endpoint: { kind: "unix", path } });
      }));
      const servers = started.flatMap((result) => result.status === "fulfilled" ? [result.value] : []);
      const errors = started.flatMap((result) => result.status === "rejected" ? [result.reason] : []);
      assertEquals([servers.length, errors.length], [1, 1]);
      assert(errors[0] instanceof Deno.errors.AddrInUse, String(errors[0]));
      assertMatch(await askUnix(path, "/"), /(a|b)$/);
      await servers[0]!.drain();
    }
  },
});

function isThere(path: string): boolean {
  try {
    return Deno.lstatSync(path).isSocket ?? true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
