/** A real single-page app in Chromium, served by the command: what its users load, the first time and later. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { IN_BROWSER, launch, newPage, type Page } from "../support/browser.ts";
import { start } from "../support/command.ts";
import { unless } from "../support/programs.ts";
import { recordVisits } from "../support/visits.ts";
import { buildApp, type ViteApp } from "../support/vite_app.ts";

const app = IN_BROWSER.ignore ? "there is no browser" : await buildApp();
const isBuilt = typeof app !== "string";

Deno.test.afterAll(async () => {
  if (isBuilt) await app[Symbol.asyncDispose]();
});

Deno.test({
  name: "an app that Vite has built opens at any of its addresses; later visits ask for its page only",
  ...IN_BROWSER,
  ignore: IN_BROWSER.ignore || unless(isBuilt, String(app)),
  async fn() {
    await using server = await start([(app as ViteApp).dist, "--spa", "--compress", "--cache", "auto"]);
    await using browser = await launch();
    const base = `http://127.0.0.1:${server.port}`;
    const page = await newPage(browser, base);
    const open = async (path: string, title: string, tab: Page = page) => {
      await tab.goto(`${base}${path}`, { waitUntil: "networkidle" });
      await tab.locator("h1", { hasText: title }).waitFor();
    };

    const visit = await recordVisits(page);
    const policies = new Map<string, string>();
    page.on("response", (response) => {
      const headers = response.headers();
      policies.set(new URL(response.url()).pathname, headers["cache-control"]!);
      if (/\.js$/.test(response.url())) assertMatch(headers["content-encoding"]!, /^(?:zstd|br)$/);
    });
    await open("/items/42", "Item 42");
    const { requests: first } = await visit();
    assertEquals(first.filter((line) => !/^\/(?:items\/42|assets\/\S+\.(?:js|css|svg)) 200$/.test(line)), []);
    assertEquals(first.length, 4);
    const files = [...policies].filter(([path]) => path !== "/items/42");
    assert(files.some(([, policy]) => policy === "max-age=31536000, immutable"));
    assertEquals(policies.get("/items/42"), "no-cache");

    // A hash that looks like a word is revalidated, too.
    const asked = files.filter(([, policy]) => policy === "no-cache").map(([path]) => `${path} 304`);
    const again = await page.context().newPage();
    const later = await recordVisits(again);
    await open("/items/42", "Item 42", again);
    assertEquals((await later()).requests, ["/items/42 304", ...asked].toSorted());

    await again.locator("a", { hasText: "About" }).click();
    await again.locator("h1", { hasText: "About the shop" }).waitFor();
    const [lazy, ...others] = (await later()).requests;
    assertMatch(lazy!, /^\/assets\/about-\S+\.js 200$/);
    assertEquals(others, []);
    // What an older version of the app asks for must fail: a page instead of the script would be an error without a reason.
    assertEquals(
      await again.evaluate(`import("/assets/about-older.js").then(() => "loaded", () => "failed")`),
      "failed",
    );
    assertEquals((await later()).requests, ["/assets/about-older.js 404"]);
    assertEquals(page.problems, []);
  },
});
