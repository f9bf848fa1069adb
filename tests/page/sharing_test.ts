/** Share links in Chromium: the dialog, the plain page, what a link shows, and the page of an upload link on a phone. */

import { assert, assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import { axeSource, violations } from "../support/axe.ts";
import { type Browser, IN_BROWSER, launch, newPage, openFolder, type Page, shownNames } from "../support/browser.ts";
import { start } from "../support/command.ts";
import { type TempTree, tempTree } from "../support/tree.ts";

const PHONE = { viewport: { width: 360, height: 640 }, hasTouch: true, isMobile: true };

/** A server with the user ann, who may do everything, and a browser. */
async function sharingServer() {
  const stack = new AsyncDisposableStack();
  const tree: TempTree = stack.use(
    await tempTree({ "site/team/plan.txt": "plan", "site/team/note.txt": "note", "site/team/sub/x.txt": "x" }),
  );
  const args = [tree.at("site"), "--quiet", "--auth-env", "U", "--state", tree.at("state"), "--upload"];
  const server = stack.use(await start(args, { env: { U: "ann:correct horse" } }));
  const browser: Browser = stack.use(await launch());
  const base = `http://127.0.0.1:${server.port}`;
  const open = (options: Parameters<Browser["newPage"]>[0] = {}) => newPage(browser, base, options);
  const loggedIn = async (path: string, options: Parameters<Browser["newPage"]>[0] = {}) => {
    const page = await open(options);
    await page.goto(base + path);
    await page.getByLabel("Name").fill("ann");
    await page.getByLabel("Password").fill("correct horse");
    await page.getByRole("button", { name: "Log in" }).click();
    await page.waitForURL(base + path);
    return page;
  };
  return { tree, base, open, loggedIn, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

/** Makes a link in the open dialog. */
async function makeLink(page: Page, rights: string): Promise<string> {
  await page.getByRole("radio", { name: rights, exact: true }).check();
  await page.getByRole("button", { name: "Make a link" }).click();
  await page.getByText("The link is ready.").waitFor();
  return await page.getByLabel("Link", { exact: true }).inputValue();
}

Deno.test({
  name: "the dialog shares a folder, an entry and a selection, by keyboard too, and revokes",
  ...IN_BROWSER,
  async fn(t) {
    await using site = await sharingServer();
    const page = await site.loggedIn("/team/");
    await openFolder(page, `${site.base}/team/`);
    const guest = await site.open();
    let folder = "";

    await t.step("a folder, by keyboard; the link opens in a browser without a session", async () => {
      await page.getByRole("button", { name: "Share …" }).focus();
      await page.keyboard.press("Enter");
      await page.getByRole("dialog", { name: "Share this folder" }).waitFor();
      folder = await makeLink(page, "read");
      assert(await page.locator(".made svg[role=img]").isVisible());
      assertEquals(await page.evaluate("document.activeElement.getAttribute('aria-label')"), "Link");
      await page.keyboard.press("Escape");
      await openFolder(guest, folder);
      assertEquals(await shownNames(guest), ["sub", "note.txt", "plan.txt"]);
      assertEquals(await guest.locator(".account, [aria-label='Share …'], h1 a").count(), 0);
      assertEquals(await guest.locator("button", { hasText: "Upload" }).count(), 0);
      await guest.locator("tbody a", { hasText: "sub" }).click();
      await guest.waitForURL(/\/team\/sub\/$/);
      await guest.locator("h1 a").click();
      await guest.waitForURL(folder);
    });
    await t.step("an entry, from its menu", async () => {
      await page.getByRole("button", { name: "Actions for plan.txt" }).click();
      await page.getByRole("menuitem", { name: "Share …" }).click();
      await page.getByRole("dialog", { name: "Share “plan.txt”" }).waitFor();
      assertEquals(await page.getByRole("radio").count(), 1, "a file takes no uploads");
      const link = await makeLink(page, "read");
      await page.keyboard.press("Escape");
      assertEquals(await (await guest.request.get(link)).text(), "plan");
      assertEquals((await guest.request.get(link.replace("plan", "note"))).status(), 403);
    });
    await t.step("a selection", async () => {
      await page.getByLabel("Select plan.txt").check();
      await page.getByLabel("Select sub").check();
      await page.locator(".selected").getByRole("button", { name: "Share …" }).click();
      await page.getByRole("dialog", { name: "Share 2 items" }).waitFor();
      const link = await makeLink(page, "read");
      await guest.goto(link);
      await openFolder(guest, guest.url());
      assertEquals(await shownNames(guest), ["sub", "plan.txt"]);
    });
    await t.step("its links are listed, and revoked", async () => {
      await page.getByRole("button", { name: "Revoke the link to /team/", exact: true }).click();
      await page.getByText("The link no longer works").waitFor();
      await page.getByRole("button", { name: "Revoke the link to /team/", exact: true }).waitFor({ state: "detached" });
      assertEquals((await guest.request.get(folder)).status(), 404);
    });
    await t.step("with uploads, the page of the link takes files", async () => {
      await openFolder(page, `${site.base}/team/`);
      await page.getByRole("button", { name: "Share …" }).first().click();
      await openFolder(guest, await makeLink(page, "read and upload"));
      await guest.locator("input.files").setInputFiles({ name: "new.txt", mimeType: "", buffer: Buffer.from("new") });
      await guest.locator(".uploads h2", { hasText: "1 file uploaded" }).waitFor();
      assertEquals(await Deno.readTextFile(site.tree.at("site/team/new.txt")), "new");
    });
    assertEquals([page.problems, guest.problems], [[], []]);
  },
});

Deno.test({
  name: "an upload link works on a phone: several files, progress, a message, and nothing of what is there",
  ...IN_BROWSER,
  async fn(t) {
    await using site = await sharingServer();
    const page = await site.loggedIn("/team/", PHONE);
    await openFolder(page, `${site.base}/team/`);
    assert(await page.evaluate("document.documentElement.scrollWidth <= 360"), "the list does not scroll sideways");
    await page.getByRole("button", { name: "Share …" }).first().tap();
    const link = await makeLink(page, "upload only, and see nothing of what is there");
    assert(await page.evaluate("document.querySelector('dialog').scrollWidth <= 360"));
    const low = await page.evaluate(
      `[...document.querySelectorAll("dialog :is(button, select, label), .account button")]
      .filter((element) => element.offsetParent && element.getBoundingClientRect().height < 43.9)
      .map((element) => element.outerHTML)`,
    );
    assertEquals(low, [], "touch targets are 44 pixels high");
    const guest = await site.open(PHONE);
    await guest.goto(link);

    await t.step("it fits, and its controls are large", async () => {
      assert(await guest.evaluate("document.documentElement.scrollWidth <= 360"));
      assert((await guest.getByRole("button", { name: "Send" }).boundingBox())!.height >= 40);
      assert(!(await guest.content()).includes("plan.txt"));
    });
    await t.step("files arrive, one after the other", async () => {
      const files = ["plan.txt", "photo.jpg", "large.bin"].map((name, n) => {
        return { name, mimeType: "", buffer: Buffer.alloc(n * 1_000_000 + 1) };
      });
      await guest.getByLabel("Files").setInputFiles(files);
      await guest.getByRole("button", { name: "Send" }).tap();
      await guest.getByText("3 files have arrived. You can send more").waitFor();
      assertEquals(await guest.locator(".sent .done").count(), 3);
      assertEquals(await guest.locator(".sent progress").evaluateAll((bars) => bars.map((bar) => bar.value)), [
        1,
        1,
        1,
      ]);
      assertEquals(await Deno.readTextFile(site.tree.at("site/team/plan.txt")), "plan");
      assertEquals((await Deno.stat(site.tree.at("site/team/plan (1).txt"))).size, 1);
      assertEquals((await Deno.stat(site.tree.at("site/team/large.bin"))).size, 2_000_001);
    });
    await t.step("a file that does not arrive can be sent again", async () => {
      await guest.route("**/team/", (route) => route.request().method() === "POST" ? route.abort() : route.continue());
      await guest.getByLabel("Files").setInputFiles({ name: "again.txt", mimeType: "", buffer: Buffer.from("again") });
      await guest.getByRole("button", { name: "Send", exact: true }).tap();
      await guest.getByText("1 failed").waitFor();
      await guest.unroute("**/team/");
      await guest.getByRole("button", { name: "Send again" }).tap();
      await guest.getByText("4 files have arrived").waitFor();
      assertEquals(await Deno.readTextFile(site.tree.at("site/team/again.txt")), "again");
    });
    await t.step("without script", async () => {
      const plain = await site.open({ ...PHONE, javaScriptEnabled: false });
      await plain.goto(link);
      await plain.getByLabel("Files").setInputFiles({ name: "plain.txt", mimeType: "", buffer: Buffer.from("plain") });
      await plain.getByRole("button", { name: "Send" }).tap();
      await plain.getByText("Your files have arrived.").waitFor();
      assertEquals(await Deno.readTextFile(site.tree.at("site/team/plain.txt")), "plain");
    });
    assertEquals([page.problems, guest.problems], [[], []]);
  },
});

Deno.test({
  name: "without script, a plain page makes and revokes links",
  ...IN_BROWSER,
  async fn() {
    await using site = await sharingServer();
    const page = await site.loggedIn("/team/", { javaScriptEnabled: false });
    await page.getByRole("link", { name: "Share …" }).click();
    await page.getByLabel("An hour").check();
    await page.getByRole("button", { name: "Make a link" }).click();
    const href = await page.getByRole("link", { name: "Open it, or copy its address" }).getAttribute("href");
    const link = new URL(href!, page.url()).href;
    const guest = await site.open({ javaScriptEnabled: false });
    await guest.goto(link);
    await guest.getByRole("link", { name: "plan.txt" }).click();
    assertEquals(await guest.textContent("body"), "plan");
    await page.getByRole("button", { name: "Revoke the link to /team/" }).click();
    await page.getByText("You have no share links").waitFor();
    assertEquals((await guest.request.get(link)).status(), 404);
  },
});

Deno.test({
  name: "axe-core finds nothing in the dialog and the pages of share links, in light and in dark",
  ...IN_BROWSER,
  async fn(t) {
    await using site = await sharingServer();
    const source = await axeSource();
    for (const colorScheme of ["light", "dark"] as const) {
      const options = { colorScheme, bypassCSP: true, reducedMotion: "reduce" as const };
      const page = await site.loggedIn("/team/", options);
      let upload = "";
      const states: readonly (readonly [name: string, reach: () => Promise<unknown>])[] = [
        ["the page of a user", () => openFolder(page, `${site.base}/team/`)],
        ["the dialog", () => page.getByRole("button", { name: "Share …" }).first().click()],
        ["the link", async () => upload = await makeLink(page, "upload only, and see nothing of what is there")],
        ["the list", () => page.locator(".own-links li").first().waitFor()],
        ["the plain page", () => page.goto(`${site.base}/.pyserve/shares?path=/team/&upload`)],
        ["a link on it", () => page.getByRole("button", { name: "Make a link" }).click()],
        ["the account", () => page.goto(`${site.base}/.pyserve/login`)],
        ["the upload page", () => page.goto(upload)],
        ["files that have arrived", async () => {
          await page.getByLabel("Files").setInputFiles({ name: "a.txt", mimeType: "", buffer: Buffer.from("a") });
          await page.getByRole("button", { name: "Send" }).click();
          await page.getByText("1 file has arrived").waitFor();
        }],
        ["a link that is not valid", () => page.goto(upload.replace("/team/", "x/"))],
      ];
      for (const [name, reach] of states) {
        await t.step(`${colorScheme}: ${name}`, async () => {
          await reach();
          await page.waitForLoadState();
          if (await page.evaluate("typeof axe") === "undefined") await page.evaluate(source);
          assertEquals(await violations(page), []);
        });
      }
    }
  },
});
