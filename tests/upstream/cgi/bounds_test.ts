/** How long a client may delay things: bodies that do not arrive, output that is not read, slots of other clients. */

import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { spool } from "../../../handlers/upstream/spool.ts";
import {
  cgi,
  CGIHTTPRequestHandler,
  disk,
  fastcgi,
  type FetchFunction,
  HttpError,
  ThreadingHTTPServer,
  toFetch,
} from "@x/pyserve";
import { type CgiOptions, endAllScripts } from "@x/pyserve/handlers";
import { StderrLines } from "../../../handlers/upstream/stderr_lines.ts";
import { startScript } from "../../../handlers/upstream/cgi/run.ts";
import { endRequest, startResponder, stdout } from "../../support/fastcgi_responder.ts";
import { missing } from "../../support/programs.ts";
import { type TempTree, tempTree } from "../../support/tree.ts";
import { start } from "../../support/command.ts";
import { cgiSite } from "./support.ts";
import { isRunning, until, within } from "../../support/wait.ts";

const ignore = missing("sh", "setsid");

const HEAD = "printf 'Content-Type: text/plain\\n\\n'";

async function programs(scripts: Readonly<Record<string, string>>): Promise<TempTree> {
  const named = Object.entries(scripts).map(([name, script]) => [`cgi-bin/${name}`, `#!/bin/sh\n${script}\n`] as const);
  const tree = await tempTree(Object.fromEntries(named));
  for (const [name] of named) await Deno.chmod(tree.at(name), 0o755);
  return tree;
}

interface Door extends AsyncDisposable {
  readonly port: number;
}

function served(fetch: FetchFunction): Door {
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, fetch);
  return { port: server.addr.port, [Symbol.asyncDispose]: () => server.shutdown() };
}

/** Reads until there is some text, or the end. */
async function readUntil(conn: Deno.Conn, text: string): Promise<string> {
  let all = "";
  const buffer = new Uint8Array(65_536);
  while (!all.includes(text)) {
    const count = await conn.read(buffer);
    if (count === null) return all;
    all += new TextDecoder().decode(buffer.subarray(0, count));
  }
  return all;
}

const BODY_TIMEOUT = 200;

function pythonClass(root: string): Promise<Door> {
  class Handler extends CGIHTTPRequestHandler {
    override directory = root;
    override cgi_options = { bodyTimeout: BODY_TIMEOUT };
    override log_message() {}
  }
  const server = new ThreadingHTTPServer(["127.0.0.1", 0], Handler);
  server.serve_forever();
  return Promise.resolve({ port: server.server_port, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() });
}

const WORDS = ["--quiet", "--cgi", "--body-timeout", String(BODY_TIMEOUT / 1000)];

const DOORS: Readonly<Record<string, (root: string) => Promise<Door>>> = {
  "the command": (root) => start([root, ...WORDS]),
  "--protocol HTTP/1.0": (root) => start([root, ...WORDS, "-p", "HTTP/1.0"]),
  "Deno.serve": (root) => Promise.resolve(served(toFetch(cgi(disk(root), { bodyTimeout: BODY_TIMEOUT })))),
  "CGIHTTPRequestHandler": pythonClass,
  "FastCGI": (root) => {
    const options = { address: { transport: "unix", path: `${root}/none` }, extensions: [".sh"] } as const;
    return Promise.resolve(served(toFetch(fastcgi(disk(root), { ...options, bodyTimeout: BODY_TIMEOUT }))));
  },
};

for (const [name, open] of Object.entries(DOORS)) {
  Deno.test({
    name: `${name}: a body for a program that stalls is 408, and no program is started for it`,
    ignore,
    async fn() {
      await using tree = await programs({ "touch.sh": `touch started; ${HEAD}; cat` });
      await using door = await open(tree.path);
      const head = "POST /cgi-bin/touch.sh HTTP/1.1\r\nHost: localhost\r\n";
      for (const body of ["Content-Length: 10\r\n\r\nhalf", "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"]) {
        using client = await Deno.connect({ hostname: "127.0.0.1", port: door.port });
        await client.write(new TextEncoder().encode(head + body));
        const reply = await within(readUntil(client, "The request body did not arrive in time"));
        assertMatch(reply, /^HTTP\/1\.[01] 408 [^]*The request body did not arrive in time/);
      }
      assertEquals(await Deno.stat(tree.at("cgi-bin/started")).then(() => true, () => false), false);
    },
  });
}

Deno.test("a body that trickles is abandoned, even if it never stalls", async () => {
  // Bytes come a hundred times as often as they must, so that this is not a stall.
  let cancelled = false;
  let timer: ReturnType<typeof setInterval> | undefined;
  const trickle = new ReadableStream<Uint8Array>({
    start: (controller) => void (timer = setInterval(() => controller.enqueue(new Uint8Array(1)), 10)),
    cancel() {
      clearInterval(timer);
      cancelled = true;
    },
  });
  const error = await within(assertRejects(() => spool(trickle, { max: null, stallMs: 1_000 }), HttpError));
  assertEquals([error.status, error.message, cancelled], [408, "The request body did not arrive in time", true]);
});

Deno.test("a body that stalls is abandoned, however much of it has arrived", async () => {
  const begun = new ReadableStream<Uint8Array>({ start: (controller) => controller.enqueue(new Uint8Array(1 << 20)) });
  const error = await within(assertRejects(() => spool(begun, { max: null, stallMs: 50 }), HttpError));
  assertEquals(error.status, 408);
});

Deno.test("the time limit of a body grows with its length, and only waiting counts", async () => {
  // 64 KiB at once extend the limit by a minute.
  const slow = ReadableStream.from(async function* () {
    yield new Uint8Array(65_536);
    for (let i = 0; i < 10; i++) {
      await new Promise((resolve) => setTimeout(resolve, 300));
      yield new Uint8Array(1);
    }
  }());
  using body = await within(spool(slow, { max: null, stallMs: 2_000 }));
  assertEquals(body.length, 65_546);
});

Deno.test({
  name: "one client gets at most three quarters of the slots, and the rest are for others",
  ignore,
  async fn() {
    await using tree = await programs({ "wait.sh": `echo >> here; while [ ! -e go ]; do sleep 0.02; done; ${HEAD}` });
    await using door = served(toFetch(cgi(disk(tree.path), { maxPrograms: 4, queueTimeout: 100 })));
    const asked = (client: string) =>
      fetch(`http://127.0.0.1:${door.port}/cgi-bin/wait.sh`, { headers: { "x-forwarded-for": client } })
        .then(async (response) => (await response.body?.cancel(), response.status));
    const running = (count: number) =>
      until(async () => {
        return (await Deno.readTextFile(tree.at("cgi-bin/here")).catch(() => "")).length === count;
      }, `${count} run`);
    const first = [asked("192.0.2.1"), asked("192.0.2.1"), asked("192.0.2.1")];
    await running(3);
    assertEquals(await asked("192.0.2.1"), 429);
    first.push(asked("192.0.2.2"));
    await running(4);
    assertEquals(await asked("192.0.2.4"), 503);
    await Deno.writeTextFile(tree.at("cgi-bin/go"), "");
    assertEquals(await Promise.all(first), [200, 200, 200, 200]);
  },
});

Deno.test("an application gives one client at most three quarters of its slots", async () => {
  await using tree = await tempTree({ "x.php": "" });
  const go = Promise.withResolvers<void>();
  await using responder = startResponder(async (call) => {
    await go.promise;
    await call.send(stdout("Content-Type: text/plain\r\n\r\n"), endRequest());
  });
  const address = { transport: "tcp", hostname: "127.0.0.1", port: responder.port } as const;
  const options = { address, extensions: [".php"], maxRequests: 4, queueTimeout: 100 };
  await using door = served(toFetch(fastcgi(disk(tree.path), options)));
  const asked = (client: string) =>
    fetch(`http://127.0.0.1:${door.port}/x.php`, { headers: { "x-forwarded-for": client } })
      .then(async (response) => (await response.body?.cancel().catch(() => {}), response.status));
  const first = [asked("192.0.2.1"), asked("192.0.2.1"), asked("192.0.2.1")];
  await until(() => responder.calls.length === 3, "three run");
  assertEquals(await asked("192.0.2.1"), 429);
  first.push(asked("192.0.2.2"));
  await until(() => responder.calls.length === 4, "four run");
  go.resolve();
  assertEquals(await Promise.all(first), [200, 200, 200, 200]);
});

/** In process, without a transport that would read ahead. */
async function answered(root: string, path: string, options: CgiOptions): Promise<Response> {
  return await toFetch(cgi(disk(root), options))(new Request(`http://localhost${path}`));
}

Deno.test({
  name: "a client that does not read a program's output loses the program and its slot",
  ignore,
  async fn() {
    await using tree = await programs({ "yes.sh": `echo $$ > pid; ${HEAD}; exec yes` });
    const options = { maxPrograms: 1, queueTimeout: 20_000, stallTimeout: 200 };
    const gone = async () => {
      const pid = Number(await Deno.readTextFile(tree.at("cgi-bin/pid")));
      await until(() => !isRunning(pid), "the program is gone");
    };
    const unread = await answered(tree.path, "/cgi-bin/yes.sh", options);
    assertEquals(unread.status, 200);
    await gone();
    await assertRejects(() => unread.text(), HttpError, "The client has stopped reading");

    await using door = served(toFetch(cgi(disk(tree.path), options)));
    const request = new TextEncoder().encode("GET /cgi-bin/yes.sh HTTP/1.1\r\nHost: localhost\r\n\r\n");
    for (let i = 0; i < 3; i++) { // each has the slot of the one before
      using client = await Deno.connect({ hostname: "127.0.0.1", port: door.port });
      await client.write(request);
      const first = new Uint8Array(12);
      assertEquals(await within(client.read(first)), 12);
      assertEquals(new TextDecoder().decode(first), "HTTP/1.1 200");
      await gone();
    }
    await endAllScripts();
  },
});

Deno.test("a client that reads nothing of an application's response is disconnected", async () => {
  await using tree = await tempTree({ "x.php": "" });
  await using responder = startResponder((call) => call.send(stdout("Content-Type: text/plain\r\n\r\nbegun")));
  const address = { transport: "tcp", hostname: "127.0.0.1", port: responder.port } as const;
  const options = { address, extensions: [".php"], maxRequests: 1, stallTimeout: 100 };
  const fetch = toFetch(fastcgi(disk(tree.path), options), { log: { access() {}, error() {} } });
  for (let i = 0; i < 2; i++) { // the second has the slot of the first
    const response = await within(Promise.resolve(fetch(new Request("http://localhost/x.php"))));
    assertEquals(response.status, 200);
    await within(responder.calls[i]!.closed);
    await assertRejects(() => response.text(), HttpError, "The client has stopped reading");
  }
});

Deno.test({
  name: "a program that cannot be started releases its slot",
  ignore,
  async fn() {
    await using tree = await programs({ "ok.sh": `${HEAD}; echo ok` });
    // More than Linux allows in one variable.
    const env = { LONG: "x".repeat(200_000) };
    const fetch = toFetch(cgi(disk(tree.path), { maxPrograms: 1, queueTimeout: 50, env }));
    for (let i = 0; i < 2; i++) {
      const response = await fetch(new Request("http://localhost/cgi-bin/ok.sh"));
      await response.body?.cancel();
      assertEquals(response.status, 431);
    }
  },
});

Deno.test({
  name: "child processes end with a program that is killed while its output is open",
  ignore,
  async fn() {
    const program = { command: "/bin/sh", args: ["-c", "sleep 1000 & echo $!"], cwd: "/", env: {}, input: null };
    const limits = { headerMs: 0, idleMs: 0, lingerMs: 0, stallMs: 0 };
    await using script = await startScript(program, limits, () => {});
    const pid = Number(new TextDecoder().decode((await script.read())!));
    await script.ended;
    assert(isRunning(pid));
    script.kill();
    await until(() => !isRunning(pid), "what it has left behind is gone");
  },
});

Deno.test("a line of standard error is cut at 4 KiB", async () => {
  const lines: string[] = [];
  const cutter = new StderrLines((line) => lines.push(line));
  cutter.take(new TextEncoder().encode(`${"x".repeat(4096)}\n${"y".repeat(4097)}\n${"z".repeat(1_000_000)}`));
  cutter.end();
  assertEquals(lines, ["x".repeat(4096), `${"y".repeat(4096)}…`, `${"z".repeat(4096)}…`]);
  await using site = await cgiSite({ "cgi-bin/long": "#!/bin/sh\nprintf '%5000s\\n' x >&2; printf 'X-A: b\\n\\n'\n" });
  await (await fetch(`${site.base}/cgi-bin/long`)).text();
  await site.command.untilStderr(`${" ".repeat(4096)}…`);
  assert(!site.command.stderr().includes(" ".repeat(4098)));
});

Deno.test("one byte over the limit of a body is 413, announced or not", async () => {
  for (const pieces of [[11], [10, 1], [5, 6], [1, 10]]) {
    const body = () => ReadableStream.from(pieces.map((length) => new Uint8Array(length)));
    const error = await assertRejects(() => spool(body(), { max: 10 }), HttpError);
    assertEquals(error.status, 413);
    using taken = await spool(body(), { max: 11 });
    assertEquals(taken.length, 11);
  }
});

Deno.test({
  name: "a request that gets no slot, or whose client leaves the queue, keeps no file for its body",
  ignore,
  async fn() {
    await using tree = await programs({ slow: `${HEAD}; cat > /dev/null; exec sleep 60` });
    const body = new Uint8Array(2_000_000); // more than is kept in memory
    const post = (fetch: FetchFunction, signal?: AbortSignal) => {
      return fetch(new Request("http://localhost/cgi-bin/slow", { method: "POST", body, signal: signal ?? null }));
    };
    for (const queueTimeout of [10, 60_000]) {
      const fetch = toFetch(cgi(disk(tree.path), { maxPrograms: 1, queueTimeout }));
      const first = await post(fetch);
      const leaving = new AbortController();
      const second = post(fetch, leaving.signal);
      if (queueTimeout > 10) setTimeout(() => leaving.abort(), 100);
      assertEquals((await within(Promise.resolve(second))).status, queueTimeout > 10 ? 400 : 503);
      await first.body!.cancel();
    }
    await endAllScripts();
  }, // the sanitizer of resources sees what is left open
});
