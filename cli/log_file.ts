/**
 * The log in a file: `--log-file`.
 *
 * It needs no signal after a rotation: before each batch of lines it looks whether its path still names the open file.
 * If the file has been renamed or removed, a new one is created; if it has been truncated (`copytruncate`), the next
 * line is its first one, because it is opened for appending.
 *
 * @module
 */

import type { ByteWriter } from "./log_sink.ts";
import { servingRoot } from "./served_state.ts";
import type { SiteSettings } from "./settings.ts";
import { StartError } from "./start_error.ts";

/** The owner writes, the group may read, as logrotate and syslog have it. */
const MODE = 0o640;

const LINE_FEED = 10;

/**
 * A file that takes lines. While it cannot be written, because the disk is full or its directory has gone, they go to
 * standard error, preceded by the reason.
 */
export class LogFile implements ByteWriter, Disposable {
  readonly #path: string;
  readonly #stderr: ByteWriter;
  #file: Deno.FsFile | null = null;
  /** Which file is open; null if unknown. */
  #identity: string | null = null;
  /** Why lines go to standard error; null if they do not. */
  #problem: string | null = null;
  /** Whether the last line in the file is incomplete. */
  #isCut = false;

  private constructor(path: string, stderr: ByteWriter) {
    this.#path = path;
    this.#stderr = stderr;
  }

  /** Opens the file, which clients must not be able to read. Throws {@linkcode StartError}. */
  static open(path: string, sites: readonly SiteSettings[], stderr: ByteWriter): LogFile {
    const root = servingRoot(path, sites);
    if (root !== null) {
      throw new StartError(`Cannot log to "${path}": clients could read it, because "${root}" is served`);
    }
    const log = new LogFile(path, stderr);
    try {
      log.#current();
      return log;
    } catch (error) {
      if (error instanceof Deno.errors.NotCapable) throw error;
      throw new StartError(`Cannot log to "${path}": ${reasonOf(error)}`);
    }
  }

  async write(bytes: Uint8Array): Promise<number> {
    try {
      const file = this.#current();
      if (this.#problem !== null) await this.#resume(file);
      const count = await file.write(bytes);
      this.#isCut = bytes[count - 1] !== LINE_FEED;
      return count;
    } catch (error) {
      await this.#complain(reasonOf(error));
      return await this.#stderr.write(bytes);
    }
  }

  [Symbol.dispose](): void {
    this.#file?.close();
    this.#file = null;
  }

  /** The file at the path; opens it if there is another one, or none. */
  #current(): Deno.FsFile {
    const there = this.#look();
    if (this.#file !== null && there !== null && identityOf(there) === this.#identity) return this.#file;
    // Opening a FIFO would wait for a reader.
    if (there !== null && !there.isFile && !there.isCharDevice) throw new TypeError("it is not a file");
    const file = Deno.openSync(this.#path, { append: true, create: true, mode: MODE });
    this.#file?.close();
    this.#file = file;
    this.#identity = identityOf(file.statSync());
    this.#isCut = false;
    return file;
  }

  #look(): Deno.FileInfo | null {
    try {
      return Deno.statSync(this.#path);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return null;
      throw error;
    }
  }

  async #resume(file: Deno.FsFile): Promise<void> {
    const note = `${this.#isCut ? "\n" : ""}pyserve: earlier lines are on standard error, because ${this.#problem}\n`;
    await writeAll(file, note);
    this.#problem = null;
  }

  async #complain(reason: string): Promise<void> {
    if (reason === this.#problem) return;
    this.#problem = reason;
    await writeAll(
      this.#stderr,
      `pyserve: Cannot log to "${this.#path}": ${reason}; the log continues here until that is possible\n`,
    );
  }
}

async function writeAll(writer: ByteWriter, text: string): Promise<void> {
  let bytes = new TextEncoder().encode(text);
  while (bytes.length > 0) bytes = bytes.subarray(await writer.write(bytes));
}

/** Device and inode; null where the system has none. */
function identityOf({ dev, ino }: Deno.FileInfo): string | null {
  return ino === null ? null : `${dev} ${ino}`;
}

function reasonOf(error: unknown): string {
  const { code } = error as { code?: string };
  if (code === "ENOSPC" || code === "EDQUOT") return "the disk is full";
  if (error instanceof Deno.errors.NotFound) return "there is no such directory";
  return StartError.reason(error);
}
