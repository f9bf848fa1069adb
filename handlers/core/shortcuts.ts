/**
 * What a transport may do by itself: send a response again to a request whose head is the same, byte for byte, so that
 * whatever the response depends on is the same as well; tell what has really been sent; and send the body of a response
 * from an open file, instead of reading its stream.
 *
 * @module
 */

import type { Handler, Layer } from "./types.ts";

/** Filled in by whoever knows, while a request is answered from the cache. */
export interface Repeat {
  /** Whether the response is still what the handlers would send; null if it must not be sent again. */
  isFresh: (() => boolean) | null;
  /** Logs the response to another client; null for no log. */
  log: RepeatedLog | null;
  /** Counts the response once more; null for no counting. */
  count: (() => void) | null;
}

/** Logs a response: the address of its client, the bytes of the body that were sent, and how long that took. */
export type RepeatedLog = (address: string, bytes: number, milliseconds: number) => void;

/** The sending of a response, by a transport that sees its end. */
export interface Transfer {
  /** Calls back once everything has been sent, or nothing more can be, with the bytes of the body that were sent. */
  whenSent(callback: (bytes: number) => void): void;
  /** Whether the connection can be handed over: see {@linkcode switching}. */
  readonly canSwitch: boolean;
}

/** Takes what the client sends after the response. */
export type Switch = (input: ReadableStream<Uint8Array<ArrayBuffer>>) => void;

const switches = new WeakMap<Response, Switch>();

/**
 * Makes a response a 101: its body, and what the client sends, are the bytes of the new protocol. `Response` refuses
 * that status.
 */
export function switching(response: Response, begin: Switch): Response {
  Object.defineProperty(response, "status", { value: 101 });
  switches.set(response, begin);
  return response;
}

/** What a response that switches protocols waits for; undefined for others. */
export function switchOf(response: Response): Switch | undefined {
  return switches.get(response);
}

/** Handlers, layers and fetch functions of which nothing outside has to see each request. */
const repeatable = new WeakSet<Repeatable>();

type Repeatable = Handler | Layer | FetchLike;

type FetchLike = (request: Request) => unknown;

/**
 * Marks a handler, or the fetch function of one, that treats all requests with the same head alike, except for its log;
 * or a layer that leaves responses that are sent again as they are. A function around it is not marked, and so sees each
 * request.
 */
export function markRepeatable<Marked extends Repeatable>(handler: Marked): Marked {
  repeatable.add(handler);
  return handler;
}

/** Whether a handler, a layer or a fetch function has been marked. */
export function isRepeatable(handler: Repeatable): boolean {
  return repeatable.has(handler);
}

/** Marks what only passes requests on, if all handlers or layers that it passes them to are marked. */
export function repeatableLike<Made extends Repeatable>(parts: readonly Repeatable[], made: Made): Made {
  return parts.every(isRepeatable) ? markRepeatable(made) : made;
}

/** A range of an open file. Whoever takes it disposes of it. */
export interface FileBody extends Disposable {
  /** The descriptor, open until it is disposed of. */
  readonly descriptor: number;
  readonly offset: number;
  readonly length: number;
  /** Whether it is certainly in memory. */
  readonly isInMemory?: boolean;
}

const bodies = new WeakMap<ReadableStream, FileBody>();

/** Notes that a stream has the bytes of a file, and nothing else. */
export function noteFileBody<Stream extends ReadableStream>(stream: Stream, body: FileBody): Stream {
  bodies.set(stream, body);
  return stream;
}

/** The file of a stream that nobody reads, if it has this length; locks the stream. Null for any other. */
export function takeFileBody(stream: ReadableStream, length: number): FileBody | null {
  const body = bodies.get(stream);
  if (body === undefined || body.length !== length || stream.locked) return null;
  bodies.delete(stream);
  stream.getReader();
  return body;
}
