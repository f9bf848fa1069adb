/**
 * The directory for what survives a restart.
 *
 * @module
 */

import { join } from "@std/path/join";

/** The environment variables that determine the default one. */
export const STATE_VARIABLES = ["XDG_STATE_HOME", "HOME", "USERPROFILE"] as const;

/** The state directory of the XDG Base Directory Specification; null without a home directory. */
export function defaultDirectory(env: Readonly<Record<string, string>>): string | null {
  const base = env.XDG_STATE_HOME?.startsWith("/") ? env.XDG_STATE_HOME : null;
  const home = env.HOME ?? env.USERPROFILE;
  return base !== null ? join(base, "pyserve") : home ? join(home, ".local", "state", "pyserve") : null;
}
