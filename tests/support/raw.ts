/** Raw requests on a socket, which a client would normalise. */

/** A response as it came over the wire. */
export interface RawResponse {
  /** The status, or 0 where the connection was closed without one. */
  readonly status: number;
  /** The whole head, as text. */
  readonly head: string;
  readonly headers: Headers;
  readonly body: Uint8Array;
  /** The body as UTF-8. */
  readonly text: string;
  /** Whether a body with Content-Length, or one in chunks, arrived whole. */
  readonly complete: boolean;
}

/**
 * Sends a request as it is (text as Latin-1, so `\xff` is one byte) and reads until the server closes.
 * Put `Connection: close` into the request, or it waits for `timeout` milliseconds.
 */
export async function raw(port: number, request: string | Uint8Array, timeout = 10_000): Promise<RawResponse> {
  const connection = await Deno.connect({ hostname: "127.0.0.1", port });
  const bytes = typeof request === "string" ? latin1(request) : request;
  for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
  try {
    return parseResponse(await readAll(connection, timeout));
  } finally {
    try {
      connection.close();
    } catch {
      // The timer was faster.
    }
  }
}

/** `raw` for a whole request of a method, a target as it is, and header lines. */
export function ask(port: number, method: string, target: string, ...headers: string[]): Promise<RawResponse> {
  return raw(
    port,
    [`${method} ${target} HTTP/1.1`, "Host: localhost", "Connection: close", ...headers, "", ""].join("\r\n"),
  );
}

async function readAll(connection: Deno.Conn, timeout: number): Promise<Uint8Array> {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  const timer = setTimeout(() => connection.close(), timeout);
  try {
    const buffer = new Uint8Array(65_536);
    for (let count = await connection.read(buffer); count !== null; count = await connection.read(buffer)) {
      chunks.push(buffer.slice(0, count));
    }
  } catch {
    // Truncated: use what has arrived.
  } finally {
    clearTimeout(timer);
  }
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}

/** Takes a response apart; de-chunks the body. */
export function parseResponse(bytes: Uint8Array): RawResponse {
  const text = new TextDecoder("latin1").decode(bytes);
  const end = text.indexOf("\r\n\r\n");
  const head = end < 0 ? text : text.slice(0, end);
  const [statusLine, ...lines] = head.split("\r\n");
  const headers = new Headers();
  for (const line of lines) headers.append(line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1).trim());
  const rest = end < 0 ? new Uint8Array() : bytes.subarray(end + 4);
  const chunks = headers.get("transfer-encoding") === "chunked" ? dechunk(rest) : null;
  const body = chunks?.body ?? rest;
  const length = headers.get("content-length");
  return {
    status: Number(/^HTTP\/1\.[01] (\d{3})/.exec(statusLine ?? "")?.[1] ?? 0),
    head,
    headers,
    body,
    text: new TextDecoder().decode(body),
    complete: chunks?.ended ?? (length === null || body.length === Number(length)),
  };
}

function dechunk(bytes: Uint8Array): { body: Uint8Array; ended: boolean } {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let ended = false;
  for (let at = 0; at < bytes.length && !ended;) {
    const line = bytes.indexOf(10, at);
    const size = parseInt(new TextDecoder().decode(bytes.subarray(at, line)), 16);
    ended = size === 0;
    if (!size) break;
    parts.push(bytes.slice(line + 1, line + 1 + size));
    at = line + 1 + size + 2;
  }
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const body = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    body.set(part, at);
    at += part.length;
  }
  return { body, ended };
}

/** One byte a character. */
export function latin1(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}
