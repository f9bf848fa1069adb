/**
 * From the options of CGI to the feature; loaded where one of them is given.
 *
 * @module
 */

import { cgiFeature, type CgiOptions, type CommandWords } from "../handlers/cgi.ts";
import { findProgram } from "../handlers/cgi/executable.ts";
import type { SystemUser } from "../handlers/cgi/process_group.ts";
import { findUser } from "../handlers/cgi/user.ts";
import type { Feature } from "../handlers/feature.ts";
import { withoutAbortWarning } from "./abort_warning.ts";
import type { Given } from "./parse.ts";
import { programDirectoriesOf, programOptionsOf } from "./program_options.ts";
import { requireRunPermission } from "./run_check.ts";
import { StartError } from "./start_error.ts";
import { wordsOf } from "./values.ts";

/**
 * The feature that the options ask for, for what is served at `root`. Throws {@linkcode StartError} where a program is not
 * there or may not be run.
 */
export async function cgiOf(values: Given["values"], root: string): Promise<Feature> {
  const given = cgiOptionsOf(values);
  requireRunPermission(root, given);
  const user = values.get("cgi-user")?.[0];
  const options = { ...given, ...(user !== undefined && { user: await userOf(user) }) };
  return withoutAbortWarning(cgiFeature(options));
}

function cgiOptionsOf(values: Given["values"]): CgiOptions {
  const one = (name: string) => values.get(name)?.[0] ?? null;
  const all = (name: string) => values.get(name) ?? [];
  const max = one("cgi-max");
  return {
    ...programOptionsOf(values),
    directories: programDirectoriesOf(values),
    extensions: all("cgi-ext").flatMap((list) => list.split(",")),
    interpreters: Object.fromEntries(all("cgi-map").map(assignmentOf)),
    mounts: Object.fromEntries(all("cgi-mount").map(assignmentOf)),
    index: all("cgi-index"),
    debug: values.has("cgi-debug"),
    ...(max !== null && { maxPrograms: Number(max) }),
  };
}

/** `.php=/usr/bin/php-cgi -q`: what for, and the words of the program. */
function assignmentOf(text: string): [key: string, words: CommandWords] {
  const at = text.indexOf("=");
  const [name, ...words] = wordsOf(text.slice(at + 1));
  const program = findProgram(name!);
  if (program === null) throw new StartError(`Cannot run "${name}": there is no such program that can be run`);
  return [text.slice(0, at), [program, ...words]];
}

/** Only root can run programs as somebody else. */
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
