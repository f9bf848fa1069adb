/**
 * Where an authority and its certificates are kept: a directory of this user, or the memory of this process.
 *
 * @module
 */

import { join } from "@std/path/join";
import { requireOwn } from "../system/ownership.ts";

/** Keeps texts by name. */
export interface Keeping {
  /** The text of that name; null if there is none. */
  read(name: string): Promise<string | null>;
  /** Replaces the text of that name as a whole. */
  write(name: string, text: string): Promise<void>;
  /** Removes texts whose names match, unless they are to be kept. */
  prune(isUseless: (name: string) => Promise<boolean>): Promise<void>;
  /** Keeps other processes out until it is disposed of. */
  lock(): Promise<Disposable>;
}

/** Keeps nothing beyond the process. */
export function inMemory(): Keeping {
  const texts = new Map<string, string>();
  return {
    read: (name) => Promise.resolve(texts.get(name) ?? null),
    write: (name, text) => Promise.resolve(void texts.set(name, text)),
    async prune(isUseless) {
      for (const name of [...texts.keys()]) if (await isUseless(name)) texts.delete(name);
    },
    lock: () => Promise.resolve({ [Symbol.dispose]() {} }),
  };
}

/** What a process that was killed while writing leaves. */
const UNFINISHED = /\.[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * Keeps them as files (mode 0600) in a directory (mode 0700), which is created if needed.
 *
 * @throws Deno.errors.PermissionDenied and others if it cannot be written to; TypeError if it belongs to another user, or
 * if other users can write to it or read its files.
 */
export async function inDirectory(directory: string): Promise<Keeping> {
  await Deno.mkdir(directory, { recursive: true, mode: 0o700 });
  requireOwn(directory, await Deno.stat(directory));
  const at = (name: string) => join(directory, name);
  const keeping: Keeping = {
    read: (name) => readPrivate(at(name)),
    async write(name, text) {
      const own = `${at(name)}.${crypto.randomUUID()}`;
      await Deno.writeTextFile(own, text, { createNew: true, mode: 0o600 });
      await Deno.rename(own, at(name));
    },
    async prune(isUseless) {
      for await (const { name } of Deno.readDir(directory)) {
        if (UNFINISHED.test(name) || await isUseless(name)) await Deno.remove(at(name));
      }
    },
    async lock() {
      const file = await Deno.open(at("lock"), { write: true, create: true, mode: 0o600 });
      await file.lock(true);
      return file;
    },
  };
  // Finds out now whether it can be written to.
  (await keeping.lock())[Symbol.dispose]();
  return keeping;
}

async function readPrivate(path: string): Promise<string | null> {
  try {
    const info = await Deno.stat(path);
    requireOwn(path, info);
    if (info.mode !== null && (info.mode & 0o077) !== 0) throw new TypeError(`other users can read ${path}; remove it`);
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}
