/** The formats of the access log. */

import { assertEquals, assertMatch } from "@std/assert";
import {
  accessLog,
  derive,
  fileServer,
  type FileServerOptions,
  type Handler,
  HttpError,
  type Layer,
  memory,
  settle,
  toFetch,
  wrap,
} from "@x/pyserve";
import type { LogFormat } from "@x/pyserve/layers";
import { ROOT } from "../support/paths.ts";

/** The lines that a format produces for a request. */
async function lines(
  format: LogFormat,
  request: Request,
  handler: Handler = () => new Response("12345"),
  user?: string,
) {
  const lines: string[] = [];
  const log = { access: (line: string) => lines.push(line), error() {} };
  const auth: Layer = (next) => (request, context) => next(request, derive(context, { user: user ?? null }));
  const fetch = toFetch(wrap(settle(handler), auth, accessLog(format)), { log });
  const info = { remoteAddr: { transport: "tcp", hostname: "192.0.2.1", port: 9 } as const };
  const response = await fetch(request, info);
  await response.body?.cancel();
  return lines;
}

const REQUEST = () =>
  new Request("http://h/a?b=%22", { headers: { host: "h", referer: 'http://r/"x"', "user-agent": "curl/8\x9b" } });
const sized: Handler = () => new Response("12345", { headers: { "content-length": "5" } });

Deno.test("python: http.server's line", async () => {
  const [line] = await lines("python", REQUEST());
  assertMatch(
    line!,
    /^192\.0\.2\.1 - - \[\d\d\/[A-Z][a-z]{2}\/\d{4} \d\d:\d\d:\d\d\] "GET \/a\?b=%22 HTTP\/1\.1" 200 -$/,
  );
});

Deno.test("python: an error has a line of its own before that", async () => {
  const [code, line] = await lines("python", REQUEST(), () => null);
  assertMatch(code!, /\] code 404, message File not found$/);
  assertMatch(line!, /\] "GET \/a\?b=%22 HTTP\/1\.1" 404 -$/);
});

Deno.test("common and combined: the zone, the length, quotes escaped", async () => {
  const [common] = await lines("common", REQUEST(), sized);
  assertMatch(
    common!,
    /^192\.0\.2\.1 - - \[\d\d\/\w{3}\/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "GET \/a\?b=%22 HTTP\/1\.1" 200 5$/,
  );
  const [combined] = await lines("combined", REQUEST(), sized);
  assertMatch(combined!, / 200 5 "http:\/\/r\/\\"x\\"" "curl\/8\\x9b"$/);
  const [none] = await lines("combined", new Request("http://h/"));
  assertMatch(none!, /"GET \/ HTTP\/2\.0" 200 - "-" "-"$/);
});

Deno.test("json: one object a line, nothing that a terminal would interpret", async () => {
  const [line] = await lines("json", REQUEST(), sized);
  // deno-lint-ignore no-control-regex
  assertEquals(/[\x00-\x1f\x7f-\x9f]/.test(line!), false);
  const { time, milliseconds, ...rest } = JSON.parse(line!);
  assertEquals([typeof time, typeof milliseconds], ["string", "number"]);
  assertEquals(rest, {
    address: "192.0.2.1",
    user: null,
    method: "GET",
    target: "/a?b=%22",
    status: 200,
    bytes: 5,
    referer: 'http://r/"x"',
    agent: "curl/8\x9b",
  });
});

Deno.test("neither a user's name nor an error message can start a line", async () => {
  const fail: Handler = () => {
    throw new HttpError(400, "a\nb");
  };
  assertMatch((await lines("python", REQUEST(), fail))[0]!, /message a\\x0ab$/);
  const [common] = await lines("common", REQUEST(), sized, "mal\n lory");
  assertMatch(common!, /^192\.0\.2\.1 - mal\\x0a\\x20lory \[/);
});

Deno.test("toFetch(fileServer()) logs to standard error, in Python's format, errors too; log: false does not", async () => {
  const program = `import { fileServer, memory, toFetch } from "@x/pyserve";
    const fetch = toFetch(fileServer(memory({ "a.txt": "a" }), JSON.parse(Deno.args[0])));
    for (const path of ["a.txt", "nothing"]) await fetch(new Request("http://localhost/" + path));`;
  const logged = async (options: FileServerOptions) => {
    const args = ["eval", program, JSON.stringify(options)];
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), { args, cwd: ROOT, stdin: "null" }).output();
    assertEquals(stdout, new Uint8Array());
    return new TextDecoder().decode(stderr).replace(/\[[^\]]*\]/g, "[]");
  };
  const lines = [
    '- - - [] "GET /a.txt HTTP/2.0" 200 -\n',
    '- - - [] code 404, message File not found\n- - - [] "GET /nothing HTTP/2.0" 404 -\n',
  ];
  assertEquals(await logged({}), lines.join(""));
  assertEquals(await logged({ log: false }), "");
});

Deno.test("the log of a file server names the user of a layer inside of it, in all formats, cached or not", async () => {
  const authenticate: Layer = (next) => (request, context) => {
    const user = request.headers.get("x-user");
    return next(request, user === null ? context : derive(context, { user, may: () => true, view: user }));
  };
  for (const format of ["common", "json"] as const) {
    const lines: string[] = [];
    const log = { access: (line: string) => void lines.push(line), error() {} };
    const fetch = toFetch(fileServer(memory({ "a.txt": "a" }), { layers: [authenticate], log: format }), { log });
    for (const user of ["alice", "bob", "alice", "bob"]) {
      await (await fetch(new Request("http://localhost/a.txt", { headers: { "x-user": user } }))).text();
    }
    await (await fetch(new Request("http://localhost/a.txt"))).text();
    const users = lines.map((line) => format === "json" ? JSON.parse(line).user ?? "-" : line.split(" ")[2]);
    assertEquals(users, ["alice", "bob", "alice", "bob", "-"]);
  }
});
