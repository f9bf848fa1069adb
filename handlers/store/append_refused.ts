/**
 * Reasons for refusing a part of a resumable upload.
 *
 * @module
 */

/** The reason, with what the sender needs in order to continue. */
export type AppendProblem =
  | { readonly kind: "offset"; readonly expected: number; readonly provided: number }
  | { readonly kind: "complete"; readonly size: number }
  | { readonly kind: "size"; readonly size: number; readonly announced: number }
  | { readonly kind: "length"; readonly before: number; readonly now: number }
  | { readonly kind: "unknown" } // no such upload
  | { readonly kind: "superseded" }; // another request continues the upload

/**
 * Thrown if a part of a resumable upload is refused.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { AppendRefused } from "@x/pyserve/store";
 *
 * assert(new AppendRefused({ kind: "offset", expected: 5, provided: 3 }).problem.kind === "offset");
 * ```
 */
export class AppendRefused extends Error {
  /** Always `"AppendRefused"`. */
  override readonly name: string = "AppendRefused";
  /** The reason. */
  readonly problem: AppendProblem;

  /** The message does not contain the path. */
  constructor(problem: AppendProblem) {
    super(`Cannot append: ${problem.kind}`);
    this.problem = problem;
  }
}
