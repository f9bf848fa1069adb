/** Plays scripts to servers, and compares what they say. */

import type { Script } from "./scripts.ts";

/** How long a server may take to end a connection, in milliseconds. */
const PATIENCE_MS = 20_000;

/** Everything that a server has said, a character a byte; null if it has not ended the connection in time. */
export async function play(script: Script, port: number): Promise<string | null> {
  const conn = await Deno.connect({ hostname: "127.0.0.1", port });
  conn.setNoDelay(true);
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    conn.close();
  }, PATIENCE_MS);
  const heard = listen(conn);
  try {
    for (const [at, piece] of script.pieces.entries()) {
      if (typeof script.end === "object" && at === script.end.leave) break;
      for (let sent = 0; sent < piece.length;) sent += await conn.write(piece.subarray(sent));
    }
    if (script.end === "half") await conn.closeWrite();
    if (typeof script.end === "object") conn.close();
  } catch {
    // The server has ended the connection.
  }
  const text = await heard;
  clearTimeout(timer);
  if (isLate) return null;
  if (typeof script.end !== "object") conn.close();
  return text;
}

async function listen(conn: Deno.Conn): Promise<string> {
  const decoder = new TextDecoder("latin1");
  const buffer = new Uint8Array(65_536);
  let text = "";
  for (;;) {
    const count = await conn.read(buffer).catch(() => null);
    if (count === null) return text;
    text += decoder.decode(buffer.subarray(0, count));
  }
}

/** A response as it arrived. */
export interface Heard {
  readonly status: number;
  readonly body: string;
  /** Whether all of it has arrived. */
  readonly isWhole: boolean;
  /** Whether its body ends with the connection. */
  readonly isOpenEnded: boolean;
  /** Whether it says that nothing follows. */
  readonly closes: boolean;
}

/** Takes responses apart, without interim ones; throws if something is not a response. */
export function responsesIn(text: string, methods: readonly string[]): Heard[] {
  const responses: Heard[] = [];
  for (let at = 0; at < text.length;) {
    const end = text.indexOf("\r\n\r\n", at);
    const head = end < 0 ? text.slice(at) : text.slice(at, end);
    if (!/^HTTP\/1\.[01] \d{3} ?[^\r\n]*(?:\r\n[!-9;-~]+:[^\r\n]*)*$/.test(head)) {
      throw new Error(`Not a head: ${head}`);
    }
    const status = Number(head.slice(9, 12));
    at = end < 0 ? text.length : end + 4;
    if (status === 100) continue;
    const hasBody = methods[responses.length] !== "HEAD" && status !== 204 && status !== 304;
    const [body, isWhole, next] = hasBody ? bodyIn(text, at, head) : ["", end >= 0, at];
    const isOpenEnded = hasBody && !/^(?:content-length|transfer-encoding):/im.test(head);
    responses.push({ status, body, isWhole, isOpenEnded, closes: /^connection: close$/im.test(head) });
    at = next;
  }
  return responses;
}

function bodyIn(text: string, from: number, head: string): [body: string, isWhole: boolean, next: number] {
  const length = /^content-length: (\d+)$/im.exec(head)?.[1];
  if (length !== undefined) {
    const body = text.slice(from, from + Number(length));
    return [body, body.length === Number(length), from + body.length];
  }
  if (!/^transfer-encoding: chunked$/im.test(head)) return [text.slice(from), true, text.length];
  let body = "";
  for (let at = from;;) {
    const line = /^([0-9a-f]+)\r\n/i.exec(text.slice(at, at + 12));
    if (line === null) return [body, false, text.length];
    const size = parseInt(line[1]!, 16);
    at += line[0].length;
    body += text.slice(at, at + size);
    at += size + 2;
    if (size === 0) return [body, true, at];
  }
}

/**
 * Compares what the native engine has said to a script with what Deno.serve has; null if they agree.
 *
 * One of them may say less: the native engine ends a connection where it has announced that, Deno.serve where it has not
 * read the content of a request. Rejected requests may have different statuses and texts; several Host fields are
 * rejected by the native engine, and by the handlers of this package; HTTP/1.0 without Host only by these. If the client ends its side, Deno.serve may lose the
 * end of a body.
 */
export function difference({ isValid, methods, pieces }: Script, native: string, deno: string): string | null {
  if (!isValid) {
    const text = pieces.map((piece) => new TextDecoder("latin1").decode(piece)).join("");
    const isExcepted = SEVERAL_HOSTS.test(text) || EMPTY_LINES.test(text) || text.includes(" HTTP/1.0");
    return isExcepted ? null : differentStatuses(statusesIn(native), statusesIn(deno));
  }
  const [ours, theirs] = [responsesIn(native, methods), responsesIn(deno, methods)];
  for (const [at, mine] of ours.entries()) {
    const other = theirs[at];
    if (other === undefined || !other.isWhole) return mine.isWhole ? null : `response ${at} is not whole`;
    if (mine.status !== other.status) return `response ${at}: ${mine.status} and not ${other.status}`;
    const isSame = other.isOpenEnded ? mine.body.startsWith(other.body) : mine.body === other.body;
    if (mine.status !== 400 && other.body !== "broken" && !isSame) return `response ${at} has another body`;
  }
  if (ours.length < theirs.length && !ours.at(-1)?.closes) return `response ${ours.length} is missing`;
  return null;
}

/** Empty lines before a request (RFC 9112 section 2.2), of which Deno.serve rejects some that arrive in pieces. */
const EMPTY_LINES = /(?:^|\n\r?\n)\r?\n/;

/** A head with two fields of this name. */
const SEVERAL_HOSTS = /\nhost:[^\n]*\n(?:[^\r\n][^\n]*\n)*host:/i;

function statusesIn(text: string): number[] {
  const statuses = [...text.matchAll(/HTTP\/1\.[01] (\d{3}) /g)].map(([, status]) => Number(status));
  return statuses.filter((status) => status !== 100);
}

function differentStatuses(ours: readonly number[], theirs: readonly number[]): string | null {
  for (let at = 0; at < Math.min(ours.length, theirs.length); at++) {
    if (ours[at] === theirs[at]) continue;
    return ours[at]! >= 400 && theirs[at]! >= 400 ? null : `response ${at}: ${ours[at]} and not ${theirs[at]}`;
  }
  return null;
}
