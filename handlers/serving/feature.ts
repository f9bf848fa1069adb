/**
 * The interface by which a file server is extended.
 *
 * @module
 */

import { chain } from "../core/chain.ts";
import { HttpError } from "../core/errors.ts";
import { ENCODED_SLASH, targetBeforeEncodedSlash } from "../http/target.ts";
import { kindOf, requireArray, requireFunction } from "../core/origin.ts";
import { onDemand } from "../core/on_demand.ts";
import { settle, type SettledHandler } from "../core/settle.ts";
import type { SitePath, Target } from "../http/target.ts";
import type { FileSource, FileStat } from "../sources/types.ts";
import { resolve } from "./resolve.ts";
import { isStyled, resolvePage, type UrlStyle } from "./resolve_page.ts";
import { readable } from "./rights.ts";
import { derive } from "../core/derive.ts";
import type { Context, Handler, Layer, Right } from "../core/types.ts";

const SAFE_METHODS: readonly string[] = ["GET", "HEAD", "OPTIONS", "TRACE"];

/** The site that a feature is part of. */
export interface Site {
  /** The served source. */
  readonly source: FileSource;
  /** The entity tag with which a file is sent without content coding. */
  readonly etagOf: (path: SitePath, stat: FileStat) => string;
  /** The Content-Type with which a file is sent unless it declares another encoding; `""` for none. */
  readonly typeOf: (path: SitePath) => string;
  /** Names of index files: a feature must handle those that it does not want to be sent as files. */
  readonly index: readonly string[];
  /** How URLs of pages end; a page of the site answers its queries itself. */
  readonly urls?: UrlStyle;
  /** Whether `NAME.gz` and the like are sent in place of `NAME`; defaults to false. */
  readonly precompressed?: boolean;
  /** Paths of directories that take uploads although programs run: a feature must not run anything in them. */
  readonly uploads: readonly string[];
  /**
   * Responds like the whole site, without its layers: for responses found under another path, such as local redirects.
   * It does not use the response cache, whose key is the path of the original request.
   */
  readonly answer: Handler;
}

/**
 * An ability of a file server besides files and listings: running programs, taking uploads, creating archives.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { type Feature, fileServer, memory, toFetch } from "@x/pyserve";
 *
 * const size: Feature = {
 *   methods: ["GET"],
 *   queries: ["size"],
 *   handler: ({ source }) => async (_request, { target }) => {
 *     const stat = await source.stat(target.path);
 *     return stat && new Response(String(stat.size));
 *   },
 * };
 * const fetch = toFetch(fileServer(memory({ "a.txt": "hello" }), { features: [size], log: false }));
 * const response = await fetch(new Request("http://localhost/a.txt?size"));
 * assert(await response.text() === "5");
 * ```
 *
 * @category Features
 */
export interface Feature {
  /** Its name in errors and in the log; defaults to its first ability or query parameter. */
  readonly name?: string;
  /** The methods it handles, for Allow. */
  readonly methods: readonly string[];
  /**
   * Names of query parameters (letters, digits, hyphens). If given, the feature is tried only if the query has one of
   * them, after all features without, and never for a directory that has an index page, whose queries are its own.
   */
  readonly queries?: readonly string[];
  /**
   * Abilities that it adds to the page of a directory, one word each: `upload` (PUT, PATCH, MKCOL and multipart POST),
   * `delete` (DELETE, MOVE, and overwriting PUT), `archive` (`?archive=zip`), `search` (`?q=`), `checksum` (`?sha256`),
   * `watch` (`?watch`).
   */
  readonly abilities?: readonly string[];
  /**
   * The rights required by its methods and abilities: `{ PUT: "create", upload: "create" }`. Without the right, Allow
   * omits the method and the page does not offer the ability; refusing the request is up to the feature's handler.
   * Names that are not listed require no right.
   */
  readonly rights?: Readonly<Record<string, Right>>;
  /** Whether it writes to the source; defaults to whether it has the ability `upload` or `delete`. */
  readonly isWriting?: boolean;
  /** Whether it executes files of the source, so that write access to the source means code execution. */
  readonly runsPrograms?: boolean;
  /**
   * Whether it also handles paths with an encoded slash. Its target is then the part of the path before that segment.
   * No other handler sees such requests: if declined, they are 404.
   */
  readonly encodedSlashes?: boolean;
  /**
   * The source as other handlers may serve it: without the files that this feature answers for. Receives the names of
   * index files.
   */
  readonly contentOf?: (source: FileSource, index: readonly string[]) => FileSource;
  /**
   * Whether the whole file server requires own host names (`hosts` of `toFetch`), because the feature does more than
   * reading; defaults to true if it runs programs or handles an unsafe method (RFC 9110 section 9.2.1).
   */
  readonly ownNamesOnly?: boolean;
  /** Whether it is tried last, for what neither files nor other features answer; defaults to false. */
  readonly isBehind?: boolean;
  /** Headers that it adds to the response to OPTIONS. */
  readonly optionsHeaders?: Readonly<Record<string, string>>;
  /** Creates its handler, once; the handler declines requests that are not for it. */
  readonly handler: (site: Site) => Handler;
  /**
   * Wraps the whole site for this feature: inside the layers of the file server, outside the response cache. For changes to
   * what other handlers send, such as a {@linkcode Rewriter}.
   */
  readonly layer?: Layer;
  /** Ends responses that would not end by themselves; to be called when the server begins to stop. */
  readonly drain?: () => void;
  /** Ends its background work; to be called by whatever runs the server, when the server stops. */
  readonly end?: () => Promise<void>;
}

/** The name of a feature in messages; the position counts from 0. */
export function featureTitle({ name, abilities, queries }: Feature, position: number): string {
  const known = name ?? abilities?.[0] ?? queries?.[0];
  return known === undefined ? `feature ${position + 1}` : `feature "${known}"`;
}

/** Throws a TypeError for anything that is not a feature. */
export function requireFeatures(features: unknown): asserts features is readonly Feature[] {
  requireArray(features, "the features", "features");
  for (const [position, feature] of (features as unknown[]).entries()) requireFeature(feature, position);
}

function requireFeature(feature: unknown, position: number): void {
  const title = `feature ${position + 1}`;
  if (typeof feature === "function") {
    throw new TypeError(`Cannot use ${title}: it is a function; call it: ${feature.name}()`);
  }
  if (Array.isArray(feature)) {
    throw new TypeError(`Cannot use ${title}: it is an array; spread it: ...uploadFeatures()`);
  }
  if (Array.isArray((feature as Partial<Feature> | null | undefined)?.methods)) return;
  throw new TypeError(`Cannot use ${title}: it is ${kindOf(feature)}, not a feature with methods and a handler`);
}

/** The functions that make the features of this package, by the name of the feature. */
const MAKERS: Readonly<Record<string, string>> = {
  archive: "archives",
  search: "searches",
  checksum: "checksums",
  watch: "watching",
  upload: "uploadFeatures",
};

/** Throws a TypeError for two features with the same claim, of which the second would never be tried. */
export function requireDistinct(features: readonly Feature[]): void {
  const claims = new Map<unknown, Feature>();
  for (const [position, feature] of features.entries()) {
    const { queries = [], abilities = [] } = feature;
    for (const claim of [feature, ...queries.map((name) => `?${name}`), ...abilities]) {
      const other = claims.get(claim);
      if (other === undefined) claims.set(claim, feature);
      else {throw new TypeError(
          twice(featureTitle(feature, position), featureTitle(other, features.indexOf(other)), claim),
        );}
    }
  }
}

function twice(title: string, other: string, claim: unknown): string {
  const maker = MAKERS[/"(.*)"/.exec(title)?.[1] ?? ""];
  const once = maker === undefined ? "give it" : `call ${maker}()`;
  if (title === other) return `Cannot add ${title} twice: ${once} once, with the options for all`;
  return `Cannot add ${title} beside ${other}: both are for "${claim}"`;
}

/**
 * The handler of a feature, restricted to requests with its query parameters. The pages of a site may use any query
 * parameter, so directories with an index page are excluded. Files are not: features for files use parameters without a
 * value (`?sha256`), which pages do not.
 */
export function restrictedToQueries(
  { queries, handler }: Feature,
  site: Site,
  content: FileSource,
  title: string,
): Handler {
  requireFunction(handler, `the handler of ${title}`);
  const answer = handler(site);
  requireFunction(answer, `what ${title} made as its handler`);
  if (queries === undefined) return answer;
  const pattern = new RegExp(`(?:^|&)(?:${queries.join("|")})(?:[=&]|$)`);
  const answerUnlessPage = async (request: Request, context: Context) => {
    return await isPage(readable(content, context), context.target, site) ? null : await answer(request, context);
  };
  return (request, context) => pattern.test(context.target.query) ? answerUnlessPage(request, context) : null;
}

/** Whether a page of the site answers a path, or is where it redirects to. */
async function isPage(source: FileSource, target: Target, { index, urls }: Site): Promise<boolean> {
  const { path } = target;
  if ((await resolve(source, { path, slash: true }, index)).kind === "index") return true;
  if (urls === undefined || !isStyled(urls)) return false;
  const found = await resolvePage(source, target, index, urls);
  // A file asked for by its own name is not only a page: it has a checksum, too.
  return found.kind === "file"
    ? found.path !== path
    : found.kind === "moved" && (await source.stat(path))?.kind !== "file";
}

/** The features in the order in which they are tried: those with `queries` last. */
export function inOrder(features: readonly Feature[]): Feature[] {
  return [...features.filter(({ queries }) => !queries), ...features.filter(({ queries }) => queries)];
}

/** The methods or abilities of a feature that the client has a right to, for the path of the request. */
export function rightful(names: readonly string[], { rights }: Pick<Feature, "rights">, context: Context): string[] {
  return names.filter((name) => {
    const right = rights?.[name];
    return right === undefined || context.may(right, context.target.path);
  });
}

/** Whether a feature requires own host names. */
export function needsOwnNames({ methods, ownNamesOnly, runsPrograms = false }: Feature): boolean {
  return ownNamesOnly ?? (runsPrograms || methods.some((method) => !SAFE_METHODS.includes(method)));
}

/** Lets some handlers answer paths with an encoded slash before they are refused. */
export function withEncodedSlashes(handlers: readonly Handler[], site: SettledHandler): SettledHandler {
  if (handlers.length === 0) return site;
  const answer = settle(chain(...handlers, () => {
    throw HttpError.from(ENCODED_SLASH);
  }));
  return (request, context) => {
    const target = context.refusal === ENCODED_SLASH ? targetBeforeEncodedSlash(context.target.raw) : null;
    const path = target?.path.below(context.base);
    if (!target || !path) return site(request, context);
    return answer(request, derive(context, { target: { ...target, path }, refusal: null }));
  };
}

/**
 * Loads a handler on its first request: for code that most runs of a program never need.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { toFetch } from "@x/pyserve";
 * import { lazily } from "@x/pyserve/handlers";
 *
 * const fetch = toFetch(lazily(() => Promise.resolve(() => new Response("loaded"))));
 * const response = await fetch(new Request("http://localhost/"));
 * assert(await response.text() === "loaded");
 * ```
 */
export function lazily(load: () => Promise<Handler>): Handler {
  const loaded = onDemand(load);
  return async (request, context) => {
    const handler = await loaded();
    return await handler(request, context);
  };
}
