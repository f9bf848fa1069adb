/**
 * A command line, or an environment, that cannot be used as it is.
 *
 * @module
 */

/** What is wrong with it: one sentence, exit status 2. */
export class UsageError extends Error {
  /** Always `"UsageError"`. */
  override readonly name: string = "UsageError";
}
