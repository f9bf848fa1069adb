/**
 * Locks in a file that all processes of a server share, and that survives restarts.
 *
 * @module
 */

import { SharedLines } from "../identity/shared_lines.ts";
import { SitePath } from "../http/target.ts";
import type { Locks } from "../store/locks.ts";
import { type Lock, LockSet } from "./lock_set.ts";
import { applyChanges, type LockChanges, type LockKeeper, LockTable } from "./lock_table.ts";

/**
 * A table of locks that WebDAV clients take, for `davFeature` and `uploadFeatures`.
 *
 * @param file Where to keep them: then they survive a restart, and hold between processes. By default, they are in memory.
 * @throws TypeError if the file is a symbolic link or belongs to another user; errors of the file system.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { fileServer, toFetch, uploadFeatures } from "@x/pyserve";
 * import { davFeature, lockTable } from "@x/pyserve/handlers";
 *
 * const directory = await Deno.makeTempDir();
 * const options = { rights: { create: true, change: true }, locks: lockTable() };
 * const features = [davFeature(options), ...uploadFeatures(options)];
 * const fetch = toFetch(fileServer(directory, { features, log: false }));
 * const body =
 *   '<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>';
 * const locked = await fetch(new Request("http://localhost/a.txt", { method: "LOCK", body }));
 * assert(locked.status === 201);
 * const put = (headers: HeadersInit) =>
 *   fetch(new Request("http://localhost/a.txt?on-conflict=overwrite", { method: "PUT", body: "a", headers }));
 * assert((await put({})).status === 423);
 * assert((await put({ if: `(${locked.headers.get("lock-token")})` })).status === 204);
 * for (const feature of features) await feature.end?.();
 * await Deno.remove(directory, { recursive: true });
 * ```
 */
export function lockTable(file?: string): Locks {
  return new LockTable(file === undefined ? undefined : locksIn(file));
}

/** Lines that may be superfluous before the file is replaced by a shorter one. */
const SLACK = 200;

/**
 * Locks in a file, one JSON document per line, to which all processes append. Looking at it costs one system call, unless
 * it has changed. After a power failure, the last locks may be missing.
 *
 * @throws TypeError if it is a symbolic link or belongs to another user; errors of the file system.
 */
export function locksIn(path: string, now: () => number = Date.now): LockKeeper {
  const lines = new SharedLines(path);
  lines.lock().close(); // an error is better found now than at the first lock
  const locks = new LockSet(now);
  const current = () => {
    const news = lines.news();
    if (news?.isReplaced) locks.clear();
    for (const line of news?.lines ?? []) applyChanges(locks, changesOf(line));
    return locks;
  };
  return {
    current,
    change(decide) {
      using file = lines.lock();
      const { changes, result } = decide(current());
      const text = linesOf(changes);
      if (text === "") return result;
      if (lines.count > 2 * locks.size + SLACK) {
        const left = locks.all.filter(({ token }) => !changes.removed?.includes(token));
        lines.replace(linesOf({ added: left }) + text);
      } else lines.append(file, text, { sync: false });
      return result;
    },
  };
}

function linesOf({ added = [], removed = [] }: LockChanges): string {
  const ended = removed.map((token) => JSON.stringify({ token, ended: true }));
  const taken = added.map((lock) => JSON.stringify({ ...lock, root: lock.root.segments }));
  return [...ended, ...taken].map((line) => `${line}\n`).join("");
}

/** What a line says; nothing, if it was cut off by a full disk. */
function changesOf(line: string): LockChanges {
  try {
    const { root, ended, ...lock } = JSON.parse(line);
    if (ended === true) return { removed: [lock.token] };
    const path = (root as string[]).reduce<SitePath | null>((path, name) => path && path.child(name), SitePath.root);
    return path === null ? {} : { added: [{ ...lock, root: path } satisfies Lock] };
  } catch {
    return {};
  }
}
