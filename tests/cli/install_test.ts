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

/** How a program names the package, as in the examples, in the checkout's place. */
const PROGRAM = `import { fileServer, memory, toFetch } from "@x/pyserve";
import { HTTPServer, SimpleHTTPRequestHandler } from "@x/pyserve/python";
import { escapeHtml } from "@x/pyserve/http";
import { openBytes } from "@x/pyserve/sources";
import { sendContent } from "@x/pyserve/handlers";
import { accessLog } from "@x/pyserve/layers";
import { Store } from "@x/pyserve/store";
import { main } from "@x/pyserve/cli";
import { assert } from "@std/assert";
const fetch = toFetch(fileServer(memory({ "a.txt": "hello" }), { log: false }));
console.log(await (await fetch(new Request("http://localhost/a.txt"))).text());
console.log(typeof HTTPServer, typeof SimpleHTTPRequestHandler, typeof main, typeof Store);
assert([escapeHtml, openBytes, sendContent, accessLog].every((each) => typeof each === "function"));
`;

Deno.test("a program with a configuration of its own uses the checkout by the names of the package", async (t) => {
  const links = ["", "links/assert", "links/fs", "links/http", "links/path"].map((path) => join(ROOT, path));
  const imports = { "@x/pyserve": "jsr:@x/pyserve@^0.1.0", "@std/assert": "jsr:@std/assert@^1" };
  const ways: Record<string, [config: Record<string, unknown>, flags: string[]]> = {
    "an import map in the configuration": [{ importMap: IMPORT_MAP }, []],
    "an import map on the command line": [{ imports: { "@std/assert": imports["@std/assert"] } }, [
      "--import-map",
      IMPORT_MAP,
    ]],
    "links": [{ links, imports }, []],
  };
  for (const [name, [config, flags]] of Object.entries(ways)) {
    await t.step(name, async () => {
      await using tree = await tempTree({
        "main.ts": PROGRAM,
        "deno.json": JSON.stringify({ lock: false, ...config }),
      });
      const checked = await deno(["check", ...flags, "main.ts"], tree.path);
      assertEquals(checked.code, 0, checked.text);
      const ran = await deno(["run", ...flags, "--allow-read", "--allow-env", "main.ts"], tree.path);
      assertStringIncludes(ran.text, "hello\nfunction function function function\n");
    });
  }
});

Deno.test("the import map names the package and the stand-ins that the checkout uses, and nothing else", async () => {
  const { imports } = JSON.parse(await Deno.readTextFile(IMPORT_MAP));
  const offered: string[] = [];
  for (
    const [name, place] of [...["assert", "fs", "http", "path"].map((name) => [name, `./${name}/`]), ["..", "../"]]
  ) {
    const { name: full, exports } = JSON.parse(await Deno.readTextFile(join(ROOT, "links", name!, "deno.json")));
    for (const [entry, file] of Object.entries<string>(exports)) {
      const specifier = full + entry.slice(1);
      offered.push(specifier);
      assertEquals(imports[specifier], `${place}${file.slice(2)}`);
    }
  }
  assertEquals(Object.keys(imports).sort(), offered.sort());
});
