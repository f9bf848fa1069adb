/**
 * The state directory: the secret key and the list of what has been revoked, shared by all processes of a server and kept
 * across restarts.
 *
 * @module
 */

import { join } from "@std/path/join";

const KEY_BYTES = 32;

/** How often a process looks for revocations by others, in milliseconds. */
const LOOK_MS = 1_000;

/** What sessions and shares need beyond a request. */
export interface IdentityState {
  /** The secret: 32 random bytes. */
  readonly key: Uint8Array;
  /** Sessions and shares that have been ended before their expiry. */
  readonly revocations: Revocations;
}

/** Ended sessions and shares, by id. */
export interface Revocations {
  /** Whether an id has been revoked. */
  has(id: string): boolean;
  /** Revokes an id; `expires` (milliseconds since 1970, Infinity for never) tells how long to remember it. */
  add(id: string, expires: number): void;
}

/** State that ends with the process: a random key, and a list in memory. */
export function volatileState(): IdentityState {
  const ids = new Set<string>();
  const revocations = { has: (id: string) => ids.has(id), add: (id: string) => void ids.add(id) };
  return { key: crypto.getRandomValues(new Uint8Array(KEY_BYTES)), revocations };
}

/**
 * Opens a state directory, and creates it (mode 0700) and its key (mode 0600) if needed. Processes that start at the same
 * time agree on one key.
 *
 * @throws Deno.errors.PermissionDenied and others if it cannot be written to; TypeError if the key is malformed or others
 * can read it.
 */
export function openState(directory: string): IdentityState {
  Deno.mkdirSync(directory, { recursive: true, mode: 0o700 });
  const { mode } = Deno.statSync(directory);
  if (mode !== null && (mode & 0o022) !== 0) throw new TypeError(`other users can write to ${directory}`);
  return { key: readKey(join(directory, "key")), revocations: new RevocationFile(join(directory, "revoked")) };
}

function readKey(path: string): Uint8Array {
  const known = readIfPresent(path);
  if (known) return checkedKey(path, known);
  const key = crypto.getRandomValues(new Uint8Array(KEY_BYTES));
  const own = `${path}.${crypto.randomUUID()}`;
  Deno.writeFileSync(own, key, { createNew: true, mode: 0o600 });
  try {
    // A link is created whole, and by one process only.
    Deno.linkSync(own, path);
    return key;
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    return checkedKey(path, Deno.readFileSync(path));
  } finally {
    Deno.removeSync(own);
  }
}

function checkedKey(path: string, key: Uint8Array): Uint8Array {
  if (key.length !== KEY_BYTES) {
    throw new TypeError(`the key ${path} is damaged; remove it to end all sessions and shares`);
  }
  const { mode } = Deno.statSync(path);
  if (mode !== null && (mode & 0o077) !== 0) {
    throw new TypeError(`other users can read the key ${path}; remove it to end all sessions and shares`);
  }
  return key;
}

function readIfPresent(path: string): Uint8Array | null {
  try {
    return Deno.readFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

/** A list of `ID EXPIRES` lines to which all processes append. */
class RevocationFile implements Revocations {
  readonly #path: string;
  readonly #ids = new Map<string, number>();
  #seen = "";
  #lookedAt = -Infinity;

  constructor(path: string) {
    this.#path = path;
    using file = lockedFile(path);
    this.#look();
    const lines = [...this.#ids].map(([id, expires]) => `${id} ${expires}\n`).join("");
    if (file.statSync().size > lines.length) this.#rewrite(lines);
  }

  has(id: string): boolean {
    if (performance.now() - this.#lookedAt > LOOK_MS) this.#look();
    return this.#ids.has(id);
  }

  add(id: string, expires: number): void {
    this.#ids.set(id, expires);
    using file = lockedFile(this.#path);
    file.writeSync(new TextEncoder().encode(`${id} ${expires}\n`));
    file.syncDataSync();
  }

  /** Reads what other processes have appended. */
  #look(): void {
    this.#lookedAt = performance.now();
    const { size, mtime, ino } = Deno.statSync(this.#path);
    const seen = `${ino} ${size} ${mtime?.getTime()}`;
    if (seen === this.#seen) return;
    for (const line of Deno.readTextFileSync(this.#path).split("\n")) this.#read(line);
    this.#seen = seen;
  }

  #read(line: string): void {
    const [id, expires] = line.split(" ");
    if (id && Number(expires) > Date.now()) this.#ids.set(id, Number(expires));
  }

  /** Replaces the list by the lines that have not expired; the caller holds the lock. */
  #rewrite(lines: string): void {
    const own = `${this.#path}.${crypto.randomUUID()}`;
    Deno.writeTextFileSync(own, lines, { createNew: true, mode: 0o600 });
    Deno.renameSync(own, this.#path);
  }
}

/** Opens a file for appending and locks it; tries again if it was replaced while waiting for the lock. */
function lockedFile(path: string): Deno.FsFile {
  for (;;) {
    const file = Deno.openSync(path, { append: true, create: true, mode: 0o600 });
    file.lockSync(true);
    if (file.statSync().ino === Deno.statSync(path).ino) return file;
    file.close();
  }
}
