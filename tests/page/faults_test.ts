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

/** The name of the row that has the focus. */
async function focused(page: Page): Promise<string | null> {
  return await page.locator("tbody .name a:focus bdi").textContent();
}

/** Deletes the row with the focus by keyboard. */
async function confirmDelete(page: Page): Promise<void> {
  await page.keyboard.press("Delete");
  await page.locator("dialog").getByRole("button", { name: "Delete", exact: true }).click();
}

/** A style of the first element that fits. */
async function styleOf(page: Page, selector: string, name: string): Promise<string> {
  return await page.evaluate(`getComputedStyle(document.querySelector(${JSON.stringify(selector)})).${name}`);
}

/** The browser of all tests in this file. */
let browser: Browser;
if (!IN_BROWSER.ignore) {
  Deno.test.beforeAll(async () => void (browser = await launch()));
  Deno.test.afterAll(() => browser.close());
}

/** A test with the steps of a fault. */
function fault(
  name: string,
  test: (scene: PageScene) => Promise<void>,
  { files = SITE, ...options }: SceneOptions & { files?: Parameters<typeof inScene>[1] } = {},
) {
  const fn = () =>
    inScene(browser, files, async (scene) => {
      await test(scene);
      assertEquals(scene.page.problems, []);
    }, options);
  Deno.test({ name, ...IN_BROWSER, fn });
}

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

fault("P6: the panel of uploads and the selection do not cover each other", async ({ page }) => {
  for (const viewport of [{ width: 1280, height: 800 }, { width: 390, height: 700 }]) {
    await page.setViewportSize(viewport);
    await page.locator("input.files").setInputFiles({
      name: `${viewport.width}.txt`,
      mimeType: "",
      buffer: Buffer.from("x"),
    });
    await page.locator(".uploads h2", { hasText: "uploaded" }).waitFor();
    await page.keyboard.press("Control+a");
    await page.locator(".selected").waitFor();
    const [panel, bar] = [await page.locator(".uploads").boundingBox(), await page.locator(".selected").boundingBox()];
    assert(
      panel!.y + panel!.height <= bar!.y,
      `${viewport.width}: the panel ends at ${panel!.y + panel!.height}, the bar is at ${bar!.y}`,
    );
    await page.locator(".selected").getByRole("button", { name: "Delete" }).click();
    await page.getByRole("button", { name: "Keep" }).click();
    await page.keyboard.press("Escape");
  }
});

fault("P7: after a deletion, the next row has the focus", async ({ page }) => {
  await page.keyboard.press("End");
  await page.keyboard.press("ArrowUp");
  assertEquals(await focused(page), "README.md");
  await confirmDelete(page);
  await row(page, "README.md").waitFor({ state: "detached" });
  assertEquals(await focused(page), "real.txt");
  await confirmDelete(page);
  await row(page, "real.txt").waitFor({ state: "detached" });
  assertEquals(await focused(page), "logo.svg");
  await page.keyboard.press("Space");
  await page.locator(".selected").getByRole("button", { name: "Delete" }).click();
  await page.keyboard.press("Shift+Tab");
  await page.keyboard.press("Enter");
  await row(page, "logo.svg").waitFor({ state: "detached" });
  assertEquals(await focused(page), "area.txt");
  await choose(page, "Actions for area.txt", "Rename");
  await page.keyboard.press("Escape");
  assertEquals(await page.locator("button:focus").getAttribute("aria-label"), "Actions for area.txt");
});

fault("P8: a deletion that was refused is not announced", async (scene) => {
  const { page } = scene;
  scene.instead = ({ method }) => method === "DELETE" ? Response.json({ detail: "Not today" }, { status: 403 }) : null;
  await page.keyboard.press("End");
  await confirmDelete(page);
  await page.locator(".toast.failed", { hasText: "Not today" }).waitFor();
  await page.locator("[role=status]", { hasText: "Nothing was deleted" }).waitFor({ state: "attached" });
  assertEquals(await focused(page), "real.txt");
});

fault("P9: nothing happens to what is selected and not shown", async ({ page, tree }) => {
  await page.getByLabel("Select real.txt").check();
  await page.getByLabel("Select area.txt").check();
  await page.keyboard.press("/");
  await page.keyboard.type("real");
  await page.locator(".selected p", { hasText: "1 item selected · 4 B · 1 not shown" }).waitFor();
  await page.locator(".selected").getByRole("button", { name: "Delete" }).click();
  await page.getByRole("button", { name: "Delete", exact: true }).last().click();
  await row(page, "real.txt").waitFor({ state: "detached" });
  assert((await namesOn(tree)).includes("area.txt"));
  await page.locator(".selected").waitFor({ state: "hidden" });
  await page.keyboard.press("/");
  await page.keyboard.press("Escape");
  await page.locator(".selected p", { hasText: "1 item selected" }).waitFor();
});

fault(
  "P10: a preview from search results is there after a reload, and a missing one is said to be missing",
  async ({ page, base }) => {
    await search(page, "readme");
    await row(page, "Projects/webapp/README.md").locator("a").click();
    await page.locator(".stage h2", { hasText: "The app" }).waitFor();
    await page.reload();
    await page.locator(".stage h2", { hasText: "The app" }).waitFor();
    await page.goBack();
    await page.locator("dialog.preview").waitFor({ state: "hidden" });
    assertEquals(new URL(page.url()).hash, "#q=readme");
    await page.goBack();
    await page.locator(".notice", { hasText: "readme" }).waitFor({ state: "hidden" });
    assertEquals(page.url(), `${base}/`);
    await page.goForward();
    await row(page, "Projects/webapp/README.md").waitFor();
    await page.goto("about:blank");
    await page.goto(`${base}/#preview=gone.svg`);
    await page.locator(".toast", { hasText: "“gone.svg” is not there" }).waitFor();
    await page.waitForURL(`${base}/`);
    await page.goto("about:blank");
    await page.goto(`${base}/#preview=%E0%A4%A`);
    await page.locator(".toast", { hasText: "is not there" }).waitFor();
  },
);

fault("P11: without the server, a search, the help and a preview say that it cannot be reached", async (scene) => {
  const { page, base } = scene;
  await scene.stop();
  await page.keyboard.press("?");
  await page.locator(".toast", { hasText: "The server cannot be reached" }).first().waitFor();
  await page.getByRole("link", { name: "real.txt" }).click();
  await page.locator(".offline").waitFor();
  assertEquals(page.url(), `${base}/`);
  await page.keyboard.press("/");
  await page.keyboard.type("rea");
  await page.keyboard.press("Enter");
  await page.locator(".notice", { hasText: "The search failed: the server cannot be reached" }).waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "New folder" }).click();
  await page.keyboard.type("made");
  await page.keyboard.press("Enter");
  await page.locator(".toast", { hasText: "so the list may be out of date" }).waitFor();
  assertEquals(await page.locator(".toast", { hasText: /^The server cannot be reached$/ }).count(), 1);
  scene.restart();
  await page.getByRole("button", { name: "Try again" }).click();
  await page.locator(".offline").waitFor({ state: "hidden" });
  await page.keyboard.press("?");
  await page.locator("dialog h2", { hasText: "Keyboard" }).waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("link", { name: "real.txt" }).click();
  await page.locator(".stage code", { hasText: "real" }).waitFor();
});

fault("P12: an upload without a connection waits for the server, at no speed", async (scene) => {
  const { page } = scene;
  const session = await page.context().newCDPSession(page);
  const conditions = { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: 1_000_000 };
  await session.send("Network.emulateNetworkConditions", conditions);
  scene.instead = async ({ method, body }) => {
    if (method !== "PATCH") return null;
    let length = 0;
    for await (const chunk of body!) if ((length += chunk.length) > 1_500_000) break;
    return new Response(null, { status: 503 });
  };
  await page.locator("input.files").setInputFiles({ name: "big.bin", mimeType: "", buffer: Buffer.alloc(3_000_000) });
  await page.locator(".uploads > header .facts", { hasText: "left" }).waitFor();
  await page.locator(".uploads > header .facts", { hasText: "waiting for the server" }).waitFor();
  assert(!/left|\/s/.test((await page.locator(".uploads > header .facts").textContent())!));
  scene.instead = null;
  await page.locator(".uploads h2", { hasText: "1 file uploaded" }).waitFor();
});

fault("P13: all of a large folder is downloaded", async ({ page }) => {
  await page.keyboard.press("Control+a");
  const download = page.waitForEvent("download");
  await page.locator(".selected").getByRole("button", { name: "Download" }).click();
  assertEquals((await zipped(await (await download).path())).length, 900);
}, { files: Object.fromEntries(Array.from({ length: 900 }, (_, i) => [`a file with a rather long name ${i}`, ""])) });

fault("P16: the row of a folder says that it is one", async ({ page }) => {
  assertEquals(
    await page.getByRole("link", { name: "docs , folder" }).or(page.getByRole("link", { name: "docs, folder" }))
      .count(),
    1,
  );
});

fault("P17: selecting text in a dialog does not close it", async ({ page }) => {
  await page.getByRole("button", { name: "New folder" }).click();
  await page.keyboard.type("some text");
  const field = (await page.getByLabel("Name", { exact: true }).boundingBox())!;
  await page.mouse.move(field.x + 60, field.y + field.height / 2);
  await page.mouse.down();
  await page.mouse.move(2, field.y, { steps: 3 });
  await page.mouse.up();
  assertEquals(await page.locator("dialog[open]").count(), 1);
  await page.mouse.click(2, 2);
  await page.locator("dialog").waitFor({ state: "detached" });
});

fault("P18: on a phone, nothing in a preview covers anything", async ({ page }) => {
  for (const name of ["README.md", "real.txt", "logo.svg"]) {
    await row(page, name).locator("a").click();
    await page.locator(".stage > :not(.faint)").first().waitFor();
    const box = async (selector: string) => (await page.locator(selector).boundingBox())!;
    const [header, stage] = [await box(".preview > header"), await box(".stage")];
    assert(header.height < 70, `${name}: the header is ${header.height} high`);
    const end = ({ y, height }: { y: number; height: number }) => Math.floor(y + height);
    assert(stage.y >= end(header), `${name}: the header ends at ${end(header)}, the file is at ${stage.y}`);
    if (name === "README.md") assert((await box(".controls")).y >= end(stage));
    const steps = await box(".steps");
    if (name !== "logo.svg") assert(steps.y >= end(stage), `${name}: ${steps.y}, ${end(stage)}`);
    await page.keyboard.press("Escape");
    await page.locator("dialog.preview").waitFor({ state: "hidden" });
  }
}, { context: { viewport: { width: 320, height: 640 }, hasTouch: true, isMobile: true, reducedMotion: "reduce" } });

fault(
  "P19: tiles are sorted and selected as the list is, and show problems and drawings whole",
  async ({ page, tree }) => {
    await Deno.symlink("nowhere", tree.at("broken"));
    await page.reload();
    await page.keyboard.press("v");
    await page.locator("table.tiles").waitFor();
    await page.locator("thead .size button").click();
    await page.locator("th.size[aria-sort=descending]").waitFor();
    await page.getByLabel("Select all").check();
    await page.locator(".selected", { hasText: "6 items" }).waitFor();
    assertEquals(await styleOf(page, ".tiles img", "objectFit"), "contain");
    const [tile, problem] = [
      await page.locator("tr:has(.problem)").boundingBox(),
      await page.locator(".problem").boundingBox(),
    ];
    assert(problem!.y + problem!.height <= tile!.y + tile!.height);
    await page.keyboard.press("v");
  },
  { files: SITE },
);

fault("a print of 20,000 rows has all of them, and nothing but them", async ({ page }) => {
  await page.evaluate("dispatchEvent(new Event('beforeprint'))");
  assertEquals(await page.locator("tbody tr").count(), 1200);
  assertEquals(await styleOf(page, "tbody", "paddingBottom"), "0px");
  await page.evaluate("dispatchEvent(new Event('afterprint'))");
  assert(await page.locator("tbody tr").count() < 200);
}, { files: Object.fromEntries(Array.from({ length: 1200 }, (_, i) => [`file ${i}`, ""])) });

fault("the print of a preview is the file", async ({ page }) => {
  await row(page, "README.md").locator("a").click();
  await page.locator(".stage h2").waitFor();
  await page.emulateMedia({ media: "print" });
  assertEquals(await page.locator("main").isVisible(), false);
  assertEquals(await page.locator(".stage h2").isVisible(), true);
  await page.emulateMedia({ media: "screen" });
});

fault("a name needs more than a blank", async ({ page, tree }) => {
  await page.getByRole("button", { name: "New folder" }).click();
  await page.keyboard.type(" ");
  await page.keyboard.press("Enter");
  assertEquals(await page.locator("dialog[open]").count(), 1);
  await page.keyboard.press("Escape");
  assertEquals((await namesOn(tree)).includes(" "), false);
});

fault("Arabic and English texts each run their way", async ({ page, tree }) => {
  await Deno.writeTextFile(tree.at("both.md"), "مرحبا بالعالم\n\nHello\n\n- مرحبا\n");
  await page.reload();
  await row(page, "both.md").locator("a").click();
  await page.locator(".stage ul").waitFor();
  const sides = [".stage p", ".stage p + p", ".stage ul"].map((selector) => styleOf(page, selector, "direction"));
  assertEquals(await Promise.all(sides), ["rtl", "ltr", "rtl"]);
});

fault("dates are in the language of the page", async ({ page }) => {
  const title = await row(page, "real.txt").locator("time").getAttribute("title");
  assert(/tag, \d+\. \w+ \d{4} um/.test(title!), title!);
}, { context: { locale: "de-DE" } });

fault("a file that is kept beside another is shown with its new name", async ({ page }) => {
  const files = [{ name: "real.txt", mimeType: "", buffer: Buffer.from("x") }, {
    name: "large.bin",
    mimeType: "",
    buffer: Buffer.alloc(1_500_000),
  }];
  await page.locator("input.files").setInputFiles(files);
  await page.getByRole("button", { name: "Keep both" }).click();
  await page.locator(".uploads li", { hasText: "real (1).txt" }).waitFor();
  await page.locator(".uploads li[data-state=done]", { hasText: "large.bin" }).waitFor();
});

fault("what was sent of a refused file is not counted", async ({ page }) => {
  await page.locator("input.files").setInputFiles({ name: "big.bin", mimeType: "", buffer: Buffer.alloc(900_000) });
  await page.locator(".uploads h2", { hasText: "1 file could not be uploaded" }).waitFor();
  assertEquals(await page.locator(".uploads > header .facts").textContent(), "0 B of 879 KiB");
}, { maxBytes: 100_000 });

fault("a reload keeps the filter and the place", async ({ page }) => {
  await page.evaluate("scrollTo(0, 20000)");
  await page.locator("tbody tr", { hasText: "file 460" }).waitFor();
  await page.reload();
  await page.waitForFunction("scrollY === 20000");
  await page.keyboard.press("/");
  await page.keyboard.type("file 11");
  await page.locator(".summary", { hasText: " of 1,200" }).waitFor();
  await page.reload();
  await page.locator(".summary", { hasText: "of 1,200" }).waitFor();
  assertEquals(await page.locator(".filter input").inputValue(), "file 11");
}, { files: Object.fromEntries(Array.from({ length: 1200 }, (_, i) => [`file ${i}`, ""])) });

fault("a folder that is entered or left keeps the order", async ({ page, base }) => {
  await page.locator("th.size button").click();
  await row(page, "Projects").locator("a").click();
  await page.waitForURL(`${base}/Projects/?sort=size&order=desc`);
  await page.locator("th.size[aria-sort=descending]").waitFor();
  await page.locator("h1 a").first().click();
  await page.waitForURL(`${base}/?sort=size&order=desc`);
  await page.locator("html.on").waitFor();
  await row(page, "Projects").locator("a").click();
  await page.waitForURL(`${base}/Projects/?sort=size&order=desc`);
  await page.locator("body > footer", { hasText: "as data" }).waitFor();
  await page.keyboard.press("Backspace");
  await page.waitForURL(`${base}/?sort=size&order=desc`);
});

fault("messages are shown in front of a dialog", async ({ page }) => {
  await page.context().grantPermissions(["clipboard-write"]);
  await page.getByRole("button", { name: /^Share/ }).click();
  await page.getByRole("button", { name: "Copy" }).click();
  await page.locator("dialog .toast", { hasText: "Copied" }).waitFor();
  await page.keyboard.press("Escape");
  await page.locator(".dock .toast", { hasText: "Copied" }).waitFor();
});

fault("an empty folder is not offered as a zip", async ({ page, tree }) => {
  assertEquals(await page.getByRole("link", { name: "Download all as zip" }).count(), 0);
  await Deno.writeTextFile(tree.at("none/a.txt"), "");
  await page.reload();
  await page.getByRole("link", { name: "Download all as zip" }).waitFor();
}, { files: { "none/": "" }, path: "/none/" });

fault("what is touched on a phone is 44 pixels high and wide", async ({ page, base }) => {
  await page.goto(`${base}/docs/`);
  await page.locator("body > footer", { hasText: "as data" }).waitFor();
  const targets = "thead button, h1 a, body > footer button, .toolbar .button, .tools .button";
  for (const target of await page.locator(targets).all()) {
    const box = await target.boundingBox();
    if (box) {
      assert(box.width >= 43.9 && box.height >= 43.9, `${await target.textContent()}: ${box.width} x ${box.height}`);
    }
  }
}, { context: { viewport: { width: 390, height: 700 }, hasTouch: true, isMobile: true } });

const MANY = Array.from({ length: 400 }, (_, index) => `a file with a longer name ${index}.txt`);

fault("P13: a selection with more names than a URL can have is downloaded", async ({ page }) => {
  await page.getByLabel("Select all").check();
  await page.getByLabel("Select other.txt").uncheck();
  const download = page.waitForEvent("download");
  await page.getByRole("button", { name: "Download", exact: true }).click();
  assertEquals((await zipped(await (await download).path())).length, MANY.length);
  await page.route(
    "**/?archive=zip",
    (route) => route.fulfill({ status: 503, contentType: "text/html", body: "<strong>Too busy.</strong>" }),
  );
  await page.getByRole("button", { name: "Download", exact: true }).click();
  await page.locator(".toast", { hasText: "Too busy." }).waitFor();
}, { files: Object.fromEntries([...MANY, "other.txt"].map((name) => [name, "x"])) });
