/**
 * The file of a Unix socket: appears with its permissions, never replaces anything, and is removed only by its server.
 *
 * @module
 */

import { dirname } from "@std/path/dirname";
import { join } from "@std/path/join";

/** Starts and ends listening at a path. */
interface Listening<Listener> {
  readonly open: (path: string) => Listener;
  readonly close: (listener: Listener) => void;
}

/**
 * The file of a server's socket.
 *
 * The runtime removes a socket by the name that it was bound to, whatever has that name by then. So a socket is bound to
 * a temporary name, which `ss` and `lsof` show, and then given its own. If Deno's permissions only allow its own name,
 * or the temporary one would be too long, it is bound to its own.
 */
export class SocketFile {
  readonly #path: string;
  readonly #mode: number | null;
  /** The file, while it is there. */
  #own: Deno.FileInfo | null = null;

  /** Takes the path, and the permissions; null for those of a new file. Creates nothing yet. */
  constructor(path: string, mode: number | null) {
    this.#path = path;
    this.#mode = mode;
  }

  /** Listens there. Throws system errors: `AddrInUse` if anything has that name, except for an earlier socket of this. */
  open<Listener>({ open, close }: Listening<Listener>): Listener {
    this.remove();
    const temporary = temporaryName(this.#path);
    const bound = fits(temporary, this.#path) && mayUse(temporary) ? temporary : this.#path;
    const listener = open(bound);
    try {
      if (this.#mode !== null) Deno.chmodSync(bound, this.#mode);
      if (bound !== this.#path) giveName(bound, this.#path);
      this.#own = Deno.lstatSync(this.#path);
      return listener;
    } catch (error) {
      close(listener);
      throw error;
    }
  }

  /** Removes the file, unless it has been replaced or removed. */
  remove(): void {
    const own = this.#own;
    this.#own = null;
    if (own !== null) removeIfSame(this.#path, own);
  }
}

/** Removes a file unless another has taken its place. */
export function removeIfSame(path: string, seen: Deno.FileInfo): void {
  try {
    const now = Deno.lstatSync(path);
    const isSame = now.dev === seen.dev && now.ino === seen.ino && Number(now.birthtime) === Number(seen.birthtime);
    if (isSame) Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Whether a socket may be bound to a path; never requests the permission. */
function mayUse(path: string): boolean {
  if (Deno.build.os === "windows") return false;
  const needed = [{ name: "read", path }, { name: "write", path }, { name: "net", host: `unix:${path}` }] as const;
  return needed.every((descriptor) => Deno.permissions.querySync(descriptor).state === "granted");
}

/** The length in bytes that every system allows for the path of a socket: macOS has 103, Linux 107. */
const ALWAYS_FITS = 100;

function fits(temporary: string, path: string): boolean {
  const [needed, given] = [temporary, path].map((text) => new TextEncoder().encode(text).length);
  return needed! <= Math.max(ALWAYS_FITS, given!);
}

function temporaryName(path: string): string {
  return join(dirname(path), `.${crypto.randomUUID().slice(0, 5)}`);
}

/** Renames a file, but never replaces another: link(2) fails where rename(2) would. */
function giveName(from: string, to: string): void {
  try {
    Deno.linkSync(from, to);
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) throw new Deno.errors.AddrInUse("Address already in use");
    throw error;
  } finally {
    Deno.removeSync(from);
  }
}
