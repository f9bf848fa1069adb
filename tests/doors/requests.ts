/** Requests as bytes, and what each means: the request that a handler sees, or the status if none does. */

/** The outcome of a request: what the handler sees, or the statuses sent without it, including interim ones. */
export interface Meaning {
  /** The method; `GET` unless given. */
  readonly method?: string;
  /** The target as sent; `~` unless given. */
  readonly target?: string;
  /** The fields besides Host. */
  readonly fields?: Readonly<Record<string, string>>;
  /** The body; null if there is none, as always for GET, HEAD and CONNECT. */
  readonly body?: string | null;
}

/** One or several of them, in order; none where the connection is closed without a reply. */
export type Outcome = Meaning | number | readonly (Meaning | number)[];

/** Engines, and single doors, that may differ where a row says why. */
export type Who = "runtime" | "native" | "classic" | "python" | "python 1.0" | "python 1.1" | "programs" | "TLS";

/** A row of the table. */
export interface Row {
  readonly name: string;
  /** The bytes, a character a byte; `~` is where the door has its handler. */
  readonly sent: string;
  readonly means: Outcome;
  /** Doors that differ, and why. */
  readonly but?: Partial<Record<Who, readonly [why: string, outcome: Outcome]>>;
  /** Whether the client closes its side after sending. */
  readonly ends?: boolean;
  /** Whether the connection may stay open after the response, for the announced body. */
  readonly stays?: boolean;
  /** Why it cannot be sent over HTTP/2, if that is not evident. */
  readonly no2?: string;
}

const HOST = "Host: a.test\r\n";
const CLOSE = "Connection: close\r\n";

/** An HTTP/1.1 request that closes the connection: the header lines after Host, and the body. */
function ask(line: string, lines: string | readonly string[] = [], body = ""): string {
  const fields = typeof lines === "string" ? lines : lines.map((each) => `${each}\r\n`).join("");
  return `${line} HTTP/1.1\r\n${HOST}${CLOSE}${fields}\r\n${body}`;
}

const THREE = ["Content-Length: 3"];
const CHUNKED = ["Transfer-Encoding: chunked"];
const NO_BODY_SAID = "Python's rfile holds what has been sent, whatever the method";
/** Why a class of Python takes what the other engines refuse. */
export const AS_IN_PYTHON = "Python takes it";
const RUNTIME_400 = "the runtime refuses all that it does not know with 400";
/** Why a body that is malformed, which a handler finds when it reads it, has no reply. */
export const RUNTIME_CLOSES = "the runtime cannot answer where it cannot read the body";
const LIKE_HTTP2 = "over TLS it looks like HTTP/2, where the runtime shows no Host";
const CLOSES = "HTTP/1.0 closes behind a reply";

const sawThree = { method: "POST", fields: { "content-length": "3" }, body: "abc" };
const sawChunked = { method: "POST", fields: { "transfer-encoding": "chunked" }, body: "abc" };
const ABC = "3\r\nabc\r\n0\r\n\r\n";

/** Bodies: absent, empty, by length, in chunks, and neither or both. */
const BODIES: readonly Row[] = [
  { name: "GET", sent: ask("GET ~"), means: {} },
  { name: "HEAD", sent: ask("HEAD ~"), means: { method: "HEAD" } },
  { name: "POST without a length", sent: ask("POST ~"), means: { method: "POST", body: "" } },
  {
    name: "POST of no bytes",
    sent: ask("POST ~", ["Content-Length: 0"]),
    means: { method: "POST", fields: { "content-length": "0" }, body: "" },
  },
  {
    name: "GET with a length of no bytes",
    sent: ask("GET ~", ["Content-Length: 0"]),
    means: { fields: { "content-length": "0" } },
  },
  { name: "POST with a length", sent: ask("POST ~", THREE, "abc"), means: sawThree },
  {
    name: "a length with zeros in front",
    sent: ask("POST ~", ["Content-Length: 003"], "abc"),
    means: { ...sawThree, fields: { "content-length": "003" } },
  },
  { name: "a length with white space around", sent: ask("POST ~", ["Content-Length: \t3 \t"], "abc"), means: sawThree },
  ...["+3", "-3", "3, 3", "3 3", "0x3", "", "3.0", "99999999999999999999", "9007199254740993"].map((length): Row => ({
    name: `a length that is none: "${length}"`,
    stays: true,
    sent: ask("POST ~", [`Content-Length: ${length}`], "abc"),
    means: 400,
  })),
  { name: "the same length twice", sent: ask("POST ~", [...THREE, ...THREE], "abc"), means: 400 },
  { name: "two lengths", sent: ask("POST ~", [...THREE, "Content-Length: 4"], "abcd"), means: 400 },
  { name: "GET with the same length twice", sent: ask("GET ~", [...THREE, ...THREE], "abc"), means: 400 },
  {
    name: "a body that is cut",
    sent: ask("POST ~", ["Content-Length: 5"], "abc"),
    ends: true,
    means: [],
    but: { runtime: ["the runtime can still answer", 400], native: ["it can still answer", 400] },
  },
  { name: "chunks", sent: ask("POST ~", CHUNKED, ABC), means: sawChunked },
  {
    name: "chunks of no bytes",
    sent: ask("POST ~", CHUNKED, "0\r\n\r\n"),
    means: { ...sawChunked, body: "" },
  },
  {
    name: "Chunked in capitals",
    sent: ask("POST ~", ["Transfer-Encoding: CHUNKED"], ABC),
    means: { ...sawChunked, fields: { "transfer-encoding": "CHUNKED" } },
    no2: "it has no such field",
  },
  {
    name: "a chunk with extensions",
    sent: ask("POST ~", CHUNKED, `3;a=b;c="d;e"\r\nabc\r\n0;f\r\n\r\n`),
    means: sawChunked,
  },
  {
    name: "a chunk with a long size",
    sent: ask("POST ~", CHUNKED, "0000A\r\n0123456789\r\n0\r\n\r\n"),
    means: { ...sawChunked, body: "0123456789" },
  },
  {
    name: "a chunk with space after its size",
    sent: ask("POST ~", CHUNKED, "3 \r\nabc\r\n0\r\n\r\n"),
    means: sawChunked,
  },
  ...Object.entries({
    "a chunk without a size": "\r\nabc\r\n0\r\n\r\n",
    "a chunk size of other letters": "xyz\r\nabc\r\n0\r\n\r\n",
    "a chunk size with 0x": "0x3\r\nabc\r\n0\r\n\r\n",
    "a chunk size beyond numbers": "ffffffffffffffffffff\r\nabc\r\n0\r\n\r\n",
    "a chunk longer than its size": "2\r\nabc\r\n0\r\n\r\n",
    "trailers that are none": "0\r\nbad\r\n\r\n",
  }).map(([name, body]): Row => ({
    name,
    sent: ask("POST ~", CHUNKED, body),
    means: 400,
    but: { runtime: [RUNTIME_CLOSES, []] },
  })),
  {
    name: "chunks with bare line feeds",
    sent: ask("POST ~", CHUNKED, "3\nabc\n0\n\n"),
    ends: true,
    means: 400,
  },
  {
    name: "trailers",
    sent: ask("POST ~", ["Trailer: X-T", ...CHUNKED], "3\r\nabc\r\n0\r\nX-T: 1\r\n\r\n"),
    means: { ...sawChunked, fields: { "trailer": "X-T", "transfer-encoding": "chunked" } },
  },
  {
    name: "trailers that would mean something in front",
    sent: ask("POST ~", CHUNKED, "3\r\nabc\r\n0\r\nHost: b.test\r\nContent-Length: 9\r\n\r\n"),
    means: sawChunked,
  },
  { name: "a length and chunks", sent: ask("POST ~", [...THREE, ...CHUNKED], ABC), means: 400 },
  { name: "chunks and a length", sent: ask("POST ~", [...CHUNKED, ...THREE], ABC), means: 400 },
  { name: "another coding and chunked", sent: ask("POST ~", ["Transfer-Encoding: gzip, chunked"], ABC), means: 501 },
  ...[
    "chunked, gzip",
    "identity",
    "gzip",
    "",
    ", chunked",
    "\x0bchunked",
    '"chunked"',
    "chunked;a=b",
    "chunked, chunked",
  ]
    .map((coding): Row => ({
      name: `a coding that does not end in chunked: ${JSON.stringify(coding)}`,
      sent: ask("POST ~", [`Transfer-Encoding: ${coding}`], ABC),
      means: 400,
    })),
  { name: "chunked on two lines", sent: ask("POST ~", [...CHUNKED, ...CHUNKED], ABC), means: 400 },
  {
    name: "chunks in HTTP/1.0",
    sent: `POST ~ HTTP/1.0\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n${ABC}`,
    means: 400,
  },
  ...["GET", "HEAD"].map((method): Row => ({
    name: `${method} with a body`,
    sent: ask(`${method} ~`, THREE, "abc"),
    means: { method, fields: { "content-length": "3" } },
    but: { python: [NO_BODY_SAID, { ...sawThree, method }] },
  })),
  {
    name: "GET with chunks",
    sent: ask("GET ~", CHUNKED, ABC),
    means: { fields: { "transfer-encoding": "chunked" } },
    but: { python: [NO_BODY_SAID, { ...sawChunked, method: "GET" }] },
  },
  ...["DELETE", "OPTIONS", "PATCH", "PUT", "TRACE", "FROB", "M-SEARCH", "get", "post"].map((method): Row => ({
    name: `${method} with a body`,
    sent: ask(`${method} ~`, THREE, "abc"),
    means: { ...sawThree, method },
  })),
  ...["DELETE", "OPTIONS", "TRACE", "FROB", "get"].map((method): Row => ({
    name: `${method} without a body`,
    sent: ask(`${method} ~`),
    means: { method, body: "" },
  })),
];

/** The request line: methods, targets in all forms, versions, white space. */
const LINES: readonly Row[] = [
  {
    name: "CONNECT",
    sent: ask("CONNECT b.test:80"),
    means: { method: "CONNECT", target: "/" },
    but: { python: ["Python hands the target over as it is", { method: "CONNECT", target: "b.test:80", body: "" }] },
    no2: "there it has other pseudo-fields",
  },
  ...["/x", "http://b.test/", "*", "b.test/x", "b.test?x"].map((target): Row => ({
    name: `CONNECT ${target}`,
    sent: ask(`CONNECT ${target}`),
    means: 400,
    but: { python: ["Python hands the target over as it is", { method: "CONNECT", target, body: "" }] },
  })),
  {
    name: "OPTIONS *",
    sent: ask("OPTIONS *"),
    means: { method: "OPTIONS", target: "/*", body: "" },
    but: { python: ["Python hands the target over as it is", { method: "OPTIONS", target: "*", body: "" }] },
  },
  ...[
    "GET *",
    "POST *",
    "OPTIONS *?x",
    "GET x",
    "GET ?x",
    "GET a.test:80",
    "GET mailto:x",
    "GET http:/x",
    "GET \\x",
    "connect a.test:80",
  ]
    .map((line): Row => {
      const [method, target] = line.split(" ") as [string, string];
      return {
        name: `a target in no form: ${line}`,
        sent: ask(line),
        means: 400,
        but: { python: [AS_IN_PYTHON, { method, target, body: method === "GET" ? null : "" }] },
      };
    }),
  ...["http://a.test~", "http://b.test~", "HTTP://A.test~", "https://a.test~", "http://a.test:8000~", "http://[::1]~"]
    .map((target): Row => ({
      name: `the absolute form: ${target}`,
      sent: ask(`GET ${target}?y`),
      means: { target: "~?y" },
      but: { python: ["Python hands the target over as it is", { target: `${target}?y` }] },
      no2: "it has no such form",
    })),
  ...["http://b.test", "http://b.test?y"].map((target): Row => ({
    name: `the absolute form without a path: ${target}`,
    sent: ask(`GET ${target}`),
    means: { target: target.replace(/^http:\/\/b\.test/, "/") },
    but: { python: ["Python hands the target over as it is", { target }] },
    no2: "it has no such form",
  })),
  ...["ftp://a.test/x", "http://u@a.test/x", 'http://a"b/x'].map((target): Row => ({
    name: `the absolute form of something else: ${target}`,
    sent: ask(`GET ${target}`),
    means: 400,
    but: { python: ["Python hands the target over as it is", { target }] },
  })),
  {
    name: "the absolute form of something else without Host",
    sent: "GET ftp://a.test/x HTTP/1.1\r\n\r\n",
    means: 400,
    but: { python: ["Python hands the target over as it is", { target: "ftp://a.test/x", fields: { host: "" } }] },
    stays: true,
  },
  ...["http:///x", "file:///etc/passwd"].map((target): Row => ({
    name: `the absolute form without a host: ${target}`,
    sent: ask(`GET ${target}`),
    means: 400,
    but: {
      runtime: ["the runtime takes it for a path", { target: `/${target}` }],
      python: ["Python hands the target over as it is", { target }],
    },
  })),
  {
    name: "a method that is no token",
    sent: ask("GE(T ~"),
    means: 400,
    but: { python: [AS_IN_PYTHON, { method: "GE(T", body: "" }] },
  },
  {
    name: "a method with NUL",
    sent: ask("\0GET ~"),
    means: 400,
    but: { python: [AS_IN_PYTHON, { method: "\0GET", body: "" }] },
  },
  { name: "a long method", sent: ask(`${"M".repeat(300)} ~`), means: { method: "M".repeat(300), body: "" } },
  { name: "a line of one word", sent: "GARBAGE\r\n\r\n", means: 400 },
  {
    name: "a line of TLS",
    sent: "\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\r\n\r\n",
    means: 400,
    but: { TLS: ["it is TLS", 400] },
  },
  ...[
    " GET ~ HTTP/1.1",
    "GET  ~ HTTP/1.1",
    "GET ~  HTTP/1.1",
    "GET\t~\tHTTP/1.1",
    "GET ~ HTTP/1.1 ",
    "GET ~ HTTP/1.1\r",
  ].map((line): Row => ({
    name: `white space in the line: ${JSON.stringify(line)}`,
    sent: `${line}\r\n${HOST}${CLOSE}\r\n`,
    means: 400,
    but: { python: [AS_IN_PYTHON, {}] },
  })),
  ...[
    "GET ~ y HTTP/1.1",
    "GET ~\xa0y HTTP/1.1",
    "GET ~\x85y HTTP/1.1",
    "GET ~\x0cy HTTP/1.1",
    "GET ~\x1cy HTTP/1.1",
    "GET ~ http/1.1",
    "GET ~ HTTP/1",
    "GET ~ HTTPS/1.1",
  ]
    .map((line): Row => ({
      name: `a line that is none: ${JSON.stringify(line)}`,
      sent: `${line}\r\n${HOST}${CLOSE}\r\n`,
      means: 400,
    })),
  ...["HTTP/1.10", "HTTP/1.01", "HTTP/01.1"].map((version): Row => ({
    name: `a version of too many digits: ${version}`,
    sent: `GET ~ ${version}\r\n${HOST}${CLOSE}\r\n`,
    means: 400,
    but: { python: [AS_IN_PYTHON, {}] },
  })),
  ...["HTTP/1.2", "HTTP/1.9"].map((version): Row => ({
    name: `a version that is still to come: ${version}`,
    sent: `GET ~ ${version}\r\n${HOST}${CLOSE}\r\n`,
    means: {},
    but: { runtime: [RUNTIME_400, 400] },
  })),
  ...["HTTP/2.0", "HTTP/3.0"].map((version): Row => ({
    name: `a version of other rules: ${version}`,
    sent: `GET ~ ${version}\r\n${HOST}${CLOSE}\r\n`,
    means: 505,
    but: { runtime: [RUNTIME_400, 400] },
  })),
  {
    name: "HTTP/1.0",
    sent: `GET ~ HTTP/1.0\r\n${HOST}\r\n`,
    means: {},
  },
  {
    name: "HTTP/1.0 without Host",
    sent: "GET ~ HTTP/1.0\r\n\r\n",
    means: { fields: { host: "" } },
    but: {
      TLS: [LIKE_HTTP2, { fields: { host: "" } }],
      runtime: ["the runtime does not tell the version, and HTTP/1.1 needs a Host", 400],
    },
  },
  { name: "HTTP/1.0 with a body", sent: `POST ~ HTTP/1.0\r\n${HOST}Content-Length: 3\r\n\r\nabc`, means: sawThree },
  { name: "HTTP/1.0 without a body", sent: `POST ~ HTTP/1.0\r\n${HOST}\r\n`, means: { method: "POST", body: "" } },
  {
    name: "HTTP/0.9",
    sent: "GET ~\r\n",
    means: { fields: { host: "" } },
    but: { runtime: ["the runtime does not speak it", 400], native: ["it does not speak it", 400] },
  },
  {
    name: "HTTP/0.9 that says so",
    sent: `GET ~ HTTP/0.9\r\n${HOST}\r\n`,
    means: 400,
    but: { python: [AS_IN_PYTHON, { fields: { host: "" } }] },
  },
  { name: "POST of HTTP/0.9", sent: "POST ~\r\n", means: 400 },
  ...["\r\n", "\r\n\r\n", "\n\n", "\r\n".repeat(20)].map((lines): Row => ({
    name: `empty lines in front: ${JSON.stringify(lines)}`,
    sent: lines + ask("GET ~"),
    means: {},
  })),
  { name: "bare line feeds", sent: "GET ~ HTTP/1.1\nHost: a.test\nConnection: close\n\n", means: {} },
  { name: "some bare line feeds", sent: "GET ~ HTTP/1.1\r\nHost: a.test\nConnection: close\r\n\n", means: {} },
  {
    name: "bare line feeds and a body",
    sent: "POST ~ HTTP/1.1\nHost: a.test\nConnection: close\nContent-Length: 3\n\nabc",
    means: sawThree,
  },
  { name: "a bare CR for a line end", sent: "GET ~ HTTP/1.1\rHost: a.test\r\n\r\n", means: 400 },
  { name: "NUL in the target", sent: ask("GET ~\0"), means: 400, but: { python: [AS_IN_PYTHON, { target: "~\0" }] } },
  {
    name: "a control in the target",
    sent: ask("GET ~\x01"),
    means: 400,
    but: { python: [AS_IN_PYTHON, { target: "~\x01" }] },
  },
  {
    name: "DEL in the target",
    sent: ask("GET ~\x7f"),
    means: 400,
    but: { python: [AS_IN_PYTHON, { target: "~\x7f" }] },
  },
  {
    name: "UTF-8 in the target",
    sent: ask("GET ~/\xc3\xa4?\xf0\x9f\x98\x80"),
    means: { target: "~/\u00e4?\u{1f600}" },
    but: { python: ["Python has a character for each byte", { target: "~/\xc3\xa4?\xf0\x9f\x98\x80" }] },
  },
  {
    name: "a byte order mark in the target",
    sent: ask("GET ~/\xef\xbb\xbfx"),
    means: { target: "~/\ufeffx" },
    but: { python: ["Python has a character for each byte", { target: "~/\xef\xbb\xbfx" }] },
    no2: "the client takes it away",
  },
  ...["GET ~/\xe4", "GET ~?\xe4", "GET ~/\xc0\xaf"].map((line): Row => ({
    name: `other bytes in the target: ${JSON.stringify(line)}`,
    sent: ask(line),
    means: 400,
    but: { python: ["Python has a character for each byte", { target: line.slice(4) }] },
  })),
  { name: "escapes", sent: ask("GET ~/%41%20%C3%A4?%41%zz"), means: { target: "~/%41%20%C3%A4?%41%zz" } },
  ...["~/%zz", "~/%", "~/%00", "~/%ff", "~#f", "~?a#f"].map((target): Row => ({
    name: `a target to be refused: ${target}`,
    sent: ask(`GET ${target}`),
    means: 400,
    but: { python: ["what a target means is the handler's, in Python", { target }] },
    no2: target.includes("#") ? "the client cuts it off" : "",
  })),
  ...["/..~", "~/%2f"].map((target): Row => ({
    name: `a target that leads nowhere: ${target}`,
    sent: ask(`GET ${target}`),
    means: 404,
    but: {
      python: ["what a target means is the handler's, in Python", { target }],
      ...(target.startsWith("~") && { programs: ["to programs, an encoded slash is a part of the path", { target }] }),
    },
  })),
  ...[
    "/y/..~",
    "/.~",
    "~/./y",
    "~//y",
    "~?",
    "~?a=b&c=d+e",
    "~/a\\b",
    '~/"<>^`{|}[]',
    '~?"<>^`{|}[]',
    "~/a;b=c",
    "~/a:b@c",
  ].map((target): Row => ({
    name: `a target as it was sent: ${target}`,
    ...(target.includes("<") && { no2: "the runtime refuses such characters there" }),
    sent: ask(`GET ${target}`),
    means: { target },
  })),
  {
    name: "two slashes in front",
    sent: ask("GET /~//y"),
    means: { target: "/~//y" },
    but: { python: ["Python makes one of them (CVE-2021-28861)", { target: "~//y" }] },
  },
  { name: "a long target", sent: ask(`GET ~?${"x".repeat(8000)}`), means: { target: `~?${"x".repeat(8000)}` } },
  {
    name: "a target that is too long",
    sent: ask(`GET ~?${"x".repeat(20_000)}`),
    means: 414,
    but: { python: ["Python takes lines of 65,536 bytes", { target: `~?${"x".repeat(20_000)}` }] },
  },
  {
    name: "a line that is too long",
    sent: ask(`GET ~?${"x".repeat(70_000)}`),
    means: 414,
    but: { runtime: [RUNTIME_400, 400] },
  },
];

/** Fields: Host, repeated ones, names and values. */
const FIELDS: readonly Row[] = [
  ...["a.test:8000", "127.0.0.1:8000", "[::1]:80", "A.Test", "a%2eb", "a_b"].map((host): Row => ({
    name: `Host: ${host}`,
    ...(host.includes("%") && { no2: "the runtime refuses such names there" }),
    sent: ask("GET ~").replace(HOST, `Host: ${host}\r\n`),
    means: { fields: { host } },
    ...(/[%_]/.test(host) && { but: { programs: ["beside programs, only own names", 421] } }),
  })),
  ...["", "a/b", "a b", "u@a", "\xc3\xa4.test", "a.test:x", "a, b", "a?b", "a#b", "a\\b", "[::1", "a.test:80:80"].map((
    host,
  ): Row => ({
    name: `Host that is none: ${JSON.stringify(host)}`,
    sent: ask("GET ~").replace(HOST, `Host: ${host}\r\n`),
    means: 400,
    but: { python: ["Python does not look at it", { fields: { host } }] },
    no2: "the client looks at it first",
  })),
  { name: "Host with white space around", sent: ask("GET ~").replace(HOST, "Host:\t a.test\t \r\n"), means: {} },
  { name: "Host in capitals", sent: ask("GET ~").replace(HOST, "HOST: a.test\r\n"), means: {} },
  { name: "the same Host twice", sent: ask("GET ~", [HOST.trim()]), means: 400 },
  { name: "two Hosts", sent: ask("GET ~", ["Host: b.test"]), means: 400 },
  {
    name: "no Host",
    no2: "there it has :authority",
    sent: `GET ~ HTTP/1.1\r\n${CLOSE}\r\n`,
    means: 400,
    but: {
      TLS: [LIKE_HTTP2, { fields: { host: "" } }],
      python: ["Python does not look at it", { fields: { host: "" } }],
    },
  },
  {
    name: "two cookies",
    sent: ask("GET ~", ["Cookie: a=1", "Accept: a/b", "cookie: b=2"]),
    means: { fields: { cookie: "a=1; b=2", accept: "a/b" } },
  },
  {
    name: "a field on three lines",
    sent: ask("GET ~", ["X-A: a", "X-B: b", "x-a: c, d", "X-A: "]),
    means: { fields: { "x-a": "a, c, d, ", "x-b": "b" } },
  },
  {
    name: "two ranges",
    no2: "the client knows that there is one",
    sent: ask("GET ~", ["Range: bytes=0-0", "Range: bytes=2-2"]),
    means: { fields: { range: "bytes=0-0, bytes=2-2" } },
  },
  {
    name: "two Authorizations",
    sent: ask("GET ~", ["Authorization: Basic YQ==", "Authorization: Basic Yg=="]),
    means: { fields: { authorization: "Basic YQ==, Basic Yg==" } },
    no2: "the client knows that there is one",
  },
  {
    name: "two Content-Types",
    sent: ask("POST ~", ["Content-Type: a/b", "Content-Type: c/d", "Content-Length: 0"]),
    means: { method: "POST", fields: { "content-type": "a/b, c/d", "content-length": "0" }, body: "" },
    no2: "the client knows that there is one",
  },
  {
    name: "names of odd characters",
    sent: ask("GET ~", ["!#$%&'*+-.^_`|~9: a".replace("~", "%")]),
    means: { fields: { "!#$%&'*+-.^_`|%9": "a" } },
  },
  { name: "a name with an underscore", sent: ask("GET ~", ["X_A: a"]), means: { fields: { "x_a": "a" } } },
  ...["X-A : a", "X-A\t: a", ": a", "X(A: a", "X\xe4: a", "X A: a", "X-A", "X\0: a"].map((line): Row => ({
    name: `a field that is none: ${JSON.stringify(line)}`,
    sent: ask("GET ~", [line]),
    means: 400,
  })),
  {
    name: "a folded field",
    sent: ask("GET ~", ["X-A: a", " b"]),
    means: 400,
    but: { python: ["Python joins the lines", { fields: { "x-a": "a b" } }] },
  },
  { name: "a folded first field", sent: `GET ~ HTTP/1.1\r\n X-A: a\r\n${HOST}${CLOSE}\r\n`, means: 400 },
  { name: "bytes of ISO 8859-1", sent: ask("GET ~", ["X-A: \xe4"]), means: { fields: { "x-a": "\xe4" } } },
  {
    name: "bytes of UTF-8",
    sent: ask("GET ~", ["X-A: \xc3\xa4"]),
    means: { fields: { "x-a": "\xc3\xa4" } },
    but: { programs: ["programs are given text in UTF-8", { fields: { "x-a": "\xe4" } }] },
  },
  { name: "tabs in and around a value", sent: ask("GET ~", ["X-A:\t a\tb \t"]), means: { fields: { "x-a": "a\tb" } } },
  {
    name: "a no-break space around a value",
    sent: ask("GET ~", ["X-A: \xa0a\xa0"]),
    means: { fields: { "x-a": "\xa0a\xa0" } },
  },
  { name: "an empty value", sent: ask("GET ~", ["X-A:"]), means: { fields: { "x-a": "" } } },
  ...["a\0b", "a\rb", "a\r"].map((value): Row => ({
    name: `a value that is none: ${JSON.stringify(value)}`,
    sent: ask("GET ~", [`X-A: ${value}`]),
    means: 400,
  })),
  ...["a\x01b", "a\x0bb", "a\x7fb", "a\x1bb"].map((value): Row => ({
    name: `a value with a control: ${JSON.stringify(value)}`,
    sent: ask("GET ~", [`X-A: ${value}`]),
    means: 400,
    but: { python: [AS_IN_PYTHON, { fields: { "x-a": value } }] },
  })),
  {
    name: "a long value",
    no2: "there it has limits of its own",
    sent: ask("GET ~", [`X-A: ${"a".repeat(20_000)}`]),
    means: { fields: { "x-a": "a".repeat(20_000) } },
  },
  {
    name: "a header that is too long",
    sent: ask("GET ~", [`X-A: ${"a".repeat(40_000)}`]),
    means: 431,
    but: { python: ["Python takes lines of 65,536 bytes", { fields: { "x-a": "a".repeat(40_000) } }] },
    no2: "there it has limits of its own",
  },
  {
    name: "a field that is too long",
    sent: ask("GET ~", [`X-A: ${"a".repeat(70_000)}`]),
    means: 431,
    but: { runtime: [RUNTIME_400, 400] },
  },
  {
    name: "too many fields",
    no2: "there it has limits of its own",
    sent: ask("GET ~", Array.from({ length: 200 }, (_, at) => `X-${at}: a`)),
    means: 431,
    but: { runtime: [RUNTIME_400, 400] },
  },
];

/** What is about the connection: more than one request, expectations, upgrades. */
const CONNECTIONS: readonly Row[] = [
  {
    name: "two requests at once",
    sent: `GET ~?1 HTTP/1.1\r\n${HOST}\r\n${ask("GET ~?2")}`,
    means: [{ target: "~?1" }, { target: "~?2" }],
    but: { "classic": [CLOSES, { target: "~?1" }], "python 1.0": [CLOSES, { target: "~?1" }] },
  },
  {
    name: "a body and a request at once",
    sent: `POST ~ HTTP/1.1\r\n${HOST}Content-Length: 3\r\n\r\nabc${ask("GET ~?2")}`,
    means: [sawThree, { target: "~?2" }],
    but: { "classic": [CLOSES, sawThree], "python 1.0": [CLOSES, sawThree] },
  },
  {
    name: "a body of GET and a request at once",
    sent: `GET ~ HTTP/1.1\r\n${HOST}Content-Length: 3\r\n\r\nabc${ask("GET ~?2")}`,
    means: [{ fields: { "content-length": "3" } }, { target: "~?2" }],
    but: {
      "classic": [CLOSES, { fields: { "content-length": "3" } }],
      "python 1.0": [`${CLOSES}; ${NO_BODY_SAID}`, { ...sawThree, method: "GET" }],
      "python 1.1": [NO_BODY_SAID, [{ ...sawThree, method: "GET" }, { target: "~?2" }]],
    },
  },
  {
    name: "chunks and a request at once",
    sent: `POST ~ HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n${ABC}${ask("GET ~?2")}`,
    means: [sawChunked, { target: "~?2" }],
    but: { "classic": [CLOSES, sawChunked], "python 1.0": [CLOSES, sawChunked] },
  },
  {
    name: "HTTP/1.0 and keep-alive, twice",
    sent: `GET ~?1 HTTP/1.0\r\n${HOST}Connection: x, Keep-Alive\r\n\r\nGET ~?2 HTTP/1.0\r\n${HOST}\r\n`,
    means: [{ target: "~?1" }, { target: "~?2" }],
    but: { "classic": [CLOSES, { target: "~?1" }], "python 1.0": [CLOSES, { target: "~?1" }] },
  },
  {
    name: "close among other options, and a request after it",
    sent: `GET ~ HTTP/1.1\r\n${HOST}Connection: x\r\nConnection: y, Close\r\n\r\n${ask("GET ~?2")}`,
    means: {},
  },
  {
    name: "Expect: 100-continue",
    sent: ask("POST ~", ["Expect: 100-continue", ...THREE], "abc"),
    means: [100, { ...sawThree, fields: { "content-length": "3", expect: "100-continue" } }],
    but: {
      "classic": ["HTTP/1.0 knows no interim replies", {
        ...sawThree,
        fields: { "content-length": "3", expect: "100-continue" },
      }],
      "python 1.0": ["HTTP/1.0 knows no interim replies", {
        ...sawThree,
        fields: { "content-length": "3", expect: "100-continue" },
      }],
    },
  },
  {
    name: "Expect: 100-continue in HTTP/1.0",
    sent: `POST ~ HTTP/1.0\r\n${HOST}Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc`,
    means: { ...sawThree, fields: { "content-length": "3", expect: "100-continue" } },
    but: {
      runtime: ["the runtime does as if it were HTTP/1.1", [100, {
        ...sawThree,
        fields: { "content-length": "3", expect: "100-continue" },
      }]],
    },
  },
  {
    name: "Expect: 100-continue without a body",
    sent: ask("GET ~", ["Expect: 100-continue"]),
    means: { fields: { expect: "100-continue" } },
    but: { "python 1.1": ["Python says so whatever the method", [100, { fields: { expect: "100-continue" } }]] },
  },
  {
    name: "another expectation",
    sent: ask("POST ~", ["Expect: 200-ok", ...THREE], "abc"),
    means: { ...sawThree, fields: { "content-length": "3", expect: "200-ok" } },
  },
  {
    name: "an upgrade to HTTP/2",
    sent: ask("GET ~", ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"]),
    means: {
      fields: { "http2-settings": "AAMAAABkAAQAAP__", upgrade: "h2c" },
    },
  },
  {
    name: "an upgrade to WebSocket",
    sent: ask("GET ~", [
      "Connection: Upgrade",
      "Upgrade: websocket",
      "Sec-WebSocket-Version: 13",
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ]),
    means: {
      fields: {
        "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
        "sec-websocket-version": "13",
        "upgrade": "websocket",
      },
    },
  },
  { name: "TE", sent: ask("GET ~", ["TE: trailers, gzip"]), means: { fields: { te: "trailers, gzip" } } },
  {
    name: "a field that Connection names",
    sent: ask("GET ~", ["Connection: X-A", "X-A: a"]),
    means: { fields: { "x-a": "a" } },
  },
  {
    name: "Keep-Alive and Proxy-Connection",
    sent: ask("GET ~", ["Keep-Alive: timeout=5", "Proxy-Connection: close"]),
    means: { fields: { "keep-alive": "timeout=5", "proxy-connection": "close" } },
  },
];

/** All of them. */
export const REQUESTS: readonly Row[] = [...BODIES, ...LINES, ...FIELDS, ...CONNECTIONS];
