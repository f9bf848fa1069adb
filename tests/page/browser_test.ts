/** The page in a real browser without script. */

import { assert, assertEquals } from "@std/assert";
import { start } from "../support/command.ts";
import { hasProgram, missing } from "../support/programs.ts";
import { tempTree } from "../support/tree.ts";

const CHROMIUM = ["chromium", "chromium-browser", "google-chrome"].find(hasProgram);

Deno.test({
  name: "the listing works without script: no requests to other hosts, correct links",
  ignore: CHROMIUM === undefined && missing("chromium"),
  // Playwright keeps timers and pipes of its own until its process is gone.
  sanitizeOps: false,
  sanitizeResources: false,
  async fn(t) {
    const { chromium } = await import("npm:playwright-core@1.65.1");
    const odd = ["a b.txt", "#?%41.txt", '"><img src=x onerror=document.title=1>', "javascript:alert(1)", "ü 🐍.txt"];
    await using tree = await tempTree(
      Object.fromEntries([...odd, "dir/inner.txt", "f10", "f9"].map((name) => [name, `content of ${name}`])),
    );
    await using server = await start([tree.path]);
    const executablePath = `/usr/bin/${CHROMIUM}`;
    const flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"];
    const browser = await chromium.launch({ executablePath, args: [...flags, "--disable-sync"] });
    const base = `http://127.0.0.1:${server.port}`;
    const page = await browser.newPage({ javaScriptEnabled: false });
    const problems: string[] = [];
    page.on("console", (message) => problems.push(message.text()));
    page.on("dialog", (dialog) => problems.push(dialog.message()));
    page.on(
      "request",
      (request) => request.url().startsWith(base) || request.url().startsWith("data:") || problems.push(request.url()),
    );

    await t.step("every name can be followed", async () => {
      for (const name of odd) {
        await page.goto(`${base}/`);
        const link = page.getByRole("link", { name, exact: true });
        const url = new URL((await link.getAttribute("href"))!, `${base}/`);
        assertEquals(await (await page.request.get(url.href)).text(), `content of ${name}`);
      }
    });
    await t.step("the style applies and nothing breaks the policy", async () => {
      await page.goto(`${base}/`);
      const family = await page.evaluate("getComputedStyle(document.querySelector('table')).borderCollapse");
      assertEquals(family, "collapse");
      assertEquals(await page.title(), "Directory listing for /");
    });
    await t.step("columns sort by a click, and back", async () => {
      const first = () => page.locator("tbody tr:not(:has(a[href$='/'])) a").first().textContent();
      await page.getByRole("button", { name: "Size" }).click();
      assertEquals(await page.locator("th[aria-sort=descending]").textContent(), "Size ▼");
      assertEquals(await first(), '"><img src=x onerror=document.title=1>');
      await page.getByRole("button", { name: "Name", exact: true }).click();
      assertEquals(new URL(page.url()).search, "?sort=name&order=asc");
    });
    await t.step("directories can be entered and left", async () => {
      await page.getByRole("link", { name: "dir/", exact: true }).click();
      assertEquals(page.url(), `${base}/dir/`);
      await page.getByRole("link", { name: "/", exact: true }).click();
      assertEquals(page.url(), `${base}/`);
    });
    await t.step("dark, small and on paper", async () => {
      await page.emulateMedia({ colorScheme: "dark" });
      assertEquals(await page.evaluate("getComputedStyle(document.body).backgroundColor"), "rgb(22, 25, 29)");
      await page.setViewportSize({ width: 320, height: 600 });
      assert(await page.evaluate("document.documentElement.scrollWidth <= 320"), "it scrolls sideways");
      await page.emulateMedia({ media: "print" });
      assertEquals(await page.locator("footer button").first().isVisible(), false);
    });
    assertEquals(problems, []);
    await browser.close();
  },
});
