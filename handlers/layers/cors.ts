/**
 * Access by pages of other origins (CORS, the Fetch Standard).
 *
 * @module
 */

import { varyBy } from "../http/vary.ts";
import { then } from "../core/awaitable.ts";
import { makesLayers, passedByErrors } from "../core/chain.ts";
import { markRepeatable } from "../core/shortcuts.ts";
import { requireArray } from "../core/origin.ts";
import type { Context, Layer } from "../core/types.ts";
import { isOrigin } from "../http/host.ts";
import { inPlace } from "./headers.ts";

/** Options of {@linkcode cors}. */
export interface CorsOptions {
  /** The origins that may read, such as `https://app.example`; `*` for any, the default. */
  readonly origins?: "*" | readonly string[];
  /**
   * Whether pages of these origins may read with the user's cookies and passwords; defaults to true if they are named. It
   * cannot be combined with `*`.
   */
  readonly credentials?: boolean;
  /** Methods that pages may use, besides those that need no permission; defaults to `GET`, `HEAD` and `POST`. */
  readonly methods?: readonly string[];
  /** How long browsers may keep a permission, in seconds; defaults to 600. */
  readonly maxAge?: number;
}

/** Header fields that a page may read if it was sent with credentials, besides the safelisted ones; otherwise, all. */
const EXPOSED =
  "accept-ranges, content-digest, content-disposition, content-encoding, content-range, date, etag, link, " +
  "location, retry-after, upload-complete, upload-limit, upload-offset";

/** A list of field names: what browsers send is echoed. */
const FIELD_NAMES = /^[\w!#$%&'*+.^`|~, -]{1,4096}$/;

/**
 * A layer that lets pages of other origins read responses, and answers their preflight requests, also for private networks
 * (`Access-Control-Request-Private-Network`).
 *
 * Responses to named origins have `Vary: origin`, also where there is no Origin or another one, so that no cache gives a
 * response to the wrong page. Preflight requests have no credentials: put the layer outside of authentication. Errors that
 * inner layers throw get its headers only if `settle` is between them. It does not let other sites write: uploads remain
 * limited to the server's own pages.
 *
 * @throws TypeError for something that is not an origin, and for credentials with any origin, which browsers refuse.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { fileServer, memory, toFetch } from "@x/pyserve";
 * import { cors } from "@x/pyserve/layers";
 *
 * const layers = [cors({ origins: ["https://app.example"] })];
 * const fetch = toFetch(fileServer(memory({ "a.json": "{}" }), { layers, log: false }));
 * const ask = (origin: string) => fetch(new Request("http://localhost/a.json", { headers: { origin }, method: "HEAD" }));
 * const allowed = async (origin: string) => (await ask(origin)).headers.get("access-control-allow-origin");
 * assert(await allowed("https://app.example") === "https://app.example");
 * assert(await allowed("https://other.example") === null);
 * ```
 *
 * @category Layers
 */
export function cors(options: CorsOptions = {}): Layer {
  const policy = policyOf(options);
  const layer: Layer = (next) => (request, context) => {
    if (isPreflight(request, context)) return preflight(request, policy);
    return then(next(request, context), (response) => response && shared(request, response, policy));
  };
  return passedByErrors("cors", markRepeatable(layer));
}
makesLayers(cors);

interface Policy {
  /** The origins; null for any. */
  readonly origins: ReadonlySet<string> | null;
  readonly credentials: boolean;
  readonly methods: string;
  readonly maxAge: string;
}

function policyOf(
  { origins = "*", credentials, methods = ["GET", "HEAD", "POST"], maxAge = 600 }: CorsOptions,
): Policy {
  const isAny = origins === "*";
  if (isAny && credentials) {
    throw new TypeError("Cannot use credentials with any origin: browsers refuse that; name the origins");
  }
  if (!isAny) requireArray(origins, "the origins of cors", "origins");
  const wrong = isAny ? undefined : origins.find((origin) => typeof origin !== "string" || !isOrigin(origin));
  if (wrong !== undefined) {
    throw new TypeError(`Cannot use ${JSON.stringify(wrong)} as an origin: write one such as https://app.example`);
  }
  if (!Number.isSafeInteger(maxAge) || maxAge < 0) throw new TypeError("cors takes a maxAge in whole seconds");
  return {
    origins: isAny ? null : new Set(origins),
    credentials: credentials ?? !isAny,
    methods: methods.join(", "),
    maxAge: String(maxAge),
  };
}

function isPreflight({ method, headers }: Request, { refusal }: Context): boolean {
  return method === "OPTIONS" && refusal === null && headers.has("origin") &&
    headers.has("access-control-request-method");
}

/** The value of Access-Control-Allow-Origin; null if the origin of the request is not allowed. */
function allowedOrigin({ headers }: Request, { origins }: Policy): string | null {
  if (origins === null) return "*";
  const origin = headers.get("origin");
  return origin !== null && origins.has(origin) ? origin : null;
}

/** A server need not do anything for the method here: the request itself tells whether it does. */
function preflight(request: Request, policy: Policy): Response {
  const headers = new Headers({
    vary:
      "origin, access-control-request-method, access-control-request-headers, access-control-request-private-network",
  });
  const origin = allowedOrigin(request, policy);
  if (origin === null) return new Response(null, { status: 204, headers });
  headers.set("access-control-allow-origin", origin);
  headers.set("access-control-allow-methods", policy.methods);
  headers.set("access-control-max-age", policy.maxAge);
  if (policy.credentials) headers.set("access-control-allow-credentials", "true");
  // Not "*", which does not include Authorization, and means nothing with credentials.
  const fields = request.headers.get("access-control-request-headers");
  if (fields !== null && FIELD_NAMES.test(fields)) headers.set("access-control-allow-headers", fields);
  if (request.headers.get("access-control-request-private-network") === "true") {
    headers.set("access-control-allow-private-network", "true");
  }
  return new Response(null, { status: 204, headers });
}

function shared(request: Request, response: Response, policy: Policy): Response {
  const origin = allowedOrigin(request, policy);
  return inPlace(response, ({ headers }) => {
    if (policy.origins !== null) varyBy(headers, "origin");
    if (origin === null) return;
    headers.set("access-control-allow-origin", origin);
    headers.set("access-control-expose-headers", policy.credentials ? EXPOSED : "*");
    if (policy.credentials) headers.set("access-control-allow-credentials", "true");
  });
}
