/** A FastCGI application scripted by a test, on a real socket: for behaviour that php-fpm never shows. */

import { RecordDecoder, RecordType } from "../../handlers/upstream/fastcgi/records.ts";
import { Refusal } from "../../handlers/http/refusal.ts";

/** One request, as the application sees it. */
export interface Call {
  readonly params: ReadonlyMap<string, string>;
  readonly body: Uint8Array;
  /** Whether the connection is to stay open. */
  readonly keep: boolean;
  /** The numbers, from 0, of its connection and of the request on that connection. */
  readonly connection: number;
  readonly turn: number;
  /** Sends bytes as they are. */
  send(...parts: readonly Uint8Array[]): Promise<void>;
  /** Resolves when the server has closed the connection. */
  readonly closed: Promise<void>;
  /** Closes the connection now. */
  hangUp(): void;
}

/** The application, on a port of its own. */
export interface Responder extends AsyncDisposable {
  readonly port: number;
  readonly calls: readonly Call[];
}

/** Starts an application; each request is handed to `answer` when it is whole. */
export function startResponder(answer: (call: Call) => void | Promise<void>): Responder {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const calls: Call[] = [];
  const connections: Deno.Conn[] = [];
  const running: Promise<void>[] = [];
  const accepting = (async () => {
    for await (const conn of listener) running.push(talk(conn, connections.push(conn) - 1, calls, answer));
  })();
  return {
    port: listener.addr.port,
    calls,
    async [Symbol.asyncDispose]() {
      listener.close();
      await accepting;
      for (const conn of connections) close(conn);
      await Promise.all(running);
    },
  };
}

async function talk(
  conn: Deno.Conn,
  connection: number,
  calls: Call[],
  answer: (call: Call) => void | Promise<void>,
): Promise<void> {
  const { promise: closed, resolve } = Promise.withResolvers<void>();
  const decoder = new RecordDecoder();
  const answers: (void | Promise<void>)[] = [];
  let streams: [params: Uint8Array[], body: Uint8Array[]] = [[], []];
  let keep = false;
  let turn = 0;
  for await (const bytes of chunks(conn)) {
    const records = decoder.push(bytes);
    if (records instanceof Refusal) throw new Error(records.reason);
    for (const { type, content } of records) {
      if (type === RecordType.beginRequest) keep = (content[2]! & 1) === 1;
      if (type === RecordType.params) streams[0].push(content);
      if (type === RecordType.stdin) streams[1].push(content);
      if (type !== RecordType.stdin || content.length > 0) continue;
      const [params, body] = streams.map(concat) as [Uint8Array, Uint8Array];
      streams = [[], []];
      const call = {
        ...{ params: new Map(pairsOf(params)), body, keep, connection, turn: turn++, closed },
        send: (...parts: readonly Uint8Array[]) => writeAll(conn, concat(parts)),
        hangUp: () => close(conn),
      };
      calls.push(call);
      answers.push(answer(call));
    }
  }
  resolve();
  await Promise.all(answers);
  close(conn);
}

async function* chunks(conn: Deno.Conn): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  try {
    for (;;) {
      const buffer = new Uint8Array(65_536);
      const count = await conn.read(buffer);
      if (count === null) return;
      yield buffer.subarray(0, count);
    }
  } catch {
    // Reset, or closed by the test.
  }
}

async function writeAll(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
}

function close(conn: Deno.Conn): void {
  conn[Symbol.dispose]();
}

/** A record as bytes, with padding. */
export function recordBytes(type: number, content: Uint8Array, requestId = 1, padding = 0): Uint8Array {
  const [high, low] = [(length: number) => length >>> 8, (length: number) => length & 0xff];
  const header = [1, type, high(requestId), low(requestId), high(content.length), low(content.length), padding, 0];
  return concat([new Uint8Array(header), content, new Uint8Array(padding).fill(0xee)]);
}

/** A record of STDOUT with text in it. */
export function stdout(text: string): Uint8Array {
  return recordBytes(RecordType.stdout, new TextEncoder().encode(text));
}

/** A record of STDERR with text in it. */
export function stderr(text: string): Uint8Array {
  return recordBytes(RecordType.stderr, new TextEncoder().encode(text));
}

/** END_REQUEST. */
export function endRequest(appStatus = 0, protocolStatus = 0): Uint8Array {
  const status = [appStatus >>> 24, appStatus >>> 16 & 0xff, appStatus >>> 8 & 0xff, appStatus & 0xff];
  return recordBytes(RecordType.endRequest, new Uint8Array([...status, protocolStatus, 0, 0, 0]));
}

/** Name-value pairs out of the bytes of PARAMS. */
export function pairsOf(bytes: Uint8Array): [name: string, value: string][] {
  const pairs: [string, string][] = [];
  let at = 0;
  const length = () => {
    const short = bytes[at]!;
    if (short < 0x80) return at++, short;
    const [a, b, c, d] = bytes.subarray(at, at += 4);
    return (a! & 0x7f) * 2 ** 24 + (b! << 16) + (c! << 8) + d!;
  };
  while (at < bytes.length) {
    const [name, value] = [length(), length()];
    const text = (count: number) => new TextDecoder().decode(bytes.subarray(at, at += count));
    pairs.push([text(name), text(value)]);
  }
  return pairs;
}

function concat(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
