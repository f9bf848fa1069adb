/**
 * Durations on the command line.
 *
 * @module
 */

import { durationOf } from "../handlers/identity/duration.ts";
import { UsageError } from "./usage_error.ts";

/**
 * Parses a duration such as `30d`, in milliseconds; `0` is unlimited, null. Throws {@linkcode UsageError}.
 *
 * @param option The option, for the message.
 */
export function parseDuration(option: string, text: string): number | null {
  const milliseconds = durationOf(text);
  if (milliseconds !== null) return milliseconds === Infinity ? null : milliseconds;
  throw new UsageError(
    `Cannot use --${option} "${text}": it is not a duration such as 30d, 12h or 45m, or 0 for unlimited`,
  );
}
