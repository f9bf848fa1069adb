/**
 * Spools request bodies: in memory while they are small, then in an unlinked temporary file.
 *
 * For two reasons: CGI and FastCGI need the length of a chunked body, and once a response has been
 * returned, Deno buffers the rest of an upload in memory without limit.
 *
 * @module
 */

import { bodyTooLarge, contentLengthOf, readBody } from "../core/request_body.ts";
import { HttpError, toHttpError } from "../core/errors.ts";
import { Pace } from "../sources/pace.ts";

/** Options of {@linkcode spool}. */
export interface SpoolOptions {
  /** Bytes kept in memory before spilling to disk; defaults to 1 MiB. */
  readonly memory?: number;
  /** Maximum size in bytes, or null for unlimited. */
  readonly max: number | null;
  /** Directory of the temporary file; defaults to the system's. */
  readonly directory?: string;
  /**
   * Milliseconds without data after which the body is abandoned. The whole body has this time plus one second per KiB
   * received, which also bounds slow trickles; time spent writing does not count. Defaults to 0 = unlimited.
   */
  readonly stallMs?: number;
}

/** A spooled request body. Dispose of it: it may hold a file. */
export interface Spooled extends Disposable {
  /** Its size in bytes. */
  readonly length: number;
  /**
   * Its bytes, from the start, any number of times, but with one reader at a time: the file has a single position.
   *
   * @throws File system errors, also after disposal.
   */
  chunks(): AsyncIterable<Uint8Array<ArrayBuffer>>;
}

const MEMORY = 1 << 20;
/** Size of a write, which takes a fraction of a millisecond. */
const WRITE_SIZE = 1 << 18;
const FIRST_BUFFER = 1 << 14;
const READ_SIZE = 1 << 16;

/**
 * Reads a whole request body: up to 1 MiB in memory, more in a temporary file readable only by this user. The file is
 * unlinked as soon as it is created (on Windows when it is closed), so that it does not outlive the process however
 * that ends.
 *
 * Content-Length is ignored. Memory use is bounded by `memory`, whatever the size of the chunks and of the body.
 *
 * @throws {HttpError} 413 for more than `max` bytes, 408 if the client is too slow, 507 if the disk is full, 500 or 503
 *   if no file can be created, `IncompleteBody` if the client disconnects.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 *
 * const request = new Request("http://localhost/", { method: "POST", body: "a=1" });
 * using body = await spool(request.body, { max: 1_000_000 });
 * assert(body.length === 3);
 * for await (const chunk of body.chunks()) assert(new TextDecoder().decode(chunk) === "a=1");
 * ```
 */
export async function spool(
  body: ReadableStream<Uint8Array> | null,
  options: SpoolOptions,
): Promise<Spooled> {
  const intake = new Intake(options);
  const { max, stallMs = 0 } = options;
  try {
    for await (const piece of readBody(body, { max, stallMs })) await intake.take(piece);
    return await intake.finish();
  } catch (thrown) {
    intake.abandon();
    throw thrown instanceof HttpError ? thrown : storageError(thrown);
  }
}

/**
 * Spools the body of a request; null if it has none. If its Content-Length exceeds the maximum, it is refused with 413
 * before it is read.
 */
export async function spoolBody(request: Request, options: SpoolOptions): Promise<Spooled | null> {
  if (request.body === null) return null;
  const { max } = options;
  if (max !== null && (contentLengthOf(request) ?? 0) > max) throw bodyTooLarge(max);
  return await spool(request.body, options);
}

/** Failing to create or write a temporary file is a server error, never a 404 or 403. */
function storageError(thrown: unknown): HttpError {
  const error = toHttpError(thrown);
  return error.status >= 500 ? error : new HttpError(500, undefined, { cause: thrown });
}

/** A growing, bounded buffer that is flushed to a file whenever it is full. */
class Intake {
  readonly #memory: number;
  readonly #directory: string | undefined;
  #buffer: Uint8Array<ArrayBuffer>;
  #used = 0;
  #length = 0;
  #file: TemporaryFile | null = null;

  constructor({ memory = MEMORY, directory }: SpoolOptions) {
    this.#memory = Math.max(memory, 1);
    this.#directory = directory;
    this.#buffer = new Uint8Array(Math.min(FIRST_BUFFER, this.#memory));
  }

  async take(chunk: Uint8Array): Promise<void> {
    this.#length += chunk.length;
    let rest = chunk;
    for (let room = this.#room(); rest.length > room; room = this.#room()) {
      const part = rest.subarray(0, room);
      this.#keep(part);
      rest = rest.subarray(part.length);
      await this.#flush();
    }
    this.#keep(rest);
  }

  /** Bytes that fit before the buffer has to be flushed. */
  #room(): number {
    return Math.min(this.#memory, this.#file === null ? Infinity : WRITE_SIZE) - this.#used;
  }

  async finish(): Promise<Spooled> {
    if (this.#file === null) return new InMemory(this.#buffer.subarray(0, this.#used));
    await this.#flush();
    return new OnDisk(this.#file, this.#length);
  }

  abandon(): void {
    this.#file?.[Symbol.dispose]();
  }

  #keep(bytes: Uint8Array): void {
    const used = this.#used + bytes.length;
    if (used > this.#buffer.length) this.#grow(used);
    this.#buffer.set(bytes, this.#used);
    this.#used = used;
  }

  #grow(needed: number): void {
    const larger = new Uint8Array(Math.min(this.#memory, Math.max(needed, this.#buffer.length * 2)));
    larger.set(this.#buffer.subarray(0, this.#used));
    this.#buffer = larger;
  }

  async #flush(): Promise<void> {
    this.#file ??= await makeTemporaryFile(this.#directory);
    const { file } = this.#file;
    for (let from = 0; from < this.#used;) {
      const part = this.#buffer.subarray(from, this.#used);
      from += pace.isSlow ? await file.write(part) : pace.measure(() => file.writeSync(part));
    }
    this.#used = 0;
  }
}

/**
 * Temporary files are in the page cache, where a copy takes less time than switching threads. Besides, Deno 2.9.6 stops
 * reading the body for 40 ms after each asynchronous file operation: 50 s for 300 MB.
 */
const pace = new Pace();

class InMemory implements Spooled {
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly length: number;

  constructor(bytes: Uint8Array<ArrayBuffer>) {
    this.#bytes = bytes;
    this.length = bytes.length;
  }

  async *chunks(): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    if (this.length > 0) yield this.#bytes;
  }

  [Symbol.dispose](): void {}
}

class OnDisk implements Spooled {
  readonly #file: TemporaryFile;
  readonly length: number;

  constructor(file: TemporaryFile, length: number) {
    this.#file = file;
    this.length = length;
  }

  async *chunks(): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    const { file } = this.#file;
    await file.seek(0, Deno.SeekMode.Start);
    for (let left = this.length; left > 0;) {
      const chunk = new Uint8Array(Math.min(left, READ_SIZE));
      const count = pace.isSlow ? await file.read(chunk) : pace.measure(() => file.readSync(chunk));
      if (count === null) throw new Error("The temporary file was truncated");
      left -= count;
      yield chunk.subarray(0, count);
    }
  }

  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
  }
}

/** An open file that is deleted when closed. */
interface TemporaryFile extends Disposable {
  readonly file: Deno.FsFile;
}

async function makeTemporaryFile(directory: string | undefined): Promise<TemporaryFile> {
  const path = await Deno.makeTempFile({ prefix: "pyserve-", ...(directory === undefined ? {} : { dir: directory }) });
  try {
    return removedWhenClosed(await Deno.open(path, { read: true, write: true }), path);
  } catch (thrown) {
    Deno.removeSync(path);
    throw thrown;
  }
}

function removedWhenClosed(file: Deno.FsFile, path: string): TemporaryFile {
  const later = Deno.build.os === "windows"; // Windows cannot delete an open file
  if (!later) Deno.removeSync(path);
  let open = true;
  return {
    file,
    [Symbol.dispose]: () => {
      if (!open) return;
      open = false;
      file.close();
      if (later) Deno.removeSync(path);
    },
  };
}
