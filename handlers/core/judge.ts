/**
 * Validates requests before any handler acts on them: Host, Content-Length, Transfer-Encoding, and the size of the header.
 *
 * @module
 */

import type { TrustedProxies } from "../http/forwarded.ts";
import { isHeaderTooLong, MAX_HEADER_BYTES } from "../http/header_size.ts";
import { judgeHost } from "../http/host.ts";
import { Refusal } from "../http/refusal.ts";
import { MAX_TARGET_LENGTH, parseTarget, type Target } from "../http/target.ts";
import type { OwnHosts } from "./own_hosts.ts";
import type { RequestHead } from "./request_head.ts";
import type { Context } from "./types.ts";

/** Maximum number of parsed targets that are kept, and their maximum length. */
const MAX_TARGETS = 1_000;
const MAX_KEPT_LENGTH = 256;

/** The judge of one server. */
export class Judge {
  /** The host names of the server. */
  readonly hosts: OwnHosts;
  /** The proxies that name clients; null for none. */
  readonly proxies: TrustedProxies | null;
  /** The last valid Host, the URL prefix for it, and whether it is an own host name. */
  #host = "";
  #prefix = "";
  #isOwn = false;
  readonly #targets = new Map<string, Target>();

  /** Takes the host names of the server, and the proxies in front of it. */
  constructor(hosts: OwnHosts, proxies: TrustedProxies | null) {
    this.hosts = hosts;
    this.proxies = proxies;
  }

  /**
   * Why a request is refused, apart from its target; or null.
   *
   * @param info What the transport knows about the connection; undefined for a request created by hand.
   */
  refusalOf(request: Request, info: unknown, context: Context): Refusal | null {
    return refusalOfHead(request, info !== undefined) ?? this.hosts.refusalOf(request, context);
  }

  /**
   * The same by comparison with the last valid Host, for GET requests without a body: true only if `refusalOf` returns
   * null. False in doubt.
   *
   * @param url The URL of the request.
   * @param ownNamesOnly Whether own host names are required, regardless of the context.
   */
  accepts(url: string, { host, bytes }: RequestHead, ownNamesOnly: boolean, context: Context): boolean {
    if (host === null || bytes > MAX_HEADER_BYTES || url.length > MAX_TARGET_LENGTH) return false;
    if (host !== this.#host && !this.#remember(host, url)) return false;
    if (!this.#isOwn && (ownNamesOnly || this.hosts.areRequired(context))) return false;
    return url.charCodeAt(this.#prefix.length) === 0x2f && url.startsWith(this.#prefix);
  }

  /** The parsed target: the same object for the same text, if that has been requested recently. */
  parse(raw: string): Target | Refusal {
    const known = this.#targets.get(raw);
    if (known !== undefined) return known;
    const target = parseTarget(raw);
    if (target instanceof Refusal || raw.length > MAX_KEPT_LENGTH) return target;
    if (this.#targets.size >= MAX_TARGETS) this.#targets.clear();
    this.#targets.set(raw, target);
    return target;
  }

  /** Remembers a Host if it is valid. */
  #remember(host: string, url: string): boolean {
    if (judgeHost(host, url) !== null) return false;
    this.#host = host;
    this.#prefix = url.slice(0, url.indexOf("://") + 3) + host;
    this.#isOwn = this.hosts.isOwn(host);
    return true;
  }
}

/** Matches anything but the authority form (RFC 9112 section 3.2.3) in the URL created by the runtime. */
const NOT_AN_AUTHORITY = /^[^:]*:\/\/[^/?#]*[/?#]./;

function refusalOfHead(request: Request, isConnected: boolean): Refusal | null {
  if (request.method === "CONNECT" && NOT_AN_AUTHORITY.test(request.url)) {
    return new Refusal(400, "The target of CONNECT must be a host and a port");
  }
  const host = request.headers.get("host");
  if (host !== null || isConnected) {
    const refusal = judgeHost(host, request.url);
    if (refusal) return refusal;
  }
  const coding = request.headers.get("transfer-encoding");
  if (coding !== null && coding.trim().toLowerCase() !== "chunked") {
    return new Refusal(501, "The only supported transfer coding is chunked"); // RFC 9112 section 6.1
  }
  const length = request.headers.get("content-length");
  // Repeated lines with the same value are a list here, whereas Deno.serve treats them as one (RFC 9112 section 6.3).
  if (length !== null && !(/^\d+$/.test(length) && Number.isSafeInteger(Number(length)))) {
    return new Refusal(400, "The Content-Length is invalid");
  }
  if (!isHeaderTooLong(request.headers)) return null;
  return new Refusal(431, `The header is longer than ${MAX_HEADER_BYTES} bytes`);
}
