/**
 * The URL of a request.
 *
 * @module
 */

import { utf8OfBytes } from "./request_line.ts";

/** What a URL is assembled from. */
export interface UrlParts {
  readonly method: string;
  /** The target as sent; ISO 8859-1. */
  readonly target: string;
  readonly host: string | null;
  /** Whether the version is at least HTTP/1.1, which requires a Host. */
  readonly needsHost: boolean;
  readonly secure: boolean;
  /** The local port. */
  readonly port: number;
}

/** Assembles the URL of a target as Deno.serve does: unvalidated, and with the path as sent. */
export function requestUrl({ method, target: sent, host, needsHost, secure, port }: UrlParts): string {
  const target = utf8OfBytes(sent) ?? sent.replace(/[^\0-\x7f]/g, percentByte);
  if (method === "CONNECT" && !target.includes("/")) return `http://${target}`; // authority form
  if (/^[a-z][a-z\d+.-]*:\/\//i.test(target)) return target; // absolute form (RFC 9112 section 3.2.2)
  const rest = `${target.startsWith("/") ? "" : "/"}${target}`;
  // Host is optional in HTTP/1.0. If it is missing in HTTP/1.1, the placeholder URL makes the request fail.
  if (host === null && needsHost) return `http://localhost:${port}${rest}`;
  return `${secure ? "https" : "http"}://${host ?? "0.0.0.0"}${rest}`;
}

function percentByte(character: string): string {
  return "%" + character.charCodeAt(0).toString(16).toUpperCase();
}
