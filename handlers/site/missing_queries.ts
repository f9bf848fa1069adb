/**
 * Refuses the queries of features that are turned off.
 *
 * @module
 */

import { HttpError } from "../core/errors.ts";
import type { Handler } from "../core/types.ts";
import { readable } from "../serving/rights.ts";
import type { FileSource } from "../sources/types.ts";

/** What is missing, by query parameter. */
const SUBJECTS: Readonly<Record<string, string>> = {
  archive: "Archives are",
  q: "Search is",
  upload: "Uploading is",
  manage: "Changing files is",
  watch: "Watching for changes is",
  ...Object.fromEntries(["sha256", "sha512", "sha1", "md5"].map((name) => [name, "Checksums are"])),
};

/** The query parameters of directories; the others are of files, `watch` is of both. */
const OF_DIRECTORIES = ["archive", "q", "upload", "manage", "watch"];
const NOT_OF_FILES = ["archive", "q", "upload", "manage"];

/** Answers GET and HEAD of files and directories with a query parameter among those that are missing with 404. */
export function missingQueries(source: FileSource, missing: ReadonlySet<string>, isListed: boolean): Handler {
  return async (request, context) => {
    if (request.method !== "GET" && request.method !== "HEAD") return null;
    const { path, slash, query } = context.target;
    const name = slash ? ofDirectory(query, missing) : ofFile(query, missing);
    if (name === undefined || slash && !isListed) return null;
    const stat = await readable(source, context).stat(path);
    if (stat?.kind !== (slash ? "directory" : "file")) return null;
    const subject = SUBJECTS[name];
    throw new HttpError(
      404,
      subject ? `${subject} not enabled here` : `There is no checksum "${name}": ask for sha256, sha512, sha1 or md5`,
    );
  };
}

function ofDirectory(query: string, missing: ReadonlySet<string>): string | undefined {
  return new URLSearchParams(query).keys().find((name) => OF_DIRECTORIES.includes(name) && missing.has(name));
}

/** Without a value, at most with a format: `?sha256`, `?md5&format=json`. Pages and cache busters have others. */
function ofFile(query: string, missing: ReadonlySet<string>): string | undefined {
  const [, name = ""] = /^([\w-]+)=?(?:&(?:format|since)=[\w-]*)?$/.exec(query) ?? [];
  return missing.has(name) && !NOT_OF_FILES.includes(name) ? name : undefined;
}
