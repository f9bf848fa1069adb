/**
 * Limits data that clients send and no handler reads.
 *
 * While it produces or sends a response, Deno 2.9 keeps reading and buffers everything after the request without limit:
 * bytes over HTTP/1, empty DATA frames over HTTP/2. Handlers cannot see that, so the process's memory is sampled; when
 * it grows, the bytes received per connection are examined. A client that sends much in the meantime, but neither
 * requests nor a body that is being read, is disconnected.
 *
 * @module
 */

import type { ConnectionInfo, FetchFunction } from "../core/fetch.ts";
import type { AcceptedSocket, Sockets, Traffic } from "../system/sockets.ts";
import { later } from "../core/later.ts";
import type { Awaitable, Logger } from "../core/types.ts";

/** Sampling interval in milliseconds; a sample takes 10 µs. Growth between samples goes unnoticed. */
const LOOK_MS = 50;

/** Samples between two counts of the connections: without any, sampling stops until the next request. */
const LOOKS_TO_COUNT = 20;

/** Growth of memory outside V8's heap, in bytes, that triggers an examination. */
const SUSPICIOUS_BYTES = 32 * 1024 * 1024;

/** Number of samples for which connections are then examined. */
const MOST_LOOKS = 200;

/**
 * Bytes that a client may send in this time without a request; plus one for a given number of bytes sent to it (HTTP/2
 * window updates).
 */
const SURPLUS_BYTES = 262_144;
const SENT_FOR_ONE = 256;

/** Examines the connections of one port when memory usage is suspicious. */
export class IntakeGuard implements Disposable {
  /** Requests whose bodies are being read, by client port; shared with the worker thread. */
  readonly uploading: Uint8Array<SharedArrayBuffer> = new Uint8Array(new SharedArrayBuffer(65_536));
  readonly #sockets: Sockets;
  readonly #port: number;
  readonly #log: Logger | undefined;
  readonly #uploads = new Map<number, Upload>();
  readonly #later: typeof later;
  #isWatching = false;
  #isOver = false;
  #looks = 0;
  #least = Infinity;
  #suspicion: Suspicion | null = null;

  /**
   * Starts watching with the first request.
   *
   * @param timer Tests give one of their own.
   */
  constructor(sockets: Sockets, port: number, log: Logger | undefined, timer: typeof later = later) {
    this.#sockets = sockets;
    this.#port = port;
    this.#log = log;
    this.#later = timer;
  }

  /** Records a request and answers it with the given function. */
  answer(fetch: FetchFunction, request: Request, info: ConnectionInfo | undefined): Awaitable<Response> {
    if (!this.#isWatching) this.#start();
    const { method } = request;
    const hasBody = method !== "GET" && method !== "HEAD";
    if (!hasBody && this.#suspicion === null) return fetch(request, info);
    const peerPort = portOf(info);
    this.#suspicion?.absolve(peerPort);
    return hasBody ? this.#upload(peerPort, request, () => fetch(request, info)) : fetch(request, info);
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
  }

  #upload(peerPort: number, { headers }: Request, answer: () => Awaitable<Response>): Awaitable<Response> {
    const upload = this.#uploads.get(peerPort) ?? { running: 0, bytes: 0 };
    this.#uploads.set(peerPort, upload);
    this.uploading[peerPort] = Math.min(++upload.running, 255);
    upload.bytes += Number(headers.get("content-length") ?? Infinity);
    const end = () => {
      this.uploading[peerPort] = Math.min(--upload.running, 255);
      if (upload.running === 0) this.#uploads.delete(peerPort);
      this.#suspicion?.absolve(peerPort);
    };
    const answered = answer();
    if (answered instanceof Promise) answered.then(end, end);
    else end();
    return answered;
  }

  #start(): void {
    if (this.#isOver) return;
    this.#isWatching = true;
    this.#later(LOOK_MS, () => this.#watch());
  }

  #watch(): void {
    this.#isWatching = !this.#isOver && this.#look();
    if (this.#isWatching) this.#later(LOOK_MS, () => this.#watch());
  }

  /** Takes a sample; whether there is reason to take another. */
  #look(): boolean {
    const { rss, heapTotal, external } = Deno.memoryUsage();
    const memory = rss - heapTotal - external;
    this.#looks += 1;
    if (this.#suspicion !== null) {
      this.#examine(this.#suspicion, memory);
      return true;
    }
    this.#least = Math.min(this.#least, memory);
    if (memory > this.#least + SUSPICIOUS_BYTES) {
      this.#looks = 0;
      this.#suspicion = new Suspicion(this.#sockets, this.#port);
      return true;
    }
    return this.#looks % LOOKS_TO_COUNT !== 0 || this.#sockets.connections(this.#port).length > 0;
  }

  #examine(suspicion: Suspicion, memory: number): void {
    for (const { connection, surplus } of suspicion.surpluses()) {
      const allowed = SURPLUS_BYTES + (this.#uploads.get(connection.peerPort)?.bytes ?? 0);
      if (surplus <= allowed) continue;
      this.#sockets.reset(connection);
      this.#log?.error(`Disconnected a client that sent ${surplus} unread bytes after its request`);
    }
    if (this.#looks < MOST_LOOKS && memory > this.#least + SUSPICIOUS_BYTES / 2) return;
    this.#suspicion = null;
    this.#least = memory;
  }
}

/** Requests on one connection whose bodies are being read, and the bytes expected for them. */
interface Upload {
  running: number;
  bytes: number;
}

/** Bytes received per connection since the suspicion arose. */
class Suspicion {
  readonly #sockets: Sockets;
  readonly #port: number;
  readonly #marks = new Map<string, Traffic>();
  readonly #absolved = new Set<number>();

  constructor(sockets: Sockets, port: number) {
    this.#sockets = sockets;
    this.#port = port;
    for (const connection of sockets.connections(port)) this.#mark(connection);
  }

  /** The client has sent a request, or a body that was read, so its traffic is legitimate. */
  absolve(peerPort: number): void {
    this.#absolved.add(peerPort);
  }

  *surpluses(): Generator<{ connection: AcceptedSocket; surplus: number }> {
    for (const connection of this.#sockets.connections(this.#port)) {
      const before = this.#marks.get(keyOf(connection));
      const now = this.#sockets.traffic(connection);
      if (before === undefined || this.#absolved.has(connection.peerPort)) this.#mark(connection);
      else if (now !== null) {
        const surplus = now.received - before.received - Math.max(0, now.sent - before.sent) / SENT_FOR_ONE;
        yield { connection, surplus: Math.round(surplus) };
      }
    }
    this.#absolved.clear();
  }

  #mark(connection: AcceptedSocket): void {
    const traffic = this.#sockets.traffic(connection);
    if (traffic !== null) this.#marks.set(keyOf(connection), traffic);
  }
}

function keyOf({ descriptor, peerPort }: AcceptedSocket): string {
  return `${descriptor} ${peerPort}`;
}

function portOf(info: ConnectionInfo | undefined): number {
  const address = info?.remoteAddr;
  return address !== undefined && "port" in address ? address.port : 0;
}
