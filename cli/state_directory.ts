/**
 * Where the command keeps its state.
 *
 * @module
 */

import { join } from "@std/path/join";
import type { Settings } from "./settings.ts";

/** The environment variables that determine the default one. */
export const STATE_VARIABLES = ["XDG_STATE_HOME", "HOME", "USERPROFILE"] as const;

/** The state directory of the XDG Base Directory Specification; null without a home directory. */
export function defaultStateDirectory(env: Readonly<Record<string, string>>): string | null {
  const base = env.XDG_STATE_HOME?.startsWith("/") ? env.XDG_STATE_HOME : null;
  const home = env.HOME ?? env.USERPROFILE;
  return base !== null ? join(base, "pyserve") : home ? join(home, ".local", "state", "pyserve") : null;
}

/** The state directory of a run; null if it keeps no state, or has no directory for it. */
export function stateDirectoryOf(
  { identity, tls, locks }: Settings,
  env: Readonly<Record<string, string>>,
): string | null {
  const keeper = identity ?? (tls !== null && !("cert" in tls) ? tls : locks);
  return keeper && (keeper.state ?? defaultStateDirectory(env));
}
