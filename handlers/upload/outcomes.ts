/**
 * What became of the files of a form, as far as an answer has room for it.
 *
 * @module
 */

import { HttpError } from "../errors.ts";
import { escapeLog } from "../http/escape.ts";
import type { StoredFile } from "./answers.ts";

/** Files that could not be stored before the rest of a form is refused: more are a mistake or an attack. */
const MOST_FAILURES = 1_000;

/** Characters of JSON kept of stored files: some thousand of them with usual names. The client chose the names. */
const STORED_ROOM = 262_144;

/** The same for failures: less, because a form of nothing else costs its sender little. */
const FAILED_ROOM = 65_536;

/** Names that the sentence of a failure shows. */
const SHOWN_NAMES = 3;

/** A file of a form, as JSON tells of it. */
export type FileOutcome =
  | (StoredFile & { readonly status: 200 | 201 })
  | { readonly name: string; readonly status: number; readonly detail: string };

/** Counts all files of a form, and lists the first of them. */
export class Outcomes {
  readonly #files: FileOutcome[] = [];
  readonly #shown: string[] = [];
  #told: HttpError | null = null;
  #stored = 0;
  #failed = 0;
  #named = 0;
  #storedRoom = STORED_ROOM;
  #failedRoom = FAILED_ROOM;

  /** Whether there was no file. */
  get isEmpty(): boolean {
    return this.#stored + this.#failed === 0;
  }

  /** Takes a file that was stored. */
  addStored(file: StoredFile): void {
    this.#stored += 1;
    this.#storedRoom = this.#list({ ...file, status: file.replaced ? 200 : 201 }, this.#storedRoom);
  }

  /** Takes a file that was not stored. Throws 400 where there are too many. */
  addFailure(name: string, error: HttpError): void {
    this.#fail(name, error);
    if (this.#failed <= MOST_FAILURES) return;
    throw new HttpError(400, `More than ${MOST_FAILURES} files of the form cannot be stored; the rest was not read`);
  }

  /** Takes what ended the form before its end, and the name of the file that it ended with it, or `""`. */
  addEnd(name: string, error: HttpError): void {
    this.#failedRoom = FAILED_ROOM;
    this.#fail(name, error);
    this.#told = error;
  }

  #fail(name: string, error: HttpError): void {
    this.#failed += 1;
    this.#told ??= error;
    if (name !== "") this.#named += 1;
    if (name !== "" && this.#shown.length < SHOWN_NAMES) this.#shown.push(escapeLog(name));
    this.#failedRoom = this.#list({ name, status: error.status, detail: error.message }, this.#failedRoom);
  }

  /** Lists a file where there is room. Returns the room that is left: none, once something did not fit. */
  #list(file: FileOutcome, room: number): number {
    const text = JSON.stringify(file);
    if (text.length > room) return 0;
    // A copy: a name that was cut out of a header keeps all of the header in memory.
    this.#files.push(JSON.parse(text));
    return room - text.length;
  }

  /** The members of the JSON answer: the files, and how many of them are not listed. */
  toJSON(): { readonly files: readonly FileOutcome[]; readonly omitted?: number } {
    const omitted = this.#stored + this.#failed - this.#files.length;
    return { files: this.#files, ...(omitted > 0 && { omitted }) };
  }

  /** The error of a form of which a file was not stored, or null: what ended it, or else the first failure. */
  failure(): HttpError | null {
    const error = this.#told;
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
