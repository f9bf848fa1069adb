/**
 * The results for the files of a form, limited to a bounded response.
 *
 * @module
 */

import { HttpError } from "../core/errors.ts";
import { escapeLog } from "../http/escape.ts";
import type { StoredFile } from "./answers.ts";

/** Number of failures after which the rest of a form is refused: more are a mistake or an attack. */
const MOST_FAILURES = 1_000;

/** Characters of JSON kept for stored files: some thousand with usual names. The names are chosen by the client. */
const STORED_ROOM = 262_144;

/** The same for failures: less, because a form of failures costs its sender little. */
const FAILED_ROOM = 65_536;

/** Number of names in the error message. */
const SHOWN_NAMES = 3;

/** The result for one file, as JSON. */
export type FileOutcome =
  | (StoredFile & { readonly status: 200 | 201 })
  | { readonly name: string; readonly status: number; readonly detail: string };

/** Counts all files of a form, and lists the first ones. */
export class Outcomes {
  readonly #files: FileOutcome[] = [];
  readonly #shown: string[] = [];
  #error: HttpError | null = null;
  #stored = 0;
  #failed = 0;
  #named = 0;
  #storedRoom = STORED_ROOM;
  #failedRoom = FAILED_ROOM;

  /** Whether the form had no file. */
  get isEmpty(): boolean {
    return this.#stored + this.#failed === 0;
  }

  /** Records a stored file. */
  addStored(file: StoredFile): void {
    this.#stored += 1;
    this.#storedRoom = this.#list({ ...file, status: file.replaced ? 200 : 201 }, this.#storedRoom);
  }

  /** Records a failed file. Throws 400 after too many. */
  addFailure(name: string, error: HttpError): void {
    this.#fail(name, error);
    if (this.#failed <= MOST_FAILURES) return;
    throw new HttpError(
      400,
      `More than ${MOST_FAILURES} files of the form cannot be stored; the remaining ones were not read`,
    );
  }

  /** Records the error that ended the form, with the name of the affected file, or `""`. */
  addEnd(name: string, error: HttpError): void {
    this.#failedRoom = FAILED_ROOM;
    this.#fail(name, error);
    this.#error = error;
  }

  #fail(name: string, error: HttpError): void {
    this.#failed += 1;
    this.#error ??= error;
    if (name !== "") this.#named += 1;
    if (name !== "" && this.#shown.length < SHOWN_NAMES) this.#shown.push(escapeLog(name));
    this.#failedRoom = this.#list({ name, status: error.status, detail: error.message }, this.#failedRoom);
  }

  /** Lists a file if it fits. Returns the space left: none, once something did not fit. */
  #list(file: FileOutcome, room: number): number {
    const text = JSON.stringify(file);
    if (text.length > room) return 0;
    // A copy: a name sliced from a header would keep the whole header in memory.
    this.#files.push(JSON.parse(text));
    return room - text.length;
  }

  /** The members of the JSON response: the files, and the number of those omitted. */
  toJSON(): { readonly files: readonly FileOutcome[]; readonly omitted?: number } {
    const omitted = this.#stored + this.#failed - this.#files.length;
    return { files: this.#files, ...(omitted > 0 && { omitted }) };
  }

  /** The error of a form, or null: the one that ended it, or else the first failure. */
  failure(): HttpError | null {
    const error = this.#error;
    if (error === null) return null;
    const more = this.#named - this.#shown.length;
    const shown = more > 0 ? [...this.#shown, `${more} more`] : this.#shown;
    const which = shown.length > 0 ? ` (${shown.join(", ")})` : "";
    const all = this.#stored + this.#failed;
    const rest = this.#stored > 0
      ? `; ${this.#stored} of ${all} files ${this.#stored === 1 ? "was" : "were"} stored`
      : "";
    return new HttpError(error.status, `${error.message}${which}${rest}`, {
      headers: error.headers,
      problem: { ...error.problem, ...this.toJSON() },
      cause: error.cause,
    });
  }
}
