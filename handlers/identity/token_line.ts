/**
 * Bearer tokens, and their lines in a file of users: `USER/ID:$pyserve$rights=read+upload,path=/pub,until=20270101T000000Z$DIGEST`.
 *
 * Other programs that read the file take such a line for a user whose hash they do not know, and htpasswd leaves it as
 * it is. The digest is a plain SHA-256: a token has so much entropy (190 bits) that no slow hash is needed.
 *
 * @module
 */

import { hash } from "node:crypto";
import { randomText } from "./bytes.ts";
import { parseRights, type UserRight } from "./user_rights.ts";

/** Makes tokens recognizable, for people and for scanners of leaked secrets. */
const PREFIX = "pys_";
const SECRET_LENGTH = 32;
const SECRET_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const ID_LENGTH = 8;
/** Without the vowels and the digits that make words or look alike. */
const ID_ALPHABET = "bcdfghjkmnpqrstvwxz23456789";

const TOKEN = new RegExp(`^${PREFIX}[A-Za-z0-9]{${SECRET_LENGTH}}$`);
const SCHEME = "$pyserve$";
const VALUE = /^\$pyserve\$rights=([a-z+]+)(?:,path=([^,$\s]+))?(?:,until=(\d{8}T\d{6}Z))?\$([0-9a-f]{64})$/;

/** What a token permits, at most: its user's rights limit it further. */
export interface TokenGrant {
  /** The public name of the token, for lists, logs and revoking. */
  readonly id: string;
  /** The rights, at least one. */
  readonly rights: readonly UserRight[];
  /** The canonical path of the site below which it is valid; `/` is everything. */
  readonly path: string;
  /** When it expires, in milliseconds since 1970; null for never. */
  readonly expires: number | null;
}

/** A token as stored. */
export interface StoredToken extends TokenGrant {
  /** The name of the user it acts for. */
  readonly user: string;
  /** The SHA-256 of the token, in hexadecimal. */
  readonly digest: string;
}

/** Makes a token: its text, to be shown once, and its line. */
export function newToken(user: string, grant: Omit<TokenGrant, "id">): { text: string; id: string; line: string } {
  const text = PREFIX + randomText(SECRET_LENGTH, SECRET_ALPHABET);
  const id = randomText(ID_LENGTH, ID_ALPHABET);
  const path = grant.path === "/" ? "" : `,path=${written(grant.path)}`;
  const until = grant.expires === null ? "" : `,until=${compact(grant.expires)}`;
  const value = `${SCHEME}rights=${grant.rights.join("+")}${path}${until}$${digestOf(text)}`;
  return { text, id, line: `${user}/${id}:${value}` };
}

/** The key of a token's text in {@linkcode StoredToken.digest}; null if it cannot be a token. */
export function tokenDigest(text: string): string | null {
  return TOKEN.test(text) ? digestOf(text) : null;
}

/** Parses the two parts of a token's line; a reason where it is malformed. `user` has been checked. */
export function parseToken(user: string, id: string, value: string): StoredToken | string {
  if (!/^[a-z0-9]{1,32}$/.test(id)) return 'the ID of the token after the "/" is malformed';
  const [, words, path, until, digest] = VALUE.exec(value) ?? [];
  if (digest === undefined) return "the token is malformed";
  const rights = parseRights(words!.split("+"));
  if (typeof rights === "string") return "the token has an unknown right";
  const expires = until === undefined ? null : timeOf(until);
  if (Number.isNaN(expires)) return "the token has an impossible date";
  const under = path === undefined ? "/" : decoded(path);
  return under === null ? "the token has a malformed path" : { user, id, rights, path: under, expires, digest };
}

/** Whether a path of the site is written in the one form in which it is compared: `/`, `/a`, `/a/b`. */
export function isCanonicalPath(path: string): boolean {
  if (path === "/") return true;
  const names = path.split("/").slice(1);
  return path.startsWith("/") && names.every((name) => !["", ".", ".."].includes(name)) &&
    path.isWellFormed() && !/[\p{Cc}\\]/u.test(path);
}

function digestOf(text: string): string {
  return hash("sha256", text, "hex");
}

function written(path: string): string {
  return path.split("/").map(encodeURIComponent).join("/");
}

function decoded(path: string): string | null {
  try {
    const text = decodeURIComponent(path);
    return isCanonicalPath(text) ? text : null;
  } catch {
    return null;
  }
}

/** ISO 8601 without colons, because other programs end a hash at the next colon. */
function compact(time: number): string {
  return new Date(time).toISOString().replace(/\.\d+/, "").replace(/[:-]/g, "");
}

function timeOf(text: string): number {
  return Date.parse(text.replace(/^(....)(..)(..)T(..)(..)(..)Z$/, "$1-$2-$3T$4:$5:$6Z"));
}
