/** Certificates that are exchanged while the server runs. */

import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { Certificates, HTTPSServer, type RunningServer, serve, SimpleHTTPRequestHandler, toFetch } from "@x/pyserve";
import type { TlsPair } from "@x/pyserve/handlers";
import { serveClassic } from "../../handlers/python/transport.ts";
import { makeNamedCertificate, setValidity, shownBy } from "../support/named_certificate.ts";
import { runCommand, type RunningCommand, start } from "../support/command.ts";
import { openssl } from "../support/certificate.ts";
import { CLI } from "../support/paths.ts";
import { missing } from "../support/programs.ts";
import { childrenOf } from "../support/processes.ts";
import { tempTree } from "../support/tree.ts";
import { until } from "../support/wait.ts";

/** A pair that is refused, and why. */
type Row = readonly [pair: TlsPair, problem: RegExp];

const BROKEN = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

/** Keys that openssl makes, and that the TLS library of Deno does not know. */
const UNKNOWN_KEYS = {
  k1: "ec -pkeyopt ec_paramgen_curve:secp256k1",
  rsa1024: "rsa:1024",
  ed448: "ed448",
} as const;

async function makeUnusable(directory: string, name: keyof typeof UNKNOWN_KEYS): Promise<TlsPair> {
  const made = `-nodes -days 2 -subj /CN=${name} -keyout ${name}.key -out ${name}.pem`;
  await openssl(`req -x509 -newkey ${UNKNOWN_KEYS[name]} ${made}`, directory);
  return {
    cert: Deno.readTextFileSync(`${directory}/${name}.pem`),
    key: Deno.readTextFileSync(`${directory}/${name}.key`),
  };
}

const IGNORE = { ignore: Deno.build.os !== "linux" || missing("openssl", "curl") } as const;

const ENGINES = [["serve", serve], ["serveClassic", serveClassic]] as const;

/** A body whose parts are sent when told to. */
function longAnswer(): { body: ReadableStream<Uint8Array>; more: (text: string) => void; end: () => void } {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const writer = writable.getWriter();
  const more = (text: string) => void writer.write(new TextEncoder().encode(text));
  return { body: readable, more, end: () => void writer.close() };
}

/** Connections one after the other, each with a request, until told to stop; what failed. */
function connectInALoop(port: number, cert: string) {
  let stopped = false;
  const failures: string[] = [];
  const answered = [0, 0, 0];
  const loop = async (index: number) => {
    while (!stopped) {
      try {
        assertMatch(await askTls(port, cert), /^HTTP\/1\.[01] 200 /);
        answered[index]! += 1;
      } catch (error) {
        failures.push(String(error));
      }
    }
  };
  const running = Promise.all(answered.keys().map(loop));
  return {
    /** How many requests each loop has sent at least. */
    answered: () => Math.min(...answered),
    async stop() {
      stopped = true;
      await running;
      return failures;
    },
  };
}

async function askTls(port: number, caCerts: string): Promise<string> {
  using conn = await Deno.connectTls({ hostname: "127.0.0.1", port, caCerts: [caCerts], alpnProtocols: ["http/1.1"] });
  await conn.write(new TextEncoder().encode("GET /a.txt HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
  return await new Response(conn.readable).text();
}

for (const [name, engine] of ENGINES) {
  Deno.test({
    ...IGNORE,
    name: `${name}: new connections have the new certificate, and none is refused or cut for it`,
    async fn() {
      await using tree = await tempTree();
      const pairs = [
        await makeNamedCertificate(tree.path, "first"),
        await makeNamedCertificate(tree.path, "second"),
      ] as const;
      const certificates = new Certificates(pairs[0]);
      const long = longAnswer();
      const fetch = toFetch((request) => new Response(request.url.endsWith("/long") ? long.body : "hello"));
      const server: RunningServer = engine(fetch, { hostname: "127.0.0.1", port: 0, tls: certificates });
      const { port } = server.address;
      assertEquals(await shownBy(port), "first");
      const client = Deno.createHttpClient({ caCerts: pairs.map(({ cert }) => cert) });
      const download = await globalThis.fetch(`https://localhost:${port}/long`, { client });
      long.more("before ");
      const loop = connectInALoop(port, pairs.map(({ cert }) => cert).join(""));
      for (let round = 1; round <= 10; round++) {
        certificates.replace(pairs[round % 2]!);
        assertEquals(certificates.current(), pairs[round % 2]);
        assertEquals(await shownBy(port), ["first", "second"][round % 2]);
        // A connection that has no request yet is closed by the next but one replacement.
        const target = loop.answered() + 1;
        await until(() => loop.answered() >= target);
      }
      assertEquals(await loop.stop(), []);
      long.more("after");
      long.end();
      assertEquals(await download.text(), "before after");
      client.close();
      await server.drain();
    },
  });

  Deno.test({
    ...IGNORE,
    name: `${name}: a pair that cannot be used leaves everything as it was`,
    async fn() {
      await using tree = await tempTree();
      const [first, second] = [
        await makeNamedCertificate(tree.path, "first"),
        await makeNamedCertificate(tree.path, "second"),
      ];
      const certificates = new Certificates(first);
      const server: RunningServer = engine(() => new Response(), { hostname: "127.0.0.1", port: 0, tls: certificates });
      const expired = await setValidity(tree.path, "first", -1);
      const missing = { cert: undefined, key: undefined } as unknown as TlsPair;
      const rows: readonly Row[] = [
        [{ cert: first.cert, key: second.key }, /./],
        [{ cert: "", key: "" }, /contains no PEM certificate/],
        [{ cert: "x", key: "y" }, /contains no PEM certificate/],
        [{ cert: expired, key: first.key }, /the certificate expired on \d/],
        [{ cert: second.cert + expired, key: second.key }, /a certificate of the chain expired on \d/],
        ...[BROKEN, second.cert.slice(0, 200), second.cert.replace(/\n.{9}/, "\n")].map((chain): Row => [
          { cert: second.cert + chain, key: second.key },
          /a certificate of the chain is invalid/,
        ]),
        [await makeUnusable(tree.path, "k1"), /./],
        [missing, /both the certificate and its key/],
        [{ ...missing, cert: second.cert }, /both the certificate and its key/],
      ];
      for (const [pair, problem] of rows) {
        assertMatch(assertThrows(() => certificates.replace(pair), Error).message, problem);
        assertEquals([certificates.current(), await shownBy(server.address.port)], [first, "first"]);
      }
      await server.abort();
      certificates.replace(second); // no longer used
    },
  });
}

Deno.test({
  ...IGNORE,
  name: "one connection of HTTP/2 outlives an exchange, and abort ends it",
  async fn() {
    await using tree = await tempTree();
    const pairs = [
      await makeNamedCertificate(tree.path, "first"),
      await makeNamedCertificate(tree.path, "second"),
    ] as const;
    const certificates = new Certificates(pairs[0]);
    const peers = new Set<number>();
    const server = serve((_request, info) => {
      peers.add((info!.remoteAddr as Deno.NetAddr).port);
      return new Response("hello");
    }, { hostname: "127.0.0.1", port: 0, tls: certificates });
    using client = Deno.createHttpClient({ caCerts: pairs.map(({ cert }) => cert), http1: false });
    const ask = async () => await (await fetch(`https://localhost:${server.address.port}/`, { client })).text();
    assertEquals(await ask(), "hello");
    certificates.replace(pairs[1]);
    assertEquals([await ask(), peers.size], ["hello", 1]);
    await server.abort();
    assertEquals(await ask().catch(() => "gone"), "gone");
  },
});

Deno.test("without a certificate or a key, HTTPS is refused, and plain HTTP never takes its place", () => {
  for (const pair of [{}, { cert: undefined, key: undefined }, { cert: null, key: null }, { cert: "x" }, null]) {
    const tls = pair as unknown as TlsPair;
    for (const [, engine] of ENGINES) {
      assertThrows(() => engine(() => new Response(), { hostname: "127.0.0.1", port: 0, tls }), TypeError);
    }
    assertThrows(() => new Certificates(tls), TypeError);
  }
  for (const options of [{}, { certfile: undefined, keyfile: undefined }, { certfile: null }, null, undefined]) {
    const tls = options as unknown as ConstructorParameters<typeof HTTPSServer>[3];
    assertThrows(() => new HTTPSServer(["127.0.0.1", 0], SimpleHTTPRequestHandler, true, tls), TypeError);
  }
});

/** What the command serves. */
async function tlsSite() {
  const tree = await tempTree({ "site/a.txt": "hello", "site/big.bin": new Uint8Array(20_000_000) });
  const pairs = [
    await makeNamedCertificate(tree.path, "first"),
    await makeNamedCertificate(tree.path, "second"),
  ] as const;
  const args = [tree.at("site"), "--tls-cert", tree.at("live/cert.pem"), "--tls-key", tree.at("live/key.pem")];
  await Deno.mkdir(tree.at("live"));
  const link = async (target: string, name: string) => {
    await Deno.symlink(target, tree.at("live/new"));
    await Deno.rename(tree.at("live/new"), tree.at(`live/${name}`));
  };
  return {
    tree,
    pairs,
    args,
    /** Exchanges the links as certbot does. */
    async renew(name: string) {
      await link(`../${name}.pem`, "cert.pem");
      await link(`../${name}.key`, "key.pem");
    },
    linkKey: (name: string) => link(`../${name}.key`, "key.pem"),
    [Symbol.asyncDispose]: () => tree[Symbol.asyncDispose](),
  };
}

const DOORS: readonly (readonly [args: string[], http: string])[] = [
  [[], "--http2"],
  [["-p", "HTTP/1.0"], "--http1.1"],
  [["--workers", "2"], "--http2"],
];

for (const [more, http] of DOORS) {
  Deno.test({
    ...IGNORE,
    name: `changed files are read again, and a long download continues: ${more.join(" ") || "by default"}`,
    async fn() {
      await using site = await tlsSite();
      await site.renew("first");
      await using server = await start([...site.args, ...more]);
      assertEquals(await shownBy(server.port), "first");
      const download = slowDownload(server, http);
      await download.begun;
      await site.renew("second");
      await server.untilStderr("New certificate in use, valid until ");
      await until(async () => await shownBy(server.port) === "second");
      assertEquals(await download.end(), 20_000_000);
      await site.linkKey("first");
      await server.untilStderr("it does not match the private key");
      for (let round = 0; round < 4; round++) assertEquals(await shownBy(server.port), "second");
      const lines = server.stderr().split("\n").filter((line) => line.startsWith("pyserve:"));
      assertMatch(lines[0]!, /^pyserve: New certificate in use, valid until \d{4}-\d\d-\d\d$/);
      assertEquals(lines.slice(1), [
        "pyserve: The old certificate stays in use. Cannot use the certificate: it does not match the private key",
      ]);
      assertEquals(await server.stop("SIGTERM"), 0);
    },
  });
}

for (const [more] of DOORS) {
  Deno.test({
    ...IGNORE,
    name: `a new pair that the platform cannot use stays unused, and workers restart with the old one: ${
      more.join(" ") || "by default"
    }`,
    async fn() {
      await using site = await tlsSite();
      await site.renew("first");
      const { tree } = site;
      for (const name of ["k1", "rsa1024", "ed448"] as const) await makeUnusable(tree.path, name);
      await Deno.copyFile(tree.at("second.key"), tree.at("broken.key"));
      await Deno.writeTextFile(tree.at("broken.pem"), site.pairs[1].cert + BROKEN);
      await using server = await start([...site.args, ...more]);
      for (const [index, name] of ["k1", "rsa1024", "ed448", "broken"].entries()) {
        await site.renew(name);
        await until(() => server.stderr().split("The old certificate stays in use.").length > index + 1);
        assertEquals(await shownBy(server.port), "first");
      }
      if (more[0] === "--workers") {
        const [worker] = childrenOf(server.process.pid);
        Deno.kill(worker!, "SIGKILL");
        await server.untilStderr("starting another");
        await until(() =>
          childrenOf(server.process.pid).length === 2 && !childrenOf(server.process.pid).includes(worker!)
        );
        for (let round = 0; round < 8; round++) assertEquals(await shownBy(server.port), "first");
      }
      await site.renew("second");
      await server.untilStderr("New certificate in use");
      await until(async () => await shownBy(server.port) === "second");
      assert(!/New certificate[^]*stays in use/.test(server.stderr()), server.stderr());
      assertEquals(await server.stop("SIGTERM"), 0);
    },
  });
}

for (const more of [[], ["-p", "HTTP/1.0"], ["--workers", "2"]]) {
  Deno.test({
    ...IGNORE,
    name: `without the permissions, the log says that a restart is needed: ${more.join(" ") || "by default"}`,
    async fn() {
      await using site = await tlsSite();
      await site.renew("first");
      const run = ["--no-prompt", "--allow-read", "--allow-net", `--allow-run=${Deno.execPath()}`, CLI];
      await using server = await start([...site.args, ...more], { run });
      await site.renew("second");
      await server.untilStderr("Restart pyserve");
      assertEquals(await shownBy(server.port), "first");
      assertEquals(server.stderr(), `pyserve: The old certificate stays in use. ${RESTART}\n`);
    },
  });
}

const RESTART = "Restart pyserve to use the new one: replacing it at run time needs Linux, --allow-ffi and --allow-net";

/** curl, which reads on only when told to. */
function slowDownload({ port }: RunningCommand, http: string) {
  const args = ["-sSkN", http, "--output", "-", `https://127.0.0.1:${port}/big.bin`];
  const { stdout } = new Deno.Command("curl", { args, stdout: "piped", stderr: "null" }).spawn();
  const reader = stdout.getReader();
  let count = 0;
  const read = async () => {
    const { value } = await reader.read();
    count += value?.length ?? 0;
    return value !== undefined;
  };
  return {
    begun: read().then(assert),
    async end() {
      while (await read());
      return count;
    },
  };
}

Deno.test({
  ...IGNORE,
  name: "a certificate that cannot be used is one sentence at the start",
  async fn() {
    await using tree = await tempTree({ "site/": "" });
    await makeNamedCertificate(tree.path, "first");
    await makeNamedCertificate(tree.path, "second");
    await makeNamedCertificate(tree.path, "old");
    await setValidity(tree.path, "old", -1);
    const rows: readonly [cert: string, key: string, sentence: RegExp][] = [
      ["old.pem", "old.key", /^pyserve: Cannot use ".*old\.pem": the certificate expired on \d{4}-\d\d-\d\d\n$/],
      ["first.pem", "second.key", /^pyserve: Cannot use the certificate: it does not match the private key\n$/],
      ["first.key", "first.key", /^pyserve: Cannot use ".*first\.key": it contains no PEM certificate\n$/],
    ];
    for (const more of [[], ["-p", "HTTP/1.0"], ["--workers", "2"]]) {
      for (const [cert, key, sentence] of rows) {
        const args = ["--tls-cert", tree.at(cert), "--tls-key", tree.at(key), "-b", "127.0.0.1", "0"];
        const { code, stdout, stderr } = await runCommand([tree.at("site"), ...args, ...more]);
        assertEquals([code, stdout], [1, ""]);
        assertMatch(stderr, sentence);
      }
    }
  },
});
