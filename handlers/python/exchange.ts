/**
 * Between the classes and the handlers of this package: the request that a class has read as a `Request`, and a
 * `Response` as what a class sends.
 *
 * @module
 */

import type { ConnectionInfo } from "../fetch.ts";
import type { BaseHTTPRequestHandler } from "./base.ts";
import { utf8OfBytes } from "../http1/request_line.ts";
import type { ResponseWriter } from "./wfile.ts";

/** Something to send: what `send_head` returns. An open `Deno.FsFile` is one. */
export interface SourceFile extends Disposable {
  /** The bytes. */
  readonly readable: ReadableStream<Uint8Array>;
}

/** Bodies up to this size are taken as a whole: a stream costs more than the bytes. */
const WHOLE_BYTES = 65_536;

/** How header names have been spelled by Python for decades; others are capitalised. */
const SPELLINGS: Readonly<Record<string, string>> = {
  "content-type": "Content-type",
  "etag": "ETag",
  "www-authenticate": "WWW-Authenticate",
};

/** Headers that Python sends, in its order; others come behind them. */
const FIRST = ["location", "content-type", "content-length", "last-modified"];

/**
 * Methods whose requests have no body as far as handlers can see: content of theirs has no defined meaning (RFC 9110 section
 * 9.3.1). Requests of all other methods have one, even if it is empty. Deno.serve does the same.
 */
const BODILESS_METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "CONNECT"]);
const EMPTY = new Uint8Array(0);

/**
 * The request for handlers: with method and target as they were sent, which the constructor would tidy up or refuse, and
 * with a signal that listens to the client only when somebody asks for it.
 *
 * @param path The target.
 */
export function requestOf(handler: BaseHTTPRequestHandler, path: string = handler.path): Request {
  const { command, connection, headers, rfile } = handler;
  const hasBody = !BODILESS_METHODS.has(command!);
  // Whatever the method is: the constructor knows of none that it does not mend or refuse.
  const request = new Request("http://localhost/", {
    method: hasBody ? "POST" : "GET",
    headers: headers.pairs(),
    body: hasBody ? rfile.ended ? EMPTY : rfile.readable : null,
  });
  return Object.defineProperties(request, {
    url: { value: urlOf(handler, path) },
    method: { value: command },
    signal: { get: () => connection.leaving },
  });
}

/** What handlers may know of the connection. */
export function infoOf({ connection, request_version }: BaseHTTPRequestHandler): ConnectionInfo {
  return { remoteAddr: connection.remoteAddr, protocol: request_version };
}

/** The URL of a target, as Deno.serve would show it: pasted together. */
export function urlOf(handler: BaseHTTPRequestHandler, path: string): string {
  const { command, connection, headers, request_version, server } = handler;
  const target = utf8OfBytes(path) ?? path.replace(/[^\0-\x7f]/g, percentByte);
  if (command === "CONNECT" && !target.includes("/")) return `http://${target}`; // the authority form
  if (/^[a-z][a-z\d+.-]*:\/\//i.test(target)) return target; // the absolute form (RFC 9112 section 3.2.2)
  const host = headers.get("host");
  const rest = `${target.startsWith("/") ? "" : "/"}${target}`;
  // HTTP/1.0 need not name a host; where HTTP/1.1 does not, the URL is one that is known to be made up, and refused.
  if (host === null && request_version >= "HTTP/1.1") return `http://localhost:${server.server_port}${rest}`;
  return `${connection.secure ? "https" : "http"}://${host ?? "0.0.0.0"}${rest}`;
}

/**
 * Hop-by-hop fields (RFC 9110 section 7.6.1). The engine manages the connection and frames the body: a Transfer-Encoding that
 * it does not apply, as in HTTP/1.0, would announce chunks that are not there.
 */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** The headers of a response in Python's order and spelling, without those about the connection. */
export function pythonHeaders(headers: Headers): [name: string, value: string][] {
  const first: [string, string][] = [];
  const others: [string, string][] = [];
  for (const [name, value] of headers) {
    if (!HOP_BY_HOP.has(name)) (FIRST.includes(name) ? first : others).push([name, value]);
  }
  first.sort(([a], [b]) => FIRST.indexOf(a) - FIRST.indexOf(b));
  return [...first, ...others].map(([name, value]) => [spelled(name), value]);
}

/** What a response of this package has for a body, no byte longer than its Content-Length. */
export class ReplyBody implements SourceFile {
  /** All of it, where it is short. */
  readonly bytes: Uint8Array | null;
  readonly #body: ReadableStream<Uint8Array> | null;
  readonly #length: number;

  private constructor(bytes: Uint8Array | null, body: ReadableStream<Uint8Array> | null, length: number) {
    this.bytes = bytes;
    this.#body = body;
    this.#length = length;
  }

  /** Takes the body of a response, all of it where it is known to be short; null where it has none. */
  static async of(response: Response): Promise<ReplyBody | null> {
    const length = Number(response.headers.get("content-length") ?? Infinity);
    // To look at `body` would make a stream of what mostly is bytes.
    const bytes = length <= WHOLE_BYTES ? await response.bytes() : null;
    const body = bytes === null ? response.body : null;
    return bytes?.length || body ? new ReplyBody(bytes, body, length) : null;
  }

  /** The bytes. */
  get readable(): ReadableStream<Uint8Array> {
    return ReadableStream.from(this.#chunks());
  }

  /** Writes all of it as fast as the client takes it; one that leaves ends it, also where nothing comes to be written. */
  async writeTo(wfile: ResponseWriter, leaving: () => AbortSignal): Promise<void> {
    if (this.bytes) return void wfile.writeOwned(this.bytes);
    if (this.#length !== Infinity) {
      for await (const chunk of this.#chunks()) await wfile.writeOwned(chunk);
      return;
    }
    const reader = this.#body!.getReader();
    const signal = leaving();
    const cancel = () => void reader.cancel(signal.reason).catch(() => {});
    signal.addEventListener("abort", cancel, { once: true });
    try {
      if (signal.aborted) return cancel();
      for (let read = await reader.read(); !read.done; read = await reader.read()) await wfile.writeOwned(read.value);
    } catch (error) {
      cancel();
      throw error;
    } finally {
      signal.removeEventListener("abort", cancel);
    }
  }

  /** Throws away what nobody has read. */
  [Symbol.dispose](): void {
    if (this.#body?.locked === false) this.#body.cancel().catch(() => {});
  }

  /** The stream of the system goes on behind the end of a file that grows. */
  async *#chunks(): AsyncGenerator<Uint8Array> {
    if (this.bytes) return yield this.bytes;
    let left = this.#length;
    for await (const chunk of this.#body!) {
      yield chunk.length > left ? chunk.subarray(0, left) : chunk;
      left -= chunk.length;
      if (left <= 0) return;
    }
  }
}

/** Names that have been spelled before; programs may think of any. */
const known = new Map(Object.entries(SPELLINGS));
const MOST_KNOWN = 200;

function spelled(name: string): string {
  const before = known.get(name);
  if (before !== undefined) return before;
  const capitalised = name.replace(/(?:^|-)[a-z]/g, (letter) => letter.toUpperCase());
  if (known.size < MOST_KNOWN) known.set(name, capitalised);
  return capitalised;
}

function percentByte(character: string): string {
  return "%" + character.charCodeAt(0).toString(16).toUpperCase();
}
