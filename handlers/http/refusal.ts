/**
 * A verdict against a request: which status it deserves, and why in one sentence.
 *
 * The pure modules of this folder return it instead of throwing; `settle` turns it into the response. It is not an
 * error: nothing went wrong in the server.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { parseTarget, Refusal } from "@x/pyserve";
 *
 * const verdict = parseTarget("/a%00b");
 * assert(verdict instanceof Refusal && verdict.status === 400);
 * ```
 */
export class Refusal {
  /** The HTTP status the request deserves: 4xx or 5xx. */
  readonly status: number;
  /** One sentence for the client, without anything the server would rather not tell. */
  readonly reason: string;

  /** Makes a verdict of a status and a sentence. */
  constructor(status: number, reason: string) {
    this.status = status;
    this.reason = reason;
  }
}
