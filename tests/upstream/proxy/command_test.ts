/** The option --proxy: applications over TCP, TLS and a Unix socket, with each engine and workers; what is refused. */

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { main } from "../../../cli.ts";
import { makeCertificate } from "../../support/certificate.ts";
import { start } from "../../support/command.ts";
import { application } from "../../support/proxy_site.ts";
import { ask } from "../../support/raw.ts";
import { tempTree } from "../../support/tree.ts";
import { within } from "../../support/wait.ts";

const ON_LINUX = Deno.build.os === "linux" ? [["--workers", "2"], ["--engine", "native"]] : [];

Deno.test("the command passes requests on, with each engine and with workers", async (t) => {
  await using tree = await tempTree({ "a.txt": "a file" });
  await using app = application();
  const upload = new Uint8Array(300_000).fill(120);
  for (const words of [[], ["-p", "HTTP/1.0"], ...ON_LINUX]) {
    await t.step(words.join(" ") || "HTTP/1.1", async () => {
      await using command = await start([tree.path, "--proxy", `/api=${app.url}`, ...words]);
      const url = `http://127.0.0.1:${command.port}`;
      assertEquals(await (await fetch(`${url}/a.txt`)).text(), "a file");
      const seen = await (await fetch(`${url}/api/x?y`, { method: "POST", body: upload })).json();
      assertEquals([seen.method, seen.target, seen.body.length], ["POST", "/api/x?y", upload.length]);
      await command.untilStderr('"POST /api/x?y HTTP/1.');
      if (words[0] !== "-p") return;
      const upgrade = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="];
      assertEquals((await ask(command.port, "GET", "/api/", ...upgrade)).status, 501);
    });
  }
});

Deno.test(
  "an application behind a Unix socket, also for WebSockets",
  { ignore: Deno.build.os === "windows" },
  async () => {
    await using tree = await tempTree({});
    const path = tree.at("app.sock");
    const server = Deno.serve({ path, onListen() {} }, (request) => {
      if (request.headers.get("upgrade") !== "websocket") return new Response(request.headers.get("host"));
      const { socket, response } = Deno.upgradeWebSocket(request);
      socket.onmessage = ({ data }) => socket.send(data);
      return response;
    });
    await using command = await start([tree.path, "--proxy", `/api=unix:${path}`]);
    assertEquals(await (await fetch(`http://127.0.0.1:${command.port}/api`)).text(), "localhost");
    const socket = new WebSocket(`ws://127.0.0.1:${command.port}/api`);
    socket.onopen = () => socket.send("hello");
    const answer = await new Promise((resolve) => socket.onmessage = ({ data }) => resolve(data));
    assertEquals(answer, "hello");
    socket.close();
    await new Promise((resolve) => socket.onclose = resolve);
    await server.shutdown();
  },
);

Deno.test("a server that stops closes WebSockets, for which it would have to wait", {
  ignore: Deno.build.os === "windows",
}, async () => {
  await using tree = await tempTree({});
  await using app = application((request) => Deno.upgradeWebSocket(request).response);
  await using command = await start([tree.path, "--proxy", `/api=${app.url}`]);
  const socket = new WebSocket(`ws://127.0.0.1:${command.port}/api`);
  await new Promise((resolve) => socket.onopen = resolve);
  const closed = new Promise<CloseEvent>((resolve) => socket.onclose = resolve);
  const stopped = command.stop("SIGTERM");
  const { code } = await within(closed, 9_000); // the deadline is 10 seconds
  assertEquals([code, await stopped], [1001, 0]);
});

Deno.test("an application with HTTPS must have a trusted certificate", async () => {
  await using tree = await tempTree({});
  const { cert, key } = await makeCertificate(tree.path);
  const pems = { cert: await Deno.readTextFile(cert), key: await Deno.readTextFile(key) };
  const tls = { hostname: "127.0.0.1", port: 0, onListen() {}, ...pems };
  const server = Deno.serve(tls, () => new Response("secure"));
  const words = [tree.path, "--proxy", `/api=https://localhost:${server.addr.port}`];
  {
    await using command = await start(words, { env: { DENO_CERT: cert } });
    assertEquals(await (await fetch(`http://127.0.0.1:${command.port}/api`)).text(), "secure");
  }
  await using command = await start(words);
  assertStringIncludes(await (await fetch(`http://127.0.0.1:${command.port}/api`)).text(), "502 Bad Gateway");
  await command.untilStderr("certificate");
  await server.shutdown();
});

Deno.test("what makes no sense is refused in one sentence", async (t) => {
  const rows: [words: string[], sentence: string][] = [
    [["--proxy", "api=http://127.0.0.1"], "/PATH=URL"],
    [["--proxy", "/api"], "/PATH=URL"],
    [["--proxy", "/api=127.0.0.1:3000"], "not a URL such as"],
    [["--proxy", "/api=ftp://127.0.0.1"], "not a URL such as"],
    [["--proxy", "/api=http://u:p@127.0.0.1"], "contains a password"],
    [["--proxy", "/api=http://a", "--proxy", "/api/=http://b"], "twice"],
    [["--proxy-timeout", "3"], "--proxy"],
    [["--proxy-pass-auth"], "--proxy"],
  ];
  for (const [words, sentence] of rows) {
    await t.step(words.join(" "), async () => {
      let text = "";
      const write = (bytes: Uint8Array) => {
        text += new TextDecoder().decode(bytes);
        return Promise.resolve(bytes.length);
      };
      assertEquals(await main(words, { out() {}, err: { write }, env: {} }), 2);
      assertStringIncludes(text, sentence);
      assertMatch(text, /^pyserve: [^\n]*\n$/);
    });
  }
});
