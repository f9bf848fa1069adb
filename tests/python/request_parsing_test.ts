/** How request lines and headers are parsed, row by row: Python 3.15's answer, or ours and why it differs. */

import { assert, assertEquals } from "@std/assert";
import { latin1 as characters } from "../../handlers/http1/input_buffer.ts";
import { latin1, parseResponse } from "../support/raw.ts";
import { Echo, exchange, serving } from "../support/python.ts";

/** The default: HTTP/1.0. */
class Echo10 extends Echo {
  override protocol_version = "HTTP/1.0";
}

/** `200 BODY`, `CODE message`, `body BODY` without a status line, or `closed`. */
type Answer = string;

interface Row {
  readonly sent: string;
  readonly answer: Answer;
  /** What Python answers, where it is something else. */
  readonly python?: Answer;
}

const END = "\r\nHost: a\r\n\r\n";

const ROWS: Readonly<Record<string, readonly Row[]>> = {
  "white space": [
    { sent: `GET   /a   HTTP/1.1  ${END}`, answer: "200 GET /a" },
    { sent: `GET\t/a\tHTTP/1.1${END}`, answer: "200 GET /a" },
    { sent: `GET\x1c/a\xa0HTTP/1.1${END}`, answer: "200 GET /a" },
    { sent: `GET\x85/a\x0bHTTP/1.1${END}`, answer: "200 GET /a" },
    { sent: "GET /a HTTP/1.1\nHost: a\n\n", answer: "200 GET /a" },
    { sent: `\r\nGET /a HTTP/1.1${END}`, answer: "200 GET /a", python: "closed" },
    { sent: `${"\r\n".repeat(20)}GET /a HTTP/1.1${END}`, answer: "200 GET /a", python: "closed" },
    { sent: `${"\r\n".repeat(40_000)}GET /a HTTP/1.1${END}`, answer: "414 URI Too Long", python: "closed" },
    { sent: `   ${END}`, answer: "closed" },
  ],
  "words": [
    { sent: `GET${END}`, answer: "400 Bad request syntax ('GET')" },
    { sent: `GET /a b HTTP/1.1${END}`, answer: "400 Bad request syntax ('GET /a b HTTP/1.1')" },
    { sent: `\x16\x03\x01\x02\n${END}`, answer: "400 Bad request syntax ('\\x16\\x03\\x01\\x02')" },
    { sent: `it's${END}`, answer: `400 Bad request syntax ("it's")` },
  ],
  "HTTP/0.9": [
    { sent: "GET /x\r\n", answer: "body GET /x" },
    { sent: "GET /x HTTP/0.9\r\n\r\n", answer: "body GET /x" },
    { sent: "HEAD /x\r\n", answer: "400 Bad HTTP/0.9 request type ('HEAD')" },
    { sent: "POST /x\r\n", answer: "400 Bad HTTP/0.9 request type ('POST')" },
  ],
  "versions": [
    ...["FOO", "http/1.1", "HTTP/1", "HTTP/1.", "HTTP/1.0.0", "HTTP/+1.1", "HTTP/1_0.1", "HTTP/-9_9_9.+9"].map((
      version,
    ) => ({
      sent: `GET /a ${version}${END}`,
      answer: `400 Bad request version ('${version}')`,
    })),
    { sent: `GET /a HTTP/12345678901.0${END}`, answer: "400 Bad request version ('HTTP/12345678901.0')" },
    { sent: `GET /a HTTP/1.12345678901${END}`, answer: "400 Bad request version ('HTTP/1.12345678901')" },
    { sent: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", answer: "505 Invalid HTTP version (2.0)" },
    { sent: `GET /a HTTP/9.9${END}`, answer: "505 Invalid HTTP version (9.9)" },
    ...["HTTP/01.01", "HTTP/1.9", "HTTP/0.5", "HTTP/1.0"].map((version) => ({
      sent: `GET /a ${version}${END}`,
      answer: "200 GET /a",
    })),
  ],
  "methods": [
    { sent: `FOO /a HTTP/1.1${END}`, answer: "501 Unsupported method ('FOO')" },
    { sent: `get /a HTTP/1.1${END}`, answer: "501 Unsupported method ('get')" },
    { sent: `A'B /a HTTP/1.1${END}`, answer: `501 Unsupported method ("A'B")` },
    { sent: `constructor /a HTTP/1.1${END}`, answer: "501 Unsupported method ('constructor')" },
    { sent: `<b>&</b> /a HTTP/1.1${END}`, answer: "501 Unsupported method ('<b>&</b>')" },
    {
      sent: `${"A".repeat(60_000)} /a HTTP/1.1${END}`,
      answer: `501 Unsupported method ('${"A".repeat(100)}')`,
      python: "the whole name (gh-87979)",
    },
  ],
  "targets": [
    { sent: `GET ///a//b HTTP/1.1${END}`, answer: "200 GET /a//b" },
    { sent: `GET a HTTP/1.1${END}`, answer: "200 GET a" },
    { sent: `GET * HTTP/1.1${END}`, answer: "200 GET *" },
    { sent: `GET http://h/a?b#c HTTP/1.1${END}`, answer: "200 GET http://h/a?b#c" },
    { sent: `GET /\xfc HTTP/1.1${END}`, answer: "200 GET /\xc3\xbc" },
  ],
  "lengths": [
    { sent: `GET /${"x".repeat(65_536 - 16)} HTTP/1.1\r\n\r\n`, answer: `200 GET /${"x".repeat(65_536 - 16)}` },
    { sent: `GET /${"x".repeat(65_537)}`, answer: "414 URI Too Long" },
    { sent: `GET / HTTP/1.1\r\nX: ${"x".repeat(65_537)}\r\n\r\n`, answer: "431 Line too long" },
    { sent: `GET / HTTP/1.1\r\n${"X: y\r\n".repeat(100)}\r\n`, answer: "200 GET /" },
    { sent: `GET / HTTP/1.1\r\n${"X: y\r\n".repeat(101)}\r\n`, answer: "431 Too many headers" },
  ],
  "header lines": [
    {
      sent: "GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n",
      answer: "400 Bad header line ('no colon')",
      python: "200 GET /",
    },
    { sent: "GET / HTTP/1.1\r\nHost : a\r\n\r\n", answer: "400 Bad header line ('Host : a')", python: "200 GET /" },
    { sent: "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\tc\r\n\r\n", answer: "200 GET /" },
    { sent: "GET / HTTP/1.1\r\n X: a\r\n\r\n", answer: "400 Bad header line (' X: a')", python: "200 GET /" },
    {
      sent: "GET / HTTP/1.1\r\nX: a\rY: b\r\n\r\n",
      answer: "400 Bad header line ('X: a\\rY: b')",
      python: "200 GET /",
    },
    { sent: "GET / HTTP/1.1\r\nX: a\0b\r\n\r\n", answer: "400 Bad header line ('X: a\\x00b')", python: "200 GET /" },
  ],
  "framing": [
    { sent: "GET / HTTP/1.1\r\n\r\n", answer: "200 GET /" },
    { sent: "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", answer: "400 Several Host headers", python: "200 GET /" },
    ...["abc", "-1"].map((length) => ({
      sent: `GET / HTTP/1.1\r\nContent-Length: ${length}\r\n\r\n`,
      answer: `400 Bad Content-Length ('${length}')`,
      python: "200 GET /",
    })),
    {
      sent: "GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
      answer: "400 Several Content-Length headers",
      python: "200 GET /",
    },
    {
      sent: "POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      answer: "400 Content-Length beside Transfer-Encoding",
      python: "200 POST ",
    },
    {
      sent: "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
      answer: "200 POST abc",
      python: "the coding, not the content",
    },
    {
      sent: "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n!\r\nabc",
      answer: "400 Bad chunk size",
      python: "200",
    },
  ],
};

function answerOf(heard: string): Answer {
  if (heard === "") return "closed";
  const { status, head, body } = parseResponse(latin1(heard));
  if (status === 0) return `body ${heard}`;
  const content = characters(body);
  return status === 200 ? `200 ${content}` : head.split("\r\n")[0]!.replace(/^HTTP\/1\.[01] /, "");
}

for (const [name, rows] of Object.entries(ROWS)) {
  for (const Handler of [Echo, Echo10]) {
    Deno.test(`a request is read as Python reads it, or better: ${name}, ${Handler.name}`, async () => {
      await using server = serving(Handler);
      for (const { sent, answer } of rows) {
        const heard = await exchange(server.port, sent, { end: true });
        assertEquals(answerOf(heard).slice(0, 200), answer.slice(0, 200), JSON.stringify(sent.slice(0, 100)));
        const version = Handler === Echo ? "HTTP/1.1 " : "HTTP/1.0 ";
        if (!answer.startsWith("body") && heard !== "") assert(heard.startsWith(version), heard);
      }
      assertEquals(server.errors, []);
    });
  }
}
