/** What is declared of the C library, compared with its headers, and how it is opened. */

import { assert, assertEquals } from "@std/assert";
import * as libc from "../../handlers/system/libc.ts";
import { STATE_WORDS, STATX_BASIC_STATS, STATX_WORDS } from "../../handlers/system/statx.ts";
import { missing } from "../support/programs.ts";
import { tempTree } from "../support/tree.ts";

const ignore = Deno.build.os !== "linux";

const HEADERS = [
  "errno",
  "fcntl",
  "limits",
  "stddef",
  "sys/socket",
  "sys/stat",
  "sys/syscall",
  "sys/uio",
  "linux/openat2",
];

/** Numbers in C, by name. */
async function numbersInC(expressions: readonly string[]): Promise<Record<string, number>> {
  await using tree = await tempTree();
  const includes = HEADERS.map((name) => `#include <${name}.h>\n`).join("");
  const inC = (each: string) => each.replace(/^SYS_.*/, (name) => `SYS_${name.slice(4).toLowerCase()}`);
  const prints = expressions.map((each) => `printf("%ld\\n", (long)(${inC(each)}));`).join("\n");
  const source = `#define _GNU_SOURCE\n#include <stdio.h>\n${includes}int main(void) {\n${prints}\n}\n`;
  await Deno.writeTextFile(tree.at("a.c"), source);
  const { success, stderr } = await new Deno.Command("gcc", { args: ["-o", tree.at("a"), tree.at("a.c")] }).output();
  assert(success, new TextDecoder().decode(stderr));
  const { stdout } = await new Deno.Command(tree.at("a")).output();
  const numbers = new TextDecoder().decode(stdout).trim().split("\n").map(Number);
  return Object.fromEntries(expressions.map((each, i) => [each, numbers[i]!]));
}

Deno.test({
  name: "constants and layouts are those of the system's headers",
  ignore: ignore || missing("gcc"),
  async fn() {
    const constants = Object.entries(libc).filter((entry): entry is [string, number] & typeof entry =>
      typeof entry[1] === "number"
    );
    assert(constants.length >= 30, String(constants.length));
    assertEquals(await numbersInC(constants.map(([name]) => name)), Object.fromEntries(constants));
    const fields = ["ino", "size", "ctime.tv_sec", "ctime.tv_nsec", "mtime.tv_sec", "mtime.tv_nsec", "dev_major"];
    const offsets = Object.values(await numbersInC(fields.map((name) => `offsetof(struct statx, stx_${name})`)));
    const starts = [8, 10, 24, 26, 28, 30, 34];
    assertEquals(offsets, starts.map((word) => word * 4));
    for (const word of starts) assert(STATE_WORDS.includes(word as 8));
    assertEquals(Object.values(await numbersInC(["sizeof(struct statx)", "STATX_BASIC_STATS"])), [
      STATX_WORDS * 4,
      STATX_BASIC_STATS,
    ]);
  },
});

Deno.test({
  name: "only the functions that are asked for are bound, and a table that is disposed of is closed",
  ignore: ignore || libc.openLibc("close") === null,
  fn() {
    using table = libc.openLibc("fcntl", "close")!;
    assertEquals(Object.keys(table).sort(), ["close", "fcntl"]);
    assertEquals([table.fcntl(0, libc.F_GETFD, 0) >= 0, table.close(-1)], [true, -1]);
  },
});

Deno.test("an interrupted call is repeated, and a failed one is not", () => {
  const results = [[-1, libc.EINTR], [-1, libc.EINTR], [-1, libc.EPERM], [0, 0]] as const;
  let made = 0;
  const call = () => results[made++]![0];
  assertEquals([libc.uninterrupted(call, () => results[made - 1]![1]), made], [-1, 3]);
  assertEquals([libc.uninterrupted(call, () => libc.EINTR), made], [0, 4]);
  made = 0;
  assertEquals([libc.uninterrupted(() => (made++, -1), () => libc.EINTR), made < 1_000], [-1, true]);
});
