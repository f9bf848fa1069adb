/**
 * What the RFCs require of a static origin server, row by row, tested with the running command over raw sockets.
 *
 * The rows are those of our notes on RFC 9110, 9111, 9112 and 3986; each step names its row and the section. Each
 * section has its table in a module beside this one; `--filter "conformance: ranges"` runs one of them. Left out:
 *
 * - Row 5, "412 otherwise": If-None-Match can only fail with 412 on methods that the server does not have.
 * - Row 51, HTTP/1.0 without Host: it is good, but answered 400, because Deno.serve does not tell the version and for
 *   HTTP/1.1 it has to be 400. What is asserted is the 400; of the native engine, which knows the version, the 200.
 * - Row 51, an absolute-form target without Host: it has to be 400, but Deno.serve shows it just as it shows HTTP/2,
 *   where there is no Host. Nothing is asserted.
 * - Row 62: Deno.serve refuses HTTP/1.2, which should be served. What is asserted is that it is refused in order.
 * - Rows 66 and 68, drive letters, devices and `::$DATA`: they mean something on Windows only, and would need files
 *   there that a test has not made. What is asserted is that nothing has such a name here.
 */

import { assertEquals } from "@std/assert";
import { start } from "../support/command.ts";
import { missing } from "../support/programs.ts";
import { SIDECARS } from "./codings.ts";
import { CONDITIONS } from "./conditional.ts";
import { FRAMING, oldRequest } from "./framing.ts";
import { METHODS } from "./methods.ts";
import { NAME_ROWS } from "./names.ts";
import { ODD, startUnprivileged, UNREADABLE } from "./odd_files.ts";
import { OPEN_PATHS, PATHS } from "./paths.ts";
import { RANGES } from "./ranges.ts";
import { closeSite, openSite, POSIX, site } from "./site.ts";
import { exchange, type Row } from "./support.ts";
import { CONTENT } from "./types.ts";
import { OWN_CACHING, VALIDATORS } from "./validators.ts";

// One test file for all tables, so that they share the site: its entity tags become strong after two seconds.
Deno.test.beforeAll(openSite);
Deno.test.afterAll(closeSite);

async function run(t: Deno.TestContext, rows: readonly Row[], port: number): Promise<void> {
  for (const { row, rfc, says, asks = [], check, ignore = false } of rows) {
    await t.step({
      name: `row ${row}: ${says} (RFC ${rfc})`,
      ignore,
      fn: async () => {
        for (const each of asks) await exchange(port, each);
        await check?.(port);
      },
    });
  }
}

/** Additional names under which rows address the server. */
const OTHER_NAMES = ["a", "*.example", "xn--nxasmq6b", "a_b"].flatMap((name) => ["--allow-host", name]);

function conformance(section: string, rows: readonly Row[], ...flags: readonly string[]): void {
  Deno.test(`conformance: ${section}`, async (t) => {
    await using server = await start([site.root, ...flags, ...OTHER_NAMES]);
    await run(t, rows, server.port);
  });
}

conformance("conditional requests", CONDITIONS);
conformance("validators", VALIDATORS);
conformance(
  "validators, with a Cache-Control of one's own",
  OWN_CACHING,
  "--header",
  "Cache-Control: public, max-age=60",
);
conformance("ranges", RANGES);
conformance("methods and status", METHODS);
conformance("types", CONTENT);
conformance("codings, with --precompressed", SIDECARS, "--precompressed");
conformance("framing and connections", [...FRAMING, oldRequest(400)]);
conformance("paths", PATHS);
conformance("paths, with --follow-links and --hidden", OPEN_PATHS, "--follow-links", "--hidden");
conformance("names", NAME_ROWS);
conformance("odd files", ODD);

if (Deno.build.os === "linux") {
  const tables = {
    CONDITIONS,
    VALIDATORS,
    RANGES,
    METHODS,
    CONTENT,
    FRAMING: [...FRAMING, oldRequest(200)],
    PATHS,
    NAME_ROWS,
    ODD,
  };
  for (const [name, rows] of Object.entries(tables)) {
    conformance(`${name.toLowerCase()}, by the native engine`, rows, "--engine", "native");
  }
}

// Over the other transport, except where it deliberately behaves like Python.
conformance("conditional requests over HTTP/1.0", CONDITIONS, "--protocol", "HTTP/1.0");
conformance("validators over HTTP/1.0", VALIDATORS, "--protocol", "HTTP/1.0");
conformance("ranges over HTTP/1.0", RANGES, "--protocol", "HTTP/1.0");
conformance("types over HTTP/1.0", CONTENT, "--protocol", "HTTP/1.0");
conformance("odd files over HTTP/1.0", ODD, "--protocol", "HTTP/1.0");

Deno.test({
  name: "conformance: files that may not be read",
  ignore: !POSIX || (Deno.uid() === 0 && missing("setpriv")),
  async fn(t) {
    await using server = await startUnprivileged(site.root);
    await run(t, UNREADABLE, server.port);
  },
});

Deno.test("conformance: no row is without a check", () => {
  const tables = [CONDITIONS, VALIDATORS, RANGES, METHODS, CONTENT, SIDECARS, FRAMING, PATHS, NAME_ROWS, ODD];
  const covered = new Set(tables.flat().map(({ row }) => row));
  assertEquals(Array.from({ length: 84 }, (_, index) => index + 1).filter((row) => !covered.has(row)), []);
});
