/** What a plain start loads: everything in this list costs time at every start, so it is looked at when it grows. */

import { assert, assertEquals } from "@std/assert";
import { CLI, ROOT, toFileUrl } from "../support/paths.ts";

/** Each module costs 0.1 ms and up to 0.1 MiB. Before raising this, load something later. */
const MOST_MODULES = 150;

interface Module {
  readonly specifier: string;
  readonly dependencies?: readonly { readonly isDynamic?: boolean; readonly code?: { readonly specifier: string } }[];
}

Deno.test("a plain start loads these modules and no others", async (t) => {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json", CLI], cwd: ROOT }).output();
  const modules: readonly Module[] = JSON.parse(new TextDecoder().decode(stdout)).modules;
  const byName = new Map(modules.map((module) => [module.specifier, module]));
  const loaded = new Set<string>();
  const visit = (specifier: string) => {
    if (loaded.has(specifier)) return;
    loaded.add(specifier);
    for (const { isDynamic, code } of byName.get(specifier)?.dependencies ?? []) {
      if (code && !isDynamic) visit(code.specifier);
    }
  };
  visit(toFileUrl(CLI));
  const root = toFileUrl(ROOT);
  assert(![...loaded].some((name) => name.startsWith("npm:")), "an npm package is loaded at every start");
  // Loading node:path takes as long as a quarter of the whole start, node:crypto half of it.
  const node = [...loaded].filter((name) => name.startsWith("node:"));
  assertEquals(node, [], "a module of Node is loaded at every start");
  // Only our own modules: those of the JSR packages differ between the stand-ins, JSR and a checkout of the packages.
  const own = [...loaded].filter((name) => name.startsWith(root) && !name.startsWith(`${root}links/`));
  assert(own.length <= MOST_MODULES, `${own.length} modules are loaded at every start`);
  await t.assertSnapshot(own.map((name) => name.replace(root, "")).sort());
});
