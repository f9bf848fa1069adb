/** Faults of the page that were found where its features meet: each test follows the steps that showed one. */

import { assert, assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import { type Browser, IN_BROWSER, launch, type Page, shownNames } from "../support/browser.ts";
import { inScene, type PageScene, type SceneOptions } from "../support/page_scene.ts";

const SITE = {
  "Projects/webapp/README.md": "# The app",
  "Projects/webapp/only here.txt": "only",
  "docs/area.txt": "an area",
  "README.md": "# The root",
  "real.txt": "real",
  "area.txt": "area",
  "logo.svg": `<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>`,
};

/** The names in a zip, without the folder that everything is in. */
async function zipped(path: string): Promise<string[]> {
  const { stdout } = await new Deno.Command("unzip", { args: ["-Z1", path] }).output();
  const names = new TextDecoder().decode(stdout).trim().split("\n").map((name) => name.replace(/^[^/]*\//, ""));
  return names.filter((name) => name !== "" && !name.endsWith("/")).sort();
}

async function search(page: Page, text: string): Promise<void> {
  await page.keyboard.press("/");
  await page.keyboard.press("Control+a");
  await page.keyboard.type(text);
  await page.keyboard.press("Enter");
  await page.locator(".notice", { hasText: /match/ }).waitFor();
}

function row(page: Page, name: string) {
  return page.locator("tbody tr").filter({ has: page.locator(".name bdi").getByText(name, { exact: true }) });
}

async function namesOn(tree: PageScene["tree"], path = "."): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(tree.at(path)), ({ name }) => name)).sort();
}

async function choose(page: Page, opener: string, item: string): Promise<void> {
  await page.getByRole("button", { name: opener }).click();
  await page.getByRole("menuitem", { name: item, exact: true }).click();
}

/** A test with the steps of a fault. */
function fault(
  name: string,
  test: (scene: PageScene) => Promise<void>,
  options: SceneOptions & { files?: Parameters<typeof inScene>[1] } = {},
) {
  FAULTS.push({
    name,
    run: (browser) =>
      inScene(browser, options.files ?? SITE, async (scene) => {
        await test(scene);
        assertEquals(scene.page.problems, []);
      }, options),
  });
}

const FAULTS: { readonly name: string; readonly run: (browser: Browser) => Promise<void> }[] = [];

fault("P1: what is ticked in search results is what is downloaded", async ({ page }) => {
  await search(page, "readme");
  await page.getByLabel("Select Projects/webapp/README.md").check();
  const download = page.waitForEvent("download");
  await page.locator(".selected").getByRole("button", { name: "Download" }).click();
  assertEquals(await zipped(await (await download).path()), ["Projects/webapp/README.md"]);
  await page.keyboard.press("Escape");
  await page.keyboard.press("Escape");
  await search(page, "only");
  await page.getByLabel("Select Projects/webapp/only here.txt").check();
  const next = page.waitForEvent("download");
  await page.locator(".selected").getByRole("button", { name: "Download" }).click();
  assertEquals(await zipped(await (await next).path()), ["Projects/webapp/only here.txt"]);
});

fault("P2: a dialog that is closed does nothing, whatever was tried before", async ({ page, tree }) => {
  const before = await namesOn(tree);
  await page.getByRole("button", { name: "New folder" }).click();
  await page.keyboard.press("Enter"); // refused: there is no name
  await page.keyboard.type("made");
  await page.keyboard.press("Escape");
  await choose(page, "Actions for real.txt", "Rename");
  await page.getByLabel("New name").fill("x/y");
  await page.keyboard.press("Enter"); // refused
  await page.getByLabel("New name").fill("other.txt");
  await page.locator("dialog").getByRole("button", { name: "Close" }).click();
  await page.locator("dialog").waitFor({ state: "detached" });
  await page.reload();
  await row(page, "real.txt").waitFor();
  assertEquals(await namesOn(tree), before);
});

fault("P3: closing a preview that was opened by its address stays in the folder", async ({ page, base }) => {
  await page.goto("about:blank");
  await page.goto(`${base}/#preview=logo.svg`);
  await page.locator(".stage img").waitFor();
  await page.keyboard.press("Escape");
  await page.locator("dialog.preview").waitFor({ state: "hidden" });
  await page.waitForURL(`${base}/`);
  assertEquals((await shownNames(page)).includes("logo.svg"), true);
});

fault("P4: typing after a search filters by what the field shows", async ({ page }) => {
  await search(page, "re");
  await page.locator(".filter input").press("End");
  await page.keyboard.type("a");
  assertEquals(await page.locator(".filter input").inputValue(), "rea");
  await page.locator(".summary", { hasText: "of" }).waitFor();
  assertEquals(await shownNames(page), ["area.txt", "README.md", "real.txt"]);
});

fault("P5: search results and the folder follow what is done to them", async ({ page, tree }) => {
  await search(page, "rea");
  await choose(page, "Actions for area.txt", "Delete");
  await page.getByRole("button", { name: "Delete", exact: true }).click();
  await row(page, "area.txt").waitFor({ state: "detached" });
  await choose(page, "Actions for docs/area.txt", "Rename");
  await page.getByLabel("New name").fill("realm.txt");
  await page.keyboard.press("Enter");
  await row(page, "docs/realm.txt").waitFor();
  await page.getByRole("button", { name: "New folder" }).click();
  await page.keyboard.type("rear");
  await page.keyboard.press("Enter");
  await row(page, "rear").waitFor();
  await page.locator("input.files").setInputFiles({ name: "ready.txt", mimeType: "", buffer: Buffer.from("x") });
  await row(page, "ready.txt").waitFor();
  await page.keyboard.press("Escape");
  await page.locator(".notice").waitFor({ state: "hidden" });
  const names = await shownNames(page);
  for (const name of ["rear", "ready.txt"]) assert(names.includes(name), name);
  assert(!names.includes("area.txt"));
  assertEquals(await namesOn(tree, "docs"), ["realm.txt"]);
});

Deno.test({
  name: "faults of the page do not come back",
  ...IN_BROWSER,
  async fn(t) {
    await using browser = await launch();
    for (const { name, run } of FAULTS) await t.step(name, () => run(browser));
  },
});
