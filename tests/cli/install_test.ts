/** A checkout used from elsewhere: installed as a command, and imported by a program with a configuration of its own. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path/join";
import { startProcess } from "../support/command.ts";
import { ROOT } from "../support/paths.ts";
import { ask } from "../support/raw.ts";
import { tempTree } from "../support/tree.ts";

const IMPORT_MAP = join(ROOT, "links", "import_map.json");

/** Runs deno to its end, with a limit. */
async function deno(args: readonly string[], cwd: string, env: Record<string, string> = {}) {
  const signal = AbortSignal.timeout(120_000);
  const command = new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd,
    env: { NO_COLOR: "1", ...env },
    signal,
    stdin: "null",
  });
  const { code, stdout, stderr } = await command.output();
  return { code, text: new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr) };
}

Deno.test("deno task install makes a command of the checkout that serves from anywhere", async () => {
  await using tree = await tempTree({ "site/a.txt": "hello" });
  const installed = await deno(["task", "install"], ROOT, { DENO_INSTALL_ROOT: tree.at("root") });
  assertEquals(installed.code, 0, installed.text);
  const program = tree.at(Deno.build.os === "windows" ? "root/bin/pyserve.cmd" : "root/bin/pyserve");
  const several = Deno.build.os === "linux" ? ["--workers", "2"] : [];
  const args = [tree.at("site"), "0", "-b", "127.0.0.1", ...several];
  await using command = await startProcess(program, args, { cwd: tree.at("site") });
  assertEquals((await ask(command.port, "GET", "/a.txt")).text, "hello");
});

Deno.test("a program with the default compiler options that imports the checkout checks clean and runs", async (t) => {
  const program = `import { fileServer, memory, toFetch } from ${JSON.stringify(join(ROOT, "mod.ts"))};
import { HTTPServer, SimpleHTTPRequestHandler } from ${JSON.stringify(join(ROOT, "handlers/python/mod.ts"))};
import { escapeHtml } from ${JSON.stringify(join(ROOT, "handlers/http/mod.ts"))};
import { openBytes } from ${JSON.stringify(join(ROOT, "handlers/sources/mod.ts"))};
import { sendContent } from ${JSON.stringify(join(ROOT, "handlers/mod.ts"))};
import { accessLog } from ${JSON.stringify(join(ROOT, "handlers/layers/mod.ts"))};
import { main } from ${JSON.stringify(join(ROOT, "cli.ts"))};
const fetch = toFetch(fileServer(memory({ "a.txt": "hello" }), { log: false }));
console.log(await (await fetch(new Request("http://localhost/a.txt"))).text());
console.log(typeof HTTPServer, typeof SimpleHTTPRequestHandler, typeof main);
console.log([escapeHtml, openBytes, sendContent, accessLog].every((each) => typeof each === "function"));
`;
  const configs: Record<string, Record<string, unknown>> = {
    "an import map": { importMap: IMPORT_MAP },
    "links": { links: ["assert", "fs", "http", "path"].map((name) => join(ROOT, "links", name)) },
  };
  for (const [name, config] of Object.entries(configs)) {
    await t.step(name, async () => {
      await using tree = await tempTree({
        "main.ts": program,
        "deno.json": JSON.stringify({ lock: false, ...config }),
      });
      const checked = await deno(["check", "main.ts"], tree.path);
      assertEquals(checked.code, 0, checked.text);
      const ran = await deno(["run", "--allow-read", "--allow-env", "main.ts"], tree.path);
      assertStringIncludes(ran.text, "hello\nfunction function function\ntrue\n");
    });
  }
});

Deno.test("the import map names the stand-ins that the checkout uses, and no others", async () => {
  const { imports } = JSON.parse(await Deno.readTextFile(IMPORT_MAP));
  const offered: string[] = [];
  for (const name of ["assert", "fs", "http", "path"]) {
    const { name: full, exports } = JSON.parse(await Deno.readTextFile(join(ROOT, "links", name, "deno.json")));
    for (const [entry, file] of Object.entries<string>(exports)) {
      const specifier = full + entry.slice(1);
      offered.push(specifier);
      assertEquals(imports[specifier], `./${name}/${file.slice(2)}`);
    }
  }
  assertEquals(Object.keys(imports).sort(), offered.sort());
});
