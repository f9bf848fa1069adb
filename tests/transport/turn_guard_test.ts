/** Which client is disconnected while it keeps the serving thread busy. */

import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import type { Watched } from "../../handlers/transport/turn_guard_worker.ts";
import { limited } from "../support/flood.ts";

const PIECE = new Uint8Array(16_384);

/** A connection to a listener, and a reader of its other end. */
async function connected(listener: Deno.TcpListener) {
  const client = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
  const accepted = await listener.accept();
  return {
    client,
    port: (client.localAddr as Deno.NetAddr).port,
    read: 0,
    async pass() {
      await client.write(PIECE);
      for (let left = PIECE.length; left > 0;) {
        const count = await accepted.read(new Uint8Array(left));
        assert(count !== null, "It was disconnected");
        left -= count;
        this.read += count;
      }
    },
    [Symbol.dispose]() {
      for (const conn of [client, accepted]) conn[Symbol.dispose]();
    },
  };
}

limited(
  "a busy thread disconnects the client that keeps it busy, not a quiet one or an upload",
  async () => {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    using hog = await connected(listener);
    using uploading = await connected(listener);
    using quiet = await connected(listener);
    const watched: Watched = {
      port: listener.addr.port,
      beats: new Int32Array(new SharedArrayBuffer(4)), // which are idle
      uploading: new Uint8Array(new SharedArrayBuffer(65_536)),
    };
    watched.uploading[uploading.port] = 1;
    const worker = new Worker(import.meta.resolve("../../handlers/transport/turn_guard_worker.ts"), { type: "module" });
    const said: string[] = [];
    worker.onmessage = ({ data }: MessageEvent<string>) => void said.push(data);
    worker.postMessage(watched);
    try {
      await assertRejects(async () => {
        for (;;) {
          await uploading.pass().catch((error) => said.push(`An upload was disconnected: ${error}`));
          await hog.pass();
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
      }, Error);
      for (const end = uploading.read + 2_000_000; uploading.read < end;) {
        await uploading.pass();
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      await quiet.pass();
      assertEquals(said.length, 1);
      assertMatch(said[0]!, /^Disconnected a client that sent \d+ bytes while all other clients had to wait$/);
    } finally {
      worker.terminate();
    }
  },
);
