/**
 * The permissions of a worker, as flags: those of this process or fewer, never more.
 *
 * @module
 */

import type { Settings } from "./settings.ts";
import { StartError } from "./start_error.ts";

/** The kinds that a worker gets whole where this process has them whole, and not at all otherwise. */
const KINDS = ["run", "env", "sys", "ffi", "import"] as const;

/**
 * The flags for `deno run`. A worker may listen where the command listens and nowhere else.
 *
 * Deno tells whether something is permitted and not what all is, so a list can only be tried for what serving needs, and
 * an exception (`--deny-read=...`) cannot be repeated at all.
 *
 * @throws {StartError} where a worker would be allowed more than this process.
 */
export function permissionFlags(settings: Settings, port: number): string[] {
  const kinds = KINDS.filter((name) => isWhole({ name }, `--deny-${name}`)).map((name) => `--allow-${name}`);
  return [netFlag(settings, port), ...readFlags(settings), ...writeFlags(settings), ...kinds];
}

/** The root, where a worker is to write to it. */
function writeFlags({ root, features }: Settings): string[] {
  if (isWhole({ name: "write" }, "--deny-write")) return ["--allow-write"];
  return features.upload && isWhole({ name: "write", path: root }, "--deny-write") ? [`--allow-write=${root}`] : [];
}

function netFlag({ hostname }: Settings, port: number): string {
  return `--allow-net=${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
}

function readFlags({ root, tls }: Settings): string[] {
  if (isWhole({ name: "read" }, "--deny-read")) return ["--allow-read"];
  const paths = [root, tls?.cert, tls?.key, tls?.password].filter((path) => typeof path === "string");
  for (const path of paths) {
    // There is no way to write a comma in a list of paths.
    if (path.includes(",")) {
      throw new StartError(`Cannot use --workers: "${path}" has a comma, so --allow-read is needed`);
    }
    if (!isWhole({ name: "read", path }, "--deny-read")) {
      throw new StartError(`Cannot use --workers: to read "${path}" is not permitted`);
    }
  }
  return [`--allow-read=${paths.join(",")}`];
}

/** Whether something is permitted, without an exception. */
function isWhole(descriptor: Deno.PermissionDescriptor, deny: string): boolean {
  const { state, partial } = Deno.permissions.querySync(descriptor);
  if (partial) throw new StartError(`Cannot use --workers: what ${deny} excludes cannot be repeated for the workers`);
  return state === "granted";
}
