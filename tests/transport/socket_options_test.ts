/** Socket options that accepted connections inherit from the listener. */

import { assertEquals } from "@std/assert";
import { dirname } from "@std/path/dirname";
import { join } from "@std/path/join";
import { startProcess } from "../support/command.ts";
import { bigSite, limited } from "../support/flood.ts";
import { makeNamedCertificate } from "../support/named_certificate.ts";
import { passedSocket } from "../support/passed_socket.ts";
import { until } from "../support/wait.ts";

const SERVER = join(import.meta.dirname!, "options_server.ts");
const EXPECTED = { noDelay: 1, userTimeout: 60_000, keepAlive: 1, keepIdle: 60 };

const SERVERS = [["https", "tcp"], ["http", "tcp"], ["https", "inherited"], ["http", "inherited"]] as const;

for (const [scheme, kind] of SERVERS) {
  limited(
    `over ${scheme} (${kind}) small responses go out at once and vanished clients are noticed, also after the descriptors ran out`,
    async () => {
      await using site = await bigSite();
      const secure = scheme === "https";
      using socket = kind === "inherited" ? passedSocket() : null;
      const command = [Deno.execPath(), "run", "-A", "--no-lock", SERVER, ...secure ? [site.cert, site.key] : []];
      const env = socket ? { FD: String(socket.fd) } : {};
      await using server = await startProcess("bash", ["-c", 'ulimit -n 64; exec "$0" "$@"', ...command], { env });
      const url = `${scheme}://127.0.0.1:${server.port}/`;
      for (const version of secure ? ["--http1.1", "--http2"] : ["--http1.1"]) {
        assertEquals(await optionsOf(version, url), EXPECTED);
      }
      // The connection that asks for it is one of before.
      for (const target of secure ? ["exchange", "", "exchange", ""] : []) {
        assertEquals(await optionsOf("--http1.1", url + target), EXPECTED);
      }
      const idle = await connections(server.port, 100);
      await server.untilStderr("Out of file descriptors");
      for (const connection of idle) connection.close();
      // Connections that were waiting when the new listener opened, before it had its options, do not have them.
      const expected = JSON.stringify(EXPECTED);
      await until(async () => JSON.stringify(await optionsOf("--http1.1", url).catch(() => null)) === expected);
    },
  );
}

limited("a pair that does not match, given while there are no descriptors, does not keep the server down", async () => {
  await using site = await bigSite();
  await makeNamedCertificate(dirname(site.cert), "other");
  const command = [Deno.execPath(), "run", "-A", "--no-lock", SERVER, site.cert, site.key];
  const env = { OTHER_KEY: join(dirname(site.cert), "other.key") };
  await using server = await startProcess("bash", ["-c", 'ulimit -n 64; exec "$0" "$@"', ...command], { env });
  const idle = await connections(server.port, 100);
  await server.untilStderr("Out of file descriptors");
  for (const connection of idle) connection.close();
  const url = `https://127.0.0.1:${server.port}/`;
  await until(() => optionsOf("--http1.1", url).then(() => true, () => false));
});

async function optionsOf(version: string, url: string): Promise<unknown> {
  const { stdout } = await new Deno.Command("curl", { args: ["-sk", version, url], stderr: "null" }).output();
  return JSON.parse(new TextDecoder().decode(stdout));
}

/** As many connections as the server accepts. */
async function connections(port: number, count: number): Promise<Deno.TcpConn[]> {
  const opening = Array.from({ length: count }, () => Deno.connect({ hostname: "127.0.0.1", port }));
  const opened = await Promise.allSettled(opening);
  return opened.filter((each) => each.status === "fulfilled").map(({ value }) => value);
}
