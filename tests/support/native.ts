/** Servers of the native engine. */

import { type NativeServeOptions, serveNative } from "../../handlers/transport/native/serve_native.ts";
import type { FetchFunction } from "../../handlers/core/fetch.ts";
import { latin1 } from "./raw.ts";

/** Where there is no native engine. */
export const NATIVE = { ignore: Deno.build.os !== "linux" } as const;

/** A server on a free port of this machine; stopped at the end of the block. */
export interface NativeServer extends AsyncDisposable {
  readonly port: number;
  readonly url: string;
  readonly server: ReturnType<typeof serveNative>;
}

/** Serves a function. */
export function servingNative(fetch: FetchFunction, options: NativeServeOptions = {}): NativeServer {
  const server = serveNative(fetch, { ...options, endpoint: { kind: "tcp", hostname: "127.0.0.1", port: 0 } });
  const { port } = server.address;
  return { port, url: `http://127.0.0.1:${port}`, server, [Symbol.asyncDispose]: () => server.abort() };
}

/** A raw connection. */
export interface Wire extends Disposable {
  readonly conn: Deno.TcpConn;
  send(text: string): Promise<void>;
  /** Reads until what has arrived matches, or the server closes; returns everything so far. */
  until(pattern: RegExp): Promise<string>;
  /** Reads until the server closes; returns everything. */
  rest(): Promise<string>;
}

/** Connects to a server. */
export async function wireTo(port: number): Promise<Wire> {
  const conn = await Deno.connect({ hostname: "127.0.0.1", port });
  const decoder = new TextDecoder("latin1");
  const buffer = new Uint8Array(65_536);
  let heard = "";
  const read = async () => {
    const count = await conn.read(buffer).catch(() => null);
    if (count !== null) heard += decoder.decode(buffer.subarray(0, count));
    return count !== null;
  };
  return {
    conn,
    async send(text) {
      const bytes = latin1(text);
      for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
    },
    async until(pattern) {
      while (!pattern.test(heard) && await read());
      return heard;
    },
    async rest() {
      while (await read());
      return heard;
    },
    [Symbol.dispose]() {
      try {
        conn.close();
      } catch {
        // Closed by the test.
      }
    },
  };
}
