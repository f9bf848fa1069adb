/** Functions of the C library that the system refuses, or that fail: the same responses, in a slower way. */

import { assert, assertEquals, assertMatch, assertNotEquals, assertRejects, assertThrows } from "@std/assert";
import { disk, fileServer, type FileSource, SitePath, toFetch } from "@x/pyserve";
import { DiskRoot } from "../../handlers/sources/contained.ts";
import { DESCRIPTORS, LATER } from "../../handlers/sources/disk_calls.ts";
import { doLater } from "../../handlers/sources/steps.ts";
import { FILE_CALLS } from "../../handlers/system/file_calls.ts";
import { EINTR, EMFILE, ENOSYS, EPERM } from "../../handlers/system/libc.ts";
import {
  type ListenerCalls,
  type Listeners,
  openListenerCalls,
  openListeners,
} from "../../handlers/system/listeners.ts";
import { lookAt } from "../../handlers/system/look.ts";
import { openSocketCalls, openSockets } from "../../handlers/system/sockets.ts";
import { nextTick } from "../support/clock.ts";
import { failing } from "../support/failing.ts";
import { pathOf, textAt } from "../support/source.ts";
import { oldTree, type TempTree } from "../support/tree.ts";

const ignore = FILE_CALLS === null || DESCRIPTORS === null;

const ERRORS = { EINTR, EMFILE, ENOSYS, EPERM } as const;

/** Functions for which there is another way, or whose result does not matter. */
const REPLACEABLE = ["openat2", "openat2Later", "statx", "getdents64", "close"] as const;

/** The first call fails, and no other. */
const FIRST = (call: number) => call === 0;

const NAMES = ["a.txt", "dir", "dir/b.txt", "dir/none", "in", "in/b.txt", "up", "out", "broken", "a.txt/x"];

async function site(): Promise<TempTree> {
  const tree = await oldTree({
    "root/a.txt": "0123456789",
    "root/dir/b.txt": "b",
    "secret.txt": "secret",
  });
  const links = {
    in: "dir",
    "dir/up": "../a.txt",
    out: "../secret.txt",
    absolute: tree.at("root/dir"),
    broken: "none",
  };
  for (const [name, target] of Object.entries(links)) await Deno.symlink(target, tree.at(`root/${name}`));
  await nextTick(); // a change in the same tick of the kernel's clock would leave the times of the directory as they are
  return tree;
}

/** What is found, read, listed and answered. */
async function observe(tree: TempTree): Promise<unknown> {
  const source = disk(tree.at("root"));
  const found = await Promise.all(NAMES.map(async (name) => [name, (await source.stat(pathOf(name)))?.version]));
  const read = await Promise.all(NAMES.map((name) => textAt(source, pathOf(name))));
  const later = await Promise.all(NAMES.map((name) => foundLater(tree.at("root"), name)));
  const listed = await Promise.all([SitePath.root, pathOf("dir"), pathOf("in")].map((path) => entriesAt(source, path)));
  return { found, read, later, listed, answers: await answers(tree) };
}

async function foundLater(root: string, name: string): Promise<number | null> {
  const steps = new DiskRoot(root, { followLinks: false }).find(LATER, pathOf(name));
  using found = await doLater(steps).catch(() => null);
  return found?.info.ino ?? null;
}

async function entriesAt(source: FileSource, path: SitePath): Promise<unknown[]> {
  const entries = (await Array.fromAsync(await source.list(path) ?? [])).flat();
  return entries.map(({ name, stat, problem }) => [name, stat?.version, problem].join(" ")).sort();
}

async function answers(tree: TempTree): Promise<unknown> {
  const fetch = toFetch(fileServer(tree.at("root"), { log: false }));
  const ask = async (target: string, headers: Record<string, string> = {}) => {
    const response = await fetch(new Request(`http://localhost${target}`, { headers }));
    return `${target} ${response.status} ${await response.text()}`;
  };
  const all: string[] = [];
  for (let time = 0; time < 3; time++) {
    for (const name of NAMES) all.push(await ask(`/${name}`, { accept: "text/plain" }));
    all.push(await ask("/a.txt", { range: "bytes=2-4" }), await ask("/dir/?format=text"));
  }
  return all;
}

for (const name of REPLACEABLE) {
  for (const [error, errno] of Object.entries(ERRORS)) {
    Deno.test({
      name: `${name} fails with ${error}: the responses are the same`,
      ignore,
      async fn() {
        await using tree = await site();
        const expected = await observe(tree);
        using failed = failing(FILE_CALLS!, name, errno);
        assertEquals(await observe(tree), expected);
        assertNotEquals(failed.count, 0);
      },
    });
  }

  Deno.test({
    name: `one call of ${name} is interrupted: the responses are the same`,
    ignore,
    async fn() {
      await using tree = await site();
      const expected = await observe(tree);
      let isDone = false;
      for (let at = 0; !isDone; at++) {
        using failed = failing(FILE_CALLS!, name, EINTR, (call) => call === at);
        assertEquals(await observe(tree), expected, `call ${at}`);
        isDone = failed.count === 0;
      }
    },
  });
}

for (const isRefused of [false, true]) {
  Deno.test({
    name: `a change is noticed before the next response ${isRefused ? "without" : "with"} statx`,
    ignore,
    async fn() {
      await using tree = await site();
      using _failing = failing(FILE_CALLS!, "statx", EPERM, () => isRefused);
      const source = disk(tree.at("root"));
      const [file, directory] = [pathOf("a.txt"), pathOf("dir")];
      const holding = [
        source.freshness!(file, (await source.stat(file))!)!,
        source.freshness!(directory, (await source.stat(directory))!)!,
        source.absence!(pathOf("dir/none"))!,
      ];
      for (let i = 0; i < 3; i++) assertEquals(holding.map((isSo) => isSo()), [true, true, true]);
      await Deno.writeTextFile(tree.at("root/a.txt"), "other, and longer");
      assertEquals(holding.map((isSo) => isSo()), [false, true, true]);
      await Deno.writeTextFile(tree.at("root/dir/none"), "now there");
      assertEquals(holding.map((isSo) => isSo()), [false, false, false]);
    },
  });
}

Deno.test({
  name: "a failure of statx is not taken for freshness",
  ignore,
  async fn() {
    await using tree = await site();
    const look = lookAt(tree.at("root/a.txt"), false)!;
    assert(look.isSame());
    using failed = failing(FILE_CALLS!, "statx", EINTR, FIRST);
    assertEquals([look.isSame(), failed.count, look.isSame()], [false, 1, true]);
  },
});

Deno.test({
  name: "open is repeated once it has failed, and without descriptors the error says so",
  ignore,
  async fn() {
    await using tree = await site();
    const source = disk(tree.at("root"));
    for (const name of ["open", "openLater"] as const) {
      for (const errno of [EINTR, EPERM]) {
        using _beneath = failing(FILE_CALLS!, `openat2${name.slice(4)}`, ENOSYS);
        using failed = failing(FILE_CALLS!, name, errno, FIRST);
        assertEquals(await textAt(source, pathOf("a.txt")), "0123456789");
        assert(await foundLater(tree.at("root"), "a.txt") !== null);
        assertEquals(failed.count, 1);
      }
    }
    using _failing = failing(FILE_CALLS!, "open", EMFILE);
    const { code } = await assertRejects(async () => await source.stat(pathOf("a.txt")), Error) as { code?: string };
    assertEquals(code, "EMFILE");
    assertEquals(await source.stat(pathOf("none")), null);
  },
});

for (const name of ["fcntl", "getsockopt", "setsockopt", "getsockname", "getpeername", "connect", "ioctl"]) {
  Deno.test({
    name: `operations on sockets do nothing where ${name} fails`,
    ignore,
    async fn() {
      const calls = openSocketCalls()!;
      using sockets = openSockets(calls)!;
      using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
      using _client = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
      using _accepted = await listener.accept();
      const [connection] = sockets.connections(listener.addr.port);
      calls[name as "fcntl"] = () => -1;
      sockets.setOnListeners(listener.addr.port, [[6, 1, 1]]);
      sockets.connections(listener.addr.port);
      const traffic = sockets.traffic(connection!);
      assertEquals(traffic === null, ["getsockopt", "getpeername", "ioctl"].includes(name), JSON.stringify(traffic));
      sockets.reset(connection!);
    },
  });
}

/** A listener of this process, and what finds and exchanges its socket. */
function withListener(
  work: (given: { calls: ListenerCalls; listeners: Listeners; listener: Deno.TcpListener }) => void,
) {
  const calls = openListenerCalls()!;
  using listeners = openListeners(calls)!;
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  work({ calls, listeners, listener });
}

Deno.test({
  name:
    "where /proc/self/fd cannot be listed, a listener is found by trying every descriptor; without fcntl, it is not",
  ignore,
  fn: () =>
    withListener(({ calls, listeners, listener: { addr } }) => {
      const listed = listeners.listeningOn(addr.port);
      const { readDirSync } = Deno;
      Deno.readDirSync = () => {
        throw new Deno.errors.NotFound();
      };
      using _restored = { [Symbol.dispose]: () => void (Deno.readDirSync = readDirSync) };
      const tried = listeners.listeningOn(addr.port);
      using _failing = failing(calls, "fcntl", EPERM);
      assertEquals([typeof listed, tried, listeners.listeningOn(addr.port)], ["number", listed, null]);
    }),
});

for (const name of ["getsockopt", "open", "read", "dup3", "epoll_ctl"]) {
  Deno.test({
    name: `where ${name} fails, a socket is not shared, in one sentence, and the new listener is closed`,
    ignore,
    fn: () =>
      withListener(({ calls, listeners, listener }) => {
        const from = listeners.listeningOn(listener.addr.port)!;
        using _failing = failing(calls, name, EPERM);
        const open = () => Deno.listen({ hostname: "127.0.0.1", port: 0 });
        const share = () => {
          const { value, descriptor } = listeners.opening(open, (opened) => opened.close());
          using _other = value;
          listeners.share(from, descriptor);
        };
        const { message } = assertThrows(share, Deno.errors.NotSupported);
        assertMatch(message, /^Cannot [a-z ]+ (?:socket|listener)$/);
      }),
  });
}

for (const name of ["open", "read", "dup3"]) {
  Deno.test({
    name: `${name} is repeated if it is interrupted: a socket is shared`,
    ignore,
    fn: () =>
      withListener(({ calls, listeners, listener }) => {
        const from = listeners.listeningOn(listener.addr.port)!;
        using other = Deno.listen({ hostname: "127.0.0.1", port: 0 });
        const to = listeners.listeningOn(other.addr.port)!;
        using failed = failing(calls, name, EINTR, (call) => call < 2);
        listeners.share(from, to);
        assertEquals([failed.count, listeners.addressOf(to)], [2, { ...listener.addr }]);
      }),
  });
}

for (const name of ["open", "epoll_ctl", "socket", "bind", "listen", "dup3", "close"]) {
  Deno.test({
    name: `a listener is silenced as far as possible where ${name} fails`,
    ignore,
    fn: () =>
      withListener(({ calls, listeners, listener }) => {
        using _failing = failing(calls, name, EMFILE);
        listeners.silence(listeners.listeningOn(listener.addr.port)!);
      }),
  });
}
