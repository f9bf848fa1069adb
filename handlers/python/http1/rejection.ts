/**
 * A verdict against what a client sent, in the terms of Python's `send_error`: status, message and explanation.
 *
 * @module
 */

/** Why a request cannot be read, and what is answered; after it the connection is of no more use. */
export class Rejection {
  /** The status, 400 to 505. */
  readonly status: number;
  /** What Python says of it, null for the standard phrase. */
  readonly message: string | null;
  /** What Python says beside it, null for the standard sentence. */
  readonly explain: string | null;

  /** Makes a verdict of a status, a message and an explanation. */
  constructor(status: number, message: string | null = null, explain: string | null = null) {
    this.status = status;
    this.message = message;
    this.explain = explain;
  }
}
