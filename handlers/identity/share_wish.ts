/**
 * What a request for a new share link says, as JSON or as a form.
 *
 * @module
 */

import { HttpError } from "../core/errors.ts";
import type { Right } from "../core/types.ts";
import { Refusal } from "../http/refusal.ts";
import { parseTarget, type SitePath } from "../http/target.ts";
import { durationOf } from "./duration.ts";
import { RIGHTS } from "./rules.ts";

/** A path to share. */
export interface SharedPath {
  readonly path: SitePath;
  /** Whether it was written with a trailing slash: a directory. */
  readonly slash: boolean;
}

/** A request for a share. */
export interface ShareWish {
  readonly paths: readonly SharedPath[];
  /** `read`, `upload`, or both. */
  readonly rights: readonly ("read" | "upload")[];
  /** How long, in milliseconds; Infinity until it is revoked. */
  readonly duration: number;
}

/** What the fields of a request contain. */
interface Fields {
  readonly paths: readonly string[];
  readonly rights: readonly string[];
  readonly duration: string;
}

/** The longest list that is worth parsing: the token bounds it anyway. */
const MAX_PATHS = 1_000;

/** The wish of a form with `path` (several times for several), `rights` (`read,upload`) and `for` (`2h`). */
export function wishOfForm(form: URLSearchParams): ShareWish {
  return wishOf({
    paths: form.getAll("path"),
    rights: (form.get("rights") ?? "read").split(","),
    duration: form.get("for") ?? "1d",
  });
}

/** The wish of a JSON document `{"paths": ["/a/"], "rights": ["read"], "for": "2h"}`. */
export function wishOfJson(text: string): ShareWish {
  const { paths, rights = ["read"], for: duration = "1d" } = objectOf(text);
  if (isTexts(paths) && isTexts(rights) && typeof duration === "string") return wishOf({ paths, rights, duration });
  throw new HttpError(400, 'A share is {"paths": ["/a.txt"], "rights": ["read"], "for": "2h"}');
}

function objectOf(text: string): Record<string, unknown> {
  try {
    const value = JSON.parse(text);
    if (typeof value === "object" && value !== null) return value;
  } catch {
    // The sentence below says it.
  }
  throw new HttpError(400, "The body is not a JSON object");
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

function wishOf({ paths, rights, duration: text }: Fields): ShareWish {
  if (paths.length === 0) throw new HttpError(400, "There is nothing to share: give at least one path");
  if (paths.length > MAX_PATHS) throw new HttpError(400, "Too many paths for one link: share their directory instead");
  const duration = durationOf(text);
  if (duration === null) throw new HttpError(400, "The time is not a duration such as 2h or 30d, or 0 for unlimited");
  return { paths: paths.map(pathOf), rights: rightsOf(rights), duration };
}

function pathOf(text: string): SharedPath {
  const target = text.startsWith("/") ? parseTarget(text) : new Refusal(400, "");
  if (!(target instanceof Refusal) && target.query === "") return { path: target.path, slash: target.slash };
  throw new HttpError(400, "A path to share is a path of this site, such as /docs/a%20b.txt");
}

function rightsOf(words: readonly string[]): ShareWish["rights"] {
  const rights = (["read", "upload"] as const).filter((right) => words.includes(right));
  if (rights.length > 0 && rights.length === new Set(words).size) return rights;
  throw new HttpError(400, "The rights of a share are read, upload, or both");
}

/** The rights as handlers ask for them. */
export function rightsOfShare(rights: ShareWish["rights"]): ReadonlySet<Right> {
  return new Set(rights.map((right) => RIGHTS[right]));
}
