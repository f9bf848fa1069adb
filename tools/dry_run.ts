/**
 * Tries whether the publishable copy can be published, without network: `deno task package:check`.
 *
 * The copy has no `links`, so alone it needs JSR even to be type-checked. Deno takes links from the root of a
 * workspace; so a workspace is made around the copy, in a temporary directory, that links to what the checkout links
 * to. Nothing in the copy is other than it is when it is published.
 */

import { join } from "@std/path/join";
import { CHECKOUT, readConfig, writePackage } from "./package.ts";

/** The publishable copy, in a workspace in which it can be used without network; gone at the end of the block. */
export interface PackageCopy extends AsyncDisposable {
  /** Where it is. */
  readonly directory: string;
}

/** Makes the copy and the workspace around it. */
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

/** The dry run of publishing, with type check and the check for slow types, ready to be started. */
export function dryRun({ directory }: PackageCopy, options: Deno.CommandOptions = {}): Deno.Command {
  // It asks git whether all is committed, and the temporary directory may lie in someone's repository.
  const args = ["publish", "--dry-run", "--allow-dirty", "--no-lock"];
  return new Deno.Command(Deno.execPath(), { ...options, args, cwd: directory, stdin: "null" });
}

async function main(): Promise<number> {
  await using copy = await packageCopy();
  return (await dryRun(copy).spawn().status).code;
}

if (import.meta.main) Deno.exit(await main());
