/** What a first visit costs, and that nothing moves while the script arrives. */

import { assert, assertEquals } from "@std/assert";
import { IN_BROWSER, launch, newPage } from "../support/browser.ts";
import { start } from "../support/command.ts";
import { tempTree } from "../support/tree.ts";

const FILES = Object.fromEntries(Array.from({ length: 40 }, (_, index) => [`file ${index}.txt`, "text"]));
const SCREENS = [
  { viewport: { width: 1280, height: 800 } },
  { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true },
  { viewport: { width: 1280, height: 800 }, locale: "de" },
  { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true, locale: "ar" },
];

Deno.test({
  name: "a first visit takes at most 8 requests and 60 KB, and nothing moves when the script arrives",
  ...IN_BROWSER,
  async fn() {
    await using tree = await tempTree({ ...FILES, "README.md": "# Read me\n\nText." });
    await using server = await start([tree.path, "--quiet", "--upload"]);
    await using browser = await launch();
    const base = `http://127.0.0.1:${server.port}/`;
    for (const screen of SCREENS) {
      const page = await newPage(browser, base, screen);
      const network = await page.context().newCDPSession(page);
      await network.send("Network.enable");
      const sizes: number[] = [];
      network.on("Network.loadingFinished", ({ encodedDataLength }) => {
        if (encodedDataLength > 0) sizes.push(encodedDataLength); // pictures in style sheets are no requests
      });
      const script = Promise.withResolvers<void>();
      await page.route("**/main.js", async (route) => {
        await script.promise;
        await route.continue();
      });
      await page.addInitScript(`
        globalThis.moved = 0;
        new PerformanceObserver((list) => {
          for (const { value } of list.getEntries()) moved += value;
        }).observe({ type: "layout-shift", buffered: true });
      `);
      await page.goto(base, { waitUntil: "commit" });
      await page.locator("footer").waitFor({ state: "attached" });
      await page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))");
      script.resolve();
      await page.locator(".readme").waitFor();
      await page.waitForLoadState("networkidle");
      const moved = await page.evaluate<number>("moved");
      assert(moved <= 0.01, `moved by ${moved} in ${screen.locale ?? "English"}`);
      assert(sizes.length <= 8, `${sizes.length} requests`);
      const bytes = sizes.reduce((sum, size) => sum + size, 0);
      // Other languages than English have a file of texts, the largest of which is the Arabic one.
      assert(bytes <= (screen.locale ? 61_000 : 60_000), `${bytes} bytes`);
      assertEquals(page.problems, []);
      await page.context().close();
    }
  },
});

Deno.test({
  name: "without its script, the page is as it is without JavaScript",
  ...IN_BROWSER,
  async fn() {
    await using tree = await tempTree({ "a.txt": "a" });
    await using server = await start([tree.path, "--quiet", "--upload"]);
    await using browser = await launch();
    for (const name of ["base.js", "main.js"]) {
      const page = await browser.newPage();
      await page.route(`**/${name}`, (route) => route.abort());
      await page.goto(`http://127.0.0.1:${server.port}/`);
      await page.locator("html:not(.soon)").waitFor();
      await page.getByText("Upload files").waitFor();
      await page.getByRole("link", { name: "a.txt" }).waitFor();
      await page.close();
    }
  },
});
