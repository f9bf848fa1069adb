/**
 * Creates the CGI feature from its options; loaded on demand.
 *
 * @module
 */

import { cgiFeature, type CgiOptions, type CommandWords } from "../handlers/upstream/cgi/cgi.ts";
import { findProgram } from "../handlers/upstream/cgi/executable.ts";
import type { SystemUser } from "../handlers/upstream/cgi/process_group.ts";
import { findUser } from "../handlers/upstream/cgi/user.ts";
import type { Feature } from "../handlers/serving/feature.ts";
import { withoutAbortWarning } from "./abort_warning.ts";
import type { Options } from "./options.ts";
import { programOptionsOf } from "./program_options.ts";
import { requireRunPermission } from "./run_check.ts";
import { StartError } from "./start_error.ts";
import type { Assignment } from "./values.ts";

/**
 * Creates the feature for the directory served at `root`. Throws {@linkcode StartError} if a program does not exist or
 * may not be executed.
 */
export async function cgiOf(options: Options, root: string): Promise<Feature> {
  const given = cgiOptionsOf(options);
  requireRunPermission(root, given);
  const user = options["cgi-user"];
  return withoutAbortWarning(cgiFeature({ ...given, ...(user !== null && { user: await userOf(user) }) }));
}

function cgiOptionsOf(options: Options): CgiOptions {
  const max = options["cgi-max"];
  return {
    ...programOptionsOf(options),
    directories: options.cgi ?? [],
    extensions: options["cgi-ext"].flat(),
    interpreters: Object.fromEntries(options["cgi-map"].map(commandOf)),
    mounts: Object.fromEntries(options["cgi-mount"].map(commandOf)),
    index: options["cgi-index"],
    debug: options["cgi-debug"],
    ...(max !== null && { maxPrograms: max }),
  };
}

/** The key and the command of an assignment; its first word is the path of an existing program. */
function commandOf({ key, words: [name, ...words] }: Assignment): [key: string, words: CommandWords] {
  const program = findProgram(name!);
  if (program === null) throw new StartError(`Cannot run "${name}": it does not exist or is not executable`);
  return [key, [program, ...words]];
}

/** Only root can run programs as another user. */
async function userOf(name: string): Promise<SystemUser> {
  if (Deno.build.os === "windows" || Deno.uid() !== 0) {
    throw new StartError(`Cannot run programs as "${name}": only root can`);
  }
  try {
    return await findUser(name);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    throw new StartError(`Cannot run programs as "${name}": there is no such user`);
  }
}
