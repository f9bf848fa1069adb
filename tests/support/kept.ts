/** A persistent connection, of which the segments are counted. */

import { openSockets } from "../../handlers/system/sockets.ts";

/** A response on a persistent connection. */
export interface KeptResponse {
  readonly head: string;
  readonly body: string;
  /** Segments with data that have arrived since the request; NaN without FFI. */
  readonly segments: number;
}

const [IPPROTO_TCP, TCP_INFO, DATA_SEGMENTS_IN] = [6, 11, 152] as const; // linux/tcp.h, since Linux 4.6

/** Sends one request after another on a connection. */
export class Kept implements Disposable {
  readonly #conn: Deno.TcpConn;
  #text = "";

  private constructor(conn: Deno.TcpConn) {
    this.#conn = conn;
  }

  static async open(port: number): Promise<Kept> {
    return new Kept(await Deno.connect({ hostname: "127.0.0.1", port }));
  }

  /** Sends a GET with these header lines, and reads a response with Content-Length, or one without a body. */
  async get(target: string, ...headers: string[]): Promise<KeptResponse> {
    const before = segmentsOf(this.#conn);
    const request = [`GET ${target} HTTP/1.1`, "Host: localhost", ...headers, "", ""].join("\r\n");
    await this.#conn.write(new TextEncoder().encode(request));
    while (!this.#text.includes("\r\n\r\n")) await this.#read();
    const head = this.#text.slice(0, this.#text.indexOf("\r\n\r\n"));
    const length = Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? 0);
    const size = head.length + 4 + length;
    while (this.#text.length < size) await this.#read();
    const body = this.#text.slice(head.length + 4, size);
    this.#text = this.#text.slice(size);
    return { head, body, segments: segmentsOf(this.#conn) - before };
  }

  [Symbol.dispose](): void {
    this.#conn.close();
  }

  async #read(): Promise<void> {
    const buffer = new Uint8Array(65_536);
    const count = await this.#conn.read(buffer);
    if (count === null) throw new Error("The server closed the connection");
    this.#text += String.fromCharCode(...buffer.subarray(0, count));
  }
}

function segmentsOf({ localAddr, remoteAddr }: Deno.TcpConn): number {
  using sockets = openSockets();
  const found = sockets?.connections(localAddr.port).find(({ peerPort }) => peerPort === remoteAddr.port);
  if (!found) return NaN;
  const libc = Deno.dlopen("libc.so.6", {
    getsockopt: { parameters: ["i32", "i32", "i32", "buffer", "buffer"], result: "i32" },
  });
  const info = new Uint8Array(256);
  libc.symbols.getsockopt(found.descriptor, IPPROTO_TCP, TCP_INFO, info, new Uint8Array([0, 1, 0, 0]));
  libc.close();
  return new DataView(info.buffer).getUint32(DATA_SEGMENTS_IN, true);
}
