/** What the options mean: where it listens, under which names it answers, which headers may be set. */

import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { parse } from "../../cli/parse.ts";
import { settingsOf } from "../../cli/settings.ts";
import { UsageError } from "../../cli/usage_error.ts";
import { header } from "../../cli/values.ts";
import { runCommand, start } from "../support/command.ts";
import { raw } from "../support/raw.ts";
import { tempTree } from "../support/tree.ts";

/** The options that let clients do more than read, one by one. */
const DANGEROUS: readonly (readonly string[])[] = [
  ["--upload"],
  ["--delete"],
  ["--all"],
  ["--cgi"],
  ["--cgi-ext", ".cgi"],
  ["--cgi-map", ".x=/bin/cat"],
  ["--cgi-mount", "/x=/bin/cat"],
  ["--fastcgi", ".php=unix:/run/none.sock"],
  ["--proxy", "/api=http://127.0.0.1:9"],
];

for (const args of DANGEROUS) {
  Deno.test({
    name: `${args[0]} alone has it listen on this machine only, and answer under its own names on all interfaces`,
    ignore: Deno.build.os === "windows" && args[0]!.startsWith("--cgi-m"),
    async fn() {
      const alone = settingsOf(parse(args));
      assertEquals([alone.endpoint, alone.confinedBy], [{ kind: "tcp", hostname: "127.0.0.1", port: 8000 }, [args[0]]]);
      const bound = settingsOf(parse([...args, "-b", "0.0.0.0"]));
      assertEquals([bound.endpoint, bound.confinedBy], [{ kind: "tcp", hostname: "0.0.0.0", port: 8000 }, []]);
      await using tree = await tempTree({ "a.txt": "a" });
      await using server = await start([tree.path, "-b", "0.0.0.0", ...args]);
      const status = async (host: string) => {
        return (await raw(server.port, `GET /a.txt HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)).status;
      };
      assertEquals([await status("evil.example"), await status("localhost")], [421, 200]);
    },
  });
}

Deno.test("a read-only server listens on all interfaces, under any name", () => {
  const reading = ["--hidden", "--follow-links", "--precompressed", "--no-archive", "--header=X-A: b"];
  const settings = settingsOf(parse(reading));
  const endpoint = { kind: "tcp", hostname: "0.0.0.0", port: 8000 };
  assertEquals([settings.endpoint, settings.confinedBy, settings.hosts], [endpoint, [], null]);
  assertEquals(settingsOf(parse(["--delete", "--allow-host", "a.example"])).hosts, ["a.example"]);
});

/** What belongs to one response or one connection (RFC 9110 and 9112), so that all responses cannot have the same. */
const OF_ONE_RESPONSE = [
  ...["Accept-Ranges", "Allow", "Connection", "Content-Encoding", "Content-Length", "Content-Range", "Date", "ETag"],
  ...["Keep-Alive", "Last-Modified", "Location", "Trailer", "Transfer-Encoding", "Upgrade"],
];

Deno.test("no header that belongs to one response or connection can be given to all, in any case of letters", () => {
  for (const name of OF_ONE_RESPONSE) {
    for (const spelled of [name, name.toLowerCase(), name.toUpperCase()]) {
      assertThrows(() => header(`${spelled}: x`), Error, "pyserve sets this header itself");
    }
  }
  assertThrows(() => header("Content-Type: x"), Error, "--content-type");
  for (const bad of ["", ":", ": x"]) {
    assertThrows(() => header(bad), Error, "it is not of the form NAME: VALUE");
  }
  for (const bad of ["a b: x", "a: x\ny", "a: \0"]) {
    assertThrows(() => header(bad), Error, "it contains characters that are not allowed in headers");
  }
  for (const good of ["Cache-Control: max-age=60", "Server: mine", "X-A:", "X-A: a: b", "Content-Language: de"]) {
    assertEquals(header(good)[0], good.split(":")[0]);
  }
});

Deno.test("the command refuses such a header with one sentence", async () => {
  const { code, stderr } = await runCommand(["--header", "Transfer-Encoding: chunked"]);
  assertEquals(code, 2);
  assertMatch(stderr, /^pyserve: [^\n]*pyserve sets this header itself[^\n]*\n$/);
  assert(!stderr.includes("at "));
});

Deno.test("files are replaced by default only where they may be changed", () => {
  const policy = (...args: readonly string[]) =>
    settingsOf(parse([...args, "--on-conflict=overwrite"])).features.upload;
  assertThrows(() => policy("--upload"), UsageError, "--on-conflict overwrite needs --delete");
  for (const args of [["--upload", "--delete"], ["--all"]]) assertEquals(policy(...args)?.onConflict, "overwrite");
});

Deno.test("a server that does not list directories neither packs nor searches them", () => {
  const { archive, search } = settingsOf(parse(["--no-listing"])).features;
  assertEquals([archive, search], [null, null]);
});
