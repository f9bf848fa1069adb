/**
 * Starts this program again as a child process, with the permissions of this process or fewer.
 *
 * @module
 */

import { StartError } from "./start_error.ts";

/** What a child process is started for, and what it needs permission for. */
export interface ChildNeeds {
  /** The option that starts it, for error messages: `--workers`. */
  readonly option: string;
  /** The addresses on which it may listen, `HOST:PORT`, and on no other; null for any. */
  readonly addresses: readonly string[] | null;
  /** Files and directories that it reads. */
  readonly read: readonly string[];
  /** Directories that it writes to, if this process may. */
  readonly write: readonly string[];
}

/** The kinds of permission that a child has if this process has them without restriction, and not at all otherwise. */
const KINDS = ["run", "env", "sys", "ffi", "import"] as const;

/**
 * The arguments of `deno` that run this program again, up to its main module; those of the program follow.
 *
 * @throws {StartError} where the child would be allowed more than this process, or less than it needs.
 */
export function childArgs(needs: ChildNeeds): string[] {
  // Published code is loaded from the cache, not from the network again, and not through the deno.json of the current
  // directory, whose import map could replace it.
  const published = Deno.mainModule.startsWith("file:") ? [] : ["--cached-only", "--no-config"];
  const flags = ["--unstable-net", "--no-prompt", "--no-lock", ...published, ...permissionFlags(needs)];
  return ["run", ...flags, Deno.mainModule];
}

/**
 * Deno reports whether something is permitted, but does not list permissions, so a list is probed for what the child needs, and
 * exceptions (`--deny-read=...`) cannot be passed on at all.
 */
function permissionFlags(needs: ChildNeeds): string[] {
  const kinds = KINDS.filter((name) => isWhole({ name }, needs)).map((name) => `--allow-${name}`);
  return [netFlag(needs), ...readFlags(needs), ...writeFlags(needs), ...kinds];
}

function netFlag(needs: ChildNeeds): string {
  const { option, addresses } = needs;
  if (addresses !== null) return `--allow-net=${addresses.join(",")}`;
  if (isWhole({ name: "net" }, needs)) return "--allow-net";
  throw new StartError(
    `Cannot use ${option}: for a Unix socket or an object store it needs --allow-net, for all addresses`,
  );
}

function readFlags(needs: ChildNeeds): string[] {
  if (isWhole({ name: "read" }, needs)) return ["--allow-read"];
  const { option, read: paths } = needs;
  for (const path of paths) {
    // A list of paths has no escape for a comma.
    if (path.includes(",")) {
      throw new StartError(`Cannot use ${option}: "${path}" contains a comma, so unrestricted --allow-read is needed`);
    }
    if (!isWhole({ name: "read", path }, needs)) {
      throw new StartError(`Cannot use ${option}: reading "${path}" is not permitted`);
    }
  }
  return [`--allow-read=${paths.join(",")}`];
}

function writeFlags(needs: ChildNeeds): string[] {
  if (isWhole({ name: "write" }, needs)) return ["--allow-write"];
  return needs.write.filter((path) => isWhole({ name: "write", path }, needs)).map((path) => `--allow-write=${path}`);
}

/** Whether something is permitted, without an exception. */
function isWhole(descriptor: Deno.PermissionDescriptor, { option }: ChildNeeds): boolean {
  const { state, partial } = Deno.permissions.querySync(descriptor);
  if (partial) {
    throw new StartError(
      `Cannot use ${option}: the exceptions of --deny-${descriptor.name} cannot be passed on to the workers`,
    );
  }
  return state === "granted";
}
