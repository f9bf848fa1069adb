/**
 * Lets the runtime send small responses with one system call instead of two.
 *
 * Deno 2.9 writes head and body of a response in one piece only if both fit the write buffer of their connection. The
 * buffer has 512 bytes, grows with the longest head, and never shrinks. So one early response of each connection gets a
 * long head; from then on, responses of up to {@linkcode TARGET_BYTES} × 2 need one write, one TLS record and one
 * segment. docs/speed.md explains it to those who find the field, docs/upstream.md to the maintainers of the runtime;
 * tests/transport/padding_test.ts fails as soon as the runtime does not need it any more.
 *
 * @module
 */

import type { ConnectionInfo, FetchFunction } from "../core/fetch.ts";
import type { Awaitable } from "../core/types.ts";
import { then } from "../core/awaitable.ts";

/** The field that makes the head long. The Connection field declares it to be about this connection only. */
const NAME = "pyserve-padding";

const EXPLANATION = "makes later responses on this connection faster, see docs/speed.md ";

/**
 * The length to which the head grows, in bytes. The runtime's buffer grows to this length exactly when it takes the
 * field, and doubles with the next byte. Proxies accept heads of 4 KiB (nginx) or more.
 */
const TARGET_BYTES = 2_100;

/** Status line, Date and the separators of fields, roughly. */
const STATUS_LINE_BYTES = 17;
const SEPARATOR_BYTES = 4;

/** The original size of the buffer: responses that fit already need one write. */
const BUFFER_BYTES = 512;

/** The largest body of a response that gets the field: connections that carry larger ones profit less. */
const MAX_BODY_BYTES = 3_500;

/** Requests on one connection after the first whose responses are considered. */
const MAX_TRIES = 8;

/** Number of connections in a generation; those of two generations are remembered. */
const GENERATION = 4_096;

/** Fields of requests that came through a proxy, which may store the response for others. */
const OF_PROXIES = ["via", "x-forwarded-for", "forwarded"];

/** Responses that shared caches do not store, or that they have confirmed before each use. */
const NOT_SHARED = /\b(?:no-cache|no-store|private)\b/;

/** Adds the field to one response per connection. */
export class Padding {
  readonly #connections = new Connections();

  /**
   * Answers a request with the given function; the second response of an HTTP/1 connection, or the next suitable one,
   * gets the field. Clients that send one request per connection never see it.
   */
  answer(fetch: FetchFunction, request: Request, info: ConnectionInfo | undefined): Awaitable<Response> {
    const remoteAddr = info?.remoteAddr;
    if (remoteAddr === undefined || !("hostname" in remoteAddr)) return fetch(request, info);
    const known = { remoteAddr }; // the runtime creates a new object for each access
    const key = keyOf(remoteAddr);
    if (!this.#connections.isCandidate(key)) return fetch(request, known);
    return then(fetch(request, known), (response) => {
      if (isDirect(request) && pad(response)) this.#connections.finish(key);
      return response;
    });
  }
}

/**
 * The number of requests per connection, for the latest connections. Connections have no identity except their remote
 * address and port. If one is forgotten, it gets the field again; if the port of another is used again soon, it does
 * not get any: both cost microseconds only.
 */
class Connections {
  #latest = new Map<number, number>();
  #earlier = new Map<number, number>();

  /** Counts a request; whether its response may get the field. */
  isCandidate(key: number): boolean {
    const count = this.#latest.get(key) ?? this.#recall(key);
    if (count > MAX_TRIES) return false;
    this.#latest.set(key, count + 1);
    return count > 0;
  }

  /** Records that no more responses on a connection need the field. */
  finish(key: number): void {
    this.#latest.set(key, MAX_TRIES + 1);
  }

  #recall(key: number): number {
    const count = this.#earlier.get(key) ?? 0;
    if (this.#latest.size >= GENERATION) {
      this.#earlier = this.#latest;
      this.#latest = new Map();
    }
    this.#latest.set(key, count);
    return count;
  }
}

/** A hash with 31 bits, the integers that V8 stores without an object (FNV-1a). */
function keyOf({ hostname, port }: Deno.NetAddr): number {
  let hash = port;
  for (let at = 0; at < hostname.length; at++) hash = Math.imul(hash ^ hostname.charCodeAt(at), 16_777_619);
  return hash >>> 1;
}

/** Whether the client is on this connection itself, speaks HTTP/1 (HTTP/2 has no Host field) and stays. */
function isDirect({ method, headers }: Request): boolean {
  return method === "GET" && headers.has("host") && headers.get("connection")?.toLowerCase() !== "close" &&
    !OF_PROXIES.some((name) => headers.has(name));
}

/** Adds the field to a response if it suits; false otherwise. */
function pad({ status, headers }: Response): boolean {
  const length = Number(headers.get("content-length"));
  if (status !== 200 || !(length > 0 && length <= MAX_BODY_BYTES)) return false;
  if (!NOT_SHARED.test(headers.get("cache-control") ?? "")) return false;
  let bytes = STATUS_LINE_BYTES;
  for (const [name, value] of headers) bytes += name.length + value.length + SEPARATOR_BYTES;
  if (bytes + length <= BUFFER_BYTES) return false;
  const missing = TARGET_BYTES - bytes;
  return missing > 0 ? append(headers, EXPLANATION.padEnd(missing, ".")) : true;
}

/** False if the headers are immutable, as in a response from `fetch`. */
function append(headers: Headers, value: string): boolean {
  try {
    headers.append("connection", NAME);
    headers.append(NAME, value);
    return true;
  } catch {
    return false;
  }
}
