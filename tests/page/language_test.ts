/** The languages of the page: complete tables, the choice of a language, and both directions. */

import { assert, assertEquals } from "@std/assert";
import { sources } from "../../handlers/page/asset_files.ts";
import { languages, words } from "../../handlers/page/words.ts";

import { LANGUAGES } from "../../handlers/page/script/language.js";
import { axeSource, violations } from "../support/axe.ts";
import { IN_BROWSER, launch, newPage, openFolder } from "../support/browser.ts";
import { start } from "../support/command.ts";
import { tempTree } from "../support/tree.ts";

/** A text in the code; `one` is that about one. */
interface Text {
  readonly text: string;
  readonly one: string | null;
}

/** The texts that a module shows. */
async function textsIn(source: string, name: string): Promise<Text[]> {
  const { parse } = await import("npm:acorn@8.15.0");
  const found: Text[] = [];
  const literal = (node: Node | undefined) => {
    assert(typeof node?.value === "string", `${name} translates what is no literal`);
    return node.value;
  };
  const look = (node: Node) => {
    const called = node.type === "CallExpression" ? node.callee?.name : undefined;
    const [first, second, third] = node.arguments ?? [];
    if (called === "t" || called === "tNodes") found.push({ text: literal(first), one: null });
    if (called === "tn") found.push({ text: literal(third), one: literal(second) });
    for (const child of Object.values(node).flat()) {
      if (child !== null && typeof child === "object") look(child as Node);
    }
  };
  look(parse(source, { ecmaVersion: "latest", sourceType: "module" }) as unknown as Node);
  return found;
}

interface Node {
  readonly type: string;
  readonly value?: unknown;
  readonly callee?: { readonly name?: string };
  readonly arguments?: readonly Node[];
}

function placeholders(text: string): string[] {
  return Array.from(text.matchAll(/\{(\w+)\}/g), ([, name]) => name!).toSorted();
}

Deno.test("every text of the code is in every language, and no other", async () => {
  const modules = [...sources].filter(([name]) => name.endsWith(".js") && name !== "language.js");
  const texts = (await Promise.all(modules.map(([name, source]) => textsIn(source, name)))).flat();
  const wanted = new Map(texts.map((each) => [each.text, each]));
  assertEquals(Object.keys(words).toSorted(), [...wanted.keys()].toSorted());
  assertEquals(["en", ...languages], Object.keys(LANGUAGES));
  for (const [english, row] of Object.entries(words)) {
    assertEquals(Object.keys(row), languages, english);
    const { one } = wanted.get(english)!;
    if (one !== null) assertEquals(placeholders(one), placeholders(english));
    for (const [language, translation] of Object.entries(row)) checkText(english, one !== null, language, translation);
  }
});

/** The same placeholders, and a form for each kind of number; `many` in French and Spanish is for millions. */
function checkText(english: string, isCounted: boolean, language: string, text: string | Record<string, string>) {
  const place = `${english} in ${language}`;
  assertEquals(typeof text, isCounted ? "object" : "string", place);
  const names = placeholders(english);
  if (typeof text === "string") return assertEquals(placeholders(text), names, place);
  const kinds = new Set([0, 1, 2, 3, 11, 100].map((n) => new Intl.PluralRules(language).select(n)));
  assertEquals(new Set(Object.keys(text)), kinds, place);
  for (const [kind, form] of Object.entries(text)) {
    const isNumberSaid = ["other", "few", "many"].includes(kind);
    const unsaid = isNumberSaid || form.includes("{n}") ? [] : ["n"];
    if (kind === "zero" && language === "ar") continue; // "nothing was moved" needs nothing else
    assertEquals([...placeholders(form), ...unsaid].toSorted(), names, place);
  }
}

const SITE = { "Fotos/a.txt": "a", "Notizen.md": "# Notizen", "b.txt": "b" };

Deno.test({
  name: "the page speaks the language of the browser, and the one that is chosen",
  ...IN_BROWSER,
  async fn() {
    await using tree = await tempTree(SITE);
    await using server = await start([tree.path, "--quiet", "--upload"]);
    await using browser = await launch();
    const base = `http://127.0.0.1:${server.port}/`;
    const rows = [
      ["de-AT", "de", "ltr", "1 Ordner · 2 Dateien", "Hochladen"],
      ["pt-BR", "en", "ltr", "1 folder · 2 files", "Upload"],
      ["zh-TW", "zh-Hans", "ltr", "1 个文件夹", "上传"],
      ["ar-EG", "ar", "rtl", "مجلد واحد · ملفان", "رفع"],
    ] as const;
    for (const [locale, language, direction, summary, upload] of rows) {
      const page = await newPage(browser, base, { locale });
      await page.goto(base);
      await page.locator(".summary", { hasText: summary }).waitFor();
      await page.getByRole("button", { name: upload, exact: true }).waitFor();
      const { lang, dir } = await page.evaluate("({ lang: document.documentElement.lang, dir: document.dir })") as {
        lang: string;
        dir: string;
      };
      assertEquals([lang, dir], [language, direction]);
      assertEquals(page.problems, []);
      await page.context().close();
    }
    const page = await newPage(browser, base, { locale: "fr" });
    await page.goto(base);
    await page.getByRole("button", { name: "Langue : Français" }).click();
    await page.getByRole("menuitemradio", { name: "Español" }).click();
    await page.getByRole("button", { name: "Idioma: Español" }).waitFor();
    await page.goto(`${base}Fotos/`);
    await page.locator(".summary", { hasText: "1 archivo" }).waitFor();
    assertEquals(page.problems, []);
  },
});

Deno.test({
  name: "a language can be chosen where the browser keeps nothing",
  ...IN_BROWSER,
  async fn() {
    await using tree = await tempTree(SITE);
    await using server = await start([tree.path, "--quiet"]);
    await using browser = await launch();
    const base = `http://127.0.0.1:${server.port}/`;
    const page = await newPage(browser, base);
    await page.addInitScript(`for (const name of ["localStorage", "sessionStorage"]) {
      Object.defineProperty(globalThis, name, { get() { throw new DOMException("denied", "SecurityError"); } });
    }`);
    await page.goto(base);
    await page.getByRole("button", { name: "Language: English" }).click();
    await page.getByRole("menuitemradio", { name: "Deutsch" }).click();
    await page.locator(".summary", { hasText: "1 Ordner" }).waitFor();
    await page.locator("tbody a", { hasText: "Fotos" }).click();
    await page.locator(".summary", { hasText: "1 Datei" }).waitFor();
    assertEquals(page.problems, []);
  },
});

Deno.test({
  name: "without its texts, the page is in English",
  ...IN_BROWSER,
  async fn() {
    await using tree = await tempTree(SITE);
    await using server = await start([tree.path, "--quiet"]);
    await using browser = await launch();
    const page = await browser.newPage({ locale: "ar" });
    await page.route("**/words_ar.js", (route) => route.abort());
    await openFolder(page, `http://127.0.0.1:${server.port}/`);
    await page.locator("html[lang=en][dir=ltr]").waitFor();
  },
});

Deno.test({
  name: "axe-core finds nothing in any language",
  ...IN_BROWSER,
  async fn(t) {
    await using tree = await tempTree(SITE);
    await using server = await start([tree.path, "--quiet", "--upload", "--delete"]);
    await using browser = await launch();
    const base = `http://127.0.0.1:${server.port}/`;
    const source = await axeSource();
    for (const language of ["de", "ar"]) {
      const page = await newPage(browser, base, { locale: language, bypassCSP: true, reducedMotion: "reduce" });
      await page.goto(base);
      await page.locator(".readme, tbody .name").first().waitFor();
      await page.evaluate(source);
      const row = page.locator("tbody tr", { hasText: "b.txt" });
      const states: readonly (readonly [name: string, reach: () => Promise<unknown>])[] = [
        ["list", () => Promise.resolve()],
        ["selection", () => row.getByRole("checkbox").check()],
        ["menu", () => row.getByRole("button").click()],
        ["tiles", () => page.keyboard.press("Escape").then(() => page.keyboard.press("v"))],
        ["help", () => page.keyboard.press("?")],
        ["preview", async () => {
          await page.keyboard.press("Escape");
          await page.keyboard.press("Escape");
          await page.locator("tbody a", { hasText: "Notizen.md" }).click();
          await page.locator(".stage .markdown").waitFor();
        }],
      ];
      for (const [name, reach] of states) {
        await t.step(`${language}: ${name}`, async () => {
          await reach();
          assertEquals(await violations(page), []);
        });
      }
      await page.context().close();
    }
  },
});
