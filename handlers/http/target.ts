/**
 * From the request target as sent to a path that can be looked up: split first, decode once, then judge.
 *
 * `new URL().pathname` is never asked: it resolves `..`, turns `\` into `/` and drops control characters before anybody
 * could judge them (RFC 3986 sections 3.3 and 5.2.4, RFC 9110 section 17.3).
 *
 * @module
 */

import { encodeHeaderUrl, encodeSegment } from "./escape.ts";
import { Refusal } from "./refusal.ts";

/** Characters of target that are taken at most: RFC 9112 section 3 asks for 8000 octets, twice that leaves room. */
export const MAX_TARGET_LENGTH = 16_384;

/** Segments of a path that are taken at most: no tree that is served is as deep, and each segment costs a look at the disk. */
export const MAX_DEPTH = 255;

/** Makes a path of segments that have been judged; only this module can. */
let pathOf: (segments: readonly string[]) => SitePath;

/**
 * A path inside a site: decoded segments, none of them empty, `.`, `..`, or with a `/` or NUL in it.
 *
 * Only {@linkcode parseTarget} and the methods here make one, so an unchecked string cannot reach a
 * {@linkcode FileSource}. It does not say that something is there.
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
 */
export class SitePath {
  /** The path of no segments: the root of the site. */
  static readonly root: SitePath = new SitePath([]);
  /** A path that nothing has: what handlers see in place of that of a request which is refused. */
  static readonly nowhere: SitePath = new SitePath(["\uffff"]);

  /** The decoded segments, from the root on. */
  readonly segments: readonly string[];

  private constructor(segments: readonly string[]) {
    this.segments = segments;
  }

  static {
    pathOf = (segments) => new SitePath(segments);
  }

  /** The path one level below, or null where the name cannot be a segment (empty, `.`, `..`, with `/` or NUL). */
  child(name: string): SitePath | null {
    return isSegment(name) ? new SitePath([...this.segments, name]) : null;
  }

  /** The path one level above; null for the root. */
  get parent(): SitePath | null {
    return this.segments.length === 0 ? null : new SitePath(this.segments.slice(0, -1));
  }

  /** The path of another name in the same directory, or null where the name cannot be a segment. */
  sibling(name: string): SitePath | null {
    return this.parent?.child(name) ?? null;
  }

  /** This path with the segments of another behind it. */
  join(below: SitePath): SitePath {
    return below.segments.length === 0 ? this : new SitePath([...this.segments, ...below.segments]);
  }

  /** What is left of this path below a prefix, or null where it is not below; the prefix ends at a segment's border. */
  below(prefix: SitePath): SitePath | null {
    const depth = prefix.segments.length;
    if (prefix.segments.some((segment, index) => segment !== this.segments[index])) return null;
    return depth === 0 ? this : new SitePath(this.segments.slice(depth));
  }

  /** The last segment, `""` for the root. */
  get name(): string {
    return this.segments.at(-1) ?? "";
  }

  /** The path in words, decoded, beginning with `/` and without one at the end (but for the root). */
  get text(): string {
    return "/" + this.segments.join("/");
  }

  /** The path for a URL: every segment percent-encoded, exactly one `/` in front, none at the end (but for the root). */
  get href(): string {
    return "/" + this.segments.map(encodeSegment).join("/");
  }
}

/** What a request asks for, taken apart. */
export interface Target {
  /** The target as sent, without scheme and authority: `/a%20b/?x=1`. For logs; never judge by it. */
  readonly raw: string;
  /** The path, decoded and resolved. */
  readonly path: SitePath;
  /** Whether the path asks for a directory: it ended in `/`, `/.` or `/..`. */
  readonly slash: boolean;
  /** The query as sent, without the `?`; empty where there is none. */
  readonly query: string;
}

/**
 * Finds the target in the URL that Deno.serve shows: what follows the authority.
 *
 * The URL is text as it came over the wire, so this only cuts; for absolute-form targets it drops scheme and authority.
 * A URL without a path (`http://host?q`) has the path `/`.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { rawTarget } from "@x/pyserve";
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

/**
 * The verdict on a slash that is encoded, by which a segment would be none: always this object, so that whoever can answer
 * such a path (a program, as part of its PATH_INFO) knows it.
 */
export const ENCODED_SLASH: Refusal = new Refusal(404, "The path has an encoded slash in it");

/**
 * Takes a request target apart, or says why it cannot be answered.
 *
 * The query is cut off, the path is split at `/`, each segment is decoded once (bytes, then UTF-8),
 * then empty segments, `.` and `..` are resolved. 414 for more than {@linkcode MAX_TARGET_LENGTH} characters; 400 for a
 * `#`, a bad escape, NUL, or bytes that are not UTF-8; 404 for an encoded `/` inside a segment, for `..` above the root,
 * and for more than {@linkcode MAX_DEPTH} segments.
 * Nothing is trimmed or normalised: `+`, `;`, `\`, dots and spaces are ordinary characters.
 *
 * @param raw The target as sent, from the first `/` on. Characters beyond ASCII, which no client should send unescaped,
 * are taken for themselves: Deno has decoded their bytes as UTF-8, and refused what is none.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { parseTarget, Refusal } from "@x/pyserve";
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
 * A path as far as it can be read: up to the first segment by which {@linkcode parseTarget} refuses a target. It says whose
 * part of a site a refused request was for, and nothing about what it asked for there.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { readablePath } from "@x/pyserve";
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

/** Segments that are read of a target that is refused: more than any prefix has. */
const MAX_READABLE = 64;

/**
 * The decoded segments of a path that is not all about files, because a program answers what is below it (PATH_INFO).
 *
 * As {@linkcode parseTarget}, but empty segments stay, as does `""` at the end for a slash there, and a segment may have
 * an encoded slash in it. Without the empty ones, and up to the first with a slash, they are the segments of
 * `parseTarget`. The same errors; and 404 for an encoded slash with `.` or `..` at its side, which a program would resolve
 * once more.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { pathSegments } from "@x/pyserve";
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
 * The target of a path with an encoded slash in it, as far as it can be looked up: up to the segment in front of that one.
 * The rest of it only {@linkcode pathSegments} tells, of `raw`. Null where it has none, or cannot be answered besides.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { targetBeforeEncodedSlash } from "@x/pyserve";
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
 * The URL, relative to the server, under which a path is found. It leaves the prefix that a proxy takes off; what leads
 * clients on (Location, links) is made by {@linkcode relativeReference}.
 *
 * Built from decoded segments, so it begins with exactly one `/` and cannot name another host, whatever the target
 * looked like (CVE-2021-28861 and its relatives).
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { locationOf, SitePath } from "@x/pyserve";
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
 * A fragment is not sent (RFC 9112 section 3.2): a client that does means a name with `#` in it, and cutting it off would
 * delete, or overwrite, something else.
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
 * A segment as sent, decoded once: bytes, then UTF-8. It may be empty, `.`, `..`, or have a slash in it; 400 for a bad
 * escape, NUL, and bytes that are not UTF-8.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { decodeSegment } from "@x/pyserve";
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
      if (!/^[0-9a-fA-F]{2}$/.test(hex)) return new Refusal(400, "The target has a broken percent-escape");
      code = parseInt(hex, 16);
      i += 2;
    }
    if (code === 0) return new Refusal(400, "The target has a NUL in it");
    bytes[length++] = code;
  }
  try {
    return UTF8.decode(bytes.subarray(0, length));
  } catch {
    return new Refusal(400, "The target is not UTF-8");
  }
}
