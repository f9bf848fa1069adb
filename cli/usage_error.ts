/**
 * Invalid command lines and environments.
 *
 * @module
 */

/** An invalid command line or environment: one sentence, exit status 2. */
export class UsageError extends Error {
  /** Always `"UsageError"`. */
  override readonly name: string = "UsageError";
  /** The topic of `--help` that explains it; `""` for the short help. */
  readonly topic: string;

  /** Creates it. */
  constructor(message: string, topic = "") {
    super(message);
    this.topic = topic;
  }

  /** The message, and where to read more. */
  get sentence(): string {
    return `${this.message} (see pyserve --help${this.topic && ` ${this.topic}`})`;
  }
}
