/** Certificates of the machine's own authority that are renewed while servers use them. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { type RunningServer, serve, toFetch } from "@x/pyserve";
import { inDirectory, inMemory } from "../../handlers/certificates/keeping.ts";
import type { WantedNames } from "../../handlers/certificates/local_authority.ts";
import { serveClassic } from "../../handlers/python/transport.ts";
import { LocalCertificates } from "../../handlers/transport/local_certificates.ts";
import { missing } from "../support/programs.ts";
import { tempTree } from "../support/tree.ts";
import { until } from "../support/wait.ts";

const DAY_MS = 24 * 60 * 60 * 1000;

/** The interval of looking for changes here, in milliseconds. */
const INTERVAL = 10;

const NAMES: WantedNames = { names: ["localhost"], given: ["localhost"], addresses: ["127.0.0.1"] };

function logTo(lines: string[]) {
  return { access() {}, error: (line: string) => void lines.push(line) };
}

/** The certificate that a server shows to a new connection of openssl, without its last line. */
async function shownTo(port: number): Promise<string> {
  const args = ["s_client", "-connect", `127.0.0.1:${port}`];
  const { stdout } = await new Deno.Command("openssl", { args, stdin: "null", stderr: "null" }).output();
  return /-----BEGIN CERTIFICATE-----[^-]*/.exec(new TextDecoder().decode(stdout))?.[0] ?? "";
}

for (const [name, engine] of [["serve", serve], ["serveClassic", serveClassic]] as const) {
  Deno.test({
    name: `${name}: it is renewed in time without dropping a download, and clients that trust the authority accept it`,
    ignore: Deno.build.os !== "linux" || missing("openssl"),
    async fn() {
      await using tree = await tempTree({ "state/": "" });
      const lines: string[] = [];
      // Both the certificate made then and the one made now are valid now, for the client.
      let now = Date.now() - 61 * DAY_MS;
      using local = await LocalCertificates.open({
        keeping: await inDirectory(tree.at("state")),
        names: () => NAMES,
        log: logTo(lines),
        interval: INTERVAL,
        now: () => now,
      });
      const first = local.current;
      const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
      const long = writable.getWriter();
      const handler = toFetch((request) => new Response(request.url.endsWith("/long") ? readable : "hello"));
      const server: RunningServer = engine(handler, { hostname: "127.0.0.1", port: 0, tls: local.certificates });
      const url = `https://localhost:${server.address.port}`;
      using client = Deno.createHttpClient({ caCerts: [first.authority] });
      const download = await fetch(`${url}/long`, { client });
      const reader = download.body!.getReader();
      const text = async () => new TextDecoder().decode((await reader.read()).value);
      long.write(new TextEncoder().encode("before"));
      assertEquals(await text(), "before");

      now += 59 * DAY_MS;
      await new Promise((resolve) => setTimeout(resolve, 3 * INTERVAL));
      assertEquals([local.current, lines], [first, []], "not before it is time");
      now += 2 * DAY_MS;
      await until(() => local.current !== first);
      assertEquals([local.current.authority, local.current.key === first.key], [first.authority, false]);
      assertEquals(local.certificates.current().key, local.current.key);
      assertEquals(lines, ["New certificate in use for localhost, 127.0.0.1"]);

      assertEquals(await shownTo(server.address.port), local.current.cert.split("-----END", 1)[0]);
      using fresh = Deno.createHttpClient({ caCerts: [first.authority] });
      assertEquals(await (await fetch(`${url}/a`, { client: fresh })).text(), "hello");
      long.write(new TextEncoder().encode("after"));
      assertEquals(await text(), "after");
      long.close();
      assertEquals((await reader.read()).done, true);
      await server.drain();
    },
  });
}

Deno.test("a new address has a new certificate; one that has gone has not, because it may come back", async () => {
  const lines: string[] = [];
  let addresses = ["127.0.0.1", "192.168.1.5"];
  let looks = 0;
  const names = () => {
    looks += 1;
    return { ...NAMES, addresses };
  };
  using local = await LocalCertificates.open({ keeping: inMemory(), names, log: logTo(lines), interval: INTERVAL });
  const first = local.current;
  const looked = async () => {
    const target = looks + 2;
    await until(() => looks >= target);
  };
  addresses = ["127.0.0.1"];
  await looked();
  assertEquals(local.current, first);
  addresses = ["127.0.0.1", "10.0.0.5"];
  await until(() => local.current !== first);
  assertEquals(local.current.names.addresses, addresses);
  assertEquals([local.current.authority, lines.length], [first.authority, 1]);
  const second = local.current;
  addresses = ["127.0.0.1", "10.0.0.5", "203.0.113.9"];
  await looked();
  assertEquals(local.current, second, "the authority cannot sign for it");
  assertEquals(lines, ["New certificate in use for localhost, 127.0.0.1, 10.0.0.5"]);
});

Deno.test("a clock that is set back or far ahead leads to a valid certificate", async () => {
  const lines: string[] = [];
  const start = Date.now();
  let now = start + 300 * DAY_MS;
  using local = await LocalCertificates.open({
    keeping: inMemory(),
    names: () => NAMES,
    log: logTo(lines),
    interval: INTERVAL,
    now: () => now,
  });
  const first = local.current;
  now = start;
  await until(() => local.current !== first);
  assert(local.current.begins <= now);
  assertEquals(local.current.reason, "not valid yet");
  assertMatch(
    lines.join("\n"),
    /^New certificate .*\nIt is signed by a new authority, SHA-256 \S+ \(the old one was made while the clock was ahead\): install it again$/,
  );
  const second = local.current;
  now = start + 20_000 * DAY_MS;
  await until(() => local.current !== second);
  assertEquals(local.current.reason, "expired");
});

Deno.test("while the renewal fails, the old certificate stays in use, which is said once", async () => {
  await using tree = await tempTree({ "state/": "" });
  const lines: string[] = [];
  let now = Date.now();
  let looks = 0;
  using local = await LocalCertificates.open({
    keeping: await inDirectory(tree.at("state")),
    names: () => NAMES,
    log: logTo(lines),
    interval: INTERVAL,
    now: () => {
      looks += 1;
      return now;
    },
  });
  const first = local.current;
  await Deno.rename(tree.at("state"), tree.at("away"));
  now += 61 * DAY_MS;
  const target = looks + 5;
  await until(() => looks >= target);
  assertEquals([local.current, lines.length], [first, 1]);
  assertMatch(lines[0]!, /^The old certificate stays in use\. .*No such file/);
  await Deno.rename(tree.at("away"), tree.at("state"));
  await until(() => local.current !== first);
  assertMatch(lines[1]!, /^New certificate in use/);
});
