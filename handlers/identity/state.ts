/**
 * The state directory: the secret key and the list of what has been revoked, shared by all processes of a server and
 * kept across restarts.
 *
 * @module
 */

import { join } from "@std/path/join";
import { requireOwn } from "../system/ownership.ts";
import { randomBytes } from "./bytes.ts";
import { readIfPresent } from "./locked_file.ts";
import { RevocationFile, RevocationList, type Revocations } from "./revocations.ts";
import { recordsIn, type ShareRecords, volatileRecords } from "./share_records.ts";

export type { RevocableSession, Revocations } from "./revocations.ts";

const KEY_BYTES = 32;

/** The key of shares: ending all shares must not end sessions. */
const SHARE_KEY = "share-key";

/** How often a process looks for a new key by others, in milliseconds. */
const LOOK_MS = 1_000;

/** What sessions and shares need beyond a request. */
export interface IdentityState {
  /** The secret: 32 random bytes. */
  readonly key: Uint8Array;
  /** Sessions and shares that have been ended before their expiry. */
  readonly revocations: Revocations;
  /**
   * The secret of shares, which changes when all shares are ended: 32 random bytes. Called for each request with a
   * share link. Defaults to `key`.
   */
  readonly shareKey?: () => Uint8Array;
  /** The shares that were made; by default they are forgotten with the process. */
  readonly records?: ShareRecords;
}

/**
 * State that ends with the process: a random key, and lists in memory.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { shares, volatileState } from "@x/pyserve/identity";
 * import { SitePath } from "@x/pyserve";
 *
 * const state = volatileState();
 * const terms = { paths: [SitePath.root], rights: new Set(["read"] as const), expires: Infinity };
 * const { token } = shares(state).make(terms, null);
 * assert(shares(volatileState()).verify(token) === null); // another key
 * ```
 */
export function volatileState(): Required<IdentityState> {
  const revocations = new RevocationList();
  const key = randomBytes(KEY_BYTES);
  return { key, revocations, shareKey: () => key, records: volatileRecords((id) => revocations.has(id)) };
}

/**
 * Opens a state directory, and creates it (mode 0700) and its keys (mode 0600) if needed. Processes that start at the
 * same time agree on the keys.
 *
 * @throws Deno.errors.PermissionDenied and others if it cannot be written to; TypeError if a key is malformed or others
 * can read it, if the directory or a file in it belongs to another user, or if a file is a symbolic link.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { openState } from "@x/pyserve/identity";
 *
 * const directory = await Deno.makeTempDir();
 * const state = openState(`${directory}/state`); // for `auth({ users, state })`, in each process of the server
 * assert(openState(`${directory}/state`).key.toHex() === state.key.toHex());
 * await Deno.remove(directory, { recursive: true });
 * ```
 */
export function openState(directory: string): Required<IdentityState> {
  Deno.mkdirSync(directory, { recursive: true, mode: 0o700 });
  requireOwn(directory, Deno.statSync(directory));
  const revocations = new RevocationFile(join(directory, "revoked"));
  const shareKey = watchedKey(join(directory, SHARE_KEY));
  const records = recordsIn(join(directory, "shares"), (id) => revocations.has(id));
  return { key: readKey(join(directory, "key")), revocations, shareKey, records };
}

/** Ends all shares: replaces their key. Running servers notice it within a second. */
export function endAllShares(directory: string): void {
  const path = join(directory, SHARE_KEY);
  const own = writeNewKey(path);
  Deno.renameSync(own.path, path);
  removeIfPresent(join(directory, "shares"));
}

function removeIfPresent(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** A key that is read again when its file was replaced. */
function watchedKey(path: string): () => Uint8Array {
  let key = readKey(path);
  let seen = stateOf(path);
  let lookedAt = performance.now();
  return () => {
    if (performance.now() - lookedAt <= LOOK_MS) return key;
    lookedAt = performance.now();
    const now = stateOf(path);
    if (now !== seen) [key, seen] = [readKey(path), now];
    return key;
  };
}

function stateOf(path: string): string | null {
  try {
    const { ino, size, mtime } = Deno.lstatSync(path);
    return `${ino} ${size} ${mtime?.getTime()}`;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

function writeNewKey(path: string): { readonly path: string; readonly key: Uint8Array } {
  const key = randomBytes(KEY_BYTES);
  const own = `${path}.${crypto.randomUUID()}`;
  Deno.writeFileSync(own, key, { createNew: true, mode: 0o600 });
  return { path: own, key };
}

function readKey(path: string): Uint8Array {
  const known = readIfPresent(path);
  if (known) return checkedKey(path, known);
  const own = writeNewKey(path);
  try {
    // A link is created whole, and by one process only.
    Deno.linkSync(own.path, path);
    return own.key;
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    return checkedKey(path, readIfPresent(path)!);
  } finally {
    Deno.removeSync(own.path);
  }
}

function checkedKey(path: string, key: Uint8Array): Uint8Array {
  if (key.length !== KEY_BYTES) {
    throw new TypeError(`the key ${path} is damaged; remove it to end all sessions and shares`);
  }
  const { mode } = Deno.lstatSync(path);
  if (mode !== null && (mode & 0o077) !== 0) {
    throw new TypeError(`other users can read the key ${path}; remove it to end all sessions and shares`);
  }
  return key;
}
