/** Server processes whose memory is measured, and clients that flood them. */

import { makeCertificate } from "./certificate.ts";
import { type RunningCommand, start } from "./command.ts";
import { missing } from "./programs.ts";
import { tempTree } from "./tree.ts";

/** Whether these tests cannot run: they need /proc, openssl and curl. */
export const IGNORE: boolean = Deno.build.os !== "linux" || missing("openssl", "curl");

/** MiB that an attack may add to the memory of an idle server. */
export const MOST_MIB = 200;

/** A test with a time limit. */
export function limited(name: string, fn: () => Promise<void>, seconds = 40): void {
  Deno.test({
    name,
    ignore: IGNORE,
    async fn() {
      let timer: ReturnType<typeof setTimeout> | undefined;
      const late = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new Error(`Not done after ${seconds} s`)), seconds * 1000);
      });
      await Promise.race([fn(), late]).finally(() => clearTimeout(timer));
    },
  });
}

/** A directory with a small file, a large sparse one and a slow program, and a certificate beside it. */
export async function bigSite() {
  const tree = await tempTree({ "site/a.txt": "hello", "site/huge.bin": "", "site/cgi-bin/slow.sh": SLOW_PROGRAM });
  await Deno.truncate(tree.at("site/huge.bin"), 8 * 2 ** 30);
  await Deno.chmod(tree.at("site/cgi-bin/slow.sh"), 0o755);
  const { cert, key, options } = await makeCertificate(tree.path);
  return {
    path: tree.at("site"),
    tls: options,
    cert,
    key,
    [Symbol.asyncDispose]: () => tree[Symbol.asyncDispose](),
  };
}

const SLOW_PROGRAM = "#!/bin/sh\necho Content-Type: text/plain\necho\nsleep 3\necho done\n";

/** A server whose memory is watched. */
export interface Watched extends RunningCommand {
  /** Growth of its memory since the start, in MiB. */
  grown(): number;
}

/** Starts the command and measures its memory. */
export async function watched(args: readonly string[], options: Parameters<typeof start>[1] = {}): Promise<Watched> {
  const server = await start([...args, "--quiet"], options);
  const before = rssOf(server.process.pid);
  return Object.assign(server, { grown: () => rssOf(server.process.pid) - before });
}

function rssOf(pid: number): number {
  return Number(/^VmRSS:\s*(\d+)/m.exec(Deno.readTextFileSync(`/proc/${pid}/status`))![1]) / 1024;
}

/** Milliseconds after which a blocked write is abandoned. */
const STUCK_MS = 500;

/**
 * Sends pieces until so many MiB are sent, or the server reads no more or closes; returns the largest growth of the
 * server's memory.
 */
export async function flood(
  conn: Deno.Conn,
  server: Watched,
  mib: number,
  piece: (n: number) => Uint8Array,
): Promise<number> {
  let most = 0;
  let sent = 0;
  try {
    for (let n = 0; sent < mib * 2 ** 20 && most < 2 * MOST_MIB; n++) {
      const bytes = piece(n);
      await writeAll(conn, bytes);
      sent += bytes.length;
      most = Math.max(most, server.grown());
    }
  } catch {
    // It reads no more.
  }
  for (let look = 0; look < 5; look++) {
    most = Math.max(most, server.grown());
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return most;
}

async function writeAll(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const stuck = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        conn[Symbol.dispose]();
        reject(new Error("stuck"));
      }, STUCK_MS);
    });
    at += await Promise.race([conn.write(bytes.subarray(at)), stuck]).finally(() => clearTimeout(timer));
  }
}

/** Discards everything until the end. */
export async function swallow(conn: Deno.Conn): Promise<void> {
  const buffer = new Uint8Array(65_536);
  try {
    while (await conn.read(buffer) !== null);
  } catch {
    // Closed.
  }
}

/** Bytes of a text. */
export function encode(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

/** The first line received; the server may keep the connection open and wait for a body. */
export async function firstLine(conn: Deno.Conn): Promise<string> {
  const buffer = new Uint8Array(4_096);
  const count = await conn.read(buffer) ?? 0;
  return new TextDecoder().decode(buffer.subarray(0, count)).split("\r\n")[0]!;
}
