/**
 * A random walk over the page: after each step, the page shows what the server has, and nothing else has happened than
 * what was asked for. WALK_STEPS and WALK_SEED set its length and its way; a failure prints both.
 */

import { assert, assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import { IN_BROWSER, launch } from "../support/browser.ts";
import { inScene, type PageScene } from "../support/page_scene.ts";
import { seeded } from "../support/random.ts";
import { within } from "../support/wait.ts";
import { matcher } from "../../handlers/page/script/match.js";
import { entryOrder, orderOf } from "../../handlers/page/script/order.js";
import { viewAt } from "../../handlers/page/script/address.js";
import { entryOfJson } from "../../handlers/page/script/entries.js";

/** Few enough for each run of all tests; `WALK_STEPS=2500` takes some minutes. */
const STEPS = Number(Deno.env.get("WALK_STEPS") ?? 250);
const SEED = Number(Deno.env.get("WALK_SEED") ?? 1);

const SITE = {
  "area.txt": "area",
  "b #1.md": "# One",
  "deep/area.txt": "another",
  "deep/inner/real.txt": "real",
  "deep/README.md": "# Deep",
  "empty/": "",
  "logo.svg": `<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>`,
  "ready & set.txt": "set",
  "README.md": "# The root",
  "real.txt": "real",
  "sub/x.txt": "x",
  "Ü'(!)*.txt": "odd",
};

const TEXTS = ["re", "a", "area", "*.txt", "e d", "zzz", "ü", "&"];

/** How long the page may take to show what it should, in milliseconds. */
const PATIENCE_MS = 5_000;

/** What the page shows. */
interface Shown {
  readonly names: readonly string[];
  readonly ticked: readonly string[];
  readonly bar: string | null;
  readonly notice: string;
  readonly field: string;
  readonly dialogs: readonly string[];
  readonly preview: string | null;
  readonly hasMenu: boolean;
  readonly focus: string;
  /** Whether everything has been read. */
  readonly isComplete: boolean;
}

const SHOWN = `(() => {
  const text = (selector) => document.querySelector(selector)?.textContent ?? "";
  const rows = [...document.querySelectorAll("tbody tr")];
  const nameOf = (row) => row.querySelector(".name bdi").textContent;
  const isSeen = (element) => element !== null && element.checkVisibility();
  const active = document.activeElement;
  const dialogs = [...document.querySelectorAll("dialog[open]")];
  const isInside = dialogs.length === 0 || dialogs.at(-1).contains(active);
  return {
    names: document.querySelector("table").hidden ? [] : rows.map(nameOf),
    ticked: rows.filter((row) => row.querySelector("input")?.checked).map(nameOf),
    bar: isSeen(document.querySelector(".selected")) ? text(".selected p") : null,
    notice: isSeen(document.querySelector(".notice")) ? text(".notice") : "",
    field: document.querySelector(".filter input")?.value ?? "",
    dialogs: dialogs.map((dialog) => dialog.querySelector("h2").textContent),
    preview: document.querySelector("dialog.preview[open] h2")?.textContent ?? null,
    hasMenu: document.querySelector("[role=menu]") !== null,
    focus: !isInside ? "outside of the dialog" : active === document.body ? "nowhere" : isSeen(active) ? "somewhere" : "unseen",
    isComplete: document.querySelector("html.on") !== null && document.querySelector("tbody[hidden]") === null,
  };
})()`;

type Random = () => number;

/** A walker: knows what is on the disk, and what the last step may do to it. */
class Walk {
  readonly #scene;
  readonly #random: Random;
  /** The last steps. */
  readonly steps: string[] = [];
  #shown!: Shown;
  /** The paths on the disk, as they should be. */
  #disk: Set<string>;
  /** Whether the focus may be nowhere: after the page was loaded. */
  #isFresh = true;
  #made = 0;

  constructor(scene: PageScene, random: Random) {
    this.#scene = scene;
    this.#random = random;
    this.#disk = pathsIn(scene.tree.path);
  }

  get #page() {
    return this.#scene.page;
  }

  #pick<T>(some: readonly T[]): T {
    return some[Math.floor(this.#random() * some.length)]!;
  }

  /** Where the page is, decoded and with a slash at the end. */
  get #folder(): string {
    return decodeURIComponent(new URL(this.#page.url()).pathname).slice(1);
  }

  async step(): Promise<void> {
    const open = this.#shown?.dialogs.length ?? 0;
    const [name, act] = this.#shown?.hasMenu
      ? this.#pick(MENU)
      : open > 0
      ? this.#pick(this.#shown.preview !== null ? PREVIEW : DIALOG)
      : this.#pick(LIST);
    this.steps.push(name);
    const detail = await act(this);
    if (detail) this.steps[this.steps.length - 1] += ` ${detail}`;
    await this.check();
  }

  /** Waits until the page shows what it should, and fails if it does not. */
  async check(): Promise<void> {
    const deadline = performance.now() + PATIENCE_MS;
    for (;;) {
      const [shown, expected] = [await this.#look(), await this.#expected()];
      const isLate = performance.now() > deadline;
      if (shown && isSame(shown, expected) && (this.#isFocusFine(shown) || isLate)) {
        this.#shown = shown;
        break;
      }
      if (isLate) assertEquals(shown && partOf(shown), expected);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    assertEquals([...pathsIn(this.#scene.tree.path)].sort(), [...this.#disk].sort(), "the disk");
    const { ticked, bar, focus } = this.#shown;
    if (ticked.length === 0) assertEquals(bar, null);
    else assert(bar?.startsWith(`${ticked.length} item`), `${bar}: ${ticked}`);
    assert(this.#isFocusFine(this.#shown), `the focus is ${focus}`);
    assertEquals(this.#page.problems, []);
  }

  #isFocusFine({ focus }: Shown): boolean {
    return focus === "somewhere" || focus === "nowhere" && this.#isFresh;
  }

  /** What is shown; null while a page is being loaded. */
  async #look(): Promise<Shown | null> {
    try {
      const shown = await this.#page.evaluate(SHOWN) as Shown;
      return shown.isComplete ? shown : null;
    } catch {
      return null;
    }
  }

  /** What the server has of what the address asks for. */
  async #expected() {
    const url = new URL(this.#page.url());
    const { search, preview } = viewAt(url);
    const query = search === null ? "format=json" : `format=json&q=${encodeURIComponent(search)}`;
    const response = await fetch(`${url.origin}${url.pathname}?${query}`, { headers: { accept: "application/json" } });
    const { entries, results } = await response.json();
    const isPreview = (href: string) => href === preview;
    const all = (entries ?? results) as { href: string; path?: string; name: string }[];
    const shownPreview = all.find(({ href }) => isPreview(href))?.name ?? null;
    if (search !== null) return { names: all.map(({ path }) => path!).sort(), preview: shownPreview };
    const field = await this.#page.locator(".filter input").inputValue({ timeout: 1000 }).catch(() => "");
    const test = matcher(field);
    const listed = all.map((entry, rank) => entryOfJson(entry as never, rank)).filter((entry) => !test || test(entry));
    const names = listed.sort(entryOrder(orderOf(url.search))).map(({ name }) => name);
    return { names, preview: shownPreview };
  }

  // The steps.

  async press(...keys: readonly string[]): Promise<string> {
    const key = this.#pick(keys);
    this.#isFresh &&= ["v", "Control+a", "Space"].includes(key); // these move no focus
    const isTyped = await this.#page.locator(".filter input:focus").count() > 0;
    await this.#page.keyboard.press(key);
    // The help is loaded first.
    if (key === "?" && !isTyped) await this.#page.locator("dialog[open]").waitFor();
    return key;
  }

  async filter(): Promise<string> {
    const text = this.#pick([...TEXTS, ""]);
    await this.#page.locator(".filter input").fill(text);
    await this.#page.locator(".filter input").focus();
    this.#isFresh = false;
    return text;
  }

  async search(): Promise<string> {
    const text = this.#pick(TEXTS);
    await this.#page.locator(".filter input").fill(text);
    await this.#page.locator(".filter input").press("Enter");
    this.#isFresh = false;
    return text;
  }

  async tick(): Promise<string | void> {
    if (this.#shown.names.length === 0) return;
    const at = Math.floor(this.#random() * this.#shown.names.length);
    await this.#page.locator("tbody tr .pick label").nth(at).click();
    this.#isFresh = false;
    return this.#shown.names[at]!;
  }

  async tickAll(): Promise<void> {
    const box = this.#page.getByLabel("Select all");
    if (await box.isVisible()) await box.click();
  }

  async sort(): Promise<string | void> {
    const column = this.#pick(["name", "size", "date"]);
    const button = this.#page.locator(`thead .${column} button`);
    if (await button.isVisible()) await button.click();
    return column;
  }

  async open(): Promise<string | void> {
    const links = this.#page.locator("tbody .name a");
    if (await links.count() === 0) return;
    const at = Math.floor(this.#random() * await links.count());
    const name = await links.nth(at).locator("bdi").textContent();
    await links.nth(at).click();
    this.#isFresh = true;
    return name!;
  }

  async openMenu(): Promise<string | void> {
    const openers = this.#page.locator("tbody .more button");
    if (await openers.count() === 0) return;
    const at = Math.floor(this.#random() * await openers.count());
    await openers.nth(at).click();
    this.#isFresh = false;
    return this.#shown.names[at];
  }

  async up(): Promise<void> {
    if (this.#folder === "") return;
    await this.#page.locator("h1 a").last().click();
    this.#isFresh = true;
  }

  async reload(): Promise<void> {
    const before = partOf(this.#shown);
    const { field } = this.#shown;
    await this.#page.reload();
    this.#isFresh = true;
    await this.check();
    assertEquals({ ...partOf(this.#shown), field: this.#shown.field }, { ...before, field });
  }

  /** Back, where it began: the same view. */
  async backAndForward(): Promise<void> {
    const url = this.#page.url();
    const before = partOf(this.#shown);
    const { field } = this.#shown;
    if (await this.#page.goBack().catch(() => null) === null && this.#page.url() === url) return;
    this.#isFresh = true;
    const isThere = this.#folder === "" || this.#disk.has(this.#folder);
    if (!this.#page.url().startsWith(this.#scene.base)) await this.#page.goForward();
    else if (!isThere) {
      // The browser's copy of a folder that is gone is replaced by the server's answer.
      await this.#page.waitForFunction(
        "document.readyState === 'complete' && document.querySelector('table') === null",
      );
      await this.#page.goForward();
    } else {
      await this.check();
      await this.#page.goForward();
    }
    await this.check();
    assertEquals(this.#page.url(), url);
    assertEquals({ ...partOf(this.#shown), field: this.#shown.field }, { ...before, field });
  }

  async makeFolder(): Promise<string> {
    const name = `made ${this.#made++}`;
    await this.#page.getByRole("button", { name: "New folder" }).click();
    await this.#page.keyboard.type(name);
    if (this.#random() < 0.3) {
      await this.#page.keyboard.press("Escape");
      return "not";
    }
    await this.#page.keyboard.press("Enter");
    this.#disk.add(`${this.#folder}${name}/`);
    this.#isFresh = false;
    await this.#untilMade(`${this.#folder}${name}`);
    return name;
  }

  async upload(): Promise<string> {
    const name = `sent ${this.#made++} re.txt`;
    const file = { name, mimeType: "", buffer: Buffer.from(name) };
    await this.#page.locator("input.files").setInputFiles(file);
    this.#disk.add(this.#folder + name);
    await this.#untilMade(this.#folder + name);
    return name;
  }

  async rename(): Promise<string | void> {
    await this.#page.keyboard.press("F2");
    return await this.finishRename();
  }

  /** Answers the dialog for a new name, if it is open. */
  async finishRename(): Promise<string | void> {
    const field = this.#page.getByLabel("New name");
    if (await field.count() === 0) return;
    const from = await field.inputValue();
    const name = `${this.#made++} ${this.#pick(["real", "other"])}.txt`;
    if (this.#random() < 0.3) await field.fill("x/y").then(() => this.#page.keyboard.press("Enter"));
    await field.fill(name);
    if (this.#random() < 0.3) {
      await this.#page.keyboard.press("Escape");
      return "not";
    }
    const path = await this.#focusedPath();
    await this.#page.keyboard.press("Enter");
    const old = [...this.#disk].filter((each) => each === path || each === `${path}/` || each.startsWith(`${path}/`));
    const renamed = path.replace(/[^/]*$/, name);
    for (const each of old) {
      this.#disk.delete(each);
      this.#disk.add(renamed + each.slice(path.length));
    }
    await this.#untilMade(renamed);
    return `${from} to ${name}`;
  }

  /** The path of the row that is renamed: the current one. */
  async #focusedPath(): Promise<string> {
    const href = await this.#page.evaluate(
      "document.querySelector('tbody [tabindex=\"0\"]').closest('tr').querySelector('a').getAttribute('href')",
    );
    return this.#folder + decodeURIComponent((href as string).replace(/\?.*$/, "")).replace(/\/$/, "");
  }

  async remove(): Promise<string | void> {
    const chosen = this.#shown.ticked;
    const isByBar = chosen.length > 0 && this.#random() < 0.5;
    if (isByBar) await this.#page.locator(".selected").getByRole("button", { name: "Delete" }).click();
    else await this.#page.keyboard.press("Delete");
    const dialog = this.#page.locator("dialog", { hasText: "cannot be undone" });
    if (await dialog.count() === 0) return;
    this.#isFresh = false;
    if (this.#disk.size < 8 || this.#random() < 0.4) {
      await dialog.getByRole("button", { name: "Keep" }).click();
      return "not";
    }
    const paths = chosen.length > 0 ? chosen.map((name) => this.#folder + name) : [await this.#focusedPath()];
    await dialog.getByRole("button", { name: "Delete", exact: true }).click();
    for (const path of paths) {
      for (const each of this.#disk) {
        if (each === path || each === `${path}/` || each.startsWith(`${path}/`)) this.#disk.delete(each);
      }
    }
    await this.#until(() => paths.every((path) => !exists(this.#scene.tree.at(path))));
    return paths.join(", ");
  }

  /** The names that the download asks for are those that are ticked. */
  async download(): Promise<string | void> {
    const { ticked } = this.#shown;
    if (ticked.length === 0) return;
    const asked = this.#page.waitForEvent("download");
    await this.#page.locator(".selected").getByRole("button", { name: "Download" }).click();
    const download = await asked;
    const url = new URL(download.url());
    await download.cancel();
    const names = url.searchParams.getAll("name");
    if (names.length > 0) assertEquals(names.sort(), [...ticked].sort());
    else assertEquals(ticked.length, topOf(this.#disk, this.#folder).size);
    return names.join(", ");
  }

  async menuItem(): Promise<string> {
    const label = this.#pick(["Preview", "Checksum", "QR code", "Rename"]);
    const item = this.#page.getByRole("menuitem", { name: label });
    if (await item.count() === 0) return this.press("Escape");
    await item.click();
    if (label === "QR code") await this.#page.locator("dialog.share").waitFor(); // loaded on demand
    return label;
  }

  async #untilMade(path: string): Promise<void> {
    await this.#until(() => exists(this.#scene.tree.at(path)));
  }

  async #until(condition: () => boolean): Promise<void> {
    const deadline = performance.now() + PATIENCE_MS;
    while (!condition() && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

type Step = readonly [name: string, act: (walk: Walk) => Promise<string | void>];

const ARROWS = ["ArrowDown", "ArrowUp", "Home", "End"];

/** With the list in front. The frequent ones are there more than once. */
const LIST: readonly Step[] = [
  ["press", (walk) => walk.press(...ARROWS)],
  ["press", (walk) => walk.press("Escape")],
  ["press", (walk) => walk.press("Space", "Shift+ArrowDown", "Shift+ArrowUp", "Control+a")],
  ["press", (walk) => walk.press("v", "?")],
  ["filter by", (walk) => walk.filter()],
  ["search", (walk) => walk.search()],
  ["tick", (walk) => walk.tick()],
  ["tick", (walk) => walk.tick()],
  ["tick all", (walk) => walk.tickAll()],
  ["sort by", (walk) => walk.sort()],
  ["open", (walk) => walk.open()],
  ["open", (walk) => walk.open()],
  ["open the menu of", (walk) => walk.openMenu()],
  ["go up", (walk) => walk.up()],
  ["reload", (walk) => walk.reload()],
  ["go back and forward", (walk) => walk.backAndForward()],
  ["make the folder", (walk) => walk.makeFolder()],
  ["upload", (walk) => walk.upload()],
  ["rename", (walk) => walk.rename()],
  ["remove", (walk) => walk.remove()],
  ["download", (walk) => walk.download()],
];

const PREVIEW: readonly Step[] = [
  ["press", (walk) => walk.press("ArrowLeft", "ArrowRight")],
  ["press", (walk) => walk.press("Escape")],
  ["reload", (walk) => walk.reload()],
  ["go back and forward", (walk) => walk.backAndForward()],
];

const DIALOG: readonly Step[] = [
  ["press", (walk) => walk.press("Escape")],
  ["finish renaming", (walk) => walk.finishRename()],
];

const MENU: readonly Step[] = [
  ["press", (walk) => walk.press("Escape", "ArrowDown")],
  ["choose", (walk) => walk.menuItem()],
];

function partOf({ names, preview }: Shown) {
  return { names, preview };
}

/** Whether the page shows what it should: in order, except for search results. */
function isSame(
  shown: Shown,
  expected: { readonly names: readonly string[]; readonly preview: string | null },
): boolean {
  const isSearch = shown.notice !== "";
  const names = isSearch ? [...shown.names].sort() : shown.names;
  return names.join("\0") === expected.names.join("\0") && shown.preview === expected.preview &&
    !shown.notice.startsWith("Searching");
}

/** All paths in a directory; those of directories end in a slash. */
function pathsIn(root: string, below = ""): Set<string> {
  const paths = new Set<string>();
  for (const { name, isDirectory } of Deno.readDirSync(`${root}/${below}`)) {
    paths.add(below + name + (isDirectory ? "/" : ""));
    if (isDirectory) { for (const path of pathsIn(root, `${below}${name}/`)) paths.add(path); }
  }
  return paths;
}

/** The names directly in a folder. */
function topOf(paths: ReadonlySet<string>, folder: string): Set<string> {
  return new Set(
    [...paths].filter((path) => path.startsWith(folder) && path !== folder).map((path) =>
      path.slice(folder.length).split("/")[0]!
    ),
  );
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

Deno.test({
  name: "whatever is done in whatever order, the page shows what is there, and does what it was told",
  ...IN_BROWSER,
  async fn() {
    await using browser = await launch();
    await inScene(browser, SITE, async (scene) => {
      scene.page.setDefaultTimeout(5_000);
      const walk = new Walk(scene, seeded(SEED));
      try {
        await walk.check();
        while (walk.steps.length < STEPS) await within(walk.step());
      } catch (error) {
        const last = walk.steps.slice(-25).join("\n");
        throw new Error(`Step ${walk.steps.length} of the walk with WALK_SEED=${SEED} failed, after:\n${last}`, {
          cause: error,
        });
      }
    }, { context: { reducedMotion: "reduce" } });
  },
});
