/**
 * Relative references: links that stay valid behind a proxy that strips a path prefix.
 *
 * @module
 */

import { encodeHeaderUrl, encodeSegment } from "./escape.ts";
import { decodeSegment, locationOf, type SitePath } from "./target.ts";

/** Maximum number of `../` steps; deeper paths do not occur in links. */
const MAX_STEPS_UP = 255;

/**
 * The relative reference from the request target to a path, for Location and links.
 *
 * It stays valid behind a proxy that strips a path prefix (allowed in Location by RFC 9110 section 10.2.2; resolved as
 * in RFC 3986 section 5). Built from decoded segments without a leading slash, so it cannot name another host. Empty
 * segments of the target are skipped. If the target contains an encoded dot segment (`%2e%2e`), which clients resolve
 * differently, returns the absolute path instead.
 *
 * @param from The request target as sent, starting with `/`.
 * @param to The destination.
 * @param options `slash`: whether the destination is a directory. `query`: the query to append, without `?`.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { relativeReference, SitePath } from "@x/pyserve/http";
 *
 * const docs = SitePath.root.child("docs")!;
 * assert(relativeReference("/docs?v=1", docs, { slash: true, query: "v=1" }) === "docs/?v=1");
 * assert(relativeReference("/a/b/", docs.child("c d")!) === "../../docs/c%20d");
 * assert(relativeReference("/docs/", docs, { slash: true }) === "./");
 * ```
 */
export function relativeReference(
  from: string,
  to: SitePath,
  options: { slash?: boolean; query?: string } = {},
): string {
  const { directory, certain } = directoryOf(from);
  const isDirectory = options.slash || to.segments.length === 0;
  const reachable = isDirectory ? to.segments : to.segments.slice(0, -1);
  const common = commonLength(directory, reachable);
  const stepsUp = directory.length - common;
  if (stepsUp > (certain ? MAX_STEPS_UP : 0)) return locationOf(to, options);
  const below = to.segments.slice(common).map(encodeSegment).join("/");
  const slash = isDirectory && below !== "" ? "/" : "";
  const query = options.query ? "?" + encodeHeaderUrl(options.query) : "";
  return ("../".repeat(stepsUp) + below + slash || "./") + query;
}

/** The base segments of a reference, as sent: everything before the last slash, with dot segments removed. */
function directoryOf(target: string): { directory: readonly string[]; certain: boolean } {
  const segments = target.replace(/[?#].*/s, "").split("/").slice(1, -1);
  const directory: string[] = [];
  let certain = true;
  for (const segment of segments) {
    const plain = segment.replace(/%2e/gi, ".");
    const isDots = plain === "." || plain === "..";
    if (isDots && plain !== segment) certain = false;
    if (plain === "..") directory.pop();
    if (!isDots) directory.push(segment);
  }
  return { directory, certain };
}

function commonLength(sent: readonly string[], decoded: readonly string[]): number {
  const differs = sent.findIndex((segment, index) => decodeSegment(segment) !== decoded[index]);
  return differs < 0 ? sent.length : differs;
}
