/**
 * Notes of running servers in the state directory: how `pyserve share` finds out where a file is served.
 *
 * A server holds a lock on its note as long as it runs, so the note of one that was killed is recognized, even if its
 * process id is in use again.
 *
 * @module
 */

import { join } from "@std/path/join";
import type { ServerAddr } from "../handlers/transport/endpoint.ts";
import { shownUrl } from "./listen.ts";
import { realRoot } from "./real_root.ts";
import type { Settings, SiteSettings } from "./settings.ts";
import { isStoreUrl, type MountPoint } from "./values.ts";

/** What a running server tells about itself. */
export interface ServerNote {
  readonly pid: number;
  /** The served directory or file, resolved. */
  readonly root: string;
  /** Whether the root is an archive whose files are served. */
  readonly isArchive: boolean;
  /** What is mounted, by resolved paths. What `isSite` has a note of its own. */
  readonly mounts: readonly (MountPoint & { readonly isSite: boolean })[];
  /** Its URL, for other machines if it has one; null for a Unix socket. */
  readonly url: string | null;
  /** Whether it serves dotfiles. */
  readonly hidden: boolean;
  /** Whether it accepts uploads. */
  readonly upload: boolean;
  /** When it was started, in milliseconds since 1970. */
  readonly started: number;
}

const DIRECTORY = "servers";

/** What `pyserve share` needs to know about the sites of a server. */
export function serverNotes(settings: Settings, address: ServerAddr): Omit<ServerNote, "pid" | "started">[] {
  const { tls, base, virtualHosts } = settings;
  const scheme = tls === null ? "http" : "https";
  const port = "port" in address ? address.port : null;
  return [
    ...notesOf(settings, shownUrl(address, tls !== null, base)),
    ...virtualHosts.flatMap((host) => {
      const isKnown = port !== null && !host.name.startsWith("*");
      return notesOf(host, isKnown ? `${scheme}://${host.name}:${port}${base ?? ""}/` : null);
    }),
  ];
}

/** The note of a site, and those of its mounts with settings of their own. */
function notesOf(site: SiteSettings, url: string | null): Omit<ServerNote, "pid" | "started">[] {
  const { root, isDirectory, mounts, server: { hidden = false }, features: { upload } } = site;
  const own = {
    root: realRoot(root),
    isArchive: isDirectory && !isStoreUrl(root) && Deno.statSync(root).isFile,
    mounts: mounts.map(({ prefix, path, site }) => ({ prefix, path: realRoot(path), isSite: site !== null })),
    url,
    hidden,
    upload: upload?.rights?.create ?? false,
  };
  const others = mounts.flatMap(({ prefix, site }) => {
    return site === null ? [] : notesOf(site, url && `${url.replace(/\/$/, "")}${prefix}/`);
  });
  return [own, ...others];
}

/** Writes the note of this server; disposing of it removes the note. */
export function noteServer(state: string, note: Omit<ServerNote, "pid" | "started">): Disposable {
  const directory = join(state, DIRECTORY);
  Deno.mkdirSync(directory, { recursive: true, mode: 0o700 });
  const path = join(directory, `${Deno.pid}-${crypto.randomUUID()}`);
  const [own, lockPath] = [`${path}.json`, lockOf(`${path}.json`)];
  const lock = Deno.openSync(lockPath, { createNew: true, write: true, mode: 0o600 });
  lock.lockSync(true);
  const text = JSON.stringify({ ...note, pid: Deno.pid, started: Date.now() });
  Deno.writeTextFileSync(`${path}.new`, text, { createNew: true, mode: 0o600 });
  Deno.renameSync(`${path}.new`, own);
  return {
    [Symbol.dispose]() {
      lock.close();
      for (const path of [own, lockPath]) removeIfPresent(path);
    },
  };
}

/** Its own file: where locks are mandatory (Windows), a locked one cannot be read. */
function lockOf(note: string): string {
  return note.replace(/json$/, "lock");
}

/** The notes of the servers that run now; removes stale ones. */
export function runningServers(state: string): ServerNote[] {
  const directory = join(state, DIRECTORY);
  return namesIn(directory).flatMap((name) => runningServer(join(directory, name)));
}

function runningServer(note: string): ServerNote[] {
  try {
    if (isLocked(lockOf(note))) return [JSON.parse(Deno.readTextFileSync(note))];
    for (const path of [note, lockOf(note)]) removeIfPresent(path);
    return [];
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof SyntaxError) return [];
    throw error;
  }
}

function isLocked(path: string): boolean {
  try {
    using file = Deno.openSync(path, { read: true, write: true });
    return !file.tryLockSync(true);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function namesIn(directory: string): string[] {
  try {
    return [...Deno.readDirSync(directory)].map(({ name }) => name).filter((name) => name.endsWith(".json"));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

function removeIfPresent(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
