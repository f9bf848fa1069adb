/**
 * Parses request targets into paths: split first, decode once, then validate.
 *
 * Does not use `new URL().pathname`, which resolves `..`, turns `\` into `/` and drops control characters before they
 * can be checked (RFC 3986 sections 3.3 and 5.2.4, RFC 9110 section 17.3).
 *
 * @module
 */

import { encodeHeaderUrl, encodeSegment } from "./escape.ts";
import { Refusal } from "./refusal.ts";

/** Maximum length of a target in characters: RFC 9112 section 3 recommends 8000 octets; this is twice that. */
export const MAX_TARGET_LENGTH = 16_384;

/** Maximum number of path segments: no served tree is deeper, and each segment costs a system call. */
export const MAX_DEPTH = 255;

/** Creates a path from validated segments; private to this module. */
let pathOf: (segments: readonly string[]) => SitePath;

/**
 * A validated path inside a site: decoded segments that are not empty, `.` or `..`, and contain no `/` or NUL.
 *
 * Can only be created by {@linkcode parseTarget} and the methods here, so that an unvalidated string cannot reach a
 * {@linkcode FileSource}. The path need not exist.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { SitePath } from "@x/pyserve";
 *
 * const path = SitePath.root.child("a b")?.child("c");
 * assert(path?.text === "/a b/c" && path.href === "/a%20b/c");
 * assert(SitePath.root.child("..") === null);
 * ```
 *
 * @category Composition
 */
export class SitePath {
  /** The root of the site. */
  static readonly root: SitePath = new SitePath([]);
  /** A path that never exists: stands for the path of a refused request. */
  static readonly nowhere: SitePath = new SitePath(["\uffff"]);

  /** The decoded segments, starting at the root. */
  readonly segments: readonly string[];

  private constructor(segments: readonly string[]) {
    this.segments = segments;
  }

  static {
    pathOf = (segments) => new SitePath(segments);
  }

  /** The path of an entry, or null if the name is not a valid segment (empty, `.`, `..`, or containing `/` or NUL). */
  child(name: string): SitePath | null {
    return isSegment(name) ? new SitePath([...this.segments, name]) : null;
  }

  /** The parent directory; null for the root. */
  get parent(): SitePath | null {
    return this.segments.length === 0 ? null : new SitePath(this.segments.slice(0, -1));
  }

  /** The path of another name in the same directory, or null if the name is not a valid segment. */
  sibling(name: string): SitePath | null {
    return this.parent?.child(name) ?? null;
  }

  /** Appends the segments of another path. */
  join(below: SitePath): SitePath {
    return below.segments.length === 0 ? this : new SitePath([...this.segments, ...below.segments]);
  }

  /** This path relative to a prefix, or null if it is not below it; compares whole segments. */
  below(prefix: SitePath): SitePath | null {
    const depth = prefix.segments.length;
    if (prefix.segments.some((segment, index) => segment !== this.segments[index])) return null;
    return depth === 0 ? this : new SitePath(this.segments.slice(depth));
  }

  /** The last segment; `""` for the root. */
  get name(): string {
    return this.segments.at(-1) ?? "";
  }

  /** The decoded path for display, with a leading slash and no trailing one (except for the root). */
  get text(): string {
    return "/" + this.segments.join("/");
  }

  /** The path as a URL: percent-encoded, with exactly one leading slash and no trailing one (except for the root). */
  get href(): string {
    return "/" + this.segments.map(encodeSegment).join("/");
  }
}

/**
 * A parsed request target.
 *
 * @category Composition
 */
export interface Target {
  /**
   * The target as sent, without scheme and authority: `/a%20b/?x=1`. For logs only; never make decisions based on it.
   */
  readonly raw: string;
  /** The path, decoded and resolved. */
  readonly path: SitePath;
  /** Whether the path denotes a directory: it ended in `/`, `/.` or `/..`. */
  readonly slash: boolean;
  /** The query as sent, without `?`; empty if there is none. */
  readonly query: string;
}

/**
 * Extracts the target from the URL reported by Deno.serve: everything after the authority.
 *
 * The URL is the raw text of the request, so this only slices it. If the URL has no path (`http://host?q`), the path is
 * `/`.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { rawTarget } from "@x/pyserve/http";
 *
 * assert(rawTarget("http://host:8000/a/../b?c") === "/a/../b?c");
 * ```
 */
export function rawTarget(url: string): string {
  const start = url.indexOf("://") + 3;
  for (let i = start; i < url.length; i++) {
    const code = url.charCodeAt(i);
    if (code === 0x2f) return url.slice(i); // "/"
    if (code === 0x3f || code === 0x23) return "/" + url.slice(i); // "?", "#"
  }
  return "/";
}

/** The rest of the URL reported by Deno.serve: scheme and authority. */
export function rawOrigin(url: string): string {
  const start = url.indexOf("://") + 3;
  const end = url.slice(start).search(/[/?#]/);
  return end < 0 ? url : url.slice(0, start + end);
}

/**
 * The refusal for an encoded slash inside a segment. Always this object, so that a handler that can accept such a path
 * (as PATH_INFO of a program) can recognize it.
 */
export const ENCODED_SLASH: Refusal = new Refusal(404, "The path contains an encoded slash");

/**
 * Parses a request target, or returns why it is refused.
 *
 * Removes the query, splits the path at `/`, decodes each segment once (bytes, then UTF-8), and then resolves empty
 * segments, `.` and `..`. 414 for more than 16,384 characters; 400 for a `#`, an invalid escape,
 * NUL, or invalid UTF-8; 404 for an encoded `/` inside a segment, for `..` above the root, and for more than 255
 * segments. Does not trim or normalize: `+`, `;`, `\`, dots and spaces are ordinary characters.
 *
 * @param raw The target as sent, starting with `/`. Unescaped non-ASCII characters, which clients should not send, are
 * accepted: Deno has decoded them as UTF-8, and refuses invalid UTF-8 itself.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { parseTarget, Refusal } from "@x/pyserve/http";
 *
 * const target = parseTarget("/a%20b/./c/?x=1");
 * assert(!(target instanceof Refusal) && target.path.text === "/a b/c" && target.slash);
 * ```
 */
export function parseTarget(raw: string): Target | Refusal {
  if (raw.length > MAX_TARGET_LENGTH) return tooLong();
  if (raw.includes("#")) return withFragment();
  const [path, query] = cut(raw, "?");
  const segments: string[] = [];
  let slash = true;
  for (const part of path.split("/").slice(1)) {
    const segment = decodeSegment(part);
    if (segment instanceof Refusal) return segment;
    slash = segment === "" || segment === "." || segment === "..";
    if (segment === "..") {
      if (segments.pop() === undefined) return aboveRoot();
    } else if (!slash) {
      if (!isSegment(segment)) return ENCODED_SLASH;
      if (segments.push(segment) > MAX_DEPTH) return tooDeep();
    }
  }
  return { raw, path: segments.length === 0 ? SitePath.root : pathOf(segments), slash, query };
}

/**
 * The part of a path before the first segment that {@linkcode parseTarget} refuses. It tells which part of a site a
 * refused request was for, and nothing about the resource.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 *
 * assert(readablePath("/docs/%zz/a").text === "/docs");
 * ```
 */
export function readablePath(raw: string): SitePath {
  let path = SitePath.root;
  const [sent] = cut(cut(raw.slice(0, MAX_TARGET_LENGTH), "#")[0], "?");
  for (const part of sent.split("/", MAX_READABLE + 1).slice(1)) {
    const segment = decodeSegment(part);
    if (segment instanceof Refusal || segment.includes("/")) break;
    const next = segment === ".." ? path.parent : segment === "." || segment === "" ? path : path.child(segment);
    if (next === null) break;
    path = next;
  }
  return path;
}

/** Maximum number of segments examined in a refused target: more than any prefix has. */
const MAX_READABLE = 64;

/**
 * The decoded segments of a path of which a part is not a file path but PATH_INFO of a program.
 *
 * Like {@linkcode parseTarget}, but keeps empty segments, including a trailing `""` for a trailing slash, and allows
 * encoded slashes inside a segment. Without the empty segments, and up to the first one with a slash, the result equals
 * that of `parseTarget`. Same errors; additionally 404 for an encoded slash next to `.` or `..`, which a program would
 * resolve again.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(pathSegments("/cgi-bin/wiki//a%2Fb/../c/?q"), ["cgi-bin", "wiki", "", "c", ""]);
 * assertEquals(pathSegments("/cgi-bin/wiki/a%2Fb"), ["cgi-bin", "wiki", "a/b"]);
 * ```
 */
export function pathSegments(raw: string): readonly string[] | Refusal {
  if (raw.length > MAX_TARGET_LENGTH) return tooLong();
  if (raw.includes("#")) return withFragment();
  const parts = cut(raw, "?")[0].split("/").slice(1);
  const segments: string[] = [];
  let depth = 0;
  for (const [index, part] of parts.entries()) {
    const segment = decodeSegment(part);
    if (segment instanceof Refusal) return segment;
    if (/(?:^|\/)\.\.?\/|\/\.\.?(?:\/|$)/.test(segment)) return ENCODED_SLASH;
    const isDots = segment === "." || segment === "..";
    if (segment === "..") {
      while (segments.at(-1) === "") segments.pop();
      if (segments.pop() === undefined) return aboveRoot();
      depth -= 1;
    }
    if (!isDots && segment !== "" && ++depth > MAX_DEPTH) return tooDeep();
    if (!isDots) segments.push(segment);
    else if (index === parts.length - 1) segments.push("");
  }
  return segments;
}

/**
 * The target of a path with an encoded slash, up to the segment before it; the rest is only available from {@linkcode
 * pathSegments} of `raw`. Null if there is no encoded slash, or the target is refused for another reason.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 *
 * assert(targetBeforeEncodedSlash("/cgi-bin/wiki/a%2Fb/c?q")?.path.text === "/cgi-bin/wiki");
 * assert(targetBeforeEncodedSlash("/cgi-bin/wiki/a/b") === null);
 * ```
 */
export function targetBeforeEncodedSlash(raw: string): Target | null {
  const segments = pathSegments(raw);
  if (segments instanceof Refusal || !segments.some((segment) => segment.includes("/"))) return null;
  const names = segments.filter((segment) => segment !== "");
  const end = names.findIndex((segment) => !isSegment(segment));
  const path = pathOf(end < 0 ? names : names.slice(0, end));
  return { raw, path, slash: false, query: cut(raw, "?")[1] };
}

/**
 * The URL of a path as the server sees it, without any prefix that a proxy strips. For Location and links, use
 * {@linkcode relativeReference}.
 *
 * Built from decoded segments, so it begins with exactly one `/` and cannot name another host, whatever the target was
 * (CVE-2021-28861 and similar).
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { locationOf, SitePath } from "@x/pyserve/http";
 *
 * assert(locationOf(SitePath.root.child("\\evil")!, { slash: true }) === "/%5Cevil/");
 * ```
 */
export function locationOf(path: SitePath, options: { slash?: boolean; query?: string } = {}): string {
  const slash = options.slash && path.segments.length > 0 ? "/" : "";
  const query = options.query ? "?" + encodeHeaderUrl(options.query) : "";
  return path.href + slash + query;
}

function tooLong(): Refusal {
  return new Refusal(414, `The target is longer than ${MAX_TARGET_LENGTH} characters`);
}

function tooDeep(): Refusal {
  return new Refusal(404, `The path has more than ${MAX_DEPTH} segments`);
}

/**
 * Clients must not send a fragment (RFC 9112 section 3.2). One that does means a name containing `#`, and truncating it
 * would delete or overwrite another file.
 */
function withFragment(): Refusal {
  return new Refusal(400, 'The target has a "#" in it; in a name it is written %23');
}

function aboveRoot(): Refusal {
  return new Refusal(404, "The path leads above the root");
}

function cut(text: string, mark: string): [before: string, after: string] {
  const at = text.indexOf(mark);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}

function isSegment(name: string): boolean {
  return name !== "" && name !== "." && name !== ".." && !/[/\0]/.test(name);
}

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Decodes a segment once: bytes, then UTF-8. The result may be empty, `.`, `..`, or contain a slash; 400 for an invalid
 * escape, NUL, and invalid UTF-8.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 *
 * assert(decodeSegment("a%20b") === "a b");
 * ```
 */
export function decodeSegment(part: string): string | Refusal {
  if (/^[\x21-\x24\x26-\x7e]*$/.test(part)) return part;
  const escaped = part.replace(/[^\0-\x7f]+/g, (text) => encodeURIComponent(text.toWellFormed()));
  const bytes = new Uint8Array(escaped.length);
  let length = 0;
  for (let i = 0; i < escaped.length; i++) {
    let code = escaped.charCodeAt(i);
    if (code === 0x25) { // "%"
      const hex = escaped.slice(i + 1, i + 3);
      if (!/^[0-9a-fA-F]{2}$/.test(hex)) return new Refusal(400, "The target contains an invalid percent-encoding");
      code = parseInt(hex, 16);
      i += 2;
    }
    if (code === 0) return new Refusal(400, "The target contains a NUL");
    bytes[length++] = code;
  }
  try {
    return UTF8.decode(bytes.subarray(0, length));
  } catch {
    return new Refusal(400, "The target is not valid UTF-8");
  }
}
