/**
 * The permissions of a worker, as flags: at most those of this process.
 *
 * @module
 */

import type { Settings } from "./settings.ts";
import { StartError } from "./start_error.ts";

/** Kinds that a worker gets unrestricted if this process has them unrestricted, and not at all otherwise. */
const KINDS = ["run", "env", "sys", "ffi", "import"] as const;

/**
 * The flags for `deno run`. A worker may only listen where the command does.
 *
 * Deno can only be asked whether a permission is granted, not for the whole list. So a list is queried for what serving
 * needs, and an exception (`--deny-read=...`) cannot be passed on at all.
 *
 * @throws {StartError} If a worker would have more permissions than this process.
 */
export function permissionFlags(settings: Settings, port: number): string[] {
  const kinds = KINDS.filter((name) => isWhole({ name }, `--deny-${name}`)).map((name) => `--allow-${name}`);
  return [netFlag(settings, port), ...readFlags(settings), ...writeFlags(settings), ...kinds];
}

/** The root, if a worker must write to it. */
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
    // A comma cannot be escaped in a list of paths.
    if (path.includes(",")) {
      throw new StartError(`Cannot use --workers: "${path}" has a comma, so --allow-read is needed`);
    }
    if (!isWhole({ name: "read", path }, "--deny-read")) {
      throw new StartError(`Cannot use --workers: to read "${path}" is not permitted`);
    }
  }
  return [`--allow-read=${paths.join(",")}`];
}

/** Whether a permission is granted without exceptions. */
function isWhole(descriptor: Deno.PermissionDescriptor, deny: string): boolean {
  const { state, partial } = Deno.permissions.querySync(descriptor);
  if (partial) throw new StartError(`Cannot use --workers: what ${deny} excludes cannot be repeated for the workers`);
  return state === "granted";
}
