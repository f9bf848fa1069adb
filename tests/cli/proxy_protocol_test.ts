/** `--forwarded proxy-protocol`, with HAProxy. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { makeCertificate } from "../support/certificate.ts";
import { ENGINES, runCommand, start } from "../support/command.ts";
import { freePort } from "../support/port.ts";
import { missing } from "../support/programs.ts";
import { ask, latin1, raw } from "../support/raw.ts";
import { type TempTree, tempTree } from "../support/tree.ts";
import { until } from "../support/wait.ts";

const WHO = '#!/bin/sh\nprintf "Content-Type: text/plain\\n\\n$REMOTE_ADDR $REMOTE_PORT $REQUEST_SCHEME"\n';

async function site(): Promise<TempTree> {
  const tree = await tempTree({ "site/a.txt": "a", "site/cgi-bin/who": WHO });
  await Deno.chmod(tree.at("site/cgi-bin/who"), 0o755);
  return tree;
}

const WORDS = ["--trusted-proxy", "127.0.0.1", "--forwarded", "proxy-protocol"];

/** The ways in which HAProxy sends the header, and whether it tells that the client uses TLS. */
const FORMS: [word: string, tls: boolean][] = [
  ["send-proxy", false],
  ["send-proxy-v2", false],
  ["send-proxy-v2-ssl", true],
];

Deno.test("HAProxy names the client, in each version", { ignore: missing("haproxy", "openssl") }, async (t) => {
  await using tree = await site();
  const { cert, key } = await makeCertificate(tree.path);
  await Deno.writeTextFile(tree.at("both.pem"), Deno.readTextFileSync(cert) + Deno.readTextFileSync(key));
  for (const more of [...ENGINES, ...Deno.build.os === "linux" ? [["--workers", "2"]] : []]) {
    await using server = await start([tree.at("site"), "--cgi", ...WORDS, ...more]);
    for (const [form, tellsTls] of FORMS) {
      await t.step([form, ...more].join(" "), async () => {
        await using proxy = await haproxy(tree, server.port, form);
        const { text } = await ask(proxy.port, "GET", "/cgi-bin/who", "X-Forwarded-For: 6.6.6.6");
        assertEquals(text.replace(/ \d+ /, " PORT "), "127.0.0.2 PORT http");
        const secured = await Deno.connect({ hostname: "127.0.0.1", port: proxy.tlsPort });
        const tls = await Deno.startTls(secured, { hostname: "localhost", caCerts: [Deno.readTextFileSync(cert)] });
        await tls.write(latin1("GET /cgi-bin/who HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
        assertStringIncludes(await new Response(tls.readable).text(), tellsTls ? " https" : " http");
      });
    }
    assertEquals(await server.stop("SIGTERM"), 0);
    assertStringIncludes(server.stderr(), "127.0.0.2 - - ");
  }
});

/** HAProxy in front of a port, for HTTP and HTTPS; its clients have the address 127.0.0.2. */
async function haproxy(tree: TempTree, port: number, form: string) {
  const [own, tls] = [freePort(), freePort()];
  await Deno.writeTextFile(
    tree.at("haproxy.cfg"),
    `defaults
 mode tcp
 timeout client 10s
 timeout server 10s
 timeout connect 5s
listen web
 bind 127.0.0.1:${own}
 bind 127.0.0.1:${tls} ssl crt ${tree.at("both.pem")}
 tcp-request connection set-src ipv4(127.0.0.2)
 server site 127.0.0.1:${port} ${form}
`,
  );
  const process = new Deno.Command("haproxy", { args: ["-db", "-q", "-f", tree.at("haproxy.cfg")], stderr: "inherit" })
    .spawn();
  await until(async () =>
    (await raw(own, "GET / HTTP/1.0\r\nHost: localhost\r\n\r\n").catch(() => null))?.status === 200
  );
  return {
    port: own,
    tlsPort: tls,
    async [Symbol.asyncDispose]() {
      process.kill("SIGTERM");
      await process.status;
    },
  };
}

Deno.test("the form alone means nothing", async () => {
  const { code, stderr } = await runCommand(["--forwarded", "proxy-protocol"]);
  assertEquals(code, 2);
  assertStringIncludes(stderr, "--forwarded needs --trusted-proxy");
});

Deno.test("without the permission to connect to itself, it does not start", async () => {
  await using tree = await tempTree({ "a.txt": "a" });
  const port = freePort();
  const run = ["--allow-read", `--allow-net=127.0.0.1:${port}`, "--no-prompt", "cli.ts"];
  const { code, stderr } = await runCommand([tree.path, "-b", `127.0.0.1:${port}`, ...WORDS], {
    run,
    cwd: new URL("../..", import.meta.url).pathname,
  });
  assertEquals([code, stderr.includes('Not permitted: Requires net access to "127.0.0.1"')], [1, true]);
});
