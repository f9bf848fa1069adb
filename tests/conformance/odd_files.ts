/** Unusual files: special files, unreadable files, and files that change while they are sent. */

import { assert } from "@std/assert";
import { join } from "@std/path/join";
import { type RunningCommand, start, startProcess } from "../support/command.ts";
import { ROOT } from "../support/paths.ts";
import { missing } from "../support/programs.ts";
import { latin1 } from "../support/raw.ts";
import { POSIX, site } from "./site.ts";
import { CLOSE, entryLinks, exchange, get, getEach, type Row, row, send, words } from "./support.ts";

const NO_FIFO = missing("mkfifo");

export const ODD: readonly Row[] = [
  row(79, "9110 8.3", "a listing opens nothing, and shows what cannot be opened", {
    ignore: NO_FIFO,
    async check(port) {
      await makeFifo();
      const { text } = await get(port, "/special/");
      for (const name of ["fifo", "unreadable.txt", "noread/"]) assert(text.includes(`>${name}<`), `${name}: ${text}`);
      assert(!entryLinks(text).includes("fifo"));
    },
  }),
  row(81, "9110 15.5", "only regular files are opened", {
    ignore: NO_FIFO,
    async check(port) {
      await makeFifo();
      for (const target of ["/special/fifo", "/special/fifo/"]) {
        for (const method of ["GET", "HEAD"]) await exchange(port, send(`${method} ${target}`).gets([403, 404]));
      }
      using _listener = Deno.listen({ transport: "unix", path: site.at("special/sock") });
      await exchange(port, send("GET /special/sock").gets([403, 404]));
    },
  }),
  row(82, "9110 15.5", "what the system says no to is 403 or 404", {
    asks: [
      send("GET /hello.txt/x").gets(404),
      send("GET /hello.txt/x/").gets(404),
      send(`GET /${"n".repeat(256)}`).gets(404),
      send(`GET /${"n".repeat(5000)}`).gets(404),
      send(`GET /${"n/".repeat(5000)}`).gets(404),
      ...POSIX ? getEach(words("/links/loop /links/loop/ /links/loop/x /links/broken"), 404) : [],
    ],
  }),
  row(83, "9112 6.3", "the length is that of now, not that of before", {
    async check(port) {
      for (const content of ["first\n", "the second is longer\n", "3\n", "", "x".repeat(70_000), "the end\n"]) {
        await Deno.writeTextFile(site.at("edited/file.txt"), content);
        const headers = { "content-length": String(content.length) };
        await exchange(port, send("GET /edited/file.txt").gets(200, headers, content));
      }
    },
  }),
  row(83, "9112 6.3", "where a file shrinks while it is sent, the connection breaks", {
    async check(port) {
      const size = 64 * 1024 * 1024; // more than sockets hold
      await Deno.writeTextFile(site.at("edited/shrinks.bin"), "");
      await Deno.truncate(site.at("edited/shrinks.bin"), size);
      const received = await receiveWhile(port, "/edited/shrinks.bin", async () => {
        await Deno.truncate(site.at("edited/shrinks.bin"), 1024 * 1024);
      });
      assert(received < size, `${received} bytes came of a file that is no longer there`);
    },
  }),
  row(84, "9110 8.6", "an empty file is 200 and nothing, and a file is no directory", {
    asks: [
      send("GET /empty.txt").gets(200, { "content-length": "0", "content-type": "text/plain; charset=utf-8" }, ""),
      send("HEAD /empty.txt").gets(200, { "content-length": "0" }),
      send("GET /empty.txt/").gets(404),
      send("GET /hello.txt/").gets(404),
      send("GET /hello.txt/.").gets(404),
      send("GET /hello.txt//").gets(404),
    ],
  }),
];

export const UNREADABLE: readonly Row[] = [
  row(82, "9110 15.5.4", "what may not be read is 403 or 404, for HEAD as for GET", {
    asks: ["/special/unreadable.txt", "/special/noread/", "/special/noread/file.txt"].flatMap((target) => [
      send(`GET ${target}`).gets([403, 404]),
      send(`HEAD ${target}`).gets([403, 404]),
      send(`GET ${target}`, "If-None-Match: *", "Range: bytes=0-1").gets([304, 403, 404]),
    ]),
  }),
];

async function makeFifo(): Promise<void> {
  const { success } = await new Deno.Command("mkfifo", { args: ["-m", "666", site.at("special/fifo")] }).output();
  assert(success || (await Deno.lstat(site.at("special/fifo"))).isFifo);
}

/** How many bytes of content arrive if something happens after the first of them. */
async function receiveWhile(port: number, target: string, happens: () => Promise<void>): Promise<number> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  await connection.write(latin1(`GET ${target} HTTP/1.1\r\nHost: localhost\r\n${CLOSE}\r\n\r\n`));
  const buffer = new Uint8Array(65_536);
  let received = await connection.read(buffer) ?? 0;
  const head = new TextDecoder("latin1").decode(buffer.subarray(0, received)).indexOf("\r\n\r\n") + 4;
  await happens();
  try {
    for (let count: number | null = 0; count !== null; count = await connection.read(buffer)) received += count;
  } catch {
    // Broken off, as expected.
  }
  return received - head;
}

/** Root may read everything: without that capability it may not. */
export function startUnprivileged(root: string): Promise<RunningCommand> {
  if (Deno.uid() !== 0) return start([root]);
  const without = ["--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search"];
  const command = [Deno.execPath(), "run", "-A", "--no-lock", join(ROOT, "cli.ts"), root, "0", "-b", "127.0.0.1"];
  return startProcess("setpriv", [...without, ...command]);
}
