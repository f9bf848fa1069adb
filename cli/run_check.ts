/**
 * Checks the permissions to run programs and to connect to applications at start, not at the first request.
 *
 * @module
 */

import { urlHost } from "../handlers/http/host.ts";
import { join } from "@std/path/join";
import type { CgiOptions } from "../handlers/upstream/cgi/cgi.ts";
import type { UpstreamAddress } from "../handlers/upstream/connection.ts";
import { StartError } from "./start_error.ts";

/**
 * Throws if Deno does not permit what CGI needs. On a terminal it prompts the user once, now.
 *
 * A list (`--allow-run=php-cgi`) is enough if it contains the configured programs, or a program in the directories.
 */
export function requireRunPermission(root: string, options: CgiOptions): void {
  const named = [...Object.values(options.interpreters ?? {}), ...Object.values(options.mounts ?? {})];
  for (const [command] of named) {
    if (!mayRun(command!)) throw new StartError(`Cannot run "${command}": it is not permitted (--allow-run)`);
  }
  const { directories = [], extensions = [] } = options;
  const finds = directories.length > 0 || extensions.length > 0;
  if (!finds || scriptsIn(root, directories, extensions).some(isPermitted) || mayRun()) return;
  throw new StartError("Cannot run programs: it is not permitted (--allow-run)");
}

/** Throws if Deno does not permit connecting to an application. */
export function requireConnectPermission(address: UpstreamAddress): void {
  const missing = address.transport === "tcp"
    ? [{ name: "net", host: `${urlHost(address.hostname)}:${address.port}` } as const]
    : [{ name: "read", path: address.path } as const, { name: "write", path: address.path } as const];
  for (const descriptor of missing) {
    if (Deno.permissions.requestSync(descriptor).state === "granted") continue;
    const where = "host" in descriptor ? descriptor.host : descriptor.path;
    throw new StartError(`Cannot reach the application at "${where}": not permitted (--allow-${descriptor.name})`);
  }
}

function mayRun(command?: string): boolean {
  return Deno.permissions.requestSync({ name: "run", ...(command !== undefined && { command }) }).state === "granted";
}

function isPermitted(command: string): boolean {
  return Deno.permissions.querySync({ name: "run", command }).state === "granted";
}

/** The files in the program directories, and those in the root with a program extension. */
function scriptsIn(root: string, directories: readonly string[], extensions: readonly string[]): string[] {
  const inside = directories.flatMap((directory) => namesIn(join(root, directory)));
  const top = namesIn(root).filter((name) => extensions.some((extension) => name.endsWith(extension)));
  return [...inside, ...top];
}

function namesIn(directory: string): string[] {
  try {
    return [...Deno.readDirSync(directory)].map(({ name }) => join(directory, name));
  } catch {
    return []; // missing, or not a directory: no programs
  }
}
