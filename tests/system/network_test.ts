/** The system calls of the native engine, when they fail; and the blocks that they read and write. */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { fileServer, toFetch } from "@x/pyserve";
import { Block, checkGuards, guardBlocks } from "../../handlers/system/block.ts";
import { EAGAIN, ECONNRESET, EINTR, EMFILE, ENFILE, ENOBUFS, ENOMEM, EPIPE } from "../../handlers/system/libc.ts";
import { Network, openNetworkCalls } from "../../handlers/system/network.ts";
import { EventLoop } from "../../handlers/transport/native/event_loop.ts";
import { failing } from "../support/failing.ts";
import { NATIVE, servingNative } from "../support/native.ts";
import { oldTree } from "../support/tree.ts";
import { until, within } from "../support/wait.ts";

const calls = NATIVE.ignore ? null : openNetworkCalls();
calls?.[Symbol.dispose]();

const ignore = calls === null;

Deno.test({
  ignore,
  name: "a range outside of a block is an error before any call",
  fn() {
    const block = Block.allocate(10);
    for (const [from, end] of [[-1, 5], [0, 11], [6, 5], [NaN, 5], [0, NaN], [11, 11]] as const) {
      assertThrows(() => block.range(from, end), RangeError);
      assertThrows(() => block.address(from, end), RangeError);
    }
    assertEquals(Deno.UnsafePointer.value(block.range(3, 10)), block.address(3, 10));
    assertEquals(block.address(3, 10) - block.address(0, 10), 3n);
    assert(Block.of(new Uint8Array(0)).range(0, 0) !== null);
  },
});

Deno.test({
  ignore,
  name: "in a guarded build, a write past the end of a block is noticed",
  fn() {
    guardBlocks(true);
    const block = Block.allocate(10);
    assertEquals(block.bytes, new Uint8Array(10));
    assert(checkGuards() >= 1);
    new Uint8Array(block.bytes.buffer)[block.bytes.byteOffset + 10] = 0;
    assertThrows(() => checkGuards(), Error, "past the end");
    guardBlocks(false);
    assertEquals(checkGuards(), 0);
  },
});

Deno.test({
  ignore,
  name: "an epoll instance that cannot be created is an error, and nothing stays open",
  fn() {
    for (const name of ["epoll_create1", "eventfd", "epollControl"]) {
      for (const errno of [EMFILE, ENFILE, ENOMEM]) {
        const libc = openNetworkCalls()!;
        using _failing = failing(libc, name, errno);
        assertThrows(() => new Network(libc), Error, `errno ${errno}`);
      }
    }
  },
});

Deno.test({
  ignore,
  name: "without the runtime's epoll instance, servers work, and say so once",
  async fn() {
    const messages: string[] = [];
    const loop = EventLoop.acquire();
    loop.start(null, { access() {}, error: (message) => void messages.push(message) });
    await using one = servingNative(async () => {
      await new Promise((resolve) => setTimeout(resolve, 1));
      return new Response(await Deno.realPath("/"));
    });
    assertEquals(await (await fetch(one.url)).text(), "/");
    assertEquals(messages.length, 1);
    await loop.release();
  },
});

/** What is asked, and what must come in the end, whatever call has failed before. */
async function works(url: string): Promise<boolean> {
  const asked = [
    fetch(`${url}/a.txt`).then((response) => response.text()).then((text) => text === "hello"),
    fetch(`${url}/big.bin`).then((response) => response.bytes()).then(({ length }) => length === 200_000),
    fetch(`${url}/none`, { method: "POST", body: "x".repeat(100_000) }).then(async (response) => {
      await response.body?.cancel();
      return response.status === 405;
    }),
  ];
  return (await Promise.allSettled(asked)).every((each) => each.status === "fulfilled" && each.value);
}

/** Calls that a running server makes, and errors with which they may fail. */
const FAULTS = {
  accept4: [EMFILE, ENFILE, ENOMEM, ENOBUFS, EINTR, EAGAIN],
  recv: [ECONNRESET, EINTR, EAGAIN, ENOMEM],
  send: [EPIPE, ECONNRESET, EINTR, EAGAIN, ENOMEM],
  sendmsg: [EPIPE, EINTR, EAGAIN, ENOMEM],
  sendfile: [EPIPE, EINTR, EAGAIN, ENOMEM],
  epoll_wait: [EINTR],
  epoll_waitLater: [EINTR],
  epollControl: [ENOMEM],
  preadLater: [EINTR],
} as const;

for (const [name, errors] of Object.entries(FAULTS)) {
  for (const errno of errors) {
    Deno.test({
      ignore,
      name: `${name} fails with errno ${errno}, at any call: a connection may be lost, the server is not`,
      async fn() {
        await using tree = await oldTree({ "a.txt": "hello", "big.bin": new Uint8Array(200_000) });
        guardBlocks(true);
        await using native = servingNative(toFetch(fileServer(tree.path, { log: false })));
        const libc = loopCalls();
        for (let at = 0; at < 12; at += 1 + at % 3) {
          using failed = failing(libc, name, errno, (call) => call === at);
          const answered = await within(works(native.url));
          // What is only interrupted, or has to be tried again, is not noticed.
          if (errno === EINTR || errno === EAGAIN) assert(answered || failed.count === 0, `call ${at}`);
        }
        await until(() => works(native.url), "it works again");
        checkGuards();
        guardBlocks(false);
      },
    });
  }
}

/** The functions that the running loop calls. */
function loopCalls(): object {
  const loop = EventLoop.acquire();
  loop.release();
  return loop.network.calls;
}

Deno.test({
  ignore,
  name: "a server that cannot watch its socket is an error, and its port is free again",
  async fn() {
    await using first = servingNative(() => new Response("first"));
    using _failing = failing(loopCalls(), "epollControl", ENOMEM);
    assertThrows(() => servingNative(() => new Response("second")), Error, "Cannot watch a socket");
    _failing[Symbol.dispose]();
    assertEquals(await (await fetch(first.url)).text(), "first");
    await assertRejects(() => fetch("http://127.0.0.1:1/"), TypeError);
  },
});
