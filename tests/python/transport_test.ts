/** `--protocol HTTP/1.0`: the whole file server with the replies of Python's http.server. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { cgi, chain, disk, fileServer, type Handler, memory, toFetch, upload } from "@x/pyserve";
import { serveClassic } from "../../handlers/python/transport.ts";
import { makeCertificate } from "../support/certificate.ts";
import { start } from "../support/command.ts";
import { latin1, parseResponse } from "../support/raw.ts";
import { tempTree } from "../support/tree.ts";
import { Client, emptyLog, exchange, reply } from "../support/python.ts";
import { isRunning, until } from "../support/wait.ts";

/** The names of the headers of a reply, as they stand there. */
function names(head: string): string[] {
  return head.split("\r\n").slice(1).map((line) => line.slice(0, line.indexOf(":")));
}

Deno.test("--protocol HTTP/1.0 serves files, listings and errors in Python's form", async (t) => {
  await using tree = await tempTree({ "a.txt": "hello", "sub/b.txt": "b" });
  await using command = await start([tree.path, "--protocol", "HTTP/1.0", "-H", "X-More", "yes"]);
  const { port } = command;

  await t.step("a file: version, phrase, order and spelling", async () => {
    for (const version of ["HTTP/1.0", "HTTP/1.1"]) {
      const { head, text } = await reply(
        port,
        `GET /a.txt ${version}\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n`,
      );
      assertEquals(head.split("\r\n")[0], "HTTP/1.0 200 OK");
      assertEquals(names(head).slice(0, 5), ["Server", "Date", "Content-type", "Content-Length", "Last-Modified"]);
      assertEquals(names(head).filter((name) => name === "Connection"), []);
      assertStringIncludes(head, "\r\nServer: pyserve\r\n");
      assertStringIncludes(head, "\r\nX-More: yes");
      assertEquals(text, "hello");
    }
  });
  await t.step("requests after the first one are not answered", async () => {
    const heard = await exchange(port, "GET /a.txt HTTP/1.0\r\n\r\n".repeat(3));
    assertEquals(heard.match(/HTTP\/1\.0/g)!.length, 1);
  });
  await t.step("HEAD has the headers only", async () => {
    const { head, body, headers } = await reply(port, "HEAD /a.txt HTTP/1.0\r\n\r\n");
    assertEquals([head.split("\r\n")[0], headers.get("content-length"), body.length], ["HTTP/1.0 200 OK", "5", 0]);
  });
  await t.step("HTTP/0.9 has the body only", async () => {
    assertEquals(await exchange(port, "GET /a.txt\r\n"), "hello");
  });
  await t.step("a listing, and the way to it", async () => {
    const redirect = await reply(port, "GET /sub?x HTTP/1.0\r\n\r\n");
    assertEquals(redirect.head.split("\r\n")[0], "HTTP/1.0 301 Moved Permanently");
    assertEquals(names(redirect.head).slice(0, 4), ["Server", "Date", "Location", "Content-Length"]);
    assertEquals(redirect.headers.get("location"), "sub/?x");
    assertStringIncludes((await reply(port, "GET /sub/ HTTP/1.0\r\n\r\n")).text, "b.txt");
  });
  await t.step("an error has Python's phrase and header, and our page", async () => {
    const { head, text } = await reply(port, "GET /nope HTTP/1.0\r\nAccept: text/html\r\n\r\n");
    assertEquals(head.split("\r\n")[0], "HTTP/1.0 404 File not found");
    assertEquals(names(head).slice(0, 5), ["Server", "Date", "Connection", "Content-Type", "Content-Length"]);
    assertStringIncludes(text, "<h1>404 Not Found</h1>");
  });
  await t.step("ranges and validators are those of the other transport", async () => {
    const range = await reply(port, "GET /a.txt HTTP/1.0\r\nRange: bytes=1-2\r\n\r\n");
    assertEquals([range.status, range.text], [206, "el"]);
    const etag = range.headers.get("etag")!;
    const again = await reply(port, `GET /a.txt HTTP/1.0\r\nIf-None-Match: ${etag}\r\n\r\n`);
    assertEquals([again.status, again.body.length], [304, 0]);
  });
  await t.step("methods are passed on unchanged", async () => {
    const status = async (line: string) => (await reply(port, `${line} HTTP/1.0\r\n\r\n`)).status;
    assertEquals(await status("get /a.txt"), 501);
    assertEquals(await status("TRACE /a.txt"), 405);
    assertEquals(await status("CONNECT 127.0.0.1:80"), 405);
    assertEquals(await status("CONNECT /a.txt"), 400);
    assertEquals(await status("PUT /a.txt"), 405);
    assertEquals((await reply(port, "GET /a.txt HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc")).status, 200);
  });
  await t.step("a request that the engine refuses gets an error page and a log line, too", async () => {
    const { head, text } = await reply(port, "GARBAGE\r\n\r\n");
    assertEquals(head.split("\r\n")[0], "HTTP/1.0 400 Bad request syntax ('GARBAGE')");
    assertStringIncludes(text, "<h1>400 Bad Request</h1>");
    await command.untilStderr(`"GARBAGE" 400 -`);
    assertStringIncludes(command.stderr(), "code 400, message Bad request syntax ('GARBAGE')");
  });
  await t.step("the log has the request line", () => {
    assertMatch(command.stderr(), /\] "GET \/a\.txt HTTP\/1\.0" 200 -\n/);
    assertMatch(command.stderr(), /\] "GET \/a\.txt HTTP\/1\.1" 200 -\n/);
    assertMatch(command.stderr(), /\] "GET \/a\.txt" 200 -\n/);
    assertMatch(command.stderr(), /\] code 404, message File not found\n.*\] "GET \/nope HTTP\/1\.0" 404 -\n/);
  });
  await t.step("it ends at once", async () => assertEquals(await command.stop("SIGTERM"), 0));
});

Deno.test("--protocol HTTP/1.0 with a log format other than Python's has no line for malformed requests", async () => {
  await using tree = await tempTree({ "a.txt": "hello" });
  await using command = await start([tree.path, "-p", "HTTP/1.0", "--log-format", "common"]);
  await exchange(command.port, "GARBAGE\r\n\r\n");
  await exchange(command.port, "GET /a.txt HTTP/1.0\r\n\r\n");
  await command.untilStderr(`"GET /a.txt HTTP/1.0" 200 5`);
  assertEquals(command.stderr().includes("GARBAGE"), false);
});

Deno.test("--protocol HTTP/1.0 takes uploads and runs programs", async () => {
  await using tree = await tempTree({
    "in/": "",
    "cgi-bin/echo": "#!/bin/sh\necho 'Content-Type: text/plain'; echo; echo \"$SERVER_PROTOCOL $QUERY_STRING\"; cat\n",
  });
  await Deno.chmod(tree.at("cgi-bin/echo"), 0o755);
  await using command = await start([
    tree.path,
    "-p",
    "HTTP/1.0",
    "--upload",
    "--cgi",
    "--upload-beside-programs",
    "/in",
  ]);
  const form = [
    "--x",
    'Content-Disposition: form-data; name="file"; filename="new.txt"',
    "",
    "uploaded",
    "--x--",
    "",
  ].join("\r\n");
  const head = "POST /in/ HTTP/1.0\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=x\r\n";
  const sent = await reply(command.port, `${head}Content-Length: ${form.length}\r\n\r\n${form}`);
  assert(sent.status < 400, sent.head + sent.text);
  assertEquals(await Deno.readTextFile(tree.at("in/new.txt")), "uploaded");
  const chunked = await reply(
    command.port,
    "POST /cgi-bin/echo?q HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
  );
  assertEquals([chunked.status, chunked.text], [200, "HTTP/1.1 q\nabc"]);
});

Deno.test("a client that disconnects ends its program, before and after its first output", async () => {
  for (const head of ["", "printf 'Content-Type: text/plain\\n\\nbegun'\n"]) {
    await using tree = await tempTree({ "cgi-bin/long": `#!/bin/sh\necho $$ > ../pid\n${head}sleep 60\n` });
    await Deno.chmod(tree.at("cgi-bin/long"), 0o755);
    await using command = await start([tree.path, "-p", "HTTP/1.0", "--cgi"]);
    using client = await Client.connect(command.port);
    await client.say("GET /cgi-bin/long HTTP/1.0\r\n\r\n");
    if (head) await client.hear("begun");
    const pid = () => Number(Deno.readTextFileSync(tree.at("pid")));
    await until(() => Deno.statSync(tree.path).isDirectory && exists(tree.at("pid")) && pid() > 0, "it has begun");
    client.conn.close();
    await until(() => !isRunning(pid()), "the program has ended");
  }
});

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

Deno.test("--protocol HTTP/1.0 over TLS", async () => {
  await using tree = await tempTree({ "a.txt": "hello" });
  const tls = await makeCertificate(tree.path);
  const cert = await Deno.readTextFile(tls.cert);
  await using command = await start([tree.path, "-p", "HTTP/1.0", ...tls.options]);
  using conn = await Deno.connectTls({ hostname: "127.0.0.1", port: command.port, caCerts: [cert] });
  await conn.write(latin1("GET /a.txt HTTP/1.0\r\n\r\n"));
  const heard = await new Response(conn.readable).bytes();
  assertEquals([parseResponse(heard).head.slice(0, 15), parseResponse(heard).text], ["HTTP/1.0 200 OK", "hello"]);
});

Deno.test({
  name: "--protocol HTTP/1.0 with several processes",
  ignore: Deno.build.os !== "linux",
  async fn() {
    await using tree = await tempTree({ "a.txt": "hello" });
    await using command = await start([tree.path, "-p", "HTTP/1.0", "--workers", "2"]);
    for (let count = 0; count < 6; count++) {
      assertStringIncludes(await exchange(command.port, "GET /a.txt HTTP/1.0\r\n\r\n"), "HTTP/1.0 200 OK");
    }
    assertEquals(await command.stop("SIGTERM"), 0);
  },
});

Deno.test("a drain lets a reply finish, an abort truncates it", async () => {
  for (const way of ["drain", "abort"] as const) {
    const begun = Promise.withResolvers<ReadableStreamDefaultController<Uint8Array>>();
    const cancelled = Promise.withResolvers<void>();
    const body = () =>
      new ReadableStream<Uint8Array>({ start: (it) => begun.resolve(it), cancel: () => cancelled.resolve() });
    const server = serveClassic(() => new Response(body()), { hostname: "127.0.0.1", port: 0 });
    using client = await Client.connect(server.address.port);
    await client.say("GET / HTTP/1.0\r\n\r\n");
    const controller = await begun.promise;
    await client.hear("\r\n\r\n");
    const ended = server[way]();
    if (way === "drain") {
      controller.enqueue(latin1("the end"));
      controller.close();
    } else await cancelled.promise;
    await ended;
    await server.finished;
    assertEquals((await client.hear()).endsWith("\r\n\r\nthe end"), way === "drain");
  }
});

Deno.test("a body that stalls is 408, one that is malformed 400, to uploads and programs as well", async () => {
  await using tree = await tempTree({ "cgi-bin/cat": "#!/bin/sh\nprintf 'Content-Type: a/b\\n\\n'; cat\n", "up/": "" });
  await Deno.chmod(tree.at("cgi-bin/cat"), 0o755);
  const source = disk(tree.path);
  const reading: Handler = (request, { target }) => target.path.text === "/read" ? read(request) : null;
  const uploads = upload(source, { rights: { create: true, change: true } });
  const fetch = toFetch(chain(reading, cgi(source), uploads), { hosts: "any" });
  const server = serveClassic(fetch, { hostname: "127.0.0.1", port: 0, stallMs: 300 });
  for (const line of ["POST /cgi-bin/cat", "PUT /up/a.txt", "POST /read"]) {
    const head = `${line} HTTP/1.1\r\nHost: localhost\r\n`;
    const stalled = await reply(server.address.port, `${head}Content-Length: 9\r\n\r\nabc`);
    assertEquals(stalled.status, 408, `${line}: ${stalled.text}`);
    const malformed = await reply(server.address.port, `${head}Transfer-Encoding: chunked\r\n\r\nxyz\r\n`);
    assertEquals([malformed.status, malformed.text.includes("Bad chunk size")], [400, true], line);
  }
  await server.drain();
});

async function read(request: Request): Promise<Response> {
  return new Response(await request.bytes());
}

Deno.test("a handler's connection headers are not passed on: the engine closes the connection, and sends no chunks", async () => {
  const said = {
    "connection": "keep-alive, upgrade",
    "keep-alive": "timeout=5",
    "proxy-connection": "keep-alive",
    "te": "trailers",
    "trailer": "x",
    "transfer-encoding": "chunked",
    "upgrade": "x",
    "x-kept": "yes",
  };
  const server = serveClassic(() => new Response("hello", { headers: said }), { hostname: "127.0.0.1", port: 0 });
  for (const version of ["HTTP/1.0\r\nConnection: keep-alive", "HTTP/1.1"]) {
    const { headers, text } = await reply(server.address.port, `GET / ${version}\r\nHost: a\r\n\r\n`);
    assertEquals([...headers.keys()].sort(), ["content-type", "date", "server", "x-kept"]);
    assertEquals(text, "hello");
  }
  await server.drain();
});

Deno.test("a body that fails aborts the connection, and the server keeps serving", async () => {
  const logged = emptyLog();
  const log = { access() {}, error: (message: string, cause?: unknown) => logged.add(`${message}: ${cause}`) };
  const failing = () => new ReadableStream({ pull: (controller) => controller.error(new Error("out of paper")) });
  const files = toFetch(fileServer(memory({ "a.txt": "hello" }), { log: false }));
  const fetch = (request: Request) => request.url.endsWith("/bad") ? new Response(failing()) : files(request);
  const server = serveClassic(fetch, { hostname: "127.0.0.1", port: 0, log });
  assertStringIncludes(await exchange(server.address.port, "GET /bad HTTP/1.0\r\n\r\n"), "HTTP/1.0 200 OK");
  await logged.until("out of paper");
  assertStringIncludes(await exchange(server.address.port, "GET /a.txt HTTP/1.0\r\n\r\n"), "hello");
  await server.drain();
});
