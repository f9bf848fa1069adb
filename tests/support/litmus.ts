/** litmus, the test suite of WebDAV servers. */

import { assert, assertEquals } from "@std/assert";

/** All of its groups. */
export const LITMUS_GROUPS: readonly string[] = ["basic", "copymove", "props", "locks", "http"];

/** Requires that a server on a port passes groups of tests, without a warning; the log is written to a directory. */
export async function passesLitmus(port: number, groups: readonly string[], directory: string): Promise<void> {
  const { stdout, success } = await new Deno.Command("litmus", {
    args: ["-k", `http://127.0.0.1:${port}/`],
    cwd: directory,
    env: { TESTS: groups.join(" ") },
  }).output();
  const report = new TextDecoder().decode(stdout);
  assert(success && !/FAIL|WARNING|SKIPPED/.test(report), report);
  assertEquals(report.match(/: of \d+ tests run: (\d+) passed, 0 failed/g)?.length, groups.length, report);
}
