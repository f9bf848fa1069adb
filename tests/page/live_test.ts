/** Live reload in a browser: edits show by themselves, styles and images without a reload, rows come and go. */

import { assert, assertEquals } from "@std/assert";
import { IN_BROWSER, launch, newPage, openFolder, type Page, shownNames } from "../support/browser.ts";
import { type RunningCommand, start } from "../support/command.ts";
import { type TempTree, tempTree } from "../support/tree.ts";

/** Images of one pixel: width tells them apart. */
const svg = (width: number) => `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="9"/>`;

const SITE = {
  "index.html": `<!doctype html><html><head><link rel="stylesheet" href="style.css">
<script type="module" src="app.js"></script></head><body><h1>one</h1><img src="a%20b.svg"></body></html>`,
  "style.css": "h1 { color: rgb(1, 1, 1) }",
  "app.js": 'import { text } from "./part.js"; document.body.dataset.text = text;',
  "part.js": 'export const text = "one";',
  "a b.svg": svg(11),
  "other.html": "<title>other</title>",
  "list/a.txt": "a",
  "list/b.txt": "b",
};

/** How editors save. */
const WAYS: Readonly<Record<string, (path: string, text: string) => void>> = {
  "writes": (path, text) => Deno.writeTextFileSync(path, text),
  "writes a new file and renames it": (path, text) => {
    Deno.writeTextFileSync(`${path}.tmp`, text);
    Deno.renameSync(`${path}.tmp`, path);
  },
  "moves the old one away, writes, and removes the old one": (path, text) => {
    Deno.renameSync(path, `${path}~`);
    Deno.writeTextFileSync(path, text);
    Deno.removeSync(`${path}~`);
  },
  "truncates, and writes in pieces": (path, text) => {
    Deno.writeTextFileSync(path, "");
    for (const piece of text.match(/.{1,20}/gs)!) Deno.writeTextFileSync(path, piece, { append: true });
  },
};

/** Opens a page, and waits until it listens: its own connection or that of another tab. */
async function openLive(page: Page, url: string): Promise<void> {
  const listening = page.waitForResponse((response) => response.url().includes("?watch"));
  await page.goto(url);
  await listening;
  await page.waitForFunction("document.body.dataset.text !== undefined");
}

/** Marks the document: the mark is gone after a reload. */
async function mark(page: Page): Promise<void> {
  await page.evaluate("window.marked = true");
}

async function isMarked(page: Page): Promise<boolean> {
  return await page.evaluate("window.marked === true");
}

async function shows(page: Page, condition: string): Promise<void> {
  await page.waitForFunction(condition, undefined, { polling: 10 });
}

interface Scene {
  readonly tree: TempTree;
  readonly server: RunningCommand;
  readonly page: Page & { readonly problems: string[] };
  readonly base: string;
}

async function inScene(test: (scene: Scene) => Promise<void>): Promise<void> {
  await using tree = await tempTree(SITE);
  await using server = await start([tree.path, "--quiet", "--watch"]);
  await using browser = await launch();
  const base = `http://127.0.0.1:${server.port}`;
  const page = await newPage(browser, base);
  await test({ tree, server, page, base });
  assertEquals(page.problems, []);
  assertEquals(server.stderr(), "");
}

Deno.test({
  name: "an edit of a style sheet or an image shows without a reload, one of HTML or a script with a reload",
  ...IN_BROWSER,
  fn: () =>
    inScene(async ({ tree, page, base }) => {
      await openLive(page, `${base}/`);
      await mark(page);
      Deno.writeTextFileSync(tree.at("style.css"), "h1 { color: rgb(2, 2, 2) }");
      await shows(page, "getComputedStyle(document.querySelector('h1')).color === 'rgb(2, 2, 2)'");
      Deno.writeTextFileSync(tree.at("a b.svg"), svg(22));
      await shows(page, "document.querySelector('img').naturalWidth === 22");
      Deno.writeTextFileSync(tree.at("other.html"), "<title>not this page's</title>");
      Deno.writeTextFileSync(tree.at("style.css"), "h1 { color: rgb(3, 3, 3) }");
      await shows(page, "getComputedStyle(document.querySelector('h1')).color === 'rgb(3, 3, 3)'");
      assertEquals(await page.locator("link[rel=stylesheet]").count(), 1);
      assert(await isMarked(page), "it was reloaded");
      Deno.writeTextFileSync(tree.at("part.js"), 'export const text = "two";');
      await shows(page, "document.body?.dataset.text === 'two'");
      assert(!await isMarked(page));
    }),
});

Deno.test({
  name: "a page shows what was saved, whichever way an editor saves",
  ...IN_BROWSER,
  fn: () =>
    inScene(async ({ tree, page, base }) => {
      await openLive(page, `${base}/`);
      for (const [at, save] of Object.values(WAYS).entries()) {
        const listening = page.waitForResponse((response) => response.url().includes("?watch"));
        save(tree.at("index.html"), SITE["index.html"].replace("one", `saved ${at}`));
        await shows(page, `document.querySelector("h1")?.textContent === "saved ${at}"`);
        await listening; // or the next change comes before the new page listens
      }
    }),
});

Deno.test({
  name: "ten tabs share one connection, so that pages still load; another tab takes over from one that is closed",
  ...IN_BROWSER,
  fn: () =>
    inScene(async ({ tree, page, base }) => {
      await openLive(page, `${base}/`);
      const tabs = [];
      for (let at = 0; at < 9; at++) {
        const tab = await page.context().newPage();
        await tab.goto(`${base}/`);
        await tab.waitForFunction("document.body.dataset.text === 'one'");
        tabs.push(tab);
      }
      const takesOver = Promise.race(
        tabs.map((tab) => tab.waitForResponse((response) => response.url().includes("?watch"))),
      );
      await page.close();
      await takesOver;
      Deno.writeTextFileSync(tree.at("style.css"), "h1 { color: rgb(2, 2, 2) }");
      for (const tab of tabs) {
        await shows(tab, "getComputedStyle(document.querySelector('h1')).color === 'rgb(2, 2, 2)'");
      }
    }),
});

Deno.test({
  name: "a page is saved by a link with the attribute download as it is on disk",
  ...IN_BROWSER,
  fn: () =>
    inScene(async ({ tree, page, base }) => {
      Deno.writeTextFileSync(
        tree.at("index.html"),
        '<!doctype html><head></head><a href="other.html" download>save</a>',
      );
      await page.goto(`${base}/`);
      const [download] = await Promise.all([page.waitForEvent("download"), page.locator("a").click()]);
      assertEquals(Deno.readTextFileSync(await download.path()), Deno.readTextFileSync(tree.at("other.html")));
    }),
});

Deno.test({
  name: "rows of a directory come, change and go by themselves; focus and selection stay",
  ...IN_BROWSER,
  fn: () =>
    inScene(async ({ tree, page, base }) => {
      const listening = page.waitForResponse((response) => response.url().includes("?watch"));
      await openFolder(page, `${base}/list/`);
      await listening;
      await page.locator("tr", { hasText: "b.txt" }).locator("input").check();
      await page.locator("tbody a", { hasText: "b.txt" }).focus();
      Deno.writeTextFileSync(tree.at("list/new.txt"), "12345");
      await page.locator("tbody tr", { hasText: "new.txt" }).waitFor();
      Deno.mkdirSync(tree.at("list/dir"));
      await page.locator("tbody tr", { hasText: "dir" }).waitFor();
      Deno.removeSync(tree.at("list/a.txt"));
      await page.locator("tbody tr", { hasText: "a.txt" }).waitFor({ state: "detached" });
      assertEquals(await shownNames(page), ["dir", "b.txt", "new.txt"]);
      Deno.writeTextFileSync(tree.at("list/new.txt"), "1234567");
      await page.locator("tr", { hasText: "new.txt" }).locator(".size span[title='7 bytes']").waitFor();
      assertEquals(await page.locator("tbody .name a:focus bdi").textContent(), "b.txt");
      assertEquals(await page.locator("tr[aria-selected=true] bdi").allTextContents(), ["b.txt"]);
    }),
});
