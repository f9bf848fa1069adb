/** The page of a directory with its script: order, filter, search, keys, selection, looks. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { IN_BROWSER, launch, newPage, openFolder, type Page, shownNames } from "../support/browser.ts";
import { start } from "../support/command.ts";
import { tempTree } from "../support/tree.ts";

const PNG = Uint8Array.fromBase64(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
);

const SITE = {
  "f2.txt": "22",
  "f10.txt": "1",
  "Übersicht.md": "# Hi",
  "big.bin": new Uint8Array(5000),
  "pixel.png": PNG,
  "broken.png": "no picture",
  "deep/inner/needle.txt": "x",
  "deep/other.txt": "x",
  "empty/": "",
};

const NAMES = ["deep", "empty", "big.bin", "broken.png", "f2.txt", "f10.txt", "pixel.png", "Übersicht.md"];

/** Waits for an element; the deadline is Playwright's. */
async function until(page: Page, selector: string, hasText?: string | RegExp): Promise<void> {
  await page.locator(selector, hasText === undefined ? {} : { hasText }).first().waitFor();
}

async function focused(page: Page): Promise<string | null> {
  return await page.locator("tbody .name a:focus bdi").textContent();
}

Deno.test({
  name: "the page of a directory sorts, filters, searches, selects and works by keyboard",
  ...IN_BROWSER,
  async fn(t) {
    await using tree = await tempTree(SITE);
    for (const [index, name] of NAMES.entries()) {
      await Deno.utime(tree.at(name), 1_700_000_000 + index * 86_400, 1_700_000_000 + index * 86_400);
    }
    await using server = await start([tree.path, "--quiet"]);
    await using browser = await launch();
    const base = `http://127.0.0.1:${server.port}`;
    const page = await newPage(browser, base);

    await t.step("it shows what the server listed", async () => {
      await openFolder(page, `${base}/`);
      assertEquals(await shownNames(page), NAMES);
      assertEquals(await page.locator(".summary").textContent(), "2 folders · 6 files · 4.97 KiB");
      assertEquals(
        await page.locator("tr", { hasText: "big.bin" }).locator(".size span").getAttribute("title"),
        "5,000 bytes",
      );
      assertMatch((await page.locator("tbody time").first().getAttribute("title"))!, /2023/);
    });
    await t.step("columns sort without a request, and the address says how", async () => {
      const requests: string[] = [];
      const note = (request: { url(): string }) => {
        // The modules that show the README may still be loading.
        if (!request.url().includes("/.pyserve/")) requests.push(request.url());
      };
      page.on("request", note);
      await page.locator("th.size button").click();
      await until(page, "tbody tr:nth-child(3)", "big.bin");
      assertEquals(new URL(page.url()).search, "?sort=size&order=desc");
      assertEquals(await page.locator("th.size").getAttribute("aria-sort"), "descending");
      await page.locator("th.size button").click();
      await until(page, "tbody tr:nth-child(3)", "f10.txt");
      await page.locator("th.date button").click();
      await until(page, "tbody tr:nth-child(3)", "Übersicht.md");
      page.off("request", note);
      assertEquals(requests, []);
    });
    await t.step("the order survives a reload and going back", async () => {
      await page.reload();
      await until(page, "body > footer", "as data");
      assertEquals((await shownNames(page))[2], "Übersicht.md");
      await page.locator("tbody a", { hasText: "deep" }).click();
      await until(page, "tbody", "other.txt");
      await page.goBack();
      await until(page, "tbody tr:nth-child(3)", "Übersicht.md");
      await page.locator("thead .name button").click();
      await until(page, "tbody tr:nth-child(3)", "big.bin");
      assertEquals(new URL(page.url()).search, "");
    });
    await t.step("the slash filters by parts of names and by patterns, without case and accents", async () => {
      await openFolder(page, `${base}/`);
      const rows: readonly (readonly [asked: string, names: readonly string[]])[] = [
        ["UBER", ["Übersicht.md"]],
        ["f1", ["f10.txt"]],
        ["f*.txt", ["f2.txt", "f10.txt"]],
        ["?ig.*", ["big.bin"]],
        ["txt f", ["f2.txt", "f10.txt"]],
      ];
      for (const [asked, names] of rows) {
        await page.keyboard.press("Escape");
        await page.keyboard.press("/");
        await page.keyboard.type(asked);
        await until(page, ".summary", `${names.length} of 8`);
        assertEquals(await shownNames(page), names);
      }
      assertEquals(await page.locator("tbody mark").first().textContent(), "f");
      await page.keyboard.press("Escape");
      await page.keyboard.press("/");
      await page.keyboard.type("nothing like it");
      await until(page, ".empty h2", "Nothing here matches");
      await page.keyboard.press("Escape");
      await until(page, ".summary", "2 folders");
    });
    await t.step("Enter searches the folders below, and Escape comes back", async () => {
      await page.keyboard.press("/");
      await page.keyboard.type("needle");
      await page.keyboard.press("Enter");
      await until(page, ".notice", "1 match for “needle”");
      await until(page, "tbody", "needle.txt");
      assertEquals(await shownNames(page), ["deep/inner/needle.txt"]);
      assertEquals(await page.locator("tbody a").getAttribute("href"), "deep/inner/needle.txt");
      assertEquals(new URL(page.url()).hash, "#q=needle");
      await page.reload();
      await until(page, ".notice", "1 match");
      await page.keyboard.press("Escape");
      await until(page, "tbody", "big.bin");
      assertEquals(await shownNames(page), NAMES);
    });
    await t.step("arrows, Home, End, Enter and Backspace go through folders", async () => {
      await openFolder(page, `${base}/`);
      await page.keyboard.press("ArrowDown");
      assertEquals(await focused(page), "deep");
      await page.keyboard.press("ArrowDown");
      assertEquals(await focused(page), "empty");
      await page.keyboard.press("End");
      assertEquals(await focused(page), "Übersicht.md");
      await page.keyboard.press("Home");
      assertEquals(await focused(page), "deep");
      assertEquals(await page.locator("tbody [tabindex='0']:is(a)").count(), 1);
      await page.keyboard.press("Enter");
      await page.waitForURL(`${base}/deep/`);
      await until(page, "body > footer", "as data");
      await page.keyboard.press("Backspace");
      await page.waitForURL(`${base}/`);
      await until(page, "body > footer", "as data");
      await page.keyboard.press("ArrowDown");
      assertEquals(await focused(page), "deep", "the keyboard is where it left");
    });
    await t.step("the question mark shows the keys, and character keys can be turned off", async () => {
      await page.keyboard.press("?");
      await until(page, "dialog h2", "Keyboard");
      await page.getByLabel(/Single-character shortcuts/).uncheck();
      await page.keyboard.press("Escape");
      await page.keyboard.press("?");
      await page.keyboard.press("/");
      assertEquals(await page.locator("dialog[open]").count(), 0);
      assertEquals(await page.locator(".filter input:focus").count(), 0);
      await page.getByRole("button", { name: /Keyboard help/ }).click();
      await page.getByLabel(/Single-character shortcuts/).check();
      await page.keyboard.press("Escape");
    });
    await t.step("Space, Shift and Ctrl+A select, and Escape clears the selection", async () => {
      await openFolder(page, `${base}/`);
      await page.keyboard.press("ArrowDown");
      await page.keyboard.press("Space");
      await until(page, ".selected", "1 item selected");
      await page.keyboard.press("Shift+ArrowDown");
      await page.keyboard.press("Shift+ArrowDown");
      await until(page, ".selected", "3 items selected · 4.88 KiB");
      assertEquals(await page.locator("tr[aria-selected=true]").count(), 3);
      await page.keyboard.press("Control+a");
      await until(page, ".selected", "8 items selected");
      assert(await page.getByLabel("Select all").isChecked());
      await page.keyboard.press("Escape");
      await page.locator(".selected").waitFor({ state: "hidden" });
      await page.getByLabel("Select f2.txt").check();
      await page.getByLabel("Select pixel.png").click({ modifiers: ["Shift"] });
      await until(page, ".selected", "3 items selected");
    });
    await t.step("a selection is downloaded as one zip", async () => {
      const download = page.waitForEvent("download");
      await page.locator(".selected").getByRole("button", { name: "Download" }).click();
      const path = await (await download).path();
      const { stdout } = await new Deno.Command("unzip", { args: ["-Z1", path] }).output();
      const names = new TextDecoder().decode(stdout).trim().split("\n").map((name) => name.replace(/^[^/]*\//, ""));
      assertEquals(names.filter((name) => name !== "").sort(), ["f10.txt", "f2.txt", "pixel.png"]);
      await page.keyboard.press("Escape");
    });
    await t.step("the menu of an entry has its checksum", async () => {
      await page.getByRole("button", { name: "Actions for f10.txt" }).click();
      await page.getByRole("menuitem", { name: "Checksum" }).click();
      await until(page, "dialog output", "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b");
      await page.getByLabel("Checksum to compare with").fill("6B86");
      await until(page, ".compare .bad", "No match");
      await page.keyboard.press("Escape");
    });
    await t.step("menus work by keyboard and restore the focus", async () => {
      const opener = page.getByRole("button", { name: "Actions for big.bin" });
      await opener.focus();
      await page.keyboard.press("Enter");
      await page.keyboard.press("ArrowDown");
      assertEquals(await page.locator("[role=menuitem]:focus").textContent(), "Download");
      await page.keyboard.press("Escape");
      assertEquals(await page.locator("[role=menu]").count(), 0);
      assertEquals(await page.locator("button:focus").getAttribute("aria-label"), "Actions for big.bin");
    });
    await t.step("tiles have thumbnails of images, and are remembered", async () => {
      await page.keyboard.press("v");
      await until(page, "table.tiles");
      await page.locator("tr", { hasText: "pixel.png" }).locator("img").waitFor();
      await page.locator("tr", { hasText: "broken.png" }).locator("img").waitFor({ state: "detached" });
      await page.keyboard.press("Home");
      await page.keyboard.press("ArrowRight");
      assertEquals(await focused(page), "empty");
      await openFolder(page, `${base}/`);
      await until(page, "table.tiles");
      await page.getByRole("button", { name: "List" }).click();
      await page.locator("table:not(.tiles)").waitFor();
    });
    await t.step("the theme is switched, remembered, and applied before the script runs", async () => {
      await page.emulateMedia({ colorScheme: "light" });
      await page.getByRole("button", { name: "Theme: system" }).click();
      await page.getByRole("button", { name: "Theme: light" }).click();
      await page.getByRole("button", { name: "Theme: dark" }).waitFor();
      await page.goto(`${base}/`, { waitUntil: "commit" });
      await page.locator("html[data-theme=dark]").waitFor();
      assertEquals(await page.evaluate("getComputedStyle(document.body).backgroundColor"), "rgb(22, 25, 29)");
      await page.getByRole("button", { name: "Theme: dark" }).click();
    });
    await t.step("an empty folder says so", async () => {
      await openFolder(page, `${base}/empty/`);
      await until(page, ".empty h2", "This folder is empty");
    });
    assertEquals(page.problems, []);
  },
});

Deno.test({
  name: "a folder of 20,000 entries has few rows, and all entries are reachable",
  ...IN_BROWSER,
  async fn() {
    await using tree = await tempTree();
    for (let i = 0; i < 20_000; i++) Deno.writeTextFileSync(tree.at(`file ${i}`), "");
    await using server = await start([tree.path, "--quiet"]);
    await using browser = await launch();
    const base = `http://127.0.0.1:${server.port}`;
    const page = await newPage(browser, base);
    await openFolder(page, `${base}/`);
    const rows = () => page.locator("tr").count();
    assert(await rows() < 200);
    assertEquals(await page.locator("table").getAttribute("aria-rowcount"), "20001");
    await page.keyboard.press("End");
    await page.keyboard.press("End");
    assertEquals(await focused(page), "file 19999");
    assert(await rows() < 200);
    await page.keyboard.press("Home");
    assertEquals(await focused(page), "file 0");
    await page.evaluate("scrollTo(0, document.body.scrollHeight / 2)");
    await page.locator("tbody tr", { hasText: /^file (?:99|100)\d\d/ }).first().waitFor();
    assert(await rows() < 200);
    await page.locator("thead .name button").click();
    await page.locator("tbody tr", { hasText: "file 19999" }).waitFor();
    await page.keyboard.press("/");
    await page.keyboard.type("1234");
    await page.locator(".summary", { hasText: "12 of 20,000" }).waitFor();
    await page.keyboard.press("v");
    assertEquals(page.problems, []);
  },
});

Deno.test({
  name: "below a mount, and many folders deep, the script is found",
  ...IN_BROWSER,
  async fn() {
    const { fileServer, memory, mount, toFetch } = await import("@x/pyserve");
    const source = memory({ "a/b/c/d.txt": "d" });
    const fetch = toFetch(mount("/some/where", fileServer(source, { log: false })));
    await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, fetch);
    await using browser = await launch();
    const base = `http://127.0.0.1:${server.addr.port}`;
    const page = await newPage(browser, base);
    await openFolder(page, `${base}/some/where/a/b/c/`);
    assertEquals(await shownNames(page), ["d.txt"]);
    await page.getByRole("link", { name: "a/", exact: true }).click();
    await page.waitForURL(`${base}/some/where/a/`);
    assertEquals(page.problems, []);
    await page.close();
  },
});
