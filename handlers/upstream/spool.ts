/**
 * Taking a request body in before it is needed: in memory while it is small, then in a file that has no name.
 *
 * Two reasons (both measured): programs need the length of a chunked body, and once a response has been returned,
 * Deno reads the rest of an upload into memory without bound.
 *
 * @module
 */

import { Watchdog } from "../core/watchdog.ts";
import { HttpError, toHttpError } from "../errors.ts";
import { Pace } from "../sources/pace.ts";

/** How {@linkcode spool} takes a body in. */
export interface SpoolOptions {
  /** Bytes that are kept in memory, and written to disk at once where there are more; 1 MiB by default. */
  readonly memory?: number;
  /** Bytes that are taken at most, null for no limit. */
  readonly max: number | null;
  /** Where the temporary file is made; by default where the system keeps such files. */
  readonly directory?: string;
  /**
   * Milliseconds without a byte after which a body is given up. The whole body gets so many, too, and a second more for each
   * KiB that has come, so that a trickle ends as well; the time that a write takes does not count. 0, and by default, for any.
   */
  readonly stallMs?: number;
}

/** A request body that has been taken in. Dispose of it: it may hold a file. */
export interface Spooled extends Disposable {
  /** Its size in bytes. */
  readonly length: number;
  /**
   * Its bytes from the start, as often as asked, but one at a time: a file has one position.
   *
   * @throws What the file system throws, also after the disposal.
   */
  chunks(): AsyncIterable<Uint8Array<ArrayBuffer>>;
}

/**
 * The client has broken off its upload: there is nobody to answer. It counts as 400 where a status is asked for.
 *
 * @example
 * ```ts
 * import { assert, assertRejects } from "@std/assert";
 * import { spool, UploadBroken } from "@x/pyserve";
 *
 * const broken = new ReadableStream<Uint8Array>({ pull: (controller) => controller.error(new Error("gone")) });
 * const error = await assertRejects(() => spool(broken, { max: null }), UploadBroken);
 * assert(error.status === 400);
 * ```
 */
export class UploadBroken extends HttpError {
  /** Makes one; the cause is what the body said. An engine that knows better says so with a status of its own. */
  constructor(cause: unknown) {
    const known = cause instanceof HttpError ? cause : null;
    super(known?.status ?? 400, known?.message ?? "The upload was broken off", { cause });
  }
}

const MEMORY = 1 << 20;
/** Bytes written at once when there is a file: a fraction of a millisecond. */
const WRITE_SIZE = 1 << 18;
const FIRST_BUFFER = 1 << 14;
const READ_SIZE = 1 << 16;
/** Bytes a second that a body must come with in the long run: slower than any network in use. */
const LEAST_RATE = 1024;

/**
 * Takes a request body in: up to 1 MiB stays in memory, more goes into a temporary file, which only this user can
 * read and which has no name any more (on Windows it has one until the disposal), so that nothing is left of it however
 * the process ends.
 *
 * A Content-Length that says too much is the caller's to judge, before anything is read. Memory in use is `memory` once,
 * whatever the size of the chunks and of the body.
 *
 * @throws HttpError 413 over `max`, 408 where it does not come in time, 507 when the disk is full, 500 and 503 where no file can be made,
 *   {@linkcode UploadBroken} when the client has left.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { spool } from "@x/pyserve";
 *
 * const request = new Request("http://localhost/", { method: "POST", body: "a=1" });
 * using body = await spool(request.body, { max: 1_000_000 });
 * assert(body.length === 3);
 * for await (const chunk of body.chunks()) assert(new TextDecoder().decode(chunk) === "a=1");
 * ```
 */
export async function spool(body: ReadableStream<Uint8Array> | null, options: SpoolOptions): Promise<Spooled> {
  const intake = new Intake(options);
  if (body === null) return intake.finish();
  const reader = new PatientReader(body, options.stallMs ?? 0);
  try {
    for (let chunk = await reader.next(); chunk !== null; chunk = await reader.next()) await intake.take(chunk);
    return await intake.finish();
  } catch (thrown) {
    intake.abandon();
    reader.cancel();
    throw thrown instanceof HttpError ? thrown : storageError(thrown);
  }
}

/** A temporary file that cannot be made or written is the server's fault, never a 404 or 403. */
function storageError(thrown: unknown): HttpError {
  const error = toHttpError(thrown);
  return error.status >= 500 ? error : new HttpError(500, undefined, { cause: thrown });
}

/** Reads a body, and waits for it within bounds. */
class PatientReader {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #stallMs: number;
  readonly #watchdog = new Watchdog();
  /** Milliseconds that may still be waited for the whole body, as far as it has come. */
  #left: number;
  #late: HttpError | null = null;

  constructor(body: ReadableStream<Uint8Array>, stallMs: number) {
    this.#reader = body.getReader();
    this.#stallMs = stallMs;
    this.#left = stallMs;
  }

  /** The next of it, null at its end. */
  async next(): Promise<Uint8Array | null> {
    const begun = performance.now();
    this.#watch();
    const bytes = await this.#read();
    this.#watchdog.rest();
    if (this.#late !== null) throw this.#late;
    if (bytes === null) this.#watchdog.stop();
    else this.#left += bytes.length / LEAST_RATE * 1000 - (performance.now() - begun);
    return bytes;
  }

  cancel(): void {
    this.#watchdog.stop();
    this.#reader.cancel().catch(() => {});
  }

  #watch(): void {
    if (this.#stallMs === 0) return;
    this.#watchdog.set(Math.max(1, Math.min(this.#stallMs, this.#left)), () => {
      // What still comes of it has no place to go (RFC 9110 section 15.5.9).
      this.#late = new HttpError(408, "The body did not come in time", { headers: { connection: "close" } });
      this.#reader.cancel().catch(() => {}); // a pending read ends as if the body did
    });
  }

  async #read(): Promise<Uint8Array | null> {
    try {
      return (await this.#reader.read()).value ?? null;
    } catch (thrown) {
      throw new UploadBroken(thrown);
    }
  }
}

/** A body on its way in: a buffer that grows up to its bound, and is emptied into a file whenever it is full. */
class Intake {
  readonly #memory: number;
  readonly #max: number;
  readonly #directory: string | undefined;
  #buffer: Uint8Array<ArrayBuffer>;
  #used = 0;
  #length = 0;
  #file: TemporaryFile | null = null;

  constructor({ memory = MEMORY, max, directory }: SpoolOptions) {
    this.#memory = Math.max(memory, 1);
    this.#max = max ?? Infinity;
    this.#directory = directory;
    this.#buffer = new Uint8Array(Math.min(FIRST_BUFFER, this.#memory));
  }

  async take(chunk: Uint8Array): Promise<void> {
    this.#length += chunk.length;
    if (this.#length > this.#max) throw new HttpError(413, `The body is larger than ${this.#max} bytes`);
    let rest = chunk;
    for (let room = this.#room(); rest.length > room; room = this.#room()) {
      const part = rest.subarray(0, room);
      this.#keep(part);
      rest = rest.subarray(part.length);
      await this.#flush();
    }
    this.#keep(rest);
  }

  /** What fits in before it has to be written. */
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
 * Temporary files are in the page cache, where a copy takes less time than the way to another thread. And after each
 * operation in the background Deno leaves the body it is reading alone for 40 ms (2.9.6): 50 s for 300 MB.
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
      if (count === null) throw new Error("The temporary file has become shorter");
      left -= count;
      yield chunk.subarray(0, count);
    }
  }

  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
  }
}

/** An open file that is gone when it is closed. */
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
  const later = Deno.build.os === "windows"; // which removes no file that is open
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
