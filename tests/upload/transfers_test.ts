/** Copies, moves and recursive deletions: limited in number, and stopped when the client disconnects. */

import { assertEquals, assertMatch } from "@std/assert";
import { disk, toFetch, upload } from "@x/pyserve";
import type { FileSource } from "@x/pyserve/sources";
import { beginRequest, headOf, namesBelow, send } from "../support/upload.ts";
import { makeCertificate } from "../support/certificate.ts";
import { missing } from "../support/programs.ts";
import { type RunningCommand, start } from "../support/command.ts";
import { tempTree } from "../support/tree.ts";
import { until } from "../support/wait.ts";

const RIGHTS = { create: true, change: true };

/** A source whose files cannot be opened until told so. */
function held(source: FileSource) {
  const opened = Promise.withResolvers<void>();
  let waiting = 0;
  const stopped: FileSource = {
    stat: (path) => source.stat(path),
    list: (path) => source.list(path),
    open: async (...args: Parameters<FileSource["open"]>) => {
      waiting += 1;
      await opened.promise;
      return await source.open(...args);
    },
    openWriter: (only) => source.openWriter!(only),
  };
  return { source: stopped, release: opened.resolve, waiting: () => waiting };
}

Deno.test("copies, moves and recursive deletions are limited in all and per client; others are not", async () => {
  await using tree = await tempTree({ "dir/a.txt": "a", "gone/b.txt": "b", "c.txt": "c", "d.txt": "d" });
  const { source, release, waiting } = held(disk(tree.path));
  const transfers = { maxAtOnce: 2, maxPerClient: 1, queueTimeout: 0 };
  const fetch = toFetch(upload(source, { rights: RIGHTS, transfers }), { log: { access() {}, error() {} } });
  const ask = async (client: number, method: string, target: string, destination?: string) => {
    const headers = destination === undefined ? {} : { destination };
    const remoteAddr = { transport: "tcp", hostname: `192.0.2.${client}`, port: 1 } as const;
    const info = { remoteAddr, completed: Promise.resolve() };
    const response = await fetch(new Request(`http://localhost${target}`, { method, headers }), info);
    await response.body?.cancel();
    return [response.status, response.headers.get("retry-after")];
  };
  const first = ask(1, "COPY", "/dir", "/one");
  await until(() => waiting() === 1);
  assertEquals(await ask(1, "COPY", "/c.txt", "/two"), [429, "1"]);
  assertEquals(await ask(1, "DELETE", "/d.txt"), [204, null]);
  const second = ask(2, "COPY", "/dir", "/three");
  await until(() => waiting() === 2);
  assertEquals(await ask(3, "MOVE", "/c.txt", "/four"), [503, "1"]);
  assertEquals(await ask(3, "DELETE", "/gone?recursive"), [503, "1"]);
  release();
  assertEquals([await first, await second], [[201, null], [201, null]]);
  assertEquals(await ask(1, "DELETE", "/gone?recursive"), [204, null]);
  assertEquals(await namesBelow(tree.path), [
    "c.txt",
    "dir/",
    "dir/a.txt",
    "one/",
    "one/a.txt",
    "three/",
    "three/a.txt",
  ]);
});

/** Sends a request that is answered late, and disconnects when told to. */
async function impatient(server: RunningCommand, tls: boolean): Promise<() => void> {
  if (!tls) {
    const head = headOf("COPY", "/dir", { headers: [["Destination", "/copy"]] });
    const connection = await beginRequest(server.port, head, "");
    return () => connection.close();
  }
  const url = `https://127.0.0.1:${server.port}`;
  const args = ["-sk", "--http2", "-X", "COPY", "-H", `Destination: ${url}/copy`, `${url}/dir`];
  const curl = new Deno.Command("curl", { args, stdout: "null", stderr: "null" }).spawn();
  return () => curl.kill("SIGKILL");
}

const DOORS = [["--tls"], [], ["-p", "HTTP/1.0"], ...(Deno.build.os === "linux" ? [["--workers", "2"]] : [])];

for (const args of DOORS) {
  Deno.test({
    name: `a copy stops when its client disconnects, and leaves nothing: ${args.join(" ") || "by default"}`,
    ignore: Deno.build.os === "windows" || (args[0] === "--tls" && missing("openssl", "curl")),
    async fn() {
      const tls = args[0] === "--tls";
      const files = Array.from({ length: 4_000 }, (_, index) => [`site/dir/${index}.txt`, "x"] as const);
      await using tree = await tempTree(Object.fromEntries(files));
      const options = tls ? (await makeCertificate(tree.path)).options : args;
      await using server = await start([tree.at("site"), "--upload", "--delete", ...options]);
      const leave = await impatient(server, tls);
      const names = () => [...Deno.readDirSync(tree.at("site"))].map(({ name }) => name);
      await until(() => names().length > 1);
      leave();
      await until(() => names().length === 1);
      assertEquals(names(), ["dir"]);
      await server.untilStderr('"COPY /dir HTTP/');
      assertMatch(server.stderr(), /"COPY \/dir HTTP\/[12]\.[01]" 400/);
      if (!tls) {
        assertEquals((await send(server.port, "COPY", "/dir/1.txt", { headers: [["Destination", "/b"]] })).status, 201);
      }
      assertEquals(/request\.signal/.exec(server.stderr()), null);
    },
  });
}

Deno.test("a destination in UTF-8 that is not percent-encoded is taken as such, and other bytes are refused", async () => {
  await using tree = await tempTree({ "dir/a.txt": "a", "b.txt": "b" });
  const fetch = toFetch(upload(disk(tree.path), { rights: RIGHTS }), { log: { access() {}, error() {} } });
  const copy = async (destination: string, target = "/b.txt", more = {}) => {
    const headers = { destination, ...more };
    const response = await fetch(new Request(`http://localhost${target}`, { method: "COPY", headers }));
    return [response.status, await response.text()];
  };
  const utf8 = String.fromCharCode(...new TextEncoder().encode("ü €.txt"));
  assertEquals(await copy(`/${utf8}`), [201, ""]);
  assertEquals(await copy(`http://localhost/dir/${utf8}`), [201, ""]);
  assertEquals((await copy("/\xfc.txt"))[0], 400);
  assertEquals(await copy("/b.txt", "/dir", { overwrite: "T" }), [409, '409 Conflict: The name "b.txt" is taken\n']);
  assertEquals(await namesBelow(tree.path), ["b.txt", "dir/", "dir/a.txt", "dir/ü €.txt", "ü €.txt"]);
});
