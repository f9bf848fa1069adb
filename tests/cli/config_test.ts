/** Options from a configuration file, and what is generated from their table. */

import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { readConfig } from "../../cli/config_file.ts";
import { configReader } from "../../cli/config_reader.ts";
import { variableOf } from "../../cli/environment.ts";
import { help } from "../../cli/help.ts";
import { template } from "../../cli/init.ts";
import { JsonSyntaxError, parseJsonText } from "../../cli/json_text.ts";
import { manualPage } from "../../cli/man.ts";
import { OPTION_ROWS, type OptionName, OPTIONS } from "../../cli/options.ts";
import { parse } from "../../cli/parse.ts";
import { schema } from "../../cli/schema.ts";
import { UsageError } from "../../cli/usage_error.ts";
import { runCommand, start } from "../support/command.ts";
import { missing } from "../support/programs.ts";
import { seeded } from "../support/random.ts";
import { tempTree } from "../support/tree.ts";

/** A file as `--config` names it. */
async function given(text: string, args: readonly string[] = [], env: Record<string, string> = {}) {
  await using tree = await tempTree({ "p.json": text });
  const path = tree.at("p.json");
  return parse([...args, "--config", path], env, await configReader(["--config", path], env));
}

async function refused(text: string): Promise<string> {
  await using tree = await tempTree({ "p.json": text });
  const error = assertThrows(() => parse([], {}, () => readConfig(tree.at("p.json"))), UsageError);
  return error.message.replaceAll(tree.at("p.json"), "FILE");
}

Deno.test("the command line takes precedence over the environment, the environment over the file", async () => {
  const text = `{
    // where
    "port": 8100, "bind": "127.0.0.1",
    "hidden": true, "quiet": false,
    "index": ["a.html", "b.html"],
    "cgi": "/bin", /* no more */
  }`;
  const { options, origins, names } = await given(text, ["--port", "8300"], {
    PYSERVE_PORT: "8200",
    PYSERVE_BIND: "::1",
  });
  assertEquals([options.port.port, options.bind, options.hidden, options.quiet], [8300, "::1", true, false]);
  assertEquals([options.index, options.cgi], [["a.html", "b.html"], ["/bin"]]);
  assertEquals([origins.get("port"), origins.get("bind")], ["--port", "PYSERVE_BIND"]);
  assert(origins.get("index")!.endsWith("p.json:5:5"), origins.get("index"));
  assert(!names.has("quiet") && names.has("cgi"));
});

Deno.test("an option of the command line excludes contradicting ones of the file", async () => {
  const { options } = await given('{"tls-cert": "c.pem"}', ["--tls"]);
  assertEquals([options.tls, options["tls-cert"]], [true, null]);
});

Deno.test("relative paths lead from the file", async () => {
  await using tree = await tempTree({ "conf/p.json": '{"directory": "../site", "auth": "users"}' });
  const { options } = parse([], {}, () => readConfig(tree.at("conf/p.json")));
  assertEquals([options.directory, options.auth], [tree.at("site"), tree.at("conf/users")]);
});

const BAD: readonly (readonly [text: string, reason: string])[] = [
  ['{"prot": 1}', 'FILE:1:2: there is no option "prot"; did you mean "port"?'],
  ['{\n  "port": 1,\n  "port": 2\n}', 'FILE:3:3: "port" is set twice'],
  ['{"port": "x"}', 'FILE:1:2: "port" cannot be "x": it is not a port'],
  ['{"port": true}', 'FILE:1:10: "port" needs PORT'],
  ['{"port": [1]}', 'FILE:1:10: "port" takes one value, not a list'],
  ['{"port": null}', 'FILE:1:10: "port" needs PORT as text or as a number'],
  ['{"hidden": "yes"}', 'FILE:1:12: "hidden" must be true or false'],
  ['{"header": [["A: b"]]}', 'FILE:1:13: "header" needs NAME VALUE as text'],
  ['{"help": "all"}', 'there is no option "help"'],
  ['{"config": "x"}', 'there is no option "config"'],
  ['{"uploads": true}', 'there is no option "uploads"'],
  ["[]", "FILE:1:1: it must be an object"],
  ["", "FILE:1:1: expected a value, found the end"],
  ["{} x", "FILE:1:4: unexpected text"],
  ['{"port" 1}', 'FILE:1:9: a colon is missing after "port"'],
  ['{"port": 1 "bind": "x"}', 'FILE:1:12: expected "," or "}", found "\\""'],
  ["{port: 1}", 'FILE:1:2: expected a name in quotes, found "p"'],
  ['{"port": abc}', 'FILE:1:10: text needs quotes: "abc"'],
  ['{"bind": "a\nb"}', "FILE:1:10: a closing quote is missing"],
  ['{"bind": "\\x"}', "FILE:1:10: the text has an invalid escape"],
  ["{ /* x", "FILE:1:3: the comment has no end"],
  ["[".repeat(100), "nested too deeply"],
];

Deno.test("a file that cannot be used is one sentence, with line and column", async () => {
  for (const [text, reason] of BAD) assertStringIncludes(await refused(text), reason, text);
  assert(!(await refused('{"uploads": true}')).includes("did you mean")); // never a suggestion to allow writing
  const none = await runCommand(["--config", "/nonexistent/p.json"]);
  assertEquals([none.code, none.stderr], [
    1,
    'pyserve: Cannot read the configuration "/nonexistent/p.json": it does not exist\n',
  ]);
  await using tree = await tempTree({ "p.json": new Uint8Array([0x7b, 0xff, 0x7d]) });
  assertStringIncludes((await runCommand(["--config", tree.at("p.json")])).stderr, "it is not UTF-8 text");
});

Deno.test("positions are right in a large file, too, in reasonable time", () => {
  const value = parseJsonText(`[${"\n1, 2,".repeat(100_000)}\n  3]`);
  assert(value.kind === "array");
  assertEquals(value.items.at(-1)!.at, { line: 100_002, column: 3 });
  assertEquals(value.items[1]!.at, { line: 2, column: 4 });
});

Deno.test("options that let clients do more than read are refused in a file that is not named", async () => {
  await using tree = await tempTree({ "sub/a.txt": "a" });
  const risky = OPTION_ROWS.filter(([, { isRisky }]) => isRisky === true).map(([name]) => name);
  for (
    const name of [
      "upload",
      "delete",
      "all",
      "cgi",
      "fastcgi",
      "proxy",
      "hidden",
      "follow-links",
      "allow-host",
      "state",
    ] as const
  ) {
    assert(risky.includes(name), name);
  }
  await Deno.symlink("/", tree.at("link"));
  const found = async (text: string) => {
    await Deno.writeTextFile(tree.at("pyserve.json"), text);
    const { code, stderr } = await runCommand(["config"], { cwd: tree.path });
    return { code, text: stderr };
  };
  for (const text of ['{"upload": true}', '{"directory": ".."}', '{"directory": "/"}', '{"directory": "link"}']) {
    const { code, text: sentence } = await found(text);
    assertEquals(code, 2, text);
    assertStringIncludes(sentence, "only accepted from a file that is named");
  }
  for (const text of ['{"upload": false}', '{"directory": "sub"}', '{"port": 8111}']) {
    assertEquals(await found(text), { code: 0, text: "" });
  }
});

Deno.test("a file that is not named does not decide who may do what the operator has enabled, nor shows dotfiles", async () => {
  await using tree = await tempTree({ "sub/a.txt": "a", ".git/config": "token", "users": "" });
  await Deno.symlink(".git", tree.at("link"));
  const run = async (text: string, args: string[]) => {
    await Deno.writeTextFile(tree.at("pyserve.json"), text);
    return await runCommand(["config", ...args], { cwd: tree.path });
  };
  const beside = ['{"bind": "0.0.0.0"}', '{"auth": "users"}', '{"cors": "https://a.example"}', '{"header": "a: b"}'];
  const withUsers = ['{"public": true}', '{"access": "anyone:all"}'];
  for (
    const [text, args] of [
      ...beside.map((text) => [text, ["--upload"]] as const),
      ...[...beside.filter((text) => !text.includes("auth")), ...withUsers].map((text) =>
        [text, ["--auth", "x"]] as const
      ),
      ...['".git"', '"link"', '"sub/../.git"'].map((path) => [`{"directory": ${path}}`, []] as const),
      ['{"bind": "unix:/tmp/elsewhere"}', []] as const,
    ]
  ) {
    const { code, stderr } = await run(text, [...args]);
    assertEquals(code, 2, `${text} ${args}`);
    assertStringIncludes(stderr, "only accepted from a file that is named");
    assertEquals((await run(text, [...args, "--config", "pyserve.json"])).code, 0, `${text} ${args}`);
  }
  for (const text of [...beside, '{"auth": "users", "public": true}']) {
    assertEquals((await run(text, [])).code, 0, text);
  }
});

Deno.test("the server runs with the options of a file, and workers with the same", async () => {
  await using tree = await tempTree({ "p.json": '{"header": ["X-From: file"], "hidden": true}', "s/.a": "x" });
  for (const more of [[], ["--workers", "2"]]) {
    if (more.length > 0 && Deno.build.os !== "linux") continue;
    await using server = await start([tree.at("s"), "--config", tree.at("p.json"), ...more]);
    const response = await fetch(`http://127.0.0.1:${server.port}/.a`);
    assertEquals([response.headers.get("x-from"), await response.text()], ["file", "x"]);
  }
});

Deno.test("pyserve init writes a valid file, once; each of its comments is an option", async () => {
  await using tree = await tempTree({});
  const path = tree.at("new.json");
  assertEquals((await runCommand(["init", path])).code, 0);
  assertEquals(parse([], {}, () => readConfig(path)).names.size, 0);
  const again = await runCommand(["init", path]);
  assertEquals([again.code, again.stderr], [1, `pyserve: Cannot write "${path}": it exists already\n`]);
  const all = parseJsonText(template().replaceAll(/^ {2}\/\/ ("[\w-]+": )/gm, "  $1"));
  assert(all.kind === "object");
  assertEquals(all.members.map(({ key }) => key).toSorted(), configurable().toSorted());
});

Deno.test("pyserve config shows each value and where it is set", async () => {
  await using tree = await tempTree({ "p.json": '{"port": 8100}' });
  const { stdout: out, code: status } = await runCommand(["config", "--config", tree.at("p.json"), "-q"]);
  assertEquals(status, 0);
  assertStringIncludes(out, `port    8100`);
  assertStringIncludes(out, "p.json:1:2\n");
  assertStringIncludes(out, "--quiet\n");
  const bad = await runCommand(["config", "--upload", "--cgi"]);
  assertEquals(bad.code, 2);
});

function configurable(): OptionName[] {
  return OPTION_ROWS.map(([name]) => name).filter((name) => !["help", "version", "config"].includes(name));
}

Deno.test("help, schema, manual page and completions have all options, and no other", async () => {
  const { properties } = schema() as { properties: Record<string, unknown> };
  assertEquals(Object.keys(properties).toSorted(), ["$schema", ...configurable()].toSorted());
  const page = manualPage().replaceAll("\\-", "-");
  for (const [name] of OPTION_ROWS) {
    assertStringIncludes(help("all")!, `--${name}`);
    assertStringIncludes(page, `--${name}`);
    const variable = variableOf(name);
    if (variable !== null) assertStringIncludes(page, variable);
  }
  for (const shell of ["bash", "zsh", "fish", "powershell"]) {
    const { stdout: out, code: status } = await runCommand(["completions", shell]);
    assertEquals(status, 0);
    const long = shell === "fish" ? /-l ([a-z-]+)/g : /--([a-z][a-z-]*)/g;
    const names = new Set([...out.matchAll(long)].map(([, name]) => name!.replace(/-$/, "")));
    for (const [name] of OPTION_ROWS) assert(names.has(name), `${shell}: ${name}`);
  }
  assertEquals((await runCommand(["completions", "csh"])).code, 2);
});

Deno.test("shells accept their completions, and complete with them", async (t) => {
  const scripts = { bash: "", zsh: "", fish: "" };
  for (const shell of ["bash", "zsh", "fish"] as const) {
    scripts[shell] = (await runCommand(["completions", shell])).stdout;
    await t.step({
      name: shell,
      ignore: missing(shell),
      async fn() {
        await using tree = await tempTree({ script: scripts[shell], "some file.txt": "" });
        const path = tree.at("script");
        const run = async (code: string) => {
          const { stdout, stderr } = await new Deno.Command(shell, { args: ["-c", code], cwd: tree.path }).output();
          assertEquals(new TextDecoder().decode(stderr), "");
          return new TextDecoder().decode(stdout);
        };
        if (shell === "zsh") return assertEquals(await run(`zsh -n ${path}`), "");
        const complete = (word: string) =>
          shell === "bash"
            ? run(
              `source ${path}; COMP_WORDS=(pyserve '${word}'); COMP_CWORD=1; _pyserve; printf '%s\\n' "\${COMPREPLY[@]}"`,
            )
            : run(`source ${path}; complete -C 'pyserve ${word}'`);
        assertStringIncludes(await complete("--precom"), "--precompressed");
        assertStringIncludes(await complete("pass"), "passwd");
      },
    });
  }
});

Deno.test("the parser accepts what JSON.parse does, with the same values, and never hangs", () => {
  const random = seeded(1);
  const pick = <T>(of: readonly T[]) => of[Math.floor(random() * of.length)]!;
  const value = (depth: number): unknown => {
    const kind = depth > 3 ? pick(["s", "n", "b"]) : pick(["s", "n", "b", "a", "o"]);
    if (kind === "s") return pick(["", "a", 'q"\\', "\n\t\u0001", "é\u2028", "//", "/*"]);
    if (kind === "n") return pick([0, -1, 1.5, 1e30, 12345]);
    if (kind === "b") return pick([true, false, null]);
    const items = Array.from({ length: Math.floor(random() * 4) }, () => value(depth + 1));
    return kind === "a" ? items : Object.fromEntries(items.map((item, index) => [`k${index}`, item]));
  };
  const plain = (node: ReturnType<typeof parseJsonText>): unknown => {
    switch (node.kind) {
      case "object":
        return Object.fromEntries(node.members.map(({ key, value }) => [key, plain(value)]));
      case "array":
        return node.items.map(plain);
      case "string":
        return node.text;
      case "number":
        return Number(node.text);
      default:
        return node.kind === "null" ? null : node.kind === "true";
    }
  };
  for (let round = 0; round < 2_000; round++) {
    const text = JSON.stringify(value(0), null, pick([undefined, 2]));
    assertEquals(plain(parseJsonText(text)), JSON.parse(text));
    // Damaged text is an error, or still valid.
    const at = Math.floor(random() * text.length);
    const damaged = text.slice(0, at) + pick(["", "{", '"', ",", "/", "*/", "x"]) + text.slice(at + 1);
    try {
      parseJsonText(damaged);
    } catch (error) {
      assert(error instanceof JsonSyntaxError, String(error));
    }
  }
  assertThrows(() => parseJsonText("/*".repeat(100_000)), JsonSyntaxError);
  assert(OPTIONS.port.isRisky === undefined);
});
