/** Rows of the table as requests of HTTP/2, as far as they can be. */

import type { ClientHttp2Session, OutgoingHttpHeaders } from "node:http2";
import { latin1 } from "../support/raw.ts";
import { REQUESTS, type Row } from "./requests.ts";

/** A row for HTTP/2. */
export interface Http2Row {
  readonly row: Row;
  readonly headers: OutgoingHttpHeaders;
  readonly body: string;
}

/** Fields that HTTP/2 does not have, or in whose place it has something else (RFC 9113 section 8.2.2). */
const OF_HTTP1 =
  /^(?:connection|keep-alive|proxy-connection|transfer-encoding|upgrade|http2-settings|te|trailer|host|expect)$/;

/** The rows that can be sent over HTTP/2: those about one whole request, in fields that it has. */
export function http2Rows(path: string): Http2Row[] {
  return REQUESTS.flatMap((row) => asHttp2(row, path) ?? []);
}

function asHttp2(row: Row, path: string): Http2Row | null {
  const { sent, means, no2 } = row;
  const [head = "", body = ""] = sent.split(/\r\n\r\n([^]*)/);
  const [line = "", ...lines] = head.split("\r\n");
  const [, method, target] = /^([A-Za-z-]+) ([~/]\S*) HTTP\/1\.1$/.exec(line) ?? [];
  if (no2 || method === undefined || method === "CONNECT" || Array.isArray(means)) return null;
  const headers: Record<string, string | string[]> = { ":method": method, ":path": target!.replaceAll("~", path) };
  for (const each of lines) {
    const [, name, value] = /^([!#$%&'*+.^_`|~\dA-Za-z-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*?)[ \t]*$/.exec(each) ?? [];
    if (name === undefined) return null;
    const lower = name.toLowerCase();
    if (lower === "host" && ":authority" in headers) return null;
    if (lower === "host") headers[":authority"] = value!;
    else if (lower === "content-length" && lower in headers) return null;
    else if (!OF_HTTP1.test(lower)) headers[lower] = [...[headers[lower] ?? []].flat(), value!];
    else if (lower !== "connection" || !/close$/.test(value!)) return null;
  }
  return { row, headers, body };
}

/** Sends a request; returns the status and the report of the response. */
export function askHttp2(
  session: ClientHttp2Session,
  headers: OutgoingHttpHeaders,
  body: string,
): Promise<{ status: number; seen: string | null }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; seen: string | null }>();
  session.on("error", reject);
  const stream = session.request(headers, { endStream: body === "" });
  stream.on("response", (reply) => {
    const seen = reply["x-seen"];
    resolve({ status: Number(reply[":status"]), seen: typeof seen === "string" ? seen : null });
  });
  stream.on("error", reject);
  stream.resume();
  if (body !== "") stream.end(latin1(body));
  return promise;
}
