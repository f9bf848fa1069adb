/**
 * What a LOCK request asks for: its body, Depth and Timeout (RFC 4918 sections 9.10, 10.2 and 10.7).
 *
 * @module
 */

import { HttpError } from "../core/errors.ts";
import type { XmlElement } from "./xml_element.ts";
import { escapeXml, formatElement } from "./xml_text.ts";

/** The terms of a lock. */
export interface LockTerms {
  /** Null to prolong a lock. */
  readonly kind: "exclusive" | "shared" | null;
  /** Whether it covers all that is in a directory. */
  readonly isDeep: boolean;
  /** The content of the `owner` element, as XML. */
  readonly owner: string;
  /** For how long, in seconds. */
  readonly seconds: number;
}

/** For clients that do not say: long enough for a slow upload, after which most of them prolong it. */
const DEFAULT_SECONDS = 600;

/** The lock of a client that has crashed does not keep others waiting for longer. */
const MAX_SECONDS = 3_600;

/** Names, addresses and the like. */
const MAX_OWNER = 1_024;

const DAV = "DAV:";

/** The terms of a request; `info` is its body, null for none. */
export function lockTerms(headers: Headers, info: XmlElement | null): LockTerms {
  const terms = { isDeep: isDeep(headers.get("depth")), seconds: secondsOf(headers.get("timeout")) };
  if (info === null) return { ...terms, kind: null, owner: "" };
  if (!isNamed(info, "lockinfo")) throw malformed();
  const [scope, type] = ["lockscope", "locktype"].map((name) => info.children.find((each) => isNamed(each, name)));
  const kind = (["exclusive", "shared"] as const).find((name) => scope?.children.some((each) => isNamed(each, name)));
  if (kind === undefined || !type?.children.some((each) => isNamed(each, "write"))) throw malformed();
  return { ...terms, kind, owner: ownerOf(info.children.find((each) => isNamed(each, "owner"))) };
}

function isNamed({ namespace, name }: XmlElement, expected: string): boolean {
  return namespace === DAV && name === expected;
}

function malformed(): HttpError {
  return new HttpError(400, "The body does not ask for an exclusive or shared write lock");
}

/** Windows sends no Depth, which means infinity. */
function isDeep(depth: string | null): boolean {
  const value = depth?.trim().toLowerCase() ?? "infinity";
  if (value !== "0" && value !== "infinity") throw new HttpError(400, "Depth is neither 0 nor infinity");
  return value === "infinity";
}

/** The first of the wishes that can be understood, within bounds. */
function secondsOf(header: string | null): number {
  for (const wish of (header ?? "").slice(0, 1_024).split(",")) {
    if (/^\s*infinite\s*$/i.test(wish)) return MAX_SECONDS;
    const [, seconds] = /^\s*second-(\d+)\s*$/i.exec(wish) ?? [];
    if (seconds !== undefined) return Math.min(Math.max(1, Number(seconds)), MAX_SECONDS);
  }
  return DEFAULT_SECONDS;
}

/** The content is written anew, so that it means the same in any document. */
function ownerOf(owner: XmlElement | undefined): string {
  const parts = owner?.content ?? [];
  const text = parts.map((part) => typeof part === "string" ? escapeXml(part) : formatElement(part)).join("");
  if (text.length > MAX_OWNER) throw new HttpError(400, `The owner of the lock has more than ${MAX_OWNER} characters`);
  return text;
}
