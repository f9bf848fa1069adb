/** Accessibility of the page: WCAG 2.2 AA in both colour schemes, on small screens, by keyboard, in print, with hostile names. */

import { assert, assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import { ALL, axeSource, COLOURS, violations } from "../support/axe.ts";
import { IN_BROWSER, launch, newPage, openFolder } from "../support/browser.ts";
import { start } from "../support/command.ts";
import { tempTree } from "../support/tree.ts";

const SITE = {
  "docs/guide.md": "# Guide\n\n- [x] one\n\n| a | b |\n| - | - |\n| 1 | 2 |\n\n```\ncode\n```\n",
  "README.md": "# Read me\n\nWith a [link](docs/) and `code`.\n\n## More\n\n> quoted",
  "photo.svg":
    `<svg xmlns="http://www.w3.org/2000/svg" width="90" height="90"><rect width="90" height="90" fill="teal"/></svg>`,
  "source.ts": "export const x = 1; // comment\n",
  "sound.wav": "RIFF",
  "none/": "",
};

Deno.test({
  name: "axe-core finds nothing in any state of the page, in light and in dark",
  ...IN_BROWSER,
  async fn(t) {
    await using tree = await tempTree(SITE);
    await Deno.symlink("nowhere", tree.at("broken"));
    await using server = await start([tree.path, "--quiet", "--upload", "--delete"]);
    await using browser = await launch();
    const base = `http://127.0.0.1:${server.port}`;
    const source = await axeSource();
    for (const colorScheme of ["light", "dark"] as const) {
      // axe-core evaluates strings; other tests cover what the policy blocks.
      const page = await newPage(browser, base, { colorScheme, bypassCSP: true, reducedMotion: "reduce" });
      const states: readonly (readonly [name: string, reach: () => Promise<unknown>])[] = [
        ["list", () => openFolder(page, `${base}/`).then(() => page.locator(".readme").waitFor())],
        ["selection", () => page.getByLabel("Select photo.svg").check()],
        ["menu", () => page.getByRole("button", { name: "Actions for photo.svg" }).click()],
        ["tiles", async () => {
          await page.keyboard.press("Escape");
          await page.keyboard.press("v");
        }],
        ["filter", () => page.getByRole("searchbox").fill("r")],
        ["nothing found", () => page.getByRole("searchbox").fill("zzz")],
        ["search", () => page.getByRole("searchbox").press("Enter")],
        ["help", async () => {
          await openFolder(page, `${base}/`);
          await page.keyboard.press("v");
          await page.keyboard.press("?");
        }],
        ["share", async () => {
          await page.keyboard.press("Escape");
          await page.getByRole("button", { name: /^Share/ }).click();
        }],
        ["rename", async () => {
          await page.keyboard.press("Escape");
          await page.getByRole("button", { name: "Actions for source.ts" }).click();
          await page.getByRole("menuitem", { name: "Rename" }).click();
        }],
        ["folders", async () => {
          await page.keyboard.press("Escape");
          await page.getByRole("button", { name: "Actions for source.ts" }).click();
          await page.getByRole("menuitem", { name: "Move or copy …" }).click();
          await page.getByRole("button", { name: "docs", exact: true }).click();
          await page.getByRole("button", { name: "Up", exact: true }).waitFor();
        }],
        ["a message with a button", async () => {
          await page.getByRole("button", { name: "Move here" }).click();
          await page.getByRole("button", { name: "Undo" }).waitFor();
        }],
        ["source", async () => {
          await page.getByRole("button", { name: "Undo" }).click();
          await page.locator("tbody a", { hasText: "source.ts" }).waitFor();
          await page.locator("tbody a", { hasText: "source.ts" }).click();
          await page.locator(".source").waitFor();
        }],
        ["markdown", async () => {
          await page.keyboard.press("Escape");
          await page.waitForURL((url) => url.hash === "");
          await page.goto(`${base}/docs/#preview=guide.md`);
          await page.locator(".stage .markdown").waitFor();
        }],
        ["uploads", async () => {
          await openFolder(page, `${base}/none/`);
          const file = { name: "new.txt", mimeType: "text/plain", buffer: Buffer.from("x") };
          await page.locator("input.files").setInputFiles(file);
          await page.locator(".uploads h2", { hasText: "1 file uploaded" }).waitFor();
        }],
        ["an error", () => page.goto(`${base}/not-there`)],
      ];
      for (const [name, reach] of states) {
        await t.step(`${colorScheme}: ${name}`, async () => {
          await reach();
          if (await page.evaluate("typeof axe") === "undefined") await page.evaluate(source);
          assertEquals(await violations(page, colorScheme === "light" ? ALL : COLOURS), []);
        });
      }
      await Deno.remove(tree.at("none/new.txt"));
      await page.close();
    }
    await t.step("without script", async () => {
      // Blocked requests rather than disabled JavaScript: axe-core is a script itself.
      const page = await newPage(browser, base, { bypassCSP: true });
      await page.route("**/.pyserve/**", (route) => route.abort());
      await page.goto(`${base}/`);
      await page.evaluate(source);
      assertEquals(await violations(page), []);
    });
  },
});

Deno.test({
  name: "the page fits a phone, and touch targets are large enough",
  ...IN_BROWSER,
  async fn(t) {
    const long = `${"averylongnamewithoutanyspace".repeat(6)}.txt`;
    await using tree = await tempTree({ ...SITE, [long]: "x", "שלום world.txt": "x" });
    await new Deno.Command("mkfifo", { args: [tree.at("fifo")] }).output();
    await using server = await start([tree.path, "--quiet", "--upload", "--delete"]);
    await using browser = await launch();
    const base = `http://127.0.0.1:${server.port}`;
    const viewport = { width: 320, height: 640 };
    const page = await newPage(browser, base, { viewport, hasTouch: true, isMobile: true });
    const fits = async () =>
      assert(await page.evaluate("document.documentElement.scrollWidth <= 320"), "it scrolls sideways");

    await t.step("list and tiles do not scroll sideways", async () => {
      await openFolder(page, `${base}/`);
      await page.locator(".readme").waitFor();
      await fits();
      await page.getByRole("button", { name: "Tiles" }).tap();
      await fits();
      await page.getByRole("button", { name: "List" }).tap();
    });
    await t.step("buttons, links and boxes are 44 pixels high", async () => {
      const low = await page.evaluate(`[...document.querySelectorAll("button, tbody a, .pick label, .filter input")]
        .filter((element) => element.offsetParent && element.getBoundingClientRect().height < 43.9)
        .map((element) => element.outerHTML)`);
      assertEquals(low, []);
    });
    await t.step("size and date are below the name", async () => {
      const row = page.locator("tr", { hasText: "source.ts" });
      assert(await row.locator(".size").isVisible() && await row.locator("time").isVisible());
    });
    await t.step("nothing covers the problem of an entry", async () => {
      const problem = (await page.locator("tr .problem", { hasText: "special file" }).boundingBox())!;
      for (const text of await page.locator("tr", { hasText: "fifo" }).locator("bdi, time").all()) {
        const box = await text.boundingBox();
        assert(box === null || box.y + box.height <= problem.y + 1 || box.y >= problem.y + problem.height - 1);
      }
    });
    await t.step("with a selection, a tap selects", async () => {
      await page.getByLabel("Select source.ts").tap();
      await page.locator("tbody a", { hasText: "photo.svg" }).tap();
      await page.locator(".selected", { hasText: "2 items selected" }).waitFor();
      await fits();
      await page.getByRole("button", { name: "Clear the selection" }).tap();
    });
    await t.step("a preview fills it", async () => {
      await page.locator("tbody a", { hasText: "source.ts" }).tap();
      await page.locator(".source").waitFor();
      await fits();
      await page.getByRole("button", { name: "Close (Esc)" }).tap();
    });
    await t.step("in print there are all rows, and no buttons but the column headings", async () => {
      await page.emulateMedia({ media: "print" });
      assertEquals(await page.locator("button:not(thead *)").filter({ visible: true }).count(), 0);
      assert(await page.locator("tbody .name", { hasText: "source.ts" }).isVisible());
    });
    assertEquals(page.problems, []);
  },
});

Deno.test({
  name: "hostile names are only names, also with script",
  ...IN_BROWSER,
  async fn() {
    const names = [
      "<img src=x onerror=document.title=1>",
      '"><script>document.title=1<',
      "javascript:document.title=1",
      "__proto__",
      "constructor.md",
      "#preview=x",
      "%2e%2e",
      "a\nb.txt",
      "\u202egnp.exe",
      "x\\..\\y.png",
      "http:evil.png",
    ];
    await using tree = await tempTree(Object.fromEntries(names.map((name) => [name, "content"])));
    await using server = await start([tree.path, "--quiet"]);
    await using browser = await launch();
    const base = `http://127.0.0.1:${server.port}`;
    const page = await newPage(browser, base);
    await openFolder(page, `${base}/`);
    const title = await page.title();
    const hrefs = await page.locator("tbody .name a").evaluateAll((links) =>
      links.map((link) => link.href)
    ) as string[];
    assertEquals(hrefs.length, names.length);
    for (const href of hrefs) assertEquals(await (await page.request.get(href)).text(), "content", href);
    assertEquals(await page.locator(".odd").allTextContents(), ["U+202E", "U+000A"].toSorted());
    await page.keyboard.press("v");
    for (const name of names.filter((each) => !/[\n\u202e]/.test(each))) {
      await page.getByRole("searchbox").fill(name.slice(0, 8));
      await page.locator("tbody tr").first().waitFor();
    }
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Actions for __proto__" }).click();
    await page.keyboard.press("Escape");
    assertEquals(await page.locator("main img[src='x'], main script").count(), 0);
    assertEquals(await page.title(), title);
    assertEquals(page.problems, []);
  },
});
