/** What a plain start loads: everything in this list costs time at every start, so it is looked at when it grows. */

import { assert, assertEquals } from "@std/assert";
import { start } from "../support/command.ts";
import { CLI, ROOT, toFileUrl } from "../support/paths.ts";

/** Each module costs 0.1 ms and up to 0.1 MiB. Before raising this, load something later. */
const MOST_MODULES = 155;

interface Module {
  readonly specifier: string;
  readonly dependencies?: readonly { readonly isDynamic?: boolean; readonly code?: { readonly specifier: string } }[];
}

/** The modules that are loaded before a program begins, without those of dynamic imports. */
async function loadedBy(program: string): Promise<ReadonlySet<string>> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json", program], cwd: ROOT }).output();
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
  visit(toFileUrl(program));
  return loaded;
}

/** npm packages take long, and the first module of Node 14 ms of CPU time: a quarter of the whole start. */
function assertLight(loaded: ReadonlySet<string>): void {
  assertEquals([...loaded].filter((name) => /^(npm|node):/.test(name)), [], "loaded at every start");
}

Deno.test("a plain start loads these modules and no others", async (t) => {
  const loaded = await loadedBy(CLI);
  assertLight(loaded);
  const root = toFileUrl(ROOT);
  // Only our own modules: those of the JSR packages differ between the stand-ins, JSR and a checkout of the packages.
  const own = [...loaded].filter((name) => name.startsWith(root) && !name.startsWith(`${root}links/`));
  assert(own.length <= MOST_MODULES, `${own.length} modules are loaded at every start`);
  await t.assertSnapshot(own.map((name) => name.replace(root, "")).sort());
});

Deno.test("importing the library loads neither npm packages nor modules of Node", async () => {
  const loaded = await loadedBy(`${ROOT}mod.ts`);
  assert(loaded.size > 100);
  assertLight(loaded);
});

/** Says on stderr that timers are used: the first use loads those of Node, which takes 5 ms and 4 MiB. */
const TELLING = `for (const name of ["setTimeout", "setInterval"]) {
  const { get } = Object.getOwnPropertyDescriptor(globalThis, name);
  Object.defineProperty(globalThis, name, { get() { console.error("used: " + name); return get.call(this); } });
}`;

Deno.test("neither a start nor the first file and its line in the log use a timer of Node", async () => {
  const directory = await Deno.makeTempDir();
  await Deno.writeTextFile(`${directory}/a.txt`, "a");
  const preload = await Deno.makeTempFile({ suffix: ".js" });
  await Deno.writeTextFile(preload, TELLING);
  {
    await using server = await start(["-d", directory], { run: ["-A", "--preload", preload, CLI] });
    // A page may: long work is done in time slices.
    const response = await fetch(`http://127.0.0.1:${server.port}/a.txt`);
    assertEquals(await response.text(), "a");
    await server.untilStderr(`"GET /a.txt HTTP/1.1" 200`);
    assertEquals(server.stderr().match(/used: .*/g), null);
  }
  await Deno.remove(preload);
  await Deno.remove(directory, { recursive: true });
});
