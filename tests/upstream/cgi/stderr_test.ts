/** Standard error of programs, line by line. */

import { assert, assertEquals } from "@std/assert";
import { collectStderr } from "../../../handlers/upstream/cgi/stderr.ts";

const LIMITS = { line: 10, lines: 3, windowMs: 60_000, tail: 2 };

/** The emitted and the kept lines for chunks of standard error. */
async function collect(chunks: Iterable<string | Uint8Array>, limits = LIMITS): Promise<[string[], readonly string[]]> {
  const emitted: string[] = [];
  const encoder = new TextEncoder();
  const stream = ReadableStream.from(function* () {
    for (const chunk of chunks) yield typeof chunk === "string" ? encoder.encode(chunk) : chunk;
  }());
  const { done, tail } = collectStderr(stream, (line) => emitted.push(line), limits);
  await done;
  return [emitted, tail];
}

Deno.test("lines are found however the chunks are split", async () => {
  assertEquals(await collect(["one\ntwo\r\n", "th", "ree"]), [["one", "two", "three"], ["two", "three"]]);
  assertEquals(await collect("one\n\ntwo\n"), [["one", "", "two"], ["", "two"]]);
  assertEquals(await collect([]), [[], []]);
});

Deno.test("a line is truncated at the limit, even if it arrives byte by byte", async () => {
  const expected: [string[], string[]] = [["0123456789…", "0123456789", "x"], ["0123456789", "x"]];
  assertEquals(await collect(["01234567890123\n0123456789\nx"]), expected);
  assertEquals(await collect("01234567890123\n0123456789\nx"), expected);
});

Deno.test("lines are emitted and kept unescaped; invalid UTF-8 does no harm", async () => {
  assertEquals(await collect(["\x1b[2J\\\n", new Uint8Array([0xff, 0x61])]), [["\x1b[2J\\", "\ufffda"], [
    "\x1b[2J\\",
    "\ufffda",
  ]]);
});

Deno.test("of a flood, the beginning is emitted and the end is kept", async () => {
  const lines = Array.from({ length: 1000 }, (_, i) => `${i}\n`);
  const bytes = lines.slice(3).join("").replaceAll("\n", "").length;
  const [emitted, tail] = await collect(lines);
  assertEquals(emitted, ["0", "1", "2", `(too much output: ${bytes} bytes were not logged)`]);
  assertEquals(tail, ["998", "999"]);
  // Most of a chunk of many lines is skipped, except for counting line ends.
  const [inBulk, tailOfBulk] = await collect(["0\n1\n2\n", lines.slice(3).join("")]);
  assertEquals([inBulk.length, inBulk[2]], [4, "2"]);
  assertEquals(tailOfBulk, ["998", "999"]);
});

Deno.test("after the window, lines are emitted again, after a note on those dropped", async () => {
  const chunks = function* () {
    yield "0\n1\n2\nlost\n";
    const over = performance.now() + 1000;
    while (performance.now() < over);
    yield "3\n";
  };
  const [emitted] = await collect(chunks(), { ...LIMITS, windowMs: 1000 });
  assertEquals(emitted.filter((line) => !line.startsWith("(")), ["0", "1", "2", "3"]);
  assert(emitted[3] === "(too much output: 4 bytes were not logged)", emitted[3]);
});
