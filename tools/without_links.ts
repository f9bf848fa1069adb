/**
 * Runs deno with the real packages instead of the stand-ins: `deno task test:jsr`.
 *
 * The packages come from JSR, or, where JSR cannot be reached, from a checkout of github.com/denoland/std:
 * `TEST_STD=../std deno task test:jsr`.
 *
 * Runs in a temporary copy of the checkout whose deno.json has no `links` to the stand-ins. A different configuration
 * for the same checkout would not be enough: a process started by a test looks for deno.json next to its module.
 */

import { basename } from "@std/path/basename";
import { join } from "@std/path/join";
import { cp } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { CHECKOUT, readConfig } from "./package.ts";

/** Not copied: not needed, and possibly large. */
const LEFT_OUT = [".git", "node_modules", "coverage"];

async function main(args: string[]): Promise<number> {
  const copy = await Deno.realPath(await Deno.makeTempDir({ prefix: "pyserve-jsr-" }));
  try {
    await cp(fileURLToPath(CHECKOUT), copy, {
      recursive: true,
      verbatimSymlinks: true,
      filter: (path) => !LEFT_OUT.includes(basename(path)),
    });
    const { links: _, ...config } = await readConfig(CHECKOUT);
    const std = Deno.env.get("TEST_STD");
    const links = std ? { links: [await Deno.realPath(std)] } : {};
    await Deno.writeTextFile(join(copy, "deno.json"), JSON.stringify({ ...config, ...links }, null, 2));
    return (await new Deno.Command(Deno.execPath(), { args, cwd: copy }).spawn().status).code;
  } finally {
    await Deno.remove(copy, { recursive: true });
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));
