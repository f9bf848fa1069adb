/**
 * Invalid command lines and environments.
 *
 * @module
 */

/** An invalid command line or environment: one sentence, exit status 2. */
export class UsageError extends Error {
  /** Always `"UsageError"`. */
  override readonly name: string = "UsageError";
}
