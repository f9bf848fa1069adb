/**
 * Where the command keeps its state.
 *
 * @module
 */

import { join } from "@std/path/join";

/** The state directory of the XDG Base Directory Specification; null without a home directory. */
export function defaultStateDirectory(env: Readonly<Record<string, string>>): string | null {
  const base = env.XDG_STATE_HOME?.startsWith("/") ? env.XDG_STATE_HOME : null;
  const home = env.HOME ?? env.USERPROFILE;
  return base !== null ? join(base, "pyserve") : home ? join(home, ".local", "state", "pyserve") : null;
}
