/**
 * Checks without JSR that the publishable copy can be published: `deno task package:check`.
 *
 * The copy has no `links`, so on its own it needs JSR even to be type-checked. Deno reads links from the root of a
 * workspace; so a temporary workspace with the checkout's links is created around the copy. The copy itself is exactly
 * what is published.
 */

import { join } from "@std/path/join";
import { CHECKOUT, readConfig, writePackage } from "./package.ts";

/** The publishable copy in a workspace that works without JSR; deleted on disposal. */
export interface PackageCopy extends AsyncDisposable {
  /** Its path. */
  readonly directory: string;
}

/** Creates the copy and the workspace around it. */
export async function packageCopy(): Promise<PackageCopy> {
  const root = await Deno.realPath(await Deno.makeTempDir({ prefix: "pyserve-package-" }));
  await using stack = new AsyncDisposableStack();
  stack.defer(() => Deno.remove(root, { recursive: true }));
  const directory = join(root, "package");
  await writePackage(directory);
  const { links = [] } = await readConfig(CHECKOUT);
  const workspace = { workspace: ["./package"], links: links.map((link) => new URL(`${link}/`, CHECKOUT).href) };
  await Deno.writeTextFile(join(root, "deno.json"), JSON.stringify(workspace));
  const owned = stack.move();
  return { directory, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** The command for a dry run of publishing, with type check and slow-types check. */
export function dryRun({ directory }: PackageCopy, options: Deno.CommandOptions = {}): Deno.Command {
  // Deno asks git whether everything is committed, and the temporary directory may be inside a repository.
  const args = ["publish", "--dry-run", "--allow-dirty", "--no-lock"];
  return new Deno.Command(Deno.execPath(), { ...options, args, cwd: directory, stdin: "null" });
}

async function main(): Promise<number> {
  await using copy = await packageCopy();
  return (await dryRun(copy).spawn().status).code;
}

if (import.meta.main) Deno.exit(await main());
