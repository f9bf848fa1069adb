/** The page's script as few files: nothing but comments is lost, and each module exists once. */

import { assertEquals } from "@std/assert";
import { sources, texts } from "../../handlers/page/asset_files.ts";
import { bundle } from "../../handlers/page/bundle.ts";

Deno.test("modules are joined by who needs them", () => {
  const files = bundle(
    new Map([
      [
        "main.js",
        'import { a } from "./a.js";\nawait import("./lazy.js");\nawait import("./b.js");\nawait import("./other.js");\na();\n',
      ],
      ["a.js", 'import { b as c } from "./b.js";\nexport const a = () => c;\n'],
      ["b.js", 'import css from "./b.css" with { type: "text" };\n/** A comment. */\nexport const b = css;\n'],
      ["b.css", "p {}"],
      ["lazy.js", 'import { b } from "./b.js";\nimport { d } from "./d.js";\nimport { e } from "./e.js";\nb(d, e);\n'],
      ["d.js", "// A comment.\nexport function d() {}\n"],
      ["e.js", 'import { f } from "./f.js";\nexport class e {}\nf();\n'],
      ["f.js", "export async function* f() {}\n"],
      ["other.js", 'import { e } from "./e.js";\nexport const x = e;\n'],
    ]),
    [],
  );
  assertEquals(Object.fromEntries(files), {
    "main.js": 'import { $a } from "./base.js";\nconst { a } = $a;\n' +
      'await import("./lazy.js");\nawait import("./base.js").then((file) => file.$b);\nawait import("./other.js");\na();\n',
    "base.js": 'const $b = (() => {\nconst css = "p {}";\nconst b = css;\nreturn { b };\n})();\n' +
      "const $a = (() => {\nconst { b: c } = $b;\nconst a = () => c;\nreturn { a };\n})();\nexport { $b, $a };\n",
    "lazy.js": 'import { $b } from "./base.js";\nimport * as $e from "./e.js";\n' +
      "const $d = (() => {\nfunction d() {}\nreturn { d };\n})();\nexport { $d };\n" +
      "const { b } = $b;\nconst { d } = $d;\nconst { e } = $e;\nb(d, e);\n",
    "e.js": "const $f = (() => {\nasync function* f() {}\nreturn { f };\n})();\nexport { $f };\n" +
      "const { f } = $f;\nexport class e {}\nf();\n",
    "other.js": 'import * as $e from "./e.js";\nconst { e } = $e;\nexport const x = e;\n',
  });
});

Deno.test("a parser finds the code of each module in one file", async () => {
  const { tokenizer } = await import("npm:acorn@8.15.0");
  const tokens = (code: string) =>
    Array.from(
      tokenizer(code, { ecmaVersion: "latest", sourceType: "module" }),
      ({ start, end }) => code.slice(start, end),
    ).join(" ");
  const served = [...texts().values()].map((text) =>
    tokens(text).replaceAll("export ", "")
      .replaceAll(/import \( "[^"]*" \) \. then \( \( file \) => file \. \$(\w+) \)/g, 'import ( "./$1.js" )')
  );
  for (const [name, source] of sources) {
    if (!name.endsWith(".js")) continue;
    const code = source.replaceAll(/^import \{?[^"]*" ?.*;\n/gm, "");
    const own = tokens(code).replaceAll("export ", "");
    assertEquals(served.filter((text) => text.includes(own)).length, 1, name);
  }
});
