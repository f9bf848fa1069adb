/**
 * The paths of requests as the application sees them, and those of its redirects as clients see them.
 *
 * @module
 */

import { HttpError } from "../../core/errors.ts";
import type { Context } from "../../core/types.ts";
import { encodeHeaderUrl, encodeSegment } from "../../http/escape.ts";
import { Refusal } from "../../http/refusal.ts";
import { pathSegments, type SitePath } from "../../http/target.ts";
import type { Upstream } from "./upstream_url.ts";

/** `.` and `..`, encoded or not. */
const DOT = /^(?:\.|%2e)$/i;
const DOTS = /^(?:\.|%2e){2}$/i;

/** Many parsers take `\` for `/`: such a path could leave the one for which the client has rights. */
const DOTS_BESIDE_BACKSLASH = /(?:^|[\\/])\.\.?\\|\\\.\.?(?:[\\/]|$)/;

/**
 * The target of the request to the application: the path as it was sent, so that its encoding is kept, but with `.` and `..`
 * resolved, and without the prefix if the URL of the application has a path.
 *
 * @throws {HttpError} 404 for encoded slashes and backslashes beside dots, which an application could resolve again.
 */
export function upstreamTarget({ target, base }: Context, prefix: SitePath, upstream: Upstream): string {
  const segments = pathSegments(target.raw);
  if (segments instanceof Refusal) throw HttpError.from(segments);
  if (segments.some((segment) => DOTS_BESIDE_BACKSLASH.test(segment))) {
    throw new HttpError(404, "The path contains a backslash beside dots");
  }
  const dropped = base.segments.length + (upstream.path === null ? 0 : prefix.segments.length);
  const names = segments.filter((segment) => segment !== "");
  // A layer may have replaced the path.
  const isAsSent = base.join(target.path).segments.every((segment, at) => segment === names[at]);
  const slash = target.slash && target.path.segments.length > 0 ? [""] : [];
  const parts = isAsSent
    ? withoutFirst(resolved(target.raw), dropped)
    : [...withoutFirst(base.join(target.path).segments.map(encodeSegment), dropped), ...slash];
  const path = `${upstream.path ?? ""}/${parts.join("/").replace(/^\/+/, "")}`;
  const isPlain = parts.length === 0 && upstream.path;
  return encodeHeaderUrl((isPlain ? upstream.path : path) + (target.query === "" ? "" : `?${target.query}`));
}

/** The segments as they were sent, after resolving dots; `""` for each empty one. */
function resolved(raw: string): string[] {
  const parts: string[] = [];
  const sent = raw.split("?", 1)[0]!.split("/").slice(1);
  for (const [index, part] of sent.entries()) {
    const isDots = DOT.test(part) || DOTS.test(part);
    if (DOTS.test(part)) {
      while (parts.at(-1) === "") parts.pop();
      parts.pop();
    }
    if (!isDots) parts.push(part);
    else if (index === sent.length - 1) parts.push("");
  }
  return parts;
}

/** Without the first segments that are not empty. */
function withoutFirst(parts: readonly string[], count: number): string[] {
  let at = 0;
  for (let left = count; left > 0 && at < parts.length; at++) if (parts[at] !== "") left -= 1;
  return parts.slice(at);
}

/**
 * The Location of a response for clients: without the origin of the application, and with the prefix in place of its path.
 * One that leads elsewhere, or is relative, stays as it is.
 */
export function clientLocation(location: string, { base }: Context, prefix: SitePath, upstream: Upstream): string {
  const path = pathOn(location, upstream.origin);
  if (path === null) return location;
  if (upstream.path === null) return below(base) + path;
  const rest = path.startsWith(upstream.path) ? path.slice(upstream.path.length) : null;
  return rest !== null && /^(?:[/?#]|$)/.test(rest) ? below(base.join(prefix)) + (rest || "/") : location;
}

/** The path, query and fragment of a URL on an origin; null if it is on another one, or relative. */
function pathOn(location: string, origin: string): string | null {
  if (/^\/(?![/\\])/.test(location)) return location;
  const [, path] = /^https?:\/\/[^/?#\\]+([/?#].*)?$/i.exec(location) ?? [];
  if (URL.parse(location)?.origin !== origin) return null;
  return path === undefined ? "/" : path.startsWith("/") ? path : `/${path}`;
}

function below(path: SitePath): string {
  return path.segments.length === 0 ? "" : path.href;
}
