/**
 * What a file server can be given besides files and listings.
 *
 * @module
 */

import { chain } from "../core/chain.ts";
import { HttpError } from "../core/errors.ts";
import { ENCODED_SLASH, targetBeforeEncodedSlash } from "../http/target.ts";
import { onDemand } from "../core/on_demand.ts";
import { settle, type SettledHandler } from "../core/settle.ts";
import type { SitePath } from "../http/target.ts";
import type { FileSource, FileStat } from "../sources/types.ts";
import { resolve } from "./resolve.ts";
import { readable } from "./rights.ts";
import { type Context, derive, type Handler, type Right } from "../core/types.ts";

const SAFE_METHODS: readonly string[] = ["GET", "HEAD", "OPTIONS", "TRACE"];

/** The site that a feature becomes a part of. */
export interface Site {
  /** What is served. */
  readonly source: FileSource;
  /** The entity tag with which a file is sent, as long as it is not coded. */
  readonly etagOf: (path: SitePath, stat: FileStat) => string;
  /** Names of files that stand for their directory: a feature must take those that are not to be sent as they are. */
  readonly index: readonly string[];
  /** Paths of directories that take uploads although programs run: a feature must not run anything there. */
  readonly uploads: readonly string[];
  /**
   * Answers as the whole site does, without its layers: for an answer that is found under another path. It keeps nothing
   * in the cache of files, which would have it for the path that was asked for.
   */
  readonly answer: Handler;
}

/**
 * Something a file server can do besides sending files and listings: run programs, take uploads, pack archives.
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
 */
export interface Feature {
  /** Methods that it answers, for Allow. */
  readonly methods: readonly string[];
  /**
   * Names of query parameters (letters, digits, hyphens). Where given, the feature is asked only when the query has one of
   * them, behind all features without, and never for a directory that has an index page: the query of a page is its own.
   */
  readonly queries?: readonly string[];
  /**
   * What the page of a directory may offer because of it, one word each: `upload` (PUT, PATCH, MKCOL and multipart POST),
   * `delete` (DELETE, MOVE, and PUT over what is there), `archive` (`?archive=zip`), `search` (`?q=`), `checksum` (`?sha256`).
   */
  readonly abilities?: readonly string[];
  /**
   * The right that a method or an ability needs, by its name: `{ PUT: "create", upload: "create" }`. What the client has no
   * right to is neither in Allow nor offered by the page; the feature's handler refuses it. What is not named needs none.
   */
  readonly rights?: Readonly<Record<string, Right>>;
  /** Whether it runs what is in the source, or has it run; who may write there could run anything by it. */
  readonly runsPrograms?: boolean;
  /**
   * Whether it is asked for paths with an encoded slash in them, too, of which its target has what is in front of that
   * segment. No other handler is asked for them: what it declines is 404.
   */
  readonly encodedSlashes?: boolean;
  /**
   * What is left of the source for others to send: the files that it answers for itself are not there. It is told the
   * names of files that stand for their directory.
   */
  readonly contentOf?: (source: FileSource, index: readonly string[]) => FileSource;
  /**
   * Whether the whole file server is to be answered under its own names only (`hosts` of `toFetch`), because more than
   * reading is possible; defaults to true where it runs programs or one of its methods is not safe (RFC 9110 section 9.2.1).
   */
  readonly ownNamesOnly?: boolean;
  /** What OPTIONS tells of it besides its methods. */
  readonly optionsHeaders?: Readonly<Record<string, string>>;
  /** Makes its handler, once; it declines what is not for it. */
  readonly handler: (site: Site) => Handler;
  /** Ends what it has running; called by whoever runs the server, at its end. */
  readonly end?: () => Promise<void>;
}

/**
 * The handler of a feature, asked only for what the feature says it is for. A site may use any word in the queries of its
 * pages. Files have no such claim: what is asked of a file (`?sha256`) is asked in a form that pages do not use, without a value.
 */
export function askedFor({ queries, handler }: Feature, site: Site, content: FileSource): Handler {
  const answer = handler(site);
  if (queries === undefined) return answer;
  const asked = new RegExp(`(?:^|&)(?:${queries.join("|")})(?:[=&]|$)`);
  const answerUnlessPage = async (request: Request, context: Context) => {
    const { path } = context.target;
    const found = await resolve(readable(content, context), { path, slash: true }, site.index);
    if (found.kind === "index") return null;
    return await answer(request, context);
  };
  return (request, context) => asked.test(context.target.query) ? answerUnlessPage(request, context) : null;
}

/** The features in the order in which they are asked: those that a query asks for come behind those that own their paths. */
export function inOrder(features: readonly Feature[]): Feature[] {
  return [...features.filter(({ queries }) => !queries), ...features.filter(({ queries }) => queries)];
}

/** Those methods, or abilities, of a feature that the client has a right to, at the path of the request. */
export function rightful(names: readonly string[], { rights }: Pick<Feature, "rights">, context: Context): string[] {
  return names.filter((name) => {
    const right = rights?.[name];
    return right === undefined || context.may(right, context.target.path);
  });
}

/** Whether the names of the server have to be its own because of a feature. */
export function needsOwnNames({ methods, ownNamesOnly, runsPrograms = false }: Feature): boolean {
  return ownNamesOnly ?? (runsPrograms || methods.some((method) => !SAFE_METHODS.includes(method)));
}

/** A site whose paths with an encoded slash in them some handlers are asked for, before they are refused. */
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
 * A handler that is loaded when it is first asked: for what most runs of a program never need.
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
