/**
 * A connection of Deno as a stream of node, and two such streams joined.
 *
 * @module
 */

import { joined } from "./joined.ts";
import type { Duplex } from "node:stream";

/** Node's class, handed in: importing the module costs more than a start without TLS takes. */
export type DuplexClass = typeof Duplex;

/** Bytes that an idle connection holds ready to read into: one TLS record. */
const SMALLEST = 16_384;

/** Bytes read at once while a lot comes, and kept while the other side is slow; a fourth of it made big files slower. */
const LARGEST = 262_144;

/** Makes a connection a stream, which closes it at its end. It reads only when asked to, so that nothing piles up. */
export function streamOf(conn: Deno.TcpConn, DuplexOfNode: DuplexClass): Duplex {
  let size = SMALLEST;
  let buffer = new Uint8Array(0);
  return new DuplexOfNode({
    highWaterMark: LARGEST,
    read() {
      if (buffer.length !== size) buffer = new Uint8Array(size);
      conn.read(buffer).then((count) => {
        if (count === null) return void this.push(null);
        const few = count < SMALLEST;
        const bytes = few ? buffer.slice(0, count) : buffer.subarray(0, count);
        if (few) size = SMALLEST;
        else if (count === size) size = Math.min(size * 4, LARGEST);
        if (!few) buffer = new Uint8Array(0); // the reader has it now
        this.push(bytes);
      }).catch((error) => this.destroy(error));
    },
    write(chunk: Uint8Array, _encoding, done) {
      writeAll(conn, [chunk]).then(() => done(), done);
    },
    writev(chunks: { chunk: Uint8Array }[], done) {
      writeAll(conn, chunks.map(({ chunk }) => chunk)).then(() => done(), done);
    },
    final(done) {
      conn.closeWrite().then(() => done(), done);
    },
    destroy(error, done) {
      close(conn);
      done(error);
    },
  });
}

/** In one write, and thereby one segment where it fits: a stream of TLS comes in records. */
async function writeAll(conn: Deno.TcpConn, chunks: readonly Uint8Array[]): Promise<void> {
  const bytes = chunks.length === 1 ? chunks[0]! : joined(chunks);
  for (let at = 0; at < bytes.length;) at += await conn.write(at === 0 ? bytes : bytes.subarray(at));
}

/** Closes a connection, also one that is closed. */
export function close(conn: Disposable): void {
  conn[Symbol.dispose]();
}

/** Milliseconds that a client gets to close its side when everything has been sent; cut before, it may lose the end. */
const LINGER = 1_000;

/**
 * Joins two streams: what one reads the other writes, as fast as it can. Resolves when both have ended.
 *
 * The end of one is the end of the other: for the server at once, for the client when it has what was sent to it.
 */
export function join(client: Duplex, server: Duplex): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  client.on("error", () => server.destroy());
  server.on("error", () => server.readableEnded || client.destroy()); // after its last byte, the client still gets it
  // As Deno.serve has it, whoever says no more wants no more: what is still to be sent would wait for a reader for ever.
  client.once("end", () => client.destroy());
  client.once("finish", () => timer = setTimeout(() => client.destroy(), LINGER));
  client.once("close", () => {
    clearTimeout(timer);
    server.destroy();
    resolve();
  });
  client.pipe(server);
  server.pipe(client);
  return promise;
}
