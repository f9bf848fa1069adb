/**
 * A request means the same at every door: the same bytes are the same request, whichever engine reads them.
 *
 * The table says what each request means. A door may differ only where a row says why.
 */

import { assert, assertEquals } from "@std/assert";
import { type ClientHttp2Session, connect, type OutgoingHttpHeaders } from "node:http2";
import { fileServer, toFetch } from "@x/pyserve";
import { SimpleHTTPRequestHandler, ThreadingHTTPServer } from "@x/pyserve/python";
import { serveClassic } from "../../handlers/python/transport.ts";
import { serveNative } from "../../handlers/transport/native/serve_native.ts";
import { serve } from "../../handlers/transport/serve.ts";
import { ROOT } from "../support/paths.ts";
import { missing } from "../support/programs.ts";
import { latin1 } from "../support/raw.ts";
import { certificate, type Door, DOORS } from "./doors.ts";
import { askHttp2, http2Rows } from "./http2.ts";
import { characters, reporting, type Seen } from "./report.ts";
import { AS_IN_PYTHON, type Meaning, REQUESTS, type Row, RUNTIME_CLOSES } from "./requests.ts";

/** The properties of a door that exceptions refer to. */
type Kind = Pick<Door, "is" | "path" | "program">;

/** Milliseconds for one request; a door that takes longer fails. */
const PATIENCE = 10_000;

/** Requests at a time: a program for each is a process. */
const AT_A_TIME = 4;

Deno.test("the table of requests is well formed", () => {
  assert(REQUESTS.length >= 100, `${REQUESTS.length} rows`);
  const names = REQUESTS.map(({ name }) => name);
  assertEquals(names.filter((name, at) => names.indexOf(name) !== at), []);
  const asAll = ({ means, but }: Row) => Object.values(but ?? {}).some(([, outcome]) => equal(outcome, means));
  // One that ends a connection for TLS says why the exception of the runtime does not hold there.
  assertEquals(REQUESTS.filter((row) => asAll(row) && !row.but?.TLS).map(({ name }) => name), [], "no exceptions");
});

for (const [name, open] of Object.entries(DOORS)) {
  const needsPrograms = name.startsWith("programs") && Deno.build.os !== "linux";
  Deno.test({
    name: `requests mean the same to ${name}`,
    ignore: needsPrograms || (name.includes("TLS") && missing("openssl")),
    fn: async () => {
      await using door = await open();
      const rows = REQUESTS.filter((row) => canBeAsked(row, door));
      const wrong: unknown[] = [];
      const ask = async () => {
        for (let row = rows.pop(); row; row = rows.pop()) wrong.push(...await difference(row, door));
      };
      await Promise.all(Array.from({ length: AT_A_TIME }, ask));
      assertEquals(wrong, []);
    },
  });
}

Deno.test({
  name: "requests mean the same over HTTP/2",
  ignore: missing("openssl"),
  fn: async () => {
    const { cert, key } = await certificate();
    const server = serve(reporting, { hostname: "127.0.0.1", port: 0, tls: { cert, key } });
    const rows = http2Rows("/x");
    const wrong: unknown[] = [];
    for (const { row, headers, body } of rows) {
      const session = connect(`https://127.0.0.1:${server.address.port}`, { ca: cert });
      wrong.push(...await http2Difference(session, row, headers, body));
      session.destroy();
    }
    await server.abort();
    assertEquals(wrong, []);
    assert(rows.length >= 70, `${rows.length} rows`);
  },
});

async function http2Difference(
  session: ClientHttp2Session,
  row: Row,
  headers: OutgoingHttpHeaders,
  body: string,
): Promise<unknown[]> {
  const means = row.means as Meaning | number;
  const expected = typeof means === "number" ? means : withoutHost(expectedOf(means, OVER_HTTP2));
  const asked = askHttp2(session, headers, body).then(({ status, seen }) => {
    return seen === null ? status : withoutHost(comparable(JSON.parse(decodeURIComponent(seen)), OVER_HTTP2));
  });
  const actual = await asked.catch(String);
  // What is refused may be refused by ending the stream, or with a status of its own.
  if (typeof expected === "number" && (typeof actual === "string" || Number(actual) >= 400)) return [];
  return equal(actual, expected) ? [] : [{ name: row.name, actual, expected }];
}

/** As the handlers of a door that is none of those above. */
const OVER_HTTP2 = { is: ["runtime"], path: "/x", program: false } as const;

/** HTTP/2 has `:authority` in its place, and the runtime shows no Host. */
function withoutHost({ method, target, fields, body }: Seen): Seen {
  const others = Object.entries(fields).filter(([name]) => name !== "host").sort(([a], [b]) => a < b ? -1 : 1);
  return { method, target, fields: Object.fromEntries(others), body };
}

/** Files of this checkout, which are cached at the second request; they give no report. */
const FILES: Readonly<Record<string, () => Door>> = {
  "the default engine": () => {
    const server = serve(toFetch(fileServer(ROOT, { log: false }), { hosts: "any" }), LOOPBACK);
    return filesDoor(["runtime"], server.address.port, () => server.abort());
  },
  ...Deno.build.os === "linux" && {
    "the native engine": () => {
      const server = serveNative(toFetch(fileServer(ROOT, { log: false }), { hosts: "any" }), LOOPBACK);
      return filesDoor(["native"], server.address.port, () => server.abort());
    },
  },
  "the engine of -p HTTP/1.0": () => {
    const server = serveClassic(toFetch(fileServer(ROOT, { log: false }), { hosts: "any" }), LOOPBACK);
    return filesDoor(["classic"], server.address.port, () => server.abort());
  },
  "SimpleHTTPRequestHandler": () => {
    class Files extends SimpleHTTPRequestHandler {
      override directory = ROOT;
      override hosts = "any" as const;
      override log_message() {}
    }
    const server = new ThreadingHTTPServer(["127.0.0.1", 0], Files);
    server.serve_forever();
    return filesDoor(["python"], server.server_port, () => server.server_close());
  },
};

const LOOPBACK = { hostname: "127.0.0.1", port: 0 } as const;

function filesDoor(is: Door["is"], port: number, close: () => Promise<unknown>): Door {
  return {
    is,
    path: "/LICENSE",
    program: false,
    connect: () => Deno.connect({ hostname: "127.0.0.1", port }),
    seen: () => assert(false) as never,
    [Symbol.asyncDispose]: async () => void await close(),
  };
}

for (const [name, open] of Object.entries(FILES)) {
  Deno.test(`requests are refused for a cached file, too: ${name}`, async () => {
    await using door = open();
    for (let count = 0; count < 4; count++) {
      await exchange(door, {
        name: "",
        sent: "GET ~ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        means: {},
      });
    }
    const wrong: unknown[] = [];
    for (const row of REQUESTS) wrong.push(...await fileDifference(row, door));
    assertEquals(wrong, []);
  });
}

/** It has no `do_CONNECT` (501), looks at no query, and joins folded lines. */
const OTHERWISE_IN_PYTHON = /^(?:CONNECT |other bytes in the target: "GET ~\?|a folded field$)/;

/** Targets that a class of Python passes on are judged by its handlers; those that Python itself handles never reach them. */
async function fileDifference(row: Row, door: Door): Promise<unknown[]> {
  const isPython = door.is.includes("python");
  const outcome = isPython ? row.but?.python?.[0] === AS_IN_PYTHON ? {} : row.means : outcomeOf(row, door);
  const isAboutReading = row.ends || row.but?.runtime?.[0] === RUNTIME_CLOSES;
  if (typeof outcome !== "number" || isAboutReading || (isPython && OTHERWISE_IN_PYTHON.test(row.name))) return [];
  const actual = repliesIn(await exchange(door, row), door);
  return equal(actual, [outcome]) ? [] : [{ name: row.name, actual, expected: outcome }];
}

/** Whether a row is about the door: a program answers only below its own path. */
function canBeAsked(row: Row, door: Door): boolean {
  if (!door.program) return true;
  const means = listOf(outcomeOf(row, door));
  return means.every((each) => typeof each === "number") || (row.sent.includes("~") && !/ \/.*~/.test(row.sent));
}

function outcomeOf({ means, but = {} }: Row, door: Kind) {
  const who = door.is.find((each) => each in but);
  return who ? but[who]![1] : means;
}

async function difference(row: Row, door: Door): Promise<unknown[]> {
  const expected = listOf(outcomeOf(row, door)).map((each) => typeof each === "number" ? each : expectedOf(each, door));
  let actual: unknown;
  try {
    actual = repliesIn(await exchange(door, row), door);
  } catch (error) {
    actual = String(error);
  }
  try {
    assertEquals(actual, expected);
    return [];
  } catch {
    return [{ name: row.name, actual, expected }];
  }
}

function equal(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

function listOf<T>(value: T | readonly T[]): readonly T[] {
  return Array.isArray(value) ? value : [value as T];
}

/** The expected report, in full, and as far as the door can show it. */
function expectedOf({ method = "GET", target = "~", fields = {}, body }: Meaning, door: Kind): Seen {
  const hasBody = !["GET", "HEAD", "CONNECT"].includes(method);
  const seen = {
    method,
    target: target.replaceAll("~", door.path),
    fields: { host: "a.test", ...fields },
    body: body === undefined && hasBody ? "" : body ?? null,
  };
  return comparable(door.program ? asProgramsSee(seen) : seen, door);
}

/** Fields that programs do not get, or get under another name. */
const NOT_FOR_PROGRAMS =
  /^(?:authorization|connection|content-length|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|.*[^a-z\d-].*)$/;

function asProgramsSee(seen: Seen): Seen {
  const fields = Object.entries(seen.fields).filter(([name]) => !NOT_FOR_PROGRAMS.test(name));
  return { ...seen, fields: Object.fromEntries(fields) };
}

/** Without connection fields, absent fields and, for a class, the difference between no body and an empty one. */
function comparable({ method, target, fields, body }: Seen, door: Kind): Seen {
  const { connection: _, host, ...others } = fields;
  const isClass = door.is.includes("python");
  return { method, target, fields: { ...others, ...(host && { host }) }, body: isClass ? body ?? "" : body };
}

/** Everything received for a row. */
async function exchange(door: Door, { sent, ends = false, stays = false }: Row): Promise<string> {
  const conn = await door.connect();
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    conn.close();
  }, PATIENCE);
  await say(conn, latin1(sent.replaceAll("~", door.path))).catch(() => {}); // refused before it was sent completely
  if (ends) await conn.closeWrite().catch(() => {});
  const heard = await hear(conn, stays ? /\r\n\r\n/ : null);
  clearTimeout(timer);
  if (isLate) throw new Error("The door has not closed the connection");
  conn.close();
  return heard;
}

async function say(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
}

/** Everything received until the door closes, or until there is enough. */
async function hear(conn: Deno.Conn, enough: RegExp | null): Promise<string> {
  const buffer = new Uint8Array(65_536);
  let heard = "";
  for (;;) {
    if (enough?.test(heard)) return heard;
    const count = await conn.read(buffer).catch(() => null);
    if (count === null) return heard;
    heard += characters(buffer.subarray(0, count));
  }
}

/** The responses in order: their reports, or their statuses. */
function repliesIn(heard: string, door: Door): (Seen | number)[] {
  const bare = /^x-seen: (.*)$/.exec(heard); // of HTTP/0.9
  if (bare) return [comparable(door.seen(bare[1]!), door)];
  const replies: (Seen | number)[] = [];
  for (const [head] of heard.matchAll(/HTTP\/1\.[01] \d{3} [^]*?\r\n\r\n/g)) {
    const seen = /^x-seen: (.*)\r$/im.exec(head)?.[1];
    replies.push(seen === undefined ? Number(head.slice(9, 12)) : comparable(door.seen(seen), door));
  }
  return replies;
}
