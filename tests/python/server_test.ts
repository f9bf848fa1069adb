/** The servers: the order of service, and how they end. */

import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import {
  type ClientAddress,
  type Connection,
  HTTPServer,
  HTTPSServer,
  type ServerAddress,
  ThreadingHTTPServer,
  ThreadingHTTPSServer,
} from "@x/pyserve/python";
import { makeCertificate, openssl } from "../support/certificate.ts";
import { startProcess } from "../support/command.ts";
import { fromFileUrl, ROOT } from "../support/paths.ts";
import { missing } from "../support/programs.ts";
import { type TempTree, tempTree } from "../support/tree.ts";
import { Client, Echo, exchange, reply, serving } from "../support/python.ts";
import { until as untilHolds } from "../support/wait.ts";

const GET = "GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/** A handler that waits until the test releases it, and its state. */
function gated() {
  const gates: PromiseWithResolvers<void>[] = [];
  let most = 0;
  let running = 0;
  let arrived = Promise.withResolvers<void>();
  class Gated extends Echo {
    override async do_GET() {
      most = Math.max(most, ++running);
      const gate = Promise.withResolvers<void>();
      gates.push(gate);
      arrived.resolve();
      arrived = Promise.withResolvers();
      await gate.promise;
      running -= 1;
      super.do_GET();
    }
  }
  return {
    Gated,
    most: () => most,
    async until(count: number) {
      while (gates.length < count) await arrived.promise;
    },
    open: (index: number) => gates[index]!.resolve(),
  };
}

Deno.test("HTTPServer handles one request at a time", async () => {
  const { Gated, most, until, open } = gated();
  await using server = serving(Gated, HTTPServer);
  const answers = [exchange(server.port, GET), exchange(server.port, GET), exchange(server.port, GET)];
  for (const index of [0, 1, 2]) {
    await until(index + 1);
    open(index);
  }
  for (const answer of answers) assertMatch(await answer, /GET \/a$/);
  assertEquals(most(), 1);
});

Deno.test("ThreadingHTTPServer handles connections at the same time", async () => {
  const { Gated, most, until, open } = gated();
  await using server = serving(Gated, ThreadingHTTPServer);
  const answers = [exchange(server.port, GET), exchange(server.port, GET), exchange(server.port, GET)];
  await until(3);
  for (const index of [2, 1, 0]) open(index);
  for (const answer of answers) assertMatch(await answer, /GET \/a$/);
  assertEquals(most(), 3);
});

Deno.test("HTTPServer is blocked neither by a silent connection, nor by one that is kept alive", async () => {
  await using server = serving(Echo, HTTPServer);
  using _silent = await Client.connect(server.port);
  using kept = await Client.connect(server.port);
  await kept.say("GET /kept HTTP/1.1\r\n\r\n");
  await kept.hear("GET /kept");
  assertMatch(await exchange(server.port, GET), /GET \/a$/);
  assertMatch(await kept.hear(), /GET \/kept$/);
});

Deno.test("a server knows its address", async () => {
  await using server = new HTTPServer(["", 0], Echo);
  assertEquals(server.server_address, ["0.0.0.0", server.server_port]);
  assertEquals(server.server_name, "0.0.0.0");
  assert(server.server_port > 0);
  assertThrows(() => new HTTPServer(["127.0.0.1", server.server_port], Echo), Deno.errors.AddrInUse);
});

Deno.test("a server can be bound later", async () => {
  await using server = new ThreadingHTTPServer(["127.0.0.1", 0], Echo, false);
  await assertRejects(() => server.serve_forever(), Error, "is not listening");
  server.server_bind();
  const ended = server.serve_forever();
  await assertRejects(() => server.serve_forever(), Error, "is already serving");
  server.RequestHandlerClass.prototype.log_message = () => {};
  assertMatch(await exchange(server.server_port, GET), /GET \/a$/);
  await server.shutdown();
  await ended;
});

class Quiet extends Echo {
  override log_message() {}
}

Deno.test("the backlog of the system is set on the class", () => {
  class Short extends HTTPServer {
    static override request_queue_size = 1;
  }
  assertEquals(new Short(["", 0], Quiet, false).request_queue_size, 1);
  assertEquals(new HTTPServer(["", 0], Quiet, false).request_queue_size, 511);
});

Deno.test("handle_request handles one connection, and the next waits", async () => {
  await using server = new HTTPServer(["127.0.0.1", 0], Quiet);
  const [first, second] = [exchange(server.server_port, GET), exchange(server.server_port, GET)];
  await server.handle_request();
  await server.handle_request();
  assertMatch(await first, /GET \/a$/);
  assertMatch(await second, /GET \/a$/);
});

Deno.test("handle_request waits no longer than it may", async () => {
  const events: string[] = [];
  class Impatient extends HTTPServer {
    override timeout = 0.05;
    override handle_timeout() {
      events.push("timeout");
    }
  }
  await using server = new Impatient(["127.0.0.1", 0], Quiet);
  await server.handle_request();
  assertEquals(events, ["timeout"]);
  const answer = exchange(server.server_port, GET);
  server.timeout = 20;
  await server.handle_request();
  assertMatch(await answer, /GET \/a$/);
});

Deno.test("shutdown ends serve_forever, which may be called again", async () => {
  await using server = new ThreadingHTTPServer(["127.0.0.1", 0], Quiet);
  for (let round = 0; round < 2; round++) {
    const ended = server.serve_forever();
    assertMatch(await exchange(server.server_port, GET), /GET \/a$/);
    await server.shutdown();
    await ended;
  }
});

for (const Server of [HTTPServer, ThreadingHTTPServer]) {
  Deno.test(`a handler of ${Server.name} can shut its server down`, async () => {
    class Last extends Quiet {
      override do_GET() {
        super.do_GET();
        this.server.shutdown();
      }
    }
    await using server = new Server(["127.0.0.1", 0], Last);
    // A keep-alive client blocks nothing, and is answered.
    using client = await Client.connect(server.server_port);
    await client.say("GET /a HTTP/1.1\r\n\r\n");
    const answer = client.hear(Server === HTTPServer ? undefined : "GET /a");
    await server.serve_forever();
    assertMatch(await answer, /GET \/a$/);
  });
}

Deno.test("server_close aborts running handlers, or waits for them", async () => {
  for (const daemon_threads of [true, false]) {
    const { Gated, until, open } = gated();
    const server = new ThreadingHTTPServer(
      ["127.0.0.1", 0],
      class extends Gated {
        override log_message() {}
      },
    );
    server.daemon_threads = daemon_threads;
    const ended = server.serve_forever();
    using idle = await Client.connect(server.server_port);
    const answer = exchange(server.server_port, GET);
    await until(1);
    const closed = server.server_close();
    if (daemon_threads) assertEquals(await answer, "");
    open(0);
    if (!daemon_threads) assertMatch(await answer, /GET \/a$/);
    await closed;
    await ended;
    assertEquals(await idle.hear(), "");
    await assertRejects(() => Client.connect(server.server_port), Deno.errors.ConnectionRefused);
  }
});

/** Answers without a body, in each way there is. */
class Bodiless extends Echo {
  do_HEAD(): void {
    this.do_GET();
  }
  do_NONE(): void {
    this.bare(204);
  }
  do_SAME(): void {
    this.bare(304);
  }
  bare(status: number): void {
    this.send_response(status);
    this.end_headers();
  }
}

for (const [method, status] of [["HEAD", 200], ["NONE", 204], ["SAME", 304], ["GET", 200]] as const) {
  for (const Server of [HTTPServer, ThreadingHTTPServer]) {
    Deno.test(`${Server.name} writes every reply to ${method} before it closes the connection`, async () => {
      await using server = serving(Bodiless, Server);
      const heads: string[] = [];
      const visit = async () => {
        for (let count = 0; count < 20; count++) {
          using client = await Client.connect(server.port);
          await client.say(`${method} /a HTTP/1.1\r\n\r\n`);
          heads.push((await client.hear("\r\n\r\n")).slice(0, 12));
        }
      };
      await Promise.all([visit(), visit(), visit(), visit()]);
      assertEquals(heads, Array(80).fill(`HTTP/1.1 ${status}`));
    });

    Deno.test(`${Server.name} writes the reply to ${method} of a handler that ends it`, async () => {
      for (const how of ["shutdown", "server_close", "server_close before it answers", "shutdown before it answers"]) {
        class Last extends Bodiless {
          override log_message() {}
          override async handle_one_request() {
            await super.handle_one_request();
            if (!how.includes("before")) this.end();
          }
          override send_response(status: number) {
            if (how.includes("before")) this.end();
            super.send_response(status);
          }
          end() {
            if (how.startsWith("shutdown")) this.server.shutdown();
            else this.server.server_close();
          }
        }
        await using server = new Server(["127.0.0.1", 0], Last);
        server.daemon_threads = !how.includes("before");
        const ended = server.serve_forever();
        using client = await Client.connect(server.server_port);
        await client.say(`${method} /a HTTP/1.1\r\n\r\n`);
        const stays = Server === ThreadingHTTPServer && how.startsWith("shutdown");
        assertEquals((await client.hear(stays ? "\r\n\r\n" : undefined)).slice(0, 12), `HTTP/1.1 ${status}`, how);
        await ended;
      }
    });
  }
}

Deno.test("HTTPServer announces closing if another connection waits", async () => {
  const { Gated, until, open } = gated();
  const connections: Connection[] = [];
  class Noting extends Gated {
    override setup() {
      connections.push(this.connection);
      super.setup();
    }
  }
  await using server = serving(Noting, HTTPServer);
  using kept = await Client.connect(server.port);
  await kept.say("GET /kept HTTP/1.1\r\n\r\n");
  await until(1);
  const second = exchange(server.port, GET);
  await untilHolds(() => server.server.closes_next(connections[0]!), "another waits");
  open(0);
  assertStringIncludes(await kept.hear(), "\r\nConnection: close\r\n");
  await until(2);
  open(1);
  assertMatch(await second, /GET \/a$/);
});

Deno.test("verify_request decides, process_request and finish_request are called", async () => {
  const events: string[] = [];
  class Asking extends ThreadingHTTPServer {
    refuse = true;
    override async verify_request(_request: Connection, [host]: ClientAddress) {
      events.push(`verify ${host}`);
      await Promise.resolve();
      return !this.refuse;
    }
    override process_request(request: Connection, address: ClientAddress) {
      events.push("process");
      return super.process_request(request, address);
    }
    override finish_request(request: Connection, address: ClientAddress) {
      events.push("finish");
      return super.finish_request(request, address);
    }
  }
  await using server = new Asking(["127.0.0.1", 0], Quiet);
  server.serve_forever();
  assertEquals(await exchange(server.server_port, GET), "");
  server.refuse = false;
  assertMatch(await exchange(server.server_port, GET), /GET \/a$/);
  assertEquals(events, ["verify 127.0.0.1", "verify 127.0.0.1", "process", "finish"]);
});

Deno.test("an error in a hook is reported, and the server keeps serving", async () => {
  class Failing extends HTTPServer {
    override verify_request(): boolean {
      throw new Error("no");
    }
  }
  await using server = serving(Quiet, Failing);
  assertEquals(await exchange(server.port, GET), "");
  assertEquals(await exchange(server.port, GET), "");
  assertEquals(server.errors.map(String), ["Error: no", "Error: no"]);
});

Deno.test("no more connections than the maximum are handled, and idle ones make room", async () => {
  const { Gated, most, until, open } = gated();
  await using server = serving(Gated, ThreadingHTTPServer, { max_connections: 2 });
  const [first, second] = [exchange(server.port, GET), exchange(server.port, GET)];
  await until(2);
  const third = exchange(server.port, GET);
  open(0);
  assertMatch(await first, /GET \/a$/);
  await until(3);
  assertEquals(most(), 2);
  open(1);
  open(2);
  for (const answer of [second, third]) assertMatch(await answer, /GET \/a$/);
  using idle = await Client.connect(server.port);
  using _other = await Client.connect(server.port);
  const fourth = exchange(server.port, GET);
  await until(4);
  open(3);
  assertMatch(await fourth, /GET \/a$/);
  assertEquals(await idle.hear(), "");
});

Deno.test("the connection that has been idle longest makes room, not the oldest", async () => {
  await using server = serving(Quiet, ThreadingHTTPServer, { max_connections: 2 });
  using oldest = await Client.connect(server.port);
  await oldest.say("GET /first HTTP/1.1\r\n\r\n");
  await oldest.hear("GET /first");
  using silent = await Client.connect(server.port);
  await new Promise((resolve) => setTimeout(resolve, 300)); // idle times are counted in tenths of a second
  await oldest.say("GET /second HTTP/1.1\r\n\r\n");
  await oldest.hear("GET /second");
  using _third = await Client.connect(server.port);
  assertEquals(await silent.hear(), "");
  await oldest.say("GET /last HTTP/1.1\r\nConnection: close\r\n\r\n");
  assertMatch(await oldest.hear(), /GET \/last$/);
});

Deno.test({
  name: "a server listens on a Unix socket, and removes it at the end",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    await using tree = await tempTree();
    const path = tree.at("socket");
    const server = new ThreadingHTTPServer(path, Quiet);
    assertEquals([server.server_address, server.server_name, server.server_port], [path, path, 0]);
    server.serve_forever();
    {
      using conn = await Deno.connect({ transport: "unix", path });
      await conn.write(new TextEncoder().encode(GET));
      assertMatch(await new Response(conn.readable).text(), /GET \/a$/);
    }
    await server.server_close();
    await assertRejects(() => Deno.lstat(path), Deno.errors.NotFound);
  },
});

/** A certificate, and its key with the password "secret". */
async function certificate(tree: TempTree): Promise<{ certfile: string; keyfile: string }> {
  const { cert, key } = await makeCertificate(tree.path);
  const keyfile = tree.at("secret.pem");
  await openssl(`pkcs8 -topk8 -in ${key} -out ${keyfile} -passout pass:secret`, tree.path);
  return { certfile: cert, keyfile };
}

for (const Server of [HTTPSServer, ThreadingHTTPSServer]) {
  const options = { name: `${Server.name} answers, despite silent clients`, ignore: missing("openssl") };
  Deno.test(options, async () => {
    await using tree = await tempTree();
    const files = { ...await certificate(tree), password: "secret" };
    await using server = new Server(["127.0.0.1", 0], Quiet, true, files);
    server.serve_forever();
    using _silent = await Client.connect(server.server_port);
    using plain = await Client.connect(server.server_port);
    await plain.say(GET);
    const client = Deno.createHttpClient({ caCerts: [await Deno.readTextFile(files.certfile)] });
    for (let round = 0; round < 3; round++) {
      const response = await fetch(`https://localhost:${server.server_port}/a`, { client });
      assertEquals(await response.text(), "GET /a");
    }
    client.close();
    assert(!(await plain.hear()).includes("HTTP"));
    assertThrows(() => new Server(["127.0.0.1", 0], Quiet, true, { ...files, password: null }), TypeError, "password");
    assertThrows(() => new Server(["127.0.0.1", 0], Quiet, true, { ...files, password: "no" }), TypeError, "password");
    assertThrows(() => new Server("/nowhere", Quiet, true, files), TypeError, "Unix socket");
  });
}

Deno.test("an exception of a handler is on stderr once, as Python writes it", async () => {
  const { stderr, code } = await run("throwing.ts");
  assertEquals(code, 0);
  assertMatch(
    stderr,
    /^-{40}\nException occurred during processing of request from \('127\.0\.0\.1', \d+\)\nError: the cause\n[^]*\n-{40}\n$/,
  );
});

Deno.test("a log line is Python's, and no client can inject another", async () => {
  const { stderr } = await run("logging.ts");
  const time = String.raw`\[\d\d/\w{3}/\d{4} \d\d:\d\d:\d\d\]`;
  assertMatch(stderr, new RegExp(String.raw`^127\.0\.0\.1 - - ${time} "GET /a\\x1b\[2J HTTP/1\.1" 200 -\n`));
  assertMatch(stderr, new RegExp(String.raw`${time} code 501, message Unsupported method \('FOO\\\\x9b'\)\n`));
  assertEquals(stderr.split("\n").length, 4);
});

Deno.test("neither log lines nor exceptions have the token of a share link, whose id stays", async () => {
  const { stderr } = await run("masked.ts");
  assert(!stderr.includes("eyJ") && !stderr.includes("cccc"), stderr);
  assertMatch(stderr, /"GET \/\.pyserve\/share\/pnb1jS699niM\.\.\.\/|Error: \/\.pyserve\/share\/pnb1jS699niM\.\.\.\//);
  assertMatch(stderr, /"FOO \/\.pyserve\/share\/pnb1jS699niM\.\.\.\/ HTTP\/1\.1" 501 -/);
});

/** Runs a program of this folder to its end. */
async function run(name: string): Promise<{ stderr: string; code: number }> {
  const args = ["run", "-A", "--no-lock", fromFileUrl(`../testdata/python/${name}`)];
  const { stderr, code } = await new Deno.Command(Deno.execPath(), { args, cwd: ROOT, env: { NO_COLOR: "1" } })
    .output();
  return { stderr: new TextDecoder().decode(stderr), code };
}

for (const Server of [HTTPServer, ThreadingHTTPServer]) {
  Deno.test(`${Server.name} answers requests from before its descriptors ran out`, async () => {
    const ran_out = Promise.withResolvers<void>();
    class RunningOut extends Server {
      protected override listen(address: ServerAddress): Deno.Listener {
        const listener = super.listen(address);
        const accept = listener.accept.bind(listener);
        let count = 0;
        // Between the connection and its first bytes, as when other connections have taken the last descriptors.
        listener.accept = () => {
          if (++count !== 2) return accept();
          ran_out.resolve();
          return Promise.reject(new Error("Too many open files (os error 24)"));
        };
        return listener;
      }
      protected override complain() {}
    }
    await using server = new RunningOut(["127.0.0.1", 0], Quiet);
    using client = await Client.connect(server.server_port);
    await client.say(GET);
    server.serve_forever();
    await ran_out.promise;
    assertMatch(await client.hear(), /GET \/a$/);
    assertMatch(await exchange(server.server_port, GET), /GET \/a$/);
  });
}

Deno.test({
  name: "a server recovers from running out of file descriptors",
  ignore: missing("prlimit"),
  fn: async () => {
    const program = fromFileUrl("../testdata/python/serving.ts");
    const args = ["--nofile=40:40", Deno.execPath(), "run", "-A", "--no-lock", program];
    await using process = await startProcess("prlimit", args, { cwd: ROOT });
    const clients: Client[] = [];
    try {
      while (!process.stderr().includes("Out of file descriptors")) {
        clients.push(await Client.connect(process.port));
        if (clients.length > 60) await process.untilStderr("Out of file descriptors");
      }
      assertMatch(await exchange(process.port, GET), /GET \/a$/);
    } finally {
      for (const client of clients) client[Symbol.dispose]();
    }
    assertMatch(await exchange(process.port, GET), /GET \/a$/);
  },
});

Deno.test({
  name: "test() prints its address, and exits with 0 when it is interrupted",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    const args = ["run", "-A", "--no-lock", fromFileUrl("../testdata/python/serving.ts"), "HTTP/1.0"];
    await using process = await startProcess(Deno.execPath(), args, { cwd: ROOT });
    const { port } = process;
    assertEquals(process.stdout(), `Serving HTTP on 127.0.0.1 port ${port} (http://127.0.0.1:${port}/) ...\n`);
    assertStringIncludes((await reply(port, GET)).head, "HTTP/1.0 200 OK");
    assertEquals(await process.stop("SIGINT"), 0);
    assertMatch(process.stdout(), /\n\nKeyboard interrupt received, exiting\.\n$/);
  },
});
