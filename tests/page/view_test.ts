/** What previews offer for each kind of file. */

import { assert, assertEquals } from "@std/assert";
import { rowsOf, separatorOf, sortedBy } from "../../handlers/page/script/csv.js";
import { linesIn, linesOf } from "../../handlers/page/script/lines.js";
import { axeSource, violations } from "../support/axe.ts";
import { type Browser, IN_BROWSER, launch, type Page } from "../support/browser.ts";
import { inScene, type PageScene } from "../support/page_scene.ts";

Deno.test("values are read as RFC 4180 has them, and nothing is lost of others", () => {
  const rows: readonly (readonly [text: string, rows: readonly (readonly string[])[]])[] = [
    ["a,b\r\n1,2\r\n", [["a", "b"], ["1", "2"]]],
    ["a,b\n1,", [["a", "b"], ["1", ""]]],
    ['"a ""x"", b",c\n"two\nlines",', [['a "x", b', "c"], ["two\nlines", ""]]],
    ['"open,\nend', [["open,\nend"]]],
    ['"a"b,c', [["ab", "c"]]],
    ["a\n\nb", [["a"], [""], ["b"]]],
    ["", []],
    [",", [["", ""]]],
  ];
  for (const [text, expected] of rows) assertEquals(rowsOf(text, ","), expected, JSON.stringify(text));
  assertEquals(["a,b", "a;b,c;d", "a\tb", "a|b", "a"].map(separatorOf), [",", ";", "\t", "|", ","]);
  assertEquals(rowsOf('"'.repeat(500_001), ",").length, 1);
});

Deno.test("columns of numbers are sorted as numbers, and empty values come last", () => {
  const column = (values: string[], isDescending = false) =>
    sortedBy(values.map((value) => [value]), 0, isDescending).map(([value]) => value);
  assertEquals(column(["10", "9", "", "-1", "1e2"]), ["-1", "9", "10", "1e2", ""]);
  assertEquals(column(["10", "9", "", "2,5"], true), ["10", "9", "2,5", ""]);
  assertEquals(column(["b10", "b9", "a"]), ["a", "b9", "b10"]);
});

Deno.test("lines in an address", () => {
  assertEquals([linesOf(3, 3), linesOf(20, 10), linesOf(0, 0)], ["#L3", "#L10-L20", ""]);
  assertEquals([linesIn("#L10-L20"), linesIn("#L3"), linesIn("")], [{ from: 10, to: 20 }, { from: 3, to: 3 }, null]);
});

const CODE = Array.from({ length: 300 }, (_, index) => `const line${index + 1} = ${index}; // ${"word ".repeat(40)}\n`);

const FILES: Readonly<Record<string, string | Uint8Array>> = {
  "a.ts": CODE.join(""),
  "b.json": JSON.stringify({ id: 1, list: [1, 2, { deep: { deeper: "<b>&" } }], __proto__: null, empty: {} })
    .replace('"id":1', '"id":12345678901234567890'),
  "c.csv": "name,size\nx,10\ny,9\n<b>z</b>,100\n",
  "d.json": "{broken",
  "long.csv": "n\n" + Array.from({ length: 900 }, (_, index) => `${index}\n`).join(""),
};

/** The file in the preview of a page. */
async function preview(page: Page, name: string, lines = ""): Promise<void> {
  await page.evaluate(`location.hash = ${JSON.stringify(`#preview=${encodeURIComponent(name)}${lines}`)}`);
  await page.locator("dialog.preview h2", { hasText: name }).waitFor();
}

const TESTS: Readonly<Record<string, (scene: PageScene) => Promise<void>>> = {
  async "lines can be linked to, chosen, and gone to by keyboard"({ page, base }) {
    await page.goto(`${base}/?x#preview=a.ts#L150-L152`);
    const band = page.locator(".band");
    await band.waitFor();
    const bandBox = (await band.boundingBox())!;
    const line = async (number: number) =>
      (await page.evaluate(`(() => {
        const text = document.querySelector(".source code").firstChild;
        const range = document.createRange();
        const at = text.data.indexOf("const line${number} ");
        range.setStart(text, at); range.setEnd(text, at + 5);
        const { top, bottom } = range.getBoundingClientRect();
        return { top, bottom };
      })()`)) as { top: number; bottom: number };
    const [first, last] = [await line(150), await line(152)];
    const bandEnd = bandBox.y + bandBox.height;
    assert(Math.abs(bandBox.y - first.top) < 6, `${bandBox.y} is not at ${first.top}`);
    assert(Math.abs(bandEnd - last.bottom) < 6, `${bandEnd} is not at ${last.bottom}`);
    assert(bandBox.y > 0 && bandBox.y < page.viewportSize()!.height, "it is not scrolled to");

    await page.mouse.click(20, (await line(155)).top + 8);
    await page.waitForURL((url) => url.hash === "#preview=a.ts#L155");
    await page.keyboard.down("Shift");
    await page.mouse.click(20, (await line(160)).top + 8);
    await page.keyboard.up("Shift");
    await page.waitForURL((url) => url.hash === "#preview=a.ts#L155-L160");

    await page.getByRole("button", { name: "Go to line" }).click();
    await page.keyboard.type("7-5");
    await page.keyboard.press("Enter");
    await page.waitForURL((url) => url.hash === "#preview=a.ts#L5-L7");
    await page.waitForFunction(`document.querySelector(".stage").scrollTop < 400`);
    assertEquals((await page.locator(".numbers").textContent())!.split("\n").length, 300);
  },
  async "lines are wrapped, with numbers beside their first rows"({ page }) {
    await preview(page, "a.ts", "#L290");
    const wrap = page.getByRole("button", { name: "Wrap lines" });
    await wrap.click();
    assertEquals(await wrap.getAttribute("aria-pressed"), "true");
    await page.waitForFunction(
      `document.querySelector(".stage").scrollWidth <= document.querySelector(".stage").clientWidth`,
    );
    const { band, line } = await page.evaluate(`(() => {
      const text = document.querySelector(".source code").firstChild;
      const range = document.createRange();
      const at = text.data.indexOf("const line290 ");
      range.setStart(text, at); range.setEnd(text, at + 5);
      return { band: document.querySelector(".band").getBoundingClientRect().top, line: range.getBoundingClientRect().top };
    })()`) as { band: number; line: number };
    assert(Math.abs(band - line) < 6, `${band} is not at ${line}`);
    const numbers = (await page.locator(".numbers").textContent())!.split("\n");
    assert(numbers.length > 400 && numbers[0] === "1" && numbers[1] === "", "the numbers are not beside their lines");
    await page.getByRole("button", { name: "Next" }).click();
    await page.goBack();
    await preview(page, "a.ts");
    assertEquals(await wrap.getAttribute("aria-pressed"), "true"); // as it was
    await wrap.click();
  },
  async "JSON is a tree whose numbers are those of the file"({ page }) {
    await preview(page, "b.json");
    const tree = page.locator(".json");
    await tree.getByText("12345678901234567890").waitFor();
    await tree.getByText("list:").click();
    await tree.locator("summary").filter({ hasText: "2:" }).click();
    await tree.getByText('"<b>&"').waitFor();
    await page.getByRole("button", { name: "Source" }).click();
    assertEquals(await page.locator(".source code").textContent(), FILES["b.json"]);
    await page.getByRole("button", { name: "Source" }).click();
    await tree.waitFor();
    await preview(page, "d.json");
    await page.locator(".source").waitFor();
    assertEquals(await page.locator(".source code").textContent(), "{broken");
    assertEquals(await page.getByRole("button", { name: "Source" }).count(), 0);
  },
  async "values are a table that is sorted by a click"({ page }) {
    await preview(page, "c.csv");
    await page.locator(".csv").waitFor();
    const column = async () => await page.locator(".csv td:first-child").allTextContents();
    assertEquals(await column(), ["x", "y", "<b>z</b>"]);
    const size = page.locator(".csv").getByRole("button", { name: "size" });
    await size.click();
    assertEquals(await column(), ["y", "x", "<b>z</b>"]);
    await size.click();
    assertEquals(await column(), ["<b>z</b>", "x", "y"]);
    assertEquals(await page.locator(".csv th[aria-sort]").getAttribute("aria-sort"), "descending");
    await size.click();
    assertEquals(await column(), ["x", "y", "<b>z</b>"]);
    await preview(page, "long.csv");
    await page.getByText("500 of 900 rows").waitFor();
    await page.getByRole("button", { name: "Show more rows" }).click();
    await page.getByText("900 of 900 rows").waitFor();
    await preview(page, "c.csv");
    await page.locator(".csv").getByText("<b>z</b>").waitFor();
  },
};

/** Runs tests in scenes of one browser. */
async function runAll(t: Deno.TestContext, browser: Browser, axe: string) {
  for (const [name, test] of Object.entries(TESTS)) {
    await t.step(name, () =>
      inScene(browser, FILES, async (scene) => {
        await test(scene);
        await scene.page.evaluate(axe);
        assertEquals(await violations(scene.page), []);
        assertEquals(scene.page.problems, []);
      }, { context: { bypassCSP: true } }));
  }
}

Deno.test({
  name: "previews",
  ...IN_BROWSER,
  async fn(t) {
    await using browser = await launch();
    await runAll(t, browser, await axeSource());
  },
});
