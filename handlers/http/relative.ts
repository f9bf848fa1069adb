/**
 * Relative references: how to get from one path to another, whatever a proxy has in front of both.
 *
 * @module
 */

import { encodeHeaderUrl, encodeSegment } from "./escape.ts";
import { decodeSegment, locationOf, type SitePath } from "./target.ts";

/** Steps up that are written out; a path deeper than that is no place that a page or a program links from. */
const MAX_STEPS_UP = 255;

/**
 * The relative reference that leads a client from the target it asked for to a path: for Location and for links.
 *
 * It holds below a prefix that a proxy takes off the path (RFC 9110 section 10.2.2 allows it, RFC 3986 section 5 resolves
 * it). It is built of decoded segments and never begins with a slash, so it cannot name another host. Empty segments of
 * the target are left behind. Where clients do not agree on the way up, because the target has an encoded dot segment
 * (`%2e%2e`) in it, the result is the path from the root.
 *
 * @param from The request target as the client sent it, from the first `/` on.
 * @param to Where to.
 * @param options `slash`: whether the path is that of a directory. `query`: the query to go on with, without the `?`.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { relativeReference, SitePath } from "@x/pyserve";
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

/** The segments that a reference is resolved against, as sent: all in front of the last slash, without dot segments. */
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
