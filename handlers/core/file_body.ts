/**
 * Response bodies that a transport may send from an open file itself, instead of reading their stream.
 *
 * @module
 */

/** A range of an open file. Whoever takes it disposes of it. */
export interface FileBody extends Disposable {
  /** The descriptor, open until it is disposed of. */
  readonly descriptor: number;
  readonly offset: number;
  readonly length: number;
  /** Whether a range of the file is in memory, as far as is known, so that reading it does not wait for a disk. */
  isCached(from: number, until: number): boolean;
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
