/**
 * Adapts between the classes and the fetch handlers of this package: a class's request as a `Request`, and a `Response`
 * as output of a class.
 *
 * @module
 */

import type { ConnectionInfo } from "../core/fetch.ts";
import type { BaseHTTPRequestHandler } from "./base.ts";
import { requestUrl } from "../http1/request_url.ts";
import type { ResponseWriter } from "./wfile.ts";

/** Content to send, as returned by `send_head`. An open `Deno.FsFile` qualifies. */
export interface SourceFile extends Disposable {
  /** The content. */
  readonly readable: ReadableStream<Uint8Array>;
}

/** Bodies up to this size are buffered: a stream costs more than the bytes. */
const WHOLE_BYTES = 65_536;

/** Python's traditional spellings of header names; others are capitalized. */
const SPELLINGS: Readonly<Record<string, string>> = {
  "content-type": "Content-type",
  "etag": "ETag",
  "www-authenticate": "WWW-Authenticate",
};

/** Headers that Python sends, in its order; others follow. */
const FIRST = ["location", "content-type", "content-length", "last-modified"];

/**
 * Methods whose request content has no defined meaning (RFC 9110 section 9.3.1) and is hidden from handlers. Requests
 * with any other method have a body, possibly empty. Deno.serve does the same.
 */
const BODILESS_METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "CONNECT"]);
const EMPTY = new Uint8Array(0);

/**
 * The `Request` for handlers. Method and target are as sent, which the constructor would normalize or refuse, and the
 * abort signal is created lazily.
 *
 * @param path The request target.
 */
export function requestOf(handler: BaseHTTPRequestHandler, path: string = handler.path): Request {
  const { command, connection, headers, rfile } = handler;
  const hasBody = !BODILESS_METHODS.has(command!);
  // A placeholder method: the constructor normalizes or refuses others.
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

/** The connection details for handlers. */
export function infoOf({ connection, request_version }: BaseHTTPRequestHandler): ConnectionInfo {
  return { remoteAddr: connection.remoteAddr, protocol: request_version };
}

/** The URL of a target, assembled as Deno.serve does. */
export function urlOf(handler: BaseHTTPRequestHandler, path: string): string {
  const { command, connection, headers, request_version, server } = handler;
  return requestUrl({
    method: command!,
    target: path,
    host: headers.get("host"),
    needsHost: request_version >= "HTTP/1.1",
    secure: connection.secure,
    port: server.server_port,
  });
}

/**
 * Hop-by-hop headers (RFC 9110 section 7.6.1). The engine manages the connection and frames the body: passing on a
 * Transfer-Encoding that it does not apply, as in HTTP/1.0, would corrupt the response.
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

/** Response headers in Python's order and spelling, without hop-by-hop headers. */
export function pythonHeaders(headers: Headers): [name: string, value: string][] {
  const first: [string, string][] = [];
  const others: [string, string][] = [];
  for (const [name, value] of headers) {
    if (!HOP_BY_HOP.has(name)) (FIRST.includes(name) ? first : others).push([name, value]);
  }
  first.sort(([a], [b]) => FIRST.indexOf(a) - FIRST.indexOf(b));
  return [...first, ...others].map(([name, value]) => [spelled(name), value]);
}

/** The body of a response, truncated at its Content-Length. */
export class ReplyBody implements SourceFile {
  /** The full content, if it is short. */
  readonly bytes: Uint8Array | null;
  readonly #body: ReadableStream<Uint8Array> | null;
  readonly #length: number;

  private constructor(bytes: Uint8Array | null, body: ReadableStream<Uint8Array> | null, length: number) {
    this.bytes = bytes;
    this.#body = body;
    this.#length = length;
  }

  /** Takes the body of a response, buffering it if it is known to be short; null if it has none. */
  static async of(response: Response): Promise<ReplyBody | null> {
    const length = Number(response.headers.get("content-length") ?? Infinity);
    // Accessing `body` would create a stream for what usually is a buffer.
    const bytes = length <= WHOLE_BYTES ? await response.bytes() : null;
    const body = bytes === null ? response.body : null;
    return bytes?.length || body ? new ReplyBody(bytes, body, length) : null;
  }

  /** The content as a stream. */
  get readable(): ReadableStream<Uint8Array> {
    return ReadableStream.from(this.#chunks());
  }

  /** Writes the body with backpressure; a disconnect ends it, even while no data is available. */
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

  /** Discards unread content. */
  [Symbol.dispose](): void {
    if (this.#body?.locked === false) this.#body.cancel().catch(() => {});
  }

  /** The native stream continues past the expected end if the file grows. */
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

/** A cache of spellings; bounded, because programs can send arbitrary names. */
const known = new Map(Object.entries(SPELLINGS));
const MOST_KNOWN = 200;

function spelled(name: string): string {
  const before = known.get(name);
  if (before !== undefined) return before;
  const capitalised = name.replace(/(?:^|-)[a-z]/g, (letter) => letter.toUpperCase());
  if (known.size < MOST_KNOWN) known.set(name, capitalised);
  return capitalised;
}
