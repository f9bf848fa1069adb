/** Files that try to keep a browser busy: the page stays responsive. */

import { assertEquals } from "@std/assert";
import { IN_BROWSER, launch, newPage, openFolder } from "../support/browser.ts";
import { start } from "../support/command.ts";
import { MARKDOWN, SOURCE } from "../support/hostile.ts";
import { tempTree } from "../support/tree.ts";

/** Half of what is shown of a file. */
const SHOWN = 262_144;

/** Linear work takes less than half a second, all else minutes to years. */
const LIMIT_MS = 10_000;

Deno.test({
  name: "no text of Markdown or source keeps the page busy",
  ...IN_BROWSER,
  async fn(t) {
    await using tree = await tempTree({ "a.txt": "a" });
    await using server = await start([tree.path, "--quiet"]);
    await using browser = await launch();
    const base = `http://127.0.0.1:${server.port}/`;
    const page = await (await browser.newContext({ bypassCSP: true })).newPage();
    await page.goto(base);
    const assets = base + /\.pyserve\/\w+\//.exec(await page.content())![0];
    const run = async (script: string, text: string) => {
      let timer: ReturnType<typeof setTimeout> | undefined;
      const late = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new Error(`It takes longer than ${LIMIT_MS} ms`)), LIMIT_MS);
      });
      const done = page.evaluate(`(${script})(${JSON.stringify(assets)}, ${JSON.stringify(text)})`);
      done.catch(() => {}); // the browser is closed while it runs
      await Promise.race([done, late]).finally(() => clearTimeout(timer));
    };
    for (const [name, make] of Object.entries(MARKDOWN)) {
      await t.step({
        name: `Markdown: ${name}`,
        ...IN_BROWSER,
        fn: () => run(RENDER, make(SHOWN)),
      });
    }
    for (const [name, make] of Object.entries(SOURCE)) {
      await t.step({ name: `source: ${name}`, ...IN_BROWSER, fn: () => run(COLOUR, make(100_000)) });
    }
  },
});

const RENDER = `async (assets, text) => {
  const { renderMarkdown } = await import(assets + "markdown.js");
  renderMarkdown(text, location.href);
}`;

/** With line ends, because very long lines are not coloured. */
const COLOUR = `async (assets, text) => {
  const { highlight } = await import(assets + "highlight.js");
  const code = document.createElement("code");
  code.append(text.replace(/[^]{1,999}/g, "$&\\n"));
  for (const name of ["a.js", "a.css", "a.sql", "a.html", "a.py"]) {
    const shown = new AbortController();
    highlight(code, name, shown.signal);
    shown.abort();
  }
}`;

Deno.test({
  name: "source with a line that is too long is shown without colour, which would keep the browser busy",
  ...IN_BROWSER,
  async fn() {
    await using tree = await tempTree({ "a.txt": "a" });
    await using server = await start([tree.path, "--quiet"]);
    await using browser = await launch();
    const base = `http://127.0.0.1:${server.port}/`;
    const page = await (await browser.newContext({ bypassCSP: true })).newPage();
    await page.goto(base);
    const assets = base + /\.pyserve\/\w+\//.exec(await page.content())![0];
    const numbers = async (text: string) => {
      return await page.evaluate(`(${COLOUR_OF_NUMBERS})(${JSON.stringify(assets)}, ${JSON.stringify(text)})`);
    };
    assertEquals(await numbers("1 ".repeat(1_000) + "\n2\n"), 1_001);
    assertEquals(await numbers("1 ".repeat(1_000) + " \n2\n"), 0); // a character more in one line
    assertEquals(await numbers("1 \n".repeat(20_000)), 10_000);
    assertEquals(await numbers("1 \n".repeat(70_000)), 0);
  },
});

const COLOUR_OF_NUMBERS = `async (assets, text) => {
  const { highlight } = await import(assets + "highlight.js");
  const code = document.createElement("code");
  code.append(text);
  const shown = new AbortController();
  highlight(code, "a.js", shown.signal);
  const { size } = CSS.highlights.get("code-number") ?? { size: 0 };
  shown.abort();
  return size;
}`;

Deno.test({
  name: "a folder with a README made to keep the page busy is shown, and can be left",
  ...IN_BROWSER,
  async fn() {
    const readmes = ["a code span of blanks", "a table of rows", "lists"];
    await using tree = await tempTree({
      ...Object.fromEntries(readmes.map((name) => [`${name}/README.md`, MARKDOWN[name]!(SHOWN)])),
    });
    await using server = await start([tree.path, "--quiet"]);
    await using browser = await launch();
    const base = `http://127.0.0.1:${server.port}`;
    const page = await newPage(browser, base);
    for (const name of readmes) {
      await openFolder(page, `${base}/${encodeURIComponent(name)}/`);
      await page.locator(".readme .markdown").waitFor();
      await page.locator("h1 a").first().click();
      await page.locator("tbody a", { hasText: "lists" }).waitFor();
    }
    assertEquals(page.problems, []);
  },
});

Deno.test({
  name: "Markdown that is too much for a browser is shown as source",
  ...IN_BROWSER,
  async fn() {
    await using tree = await tempTree({ "README.md": "# First\n\n" + "- item\n".repeat(20_000) + "\nthe **end**\n" });
    await using server = await start([tree.path, "--quiet"]);
    await using browser = await launch();
    const base = `http://127.0.0.1:${server.port}`;
    const page = await newPage(browser, base);
    await openFolder(page, `${base}/`);
    await page.locator(".readme .markdown h2").waitFor();
    const shown = page.locator(".readme .markdown");
    const items = await shown.locator("li").count();
    assertEquals(items > 1_000 && items < 20_000, true);
    assertEquals((await shown.locator("pre").textContent())!.trimEnd().endsWith("- item\n\nthe **end**"), true);
  },
});
