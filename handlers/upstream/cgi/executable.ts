/**
 * Checks whether a program can be run before starting it.
 *
 * Failures to start are otherwise reported late or not at all: `setsid` only exits with a status, and for a format
 * unknown to the kernel, the runtime falls back to `sh`, which interprets the file line by line.
 *
 * @module
 */

import { basename } from "@std/path/basename";
import { SEPARATOR } from "@std/path/constants";
import { dirname } from "@std/path/dirname";
import { join } from "@std/path/join";
import { HttpError } from "../../core/errors.ts";
import { trimBlanks } from "../../http/blanks.ts";
import { readStart } from "../../sources/disk_file.ts";
import { textOfBytes } from "../latin1.ts";

/** An executable program. */
export interface Executable {
  /** The interpreter and its argument from the shebang line; null for a native binary. */
  readonly interpreter: readonly string[] | null;
}

/** How many bytes Linux reads for a shebang line. */
const SNIFFED_BYTES = 256;

/** Maximum number of programs whose check is cached. */
const MAX_KNOWN = 1000;

/** Magic numbers of native binaries, as Latin-1 text. */
const MAGIC: Readonly<Record<string, readonly string[]>> = {
  darwin: ["\xfe\xed\xfa\xce", "\xfe\xed\xfa\xcf", "\xce\xfa\xed\xfe", "\xcf\xfa\xed\xfe", "\xca\xfe\xba\xbe"],
  windows: ["MZ"],
};
const ELF = ["\x7fELF"];

const known = new Map<string, { readonly stamp: string; readonly executable: Executable }>();

/**
 * Checks whether a file can be run: it is executable, and a native binary or a script whose interpreter exists. For
 * `#!/usr/bin/env python3` only `env` is checked. An unreadable file passes, since many programs can be executed but
 * not read.
 *
 * The result is cached until the file changes; the interpreter is not checked again.
 *
 * Windows has neither the permission bit nor `#!`: there, {@linkcode findProgram} looks up the interpreter by name
 * (untested on Windows).
 *
 * @param file A real path on disk.
 * @throws {HttpError} 404 if it does not exist, 403 if it may not be run, 500 with a reason if it cannot be run.
 */
export function checkExecutable(file: string): Executable {
  const info = statOf(file);
  if (info === null) throw new HttpError(404, "No such CGI program");
  if (!info.isFile) throw new HttpError(403, "The CGI program is not a regular file");
  if (!mayBeRun(info)) throw new HttpError(403, "The CGI program is not executable");
  const stamp = [info.dev, info.ino, info.size, info.mtime?.getTime(), info.ctime?.getTime(), info.mode].join();
  const before = known.get(file);
  if (before?.stamp === stamp) return before.executable;
  const executable = judge(firstBytes(file), file);
  if (known.size >= MAX_KNOWN) known.clear();
  known.set(file, { stamp, executable });
  return executable;
}

function judge(start: string | null, file: string): Executable {
  if (start === null) return { interpreter: null };
  if (start.startsWith("#!")) return { interpreter: interpreterOf(start, file) };
  if ((MAGIC[Deno.build.os] ?? ELF).some((magic) => start.startsWith(magic))) return { interpreter: null };
  throw cannotRun(whyNoFormat(start));
}

function whyNoFormat(start: string): string {
  if (start === "") return "it is empty";
  if (start.startsWith("\xef\xbb\xbf#!")) return "it has a byte order mark before #!; save it as UTF-8 without BOM";
  if (/^(?:\xff\xfe|\xfe\xff)/.test(start)) return "it is UTF-16; save it as UTF-8 without BOM";
  if (/^(?:\x7fELF|MZ|\xca\xfe\xba\xbe|[\xce\xcf]\xfa\xed\xfe|\xfe\xed\xfa[\xce\xcf])/.test(start)) {
    return "it is a binary for another system";
  }
  return "it is neither a binary nor a script that begins with a line such as #!/bin/sh";
}

/** The words of the shebang line: the interpreter, and the rest as a single argument, as on Linux. */
function interpreterOf(start: string, file: string): readonly string[] {
  const end = start.indexOf("\n");
  const line = (end < 0 ? start : start.slice(0, end)).slice(2);
  const [, name = "", rest = ""] = /^[ \t]*([^ \t\0]*)[ \t]*([^\0]*)/.exec(line) ?? [];
  const argument = trimBlanks(rest);
  if (name === "" || name === "\r") throw cannotRun("its first line names no interpreter after #!");
  if (end < 0 && start.length === SNIFFED_BYTES && argument === "") {
    throw cannotRun(`its first line is longer than ${SNIFFED_BYTES} bytes`);
  }
  const words = argument === "" ? [name] : [name, argument];
  if (Deno.build.os === "windows") return [onWindows(name, argument)];
  // Perl ignores a CR after its argument; env and the kernel take it as part of the program's name.
  if (name.endsWith("\r") || (basename(name) === "env" && argument.endsWith("\r"))) {
    throw cannotRun("its first line ends in CR LF; save it with Unix line endings (LF)");
  }
  const missing = whyNotThere(join(name.startsWith("/") ? "/" : dirname(file), name));
  if (missing) throw cannotRun(`its interpreter "${printable(name)}" ${missing}`);
  return words;
}

function whyNotThere(path: string): string | null {
  try {
    const info = statOf(path);
    if (info === null) return "does not exist";
    return info.isFile && mayBeRun(info) ? null : "is not executable";
  } catch (error) {
    // A file that cannot be examined may still be executable.
    if (error instanceof Deno.errors.NotCapable || error instanceof Deno.errors.PermissionDenied) return null;
    throw error;
  }
}

/** The name in `/usr/bin/env python3 -u` or `/usr/bin/python3`, looked up on this machine: `python3`. */
function onWindows(name: string, argument: string): string {
  const said = basename(name.trim());
  const wanted = said === "env" ? argument.trim().split(/\s+/)[0]! : said;
  const found = findProgram(wanted);
  if (found === null) throw cannotRun(`its interpreter "${printable(wanted)}" does not exist`);
  return found;
}

/**
 * Finds a program as a shell would: a bare name in the directories of PATH, on Windows with the extensions of PATHEXT;
 * a path as it is. The result is absolute, because programs are started in another working directory.
 *
 * @returns An absolute path, or null if there is no such program.
 */
export function findProgram(name: string): string | null {
  const isWindows = Deno.build.os === "windows";
  const isPath = name.includes("/") || (isWindows && name.includes("\\"));
  const directories = isPath ? [""] : (Deno.env.get("PATH") ?? "").split(isWindows ? ";" : ":");
  const endings = isWindows ? ["", ...(Deno.env.get("PATHEXT") ?? ".COM;.EXE").split(";")] : [""];
  for (const directory of directories) {
    for (const ending of endings) {
      const path = absolute(isPath ? name + ending : join(directory || ".", name + ending));
      if (isExecutable(path)) return path;
    }
  }
  return null;
}

function isExecutable(path: string): boolean {
  try {
    const info = statOf(path);
    return info !== null && info.isFile && mayBeRun(info);
  } catch (error) {
    if (error instanceof Deno.errors.PermissionDenied) return false; // a directory this user may not search
    throw error;
  }
}

function absolute(path: string): string {
  return path.startsWith("/") || /^[A-Za-z]:[\\/]|^\\\\/.test(path) ? path : join(Deno.cwd() + SEPARATOR, path);
}

function statOf(file: string): Deno.FileInfo | null {
  try {
    return Deno.statSync(file);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return null;
    throw error;
  }
}

/** Whether any execute bit is set; the system checks whether this user may run it. Windows has no such bit. */
function mayBeRun({ mode }: Deno.FileInfo): boolean {
  return mode === null || Deno.build.os === "windows" || (mode & 0o111) !== 0;
}

function firstBytes(file: string): string | null {
  try {
    const bytes = readStart(file, SNIFFED_BYTES);
    if (bytes === null) throw new HttpError(403, "The CGI program is not a regular file");
    return textOfBytes(bytes);
  } catch (error) {
    if (error instanceof Deno.errors.PermissionDenied || error instanceof Deno.errors.NotCapable) return null;
    throw error;
  }
}

function cannotRun(why: string): HttpError {
  return new HttpError(500, `The CGI program cannot be run: ${why}`);
}

/** The name may contain arbitrary bytes of a binary file. */
function printable(name: string): string {
  return name.slice(0, 100).replace(/[^\x20-\x7e]/g, "?");
}
