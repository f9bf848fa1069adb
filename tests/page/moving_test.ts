/** Moving, copying and deleting many files with the page, and taking it back. */

import { assert, assertEquals } from "@std/assert";
import { type Browser, IN_BROWSER, launch, newPage, openFolder, type Page, shownNames } from "../support/browser.ts";
import { inScene, type PageScene } from "../support/page_scene.ts";
import { until } from "../support/wait.ts";

const SITE = {
  "a.txt": "a",
  "b #1.txt": "b",
  "deep/inner/x.txt": "x",
  "deep/a.txt": "another",
  "other/": "",
};

async function namesOn({ tree }: PageScene, path = "."): Promise<string> {
  return (await Array.fromAsync(Deno.readDir(tree.at(path)), ({ name }) => name)).sort().join(", ");
}

async function toasts(page: Page, text: string | RegExp): Promise<void> {
  await page.locator(".toast", { hasText: text }).first().waitFor();
}

function row(page: Page, name: string) {
  return page.locator("tbody tr").filter({ has: page.locator(".name bdi").getByText(name, { exact: true }) });
}

let browser: Browser;
if (!IN_BROWSER.ignore) {
  Deno.test.beforeAll(async () => void (browser = await launch()));
  Deno.test.afterAll(() => browser.close());
}

function inPage(name: string, files: Parameters<typeof inScene>[1], test: (scene: PageScene) => Promise<void>) {
  const fn = () =>
    inScene(browser, files, async (scene) => {
      await test(scene);
      assertEquals(scene.page.problems, []);
    });
  Deno.test({ name, ...IN_BROWSER, fn });
}

inPage("what is cut is moved where it is pasted, and back", SITE, async (scene) => {
  const { page, base } = scene;
  await page.getByLabel("Select a.txt").check();
  await page.getByLabel("Select b #1.txt").check();
  await page.keyboard.press("Control+x");
  await toasts(page, "2 items cut");
  await openFolder(page, `${base}/other/`);
  await page.keyboard.press("Control+v");
  await row(page, "b #1.txt").waitFor();
  assertEquals(await namesOn(scene, "other"), "a.txt, b #1.txt");
  assertEquals(await namesOn(scene), "deep, other");
  assertEquals(await page.locator("tbody a:focus bdi").textContent(), "a.txt");
  await page.keyboard.press("Control+v"); // it is moved only once
  await page.getByRole("button", { name: "Undo" }).click();
  await toasts(page, "2 items moved back");
  assertEquals(await namesOn(scene), "a.txt, b #1.txt, deep, other");
  await page.locator(".empty").waitFor();
});

inPage("what is copied can be pasted again and again, and beside itself gets another name", SITE, async (scene) => {
  const { page, base } = scene;
  await page.keyboard.press("Home");
  await page.keyboard.press("Control+c");
  await toasts(page, "1 item copied");
  await page.keyboard.press("Control+v");
  await row(page, "deep (1)").waitFor();
  assertEquals(await page.locator("tbody a:focus bdi").textContent(), "deep (1)");
  await openFolder(page, `${base}/other/`);
  await page.keyboard.press("Control+v");
  await row(page, "deep").waitFor();
  assertEquals(await namesOn(scene, "other/deep/inner"), "x.txt");
  assertEquals(await namesOn(scene, "deep/inner"), "x.txt");
  // A field is for text.
  await page.keyboard.press("/");
  await page.keyboard.press("Control+v");
  assertEquals(await namesOn(scene, "other"), "deep");
});

inPage("a name that is taken is not replaced, and the rest is moved", SITE, async (scene) => {
  const { page, base } = scene;
  await page.getByLabel("Select a.txt").check();
  await page.getByLabel("Select b #1.txt").check();
  await page.keyboard.press("Control+x");
  await openFolder(page, `${base}/deep/`);
  await page.keyboard.press("Control+v");
  await toasts(page, 'The name "a.txt" is taken');
  await row(page, "b #1.txt").waitFor();
  assertEquals(await Deno.readTextFile(scene.tree.at("deep/a.txt")), "another");
  assertEquals(await namesOn(scene), "a.txt, deep, other");
});

inPage("a dialog moves and copies to a folder that is looked for in it", SITE, async (scene) => {
  const { page } = scene;
  const dialog = page.locator("dialog");
  const open = async (name: string) => {
    await page.getByRole("button", { name: `Actions for ${name}` }).click();
    await page.getByRole("menuitem", { name: "Move or copy …" }).click();
  };
  await open("a.txt");
  assert(await dialog.getByRole("button", { name: "Move here" }).isDisabled());
  await dialog.getByRole("button", { name: "deep", exact: true }).click();
  await dialog.getByRole("button", { name: "inner", exact: true }).click();
  await dialog.locator(".place", { hasText: "/deep/inner/" }).waitFor();
  await dialog.getByText("There are no folders").waitFor({ state: "hidden" });
  await dialog.getByRole("button", { name: "Move here" }).click();
  await toasts(page, "1 item moved");
  assertEquals(await namesOn(scene, "deep/inner"), "a.txt, x.txt");
  await page.keyboard.press("Control+z");
  await toasts(page, "1 item moved back");
  await row(page, "a.txt").waitFor();
  await open("other");
  assertEquals(await dialog.getByRole("button", { name: "other", exact: true }).count(), 0, "not into itself");
  await dialog.getByRole("button", { name: "deep", exact: true }).click();
  await dialog.getByRole("button", { name: "Up" }).click();
  await dialog.getByRole("button", { name: "deep", exact: true }).click();
  await dialog.locator("li", { hasText: "inner" }).waitFor();
  await dialog.getByRole("button", { name: "Copy here" }).click();
  await toasts(page, "1 item copied");
  assertEquals(await namesOn(scene, "deep"), "a.txt, inner, other");
  await open("a.txt");
  await page.keyboard.press("Escape");
  assertEquals(await namesOn(scene), "a.txt, b #1.txt, deep, other");
});

inPage("a new name can be taken back", SITE, async (scene) => {
  const { page } = scene;
  await page.keyboard.press("Home");
  await page.keyboard.press("F2");
  await page.getByLabel("New name").fill("depth");
  await page.keyboard.press("Enter");
  await toasts(page, "Renamed to “depth”");
  await page.keyboard.press("Control+z");
  await row(page, "deep").waitFor();
  assertEquals(await namesOn(scene), "a.txt, b #1.txt, deep, other");
  assertEquals(await page.locator("tbody a:focus bdi").textContent(), "deep");
});

const MANY = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`file ${i}`, ""]));

inPage("the deletion of many files shows how far it is, and can be stopped", MANY, async (scene) => {
  const { page } = scene;
  let asked = 0;
  const goOn = Promise.withResolvers<void>();
  scene.instead = async ({ method }) => {
    if (method === "DELETE" && ++asked === 11) await goOn.promise;
    return null;
  };
  await page.keyboard.press("Control+a");
  await page.locator(".selected").getByRole("button", { name: "Delete" }).click();
  await page.locator("dialog").getByRole("button", { name: "Delete", exact: true }).click();
  await page.locator(".work", { hasText: "Deleting 11 of 40" }).waitFor();
  await page.locator(".work").getByRole("button", { name: "Stop" }).click();
  goOn.resolve();
  await page.locator(".work").waitFor({ state: "hidden" });
  await page.locator(".summary", { hasText: "29 files" }).waitFor();
  assertEquals((await shownNames(page)).length, 29);
  await page.locator("[role=status]", { hasText: "11 of 40 items deleted" }).waitFor({ state: "attached" });
  await page.locator(".selected", { hasText: "29 items selected" }).waitFor();
});

inPage("a list is read again when it is seen again", SITE, async ({ page, tree, base }) => {
  await row(page, "deep").locator("a").click();
  await page.waitForURL(`${base}/deep/`);
  await row(page, "inner").waitFor();
  await Deno.writeTextFile(tree.at("new.txt"), "");
  await page.goBack();
  await row(page, "new.txt").waitFor();
  await Deno.remove(tree.at("new.txt"));
  await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))");
  await row(page, "new.txt").waitFor({ state: "detached" });
  await row(page, "deep").locator("a").click();
  await row(page, "inner").waitFor();
  await page.goBack();
  await row(page, "deep").waitFor();
  await Deno.remove(tree.at("deep"), { recursive: true });
  await page.goForward();
  await page.getByText("404").first().waitFor();
});

Deno.test({
  name: "below a mount, files are moved to where they belong",
  ...IN_BROWSER,
  async fn() {
    const { disk, fileServer, mount, toFetch, uploadFeatures } = await import("@x/pyserve");
    const { tempTree } = await import("../support/tree.ts");
    await using tree = await tempTree(SITE);
    const features = uploadFeatures({ rights: { create: true, change: true } });
    const fetch = toFetch(mount("/some/where", fileServer(disk(tree.path), { features, log: false })));
    await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, fetch);
    const base = `http://127.0.0.1:${server.addr.port}`;
    const page = await newPage(browser, base);
    await openFolder(page, `${base}/some/where/deep/`);
    await page.getByRole("button", { name: "Actions for a.txt" }).click();
    await page.getByRole("menuitem", { name: "Move or copy …" }).click();
    await page.getByRole("button", { name: "inner", exact: true }).click();
    await page.locator(".place", { hasText: "inner" }).waitFor();
    await page.getByRole("button", { name: "Move here" }).click();
    await toasts(page, "1 item moved");
    assertEquals(await Deno.readTextFile(tree.at("deep/inner/a.txt")), "another");
    await page.context().close();
    for (const feature of features) await feature.end?.();
  },
});

inPage(
  "what is dragged onto a folder is moved there, with Ctrl copied, with the selection it belongs to",
  SITE,
  async (scene) => {
    const { page, base } = scene;
    await row(page, "a.txt").locator("a").dragTo(row(page, "other"));
    await toasts(page, "1 item moved");
    assertEquals(await namesOn(scene, "other"), "a.txt");
    await page.getByRole("button", { name: "Undo" }).click();
    await row(page, "a.txt").waitFor();
    await page.getByLabel("Select a.txt").check();
    await page.getByLabel("Select b #1.txt").check();
    await page.keyboard.down("Control");
    await row(page, "b #1.txt").locator("a").dragTo(row(page, "other"));
    await page.keyboard.up("Control");
    await toasts(page, "2 items copied");
    assertEquals(await namesOn(scene, "other"), "a.txt, b #1.txt");
    assertEquals(await namesOn(scene), "a.txt, b #1.txt, deep, other");
    // A folder does not go into itself, and what is here already stays.
    await row(page, "deep").locator("a").dragTo(row(page, "deep").locator(".date"));
    await openFolder(page, `${base}/deep/inner/`);
    await row(page, "x.txt").locator("a").dragTo(page.locator("h1 a").first());
    await toasts(page, "1 item moved");
    assertEquals(await namesOn(scene), "a.txt, b #1.txt, deep, other, x.txt");
  },
);

inPage(
  "a file that is dragged out of the browser has its URL, and Chromium can save it",
  SITE,
  async ({ page, base }) => {
    await row(page, "b #1.txt").hover(); // dragging is loaded on demand
    let data: unknown = false;
    const drag = `(() => {
      const dataTransfer = new DataTransfer();
      const link = document.querySelector('tbody a[href="b%20%231.txt"]');
      link.dispatchEvent(new DragEvent("dragstart", { dataTransfer, bubbles: true }));
      return dataTransfer.types.length > 0 &&
        ["text/uri-list", "DownloadURL"].map((type) => dataTransfer.getData(type));
    })()`;
    await until(async () => Boolean(data = await page.evaluate(drag)));
    const url = `${base}/b%20%231.txt`;
    assertEquals(data, [url, `application/octet-stream:b #1.txt:${url}`]);
  },
);
