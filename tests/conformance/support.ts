/** The vocabulary of the tables: requests, expected responses, and their comparison. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { dirname } from "@std/path/dirname";
import { parseResponse, raw, type RawResponse } from "../support/raw.ts";
import { FORBIDDEN, site } from "./site.ts";

/** A request as sent, except for placeholders such as `{etag}`, and the expected response. */
interface Exchange {
  readonly send: string;
  readonly status: number | readonly number[];
  /** Headers that it must have, or must not have (null). */
  readonly headers: Readonly<Record<string, string | RegExp | null>>;
  readonly body: string | RegExp | undefined;
}

/** How a row is checked: by exchanges, by code, or by both. */
interface Checks {
  readonly asks?: readonly Exchange[];
  readonly check?: (port: number) => Promise<void>;
  readonly ignore?: boolean;
}

/** A row of the table. */
export interface Row extends Checks {
  readonly row: number;
  readonly rfc: string;
  readonly says: string;
}

export function row(row: number, rfc: string, says: string, checks: Checks): Row {
  return { row, rfc, says, ...checks };
}

export const CLOSE = "Connection: close";

export const IMF_FIXDATE = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/;
export const ETAG = /^(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"$/;

/** Bytes on the wire: exactly the given header lines and body. */
export function wire(lines: readonly string[], body = "") {
  const send = lines.join("\r\n") + "\r\n\r\n" + body;
  return {
    gets: (status: Exchange["status"], headers: Exchange["headers"] = {}, body?: Exchange["body"]): Exchange => ({
      send,
      status,
      headers,
      body,
    }),
  };
}

/** A whole request: method and target, and the lines that matter. */
export function send(request: string, ...lines: readonly string[]) {
  return wire([`${request} HTTP/1.1`, "Host: localhost", CLOSE, ...lines]);
}

/** `send` for many values of one header, all with the same answer. */
export function sendEach(request: string, name: string, values: readonly string[]) {
  return {
    get: (...answer: Parameters<ReturnType<typeof wire>["gets"]>): Exchange[] =>
      values.map((value) => send(request, `${name}: ${value}`).gets(...answer)),
  };
}

/** The words of a text. */
export function words(text: string): string[] {
  return text.trim().split(/\s+/);
}

/** `send` for many targets, all with the same answer. */
export function getEach(
  targets: readonly string[],
  ...answer: Parameters<ReturnType<typeof wire>["gets"]>
): Exchange[] {
  return targets.map((target) => send(`GET ${target}`).gets(...answer));
}

/** Sends, compares, and checks the invariants of every response. */
export async function exchange(port: number, { send, status, headers, body }: Exchange): Promise<RawResponse> {
  const request = filled(send);
  const response = await raw(port, request);
  const what = `${request}\n-> ${response.head}\n\n`;
  assert([status].flat().includes(response.status), `Expected ${status}: ${what}`);
  for (const [name, expected] of Object.entries(headers)) compare(response.headers.get(name), expected, what);
  if (body !== undefined) compare(response.text, body, what);
  keepsAll(request, response, what);
  return response;
}

function compare(actual: string | null, expected: string | RegExp | null, what: string): void {
  const right = expected instanceof RegExp
    ? expected.test(actual ?? "")
    : actual === (expected === null ? null : filled(expected));
  const shown = expected instanceof RegExp ? String(expected) : JSON.stringify(expected);
  assert(right, `Expected ${shown} and not ${JSON.stringify(actual)}: ${what}`);
}

function keepsAll(request: string, response: RawResponse, what: string): void {
  const { status, headers, head, body } = response;
  if (status >= 200) assertMatch(headers.get("date") ?? "", IMF_FIXDATE, `row 40: ${what}`);
  if (status === 405) assert(headers.has("allow"), `row 34: ${what}`);
  if (request.startsWith("HEAD") || status === 204 || status === 304) assertEquals(body.length, 0, `row 32: ${what}`);
  else if (status >= 200) assert(response.complete, `More or less than Content-Length: ${what}`);
  if (status < 200 || status === 204) assert(!/^(?:content-length|transfer-encoding):/im.test(head), `row 41: ${what}`);
  assert(status < 500 || status === 501 || status === 505, `row 42: ${what}`);
  if (headers.has("content-type")) assertEquals(headers.get("x-content-type-options"), "nosniff", `row 45: ${what}`);
  assertMatch(head, /^(?:[\x20-\x7e]*\r\n)*[\x20-\x7e]*$/, `row 70: ${what}`);
  assert(!response.text.includes(FORBIDDEN), `row 65: ${what}`);
  assert(!(head + response.text).includes(dirname(site.root)), `row 80: ${what}`);
}

function filled(text: string): string {
  return text.replace(/\{(\w+)\}/g, (whole, name) => site.tags[name] ?? whole);
}

/** What follows a response on the same connection. */
export function following({ headers, body }: RawResponse): RawResponse {
  return parseResponse(body.subarray(Number(headers.get("content-length") ?? 0)));
}

export function get(port: number, target: string, ...lines: readonly string[]): Promise<RawResponse> {
  return exchange(port, send(`GET ${target}`, ...lines).gets([200, 206, 304]));
}

export function etagOf(response: RawResponse): string {
  return response.headers.get("etag") ?? "";
}

/** What the page links to, as a browser would read it. */
export function allLinks(html: string): string[] {
  const entities: Record<string, string> = { "&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": '"', "&#39;": "'" };
  return [...html.matchAll(/ href="([^"]*)"/g)]
    .map(([, link]) => link!.replace(/&[#\w]+;/g, (entity) => entities[entity] ?? entity))
    .filter((link) => link !== "data:,"); // the icon that stops browsers from asking for one
}

/** The links to entries, without those that sort or lead to parents. */
export function entryLinks(html: string): string[] {
  return allLinks(html).filter((link) => !link.startsWith("?") && !link.startsWith("../"));
}
