/**
 * Changes a file of users: whole or not at all, one process at a time.
 *
 * @module
 */

import type { Edited } from "../handlers/identity/edit_lines.ts";
import { decoded } from "../handlers/identity/user_file.ts";
import { LineError, parseUserLines } from "../handlers/identity/user_lines.ts";
import { StartError } from "./start_error.ts";

/** How long to wait for another process that changes the file, and between two looks, in milliseconds. */
const [WAIT_MS, LOOK_MS] = [5_000, 20];

/**
 * Changes the text of a file, or of a new one. The new text is written beside the file, with mode 0600 and, as far as
 * permitted, the owner of the old one, and then takes its place. A symbolic link is followed. Throws StartError.
 */
export async function editUserFile(path: string, edit: (text: string) => Edited): Promise<Edited> {
  try {
    const target = targetOf(path);
    // As git does: the file that the text is written to is the lock, too.
    const lock = `${target}.lock`;
    const file = await acquire(lock);
    try {
      const edited = editedWith(file, edit, target);
      Deno.renameSync(lock, target);
      return edited;
    } catch (error) {
      Deno.removeSync(lock);
      throw error;
    }
  } catch (error) {
    if (error instanceof StartError || error instanceof Deno.errors.NotCapable) throw error;
    throw new StartError(`Cannot change "${path}": ${reasonOf(error)}`);
  }
}

/** Reads the text of a file of users. Throws StartError. */
export function readUserFile(path: string): string {
  try {
    const text = textOf(path);
    if (text !== null) return text;
    throw new Deno.errors.NotFound();
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    throw new StartError(`Cannot read "${path}": ${StartError.reason(error)}`);
  }
}

/** Why a text is no valid file of users; null if it is one. */
export function remainingProblem(text: string): string | null {
  try {
    parseUserLines(text);
    return null;
  } catch (error) {
    if (error instanceof LineError) return error.message;
    throw error;
  }
}

/** The path without links; of a file that does not exist, as it is. */
function targetOf(path: string): string {
  try {
    if (!Deno.lstatSync(path).isSymlink) return path;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return path;
    throw error;
  }
  try {
    return Deno.realPathSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) throw new Error("it is a link to a file that does not exist");
    throw error;
  }
}

async function acquire(lock: string): Promise<Deno.FsFile> {
  const end = performance.now() + WAIT_MS;
  for (;;) {
    try {
      return Deno.openSync(lock, { write: true, createNew: true, mode: 0o600 });
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
      if (performance.now() > end) {
        throw new Error(`"${lock}" exists; delete it if no other pyserve is changing the file`);
      }
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }
}

/** Null where there is no file. */
function textOf(path: string): string | null {
  try {
    if (!Deno.statSync(path).isFile) throw new Error("it is not a file");
    return decoded(Deno.readFileSync(path));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

/** Writes the new text and closes the file: Windows renames no open one. */
function editedWith(file: Deno.FsFile, edit: (text: string) => Edited, target: string): Edited {
  using _closed = file;
  const edited = edit(textOf(target) ?? "");
  write(file, edited.text, target);
  return edited;
}

function write(file: Deno.FsFile, text: string, target: string): void {
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
  if (Deno.build.os !== "windows") keepOwner(`${target}.lock`, target);
  file.syncSync();
}

/** Otherwise a server that runs as another user could not read what root has written. */
function keepOwner(path: string, target: string): void {
  try {
    const { uid, gid } = Deno.statSync(target);
    const own = Deno.statSync(path);
    if (own.uid !== uid || own.gid !== gid) Deno.chownSync(path, uid, gid);
  } catch {
    // There was no file, or only root may give files away.
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "its directory does not exist";
  if (error instanceof Deno.errors.PermissionDenied) return "permission denied; the directory must be writable, too";
  return StartError.reason(error);
}
