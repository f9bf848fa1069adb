/**
 * Scripts of connections, the same to the native engine and to Deno.serve with the same handler: the same responses, no
 * write past the end of a block, no connection left.
 *
 * SCRIPTS=200000 plays more of them.
 */

import { assertEquals } from "@std/assert";
import { fileServer, memory, toFetch } from "@x/pyserve";
import type { FetchFunction } from "../../../handlers/core/fetch.ts";
import { checkGuards, guardBlocks } from "../../../handlers/system/block.ts";
import { NATIVE, servingNative } from "../../support/native.ts";
import { oldTree } from "../../support/tree.ts";
import { difference, play } from "./playing.ts";
import { Random, scriptOf } from "./scripts.ts";

const SCRIPTS = Number(Deno.env.get("SCRIPTS") ?? 400);

/** Scripts that are played at the same time. */
const AT_A_TIME = 16;

function encode(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

/** A handler with responses of all kinds. */
async function answer(request: Request): Promise<Response> {
  switch (/^[a-z]+:\/\/[^/?#]*([^?#]*)/i.exec(request.url)?.[1]) {
    case "/echo":
      return new Response(request.body === null ? "none" : await request.bytes().catch(() => "broken"));
    case "/stream":
      return new Response(ReadableStream.from(["one", "two".repeat(1_000), "three"].map(encode)));
    case "/length":
      return new Response(ReadableStream.from(["one", "two"].map(encode)), { headers: { "content-length": "6" } });
    case "/late":
      await new Promise((resolve) => setTimeout(resolve, 1));
      return new Response("late");
    case "/throw":
      throw new Error("thrown");
    case "/empty":
      return new Response(null, { status: 204 });
    default:
      return new Response("hello");
  }
}

const SITE = { "a.txt": "hello there", "big.bin": "0123456789".repeat(20_000) } as const;

/** Plays scripts to both servers; returns what differs. */
async function differences(handler: FetchFunction, targets: readonly string[]): Promise<unknown[]> {
  const deno = Deno.serve({
    hostname: "127.0.0.1",
    port: 0,
    onListen() {},
    onError: () => new Response(null, { status: 500 }),
  }, handler as Deno.ServeHandler);
  await using native = servingNative(handler);
  const found: unknown[] = [];
  let seed = 0;
  const playing = async () => {
    while (seed < SCRIPTS) {
      const own = seed++;
      const script = scriptOf(new Random(own), targets);
      const [ours, theirs] = await Promise.all([play(script, native.port), play(script, deno.addr.port)]);
      if (ours === null) found.push({ seed: own, problem: "the connection is not ended" });
      else if (theirs !== null && typeof script.end !== "object") {
        const problem = difference(script, ours, theirs);
        if (problem !== null) found.push({ seed: own, problem });
      }
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, playing));
  await deno.shutdown();
  return found;
}

Deno.test({
  ...NATIVE,
  name: "scripts of connections get the same responses as from Deno.serve: a handler",
  async fn() {
    guardBlocks(true);
    const targets = ["/", "/echo", "/stream", "/late", "/length", "/throw", "/empty"];
    assertEquals(await differences(answer, targets), []);
    checkGuards();
    guardBlocks(false);
  },
});

Deno.test({
  ...NATIVE,
  name: "scripts of connections get the same responses as from Deno.serve: files on disk and in memory",
  async fn() {
    guardBlocks(true);
    await using tree = await oldTree(SITE);
    const targets = ["/a.txt", "/big.bin", "/none", "/", "/a.txt?x", "/%zz"];
    const log = { access() {}, error() {} };
    for (const source of [tree.path, memory(SITE)]) {
      assertEquals(await differences(toFetch(fileServer(source, { log: false }), { log }), targets), []);
      checkGuards();
    }
    guardBlocks(false);
  },
});
