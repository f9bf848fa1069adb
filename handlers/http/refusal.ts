/**
 * A refused request: the status and a one-sentence reason.
 *
 * The pure modules in this folder return it instead of throwing; `settle` turns it into a response. It does not extend
 * Error, because nothing went wrong in the server.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { parseTarget, Refusal } from "@x/pyserve/http";
 *
 * const verdict = parseTarget("/a%00b");
 * assert(verdict instanceof Refusal && verdict.status === 400);
 * ```
 */
export class Refusal {
  /** The HTTP status: 4xx or 5xx. */
  readonly status: number;
  /** One sentence for the client; must not disclose internals. */
  readonly reason: string;

  /** Takes the status and the reason. */
  constructor(status: number, reason: string) {
    this.status = status;
    this.reason = reason;
  }
}
