/** What the page shows around the list: names, ways up, the height of rows, and facts that rows have no room for. */

import { assert, assertEquals } from "@std/assert";
import { axeSource, violations } from "../support/axe.ts";
import { IN_BROWSER, launch, newPage, openFolder } from "../support/browser.ts";
import { start } from "../support/command.ts";
import { tempTree } from "../support/tree.ts";

const PHONE = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true };

Deno.test({
  name: "the page says where it is, leads up, and shows the details of a file",
  ...IN_BROWSER,
  async fn() {
    await using tree = await tempTree({ "one/two/three/four/a.md": "# A", "one/b.txt": "b" });
    await using server = await start([tree.path, "--quiet"]);
    await using browser = await launch();
    const base = `http://127.0.0.1:${server.port}/`;
    const page = await newPage(browser, base, { bypassCSP: true });
    await openFolder(page, base);
    const { host } = new URL(base);
    assertEquals([await page.title(), await page.locator("h1").textContent()], [host, `Home${host}`]);
    assertEquals(await page.locator("tr.up").count(), 0);

    await openFolder(page, `${base}one/two/three/four/?sort=size`);
    assertEquals(await page.title(), "four");
    await page.locator("tbody a").click();
    await page.locator("dialog.preview[open]").waitFor();
    assertEquals(await page.title(), "a.md");
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Compact rows" }).click();
    const height = (await page.locator("tbody tr").boundingBox())!.height;
    assert(height < 36, `a row of ${height} pixels`);
    await page.evaluate(await axeSource());
    assertEquals(await violations(page), []);
    await page.getByRole("link", { name: "Parent folder" }).click();
    await page.waitForURL("**/three/?sort=size&order=asc");
    await page.locator("button.density[aria-pressed=true]").waitFor();

    const phone = await newPage(browser, base, PHONE);
    await openFolder(phone, `${base}one/two/three/four/`);
    assertEquals(await phone.locator("h1 a", { hasText: "one" }).isVisible(), false);
    await phone.getByRole("button", { name: "Show the whole path" }).tap();
    await phone.locator("h1 a", { hasText: "one" }).waitFor();
    await phone.getByRole("button", { name: "Actions for a.md" }).tap();
    await phone.getByRole("menuitem", { name: "Details" }).tap();
    await phone.locator("dialog dd", { hasText: new Date().getFullYear().toString() }).waitFor();
    assertEquals([page.problems, phone.problems], [[], []]);
  },
});
