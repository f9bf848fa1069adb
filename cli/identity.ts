/**
 * Users and their rights, from the options of the command.
 *
 * @module
 */

import { SEPARATOR } from "@std/path/constants";
import { auth } from "../handlers/identity/auth.ts";
import { Logins } from "../handlers/identity/logins.ts";
import { environmentUser, type Users } from "../handlers/identity/users.ts";
import { type IdentityState, openState, volatileState } from "../handlers/identity/state.ts";
import { userFile, UserFileError } from "../handlers/identity/user_file.ts";
import type { Layer, Logger } from "../handlers/core/types.ts";
import { accessWarnings } from "./access_warnings.ts";
import { realRoot } from "./real_root.ts";
import type { IdentitySettings, SiteSettings } from "./settings.ts";
import { shellWord } from "./shell_word.ts";
import { defaultStateDirectory } from "./state_directory.ts";
import { StartError } from "./start_error.ts";
import { UsageError } from "./usage_error.ts";

/** What the command needs for users. */
export interface LoadedIdentity {
  /** Makes the layer for a site; all of them share sessions, and limits on attempts to log in. */
  layerFor(site: SiteSettings): Layer;
  /** Sentences to print at the start. */
  readonly notes: readonly string[];
  /** The state directory; null if sessions and shares end with the process. */
  readonly directory: string | null;
}

/** What {@linkcode loadIdentity} needs to know of the run. */
export interface IdentityWorld {
  readonly env: Readonly<Record<string, string>>;
  readonly log: Logger;
  readonly workers: number;
  /** All that is served. */
  readonly sites: readonly SiteSettings[];
  /** Whether clients connect over a network without TLS. */
  readonly isInsecure: boolean;
}

/** Reads the users and the state. Throws {@linkcode StartError} and {@linkcode UsageError}. */
export async function loadIdentity(settings: IdentitySettings, world: IdentityWorld): Promise<LoadedIdentity> {
  const { env, log, workers } = world;
  const users = await usersOf(settings, world);
  const notes = world.isInsecure ? ["passwords cross the network unencrypted: HTTPS (--tls) protects them"] : [];
  const directory = settings.state ?? defaultStateDirectory(env);
  const state = stateOf(settings, directory, (note) => notes.push(note));
  if (state === null && workers > 1) {
    throw new StartError(`Cannot use --workers with users: ${notes.join("")}; name another directory with --state`);
  }
  for (const site of world.sites.filter(({ isMount }) => !isMount)) {
    notes.push(...await accessWarnings(site.identity?.rules ?? [], { users, ...site }));
  }
  const shared = { users, state: state ?? volatileState(), logins: new Logins(users, { log }), log };
  return {
    layerFor: ({ root, identity }) => {
      const { rules = [], davLogin = false } = identity ?? {};
      return auth({ ...shared, rules, davLogin, site: realRoot(root) });
    },
    notes: [...new Set(notes)],
    directory: state && directory,
  };
}

async function usersOf(
  { file, variable }: IdentitySettings,
  { env, log, sites }: IdentityWorld,
): Promise<Users> {
  try {
    if (file !== null) {
      const users = userFile(file, { warn: (sentence) => log.error(sentence) });
      await users.ready();
      const served = sites.flatMap(({ root, mounts }) => [root, ...mounts.map(({ path }) => path)]);
      if (served.some((path) => isServed(file, path))) {
        throw new StartError(`Cannot use --auth "${file}": it is in the directory that is served`);
      }
      return users;
    }
    const value = env[variable!];
    if (value === undefined) {
      throw new UsageError(`Cannot use --auth-env: there is no environment variable ${variable}`, "users");
    }
    return environmentUser(value);
  } catch (error) {
    if (error instanceof UserFileError) throw new StartError(explained(error, file!));
    if (error instanceof TypeError) {
      throw new UsageError(`Cannot use --auth-env ${variable}: ${error.message}`, "users");
    }
    throw error;
  }
}

/** What is wrong with the file of `--auth`; for a new one, how to make it. */
function explained({ message }: UserFileError, file: string): string {
  const hint = message.endsWith(": it does not exist") ? `; make it with: pyserve passwd ${shellWord(file)} NAME` : "";
  return message.replace(/^Cannot use "/, 'Cannot use --auth "') + hint;
}

/** Whether clients could read a file, and change it where they can upload. */
function isServed(file: string, root: string): boolean {
  const path = Deno.realPathSync(file);
  const directory = realRoot(root);
  return path === directory || path.startsWith(directory.endsWith(SEPARATOR) ? directory : directory + SEPARATOR);
}

/** The state; null, with a note, if there is no directory for it. */
function stateOf(
  { state }: IdentitySettings,
  directory: string | null,
  note: (sentence: string) => void,
): IdentityState | null {
  if (directory === null) {
    note("sessions end with this process, because there is no home directory");
    return null;
  }
  try {
    return openState(directory);
  } catch (error) {
    if (state !== null) throw new StartError(`Cannot use --state "${state}": ${StartError.reason(error)}`);
    note(`sessions end with this process, because "${directory}" cannot be used: ${StartError.reason(error)}`);
    return null;
  }
}
