/** What previews offer for each kind of file. */

import { assert, assertEquals } from "@std/assert";
import { rowsOf, separatorOf, sortedBy } from "../../handlers/page/script/csv.js";
import { linesIn, linesOf } from "../../handlers/page/script/lines.js";
import { smallPictureIn } from "../../handlers/page/script/exif.js";
import { axeSource, violations } from "../support/axe.ts";
import { type Browser, IN_BROWSER, launch, type Page } from "../support/browser.ts";
import { handZip } from "../support/zip.ts";
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

const PNG = Uint8Array.fromBase64(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
);

/** Silence: samples of 8 bits, 8,000 in a second. */
function wav(samples: number): Uint8Array {
  const bytes = new Uint8Array(44 + samples).fill(128);
  const view = new DataView(bytes.buffer);
  bytes.set(new TextEncoder().encode("RIFF____WAVEfmt "));
  bytes.set(new TextEncoder().encode("data"), 36);
  for (const [at, value] of [[4, 36 + samples], [16, 16], [24, 8000], [28, 8000], [40, samples]]) {
    view.setUint32(at!, value!, true);
  }
  for (const [at, value] of [[20, 1], [22, 1], [32, 1], [34, 8]]) view.setUint16(at!, value!, true);
  return bytes;
}

/** A JPEG file as of a camera: a small picture, and how it is turned. */
function photo(small: Uint8Array, orientation: number): Uint8Array {
  const tiff = new DataView(new ArrayBuffer(8 + 18 + 30));
  tiff.setUint32(0, 0x4d4d002a);
  tiff.setUint32(4, 8);
  const tag = (at: number, [id, type, value]: readonly number[]) => {
    tiff.setUint16(at, id!);
    tiff.setUint16(at + 2, type!);
    tiff.setUint32(at + 4, 1);
    if (type === 3) tiff.setUint16(at + 8, value!);
    else tiff.setUint32(at + 8, value!);
  };
  tiff.setUint16(8, 1);
  tag(10, [0x0112, 3, orientation]);
  tiff.setUint32(22, 26);
  tiff.setUint16(26, 2);
  tag(28, [0x0201, 4, 56]);
  tag(40, [0x0202, 4, small.length]);
  const length = 8 + tiff.byteLength + small.length;
  const head = [0xff, 0xd8, 0xff, 0xe1, length >> 8, length & 255, ...new TextEncoder().encode("Exif\0\0")];
  return new Uint8Array([...head, ...new Uint8Array(tiff.buffer), ...small, 0xff, 0xda, 0, 2]);
}

Deno.test("the small picture of a photo is found, and nothing of what is damaged", () => {
  const small = new Uint8Array([0xff, 0xd8, 1, 2, 3, 0xff, 0xd9]);
  const bytes = photo(small, 6);
  const { start, end, orientation } = smallPictureIn(bytes)!;
  assertEquals([bytes.slice(start, end), orientation], [small, 6]);
  for (let length = 0; length < bytes.length - 4; length++) assertEquals(smallPictureIn(bytes.slice(0, length)), null);
  for (let at = 2; at < bytes.length; at++) {
    const other = bytes.slice();
    other[at]! ^= 0xff;
    const found = smallPictureIn(other);
    assert(found === null || (found.start >= 0 && found.end <= other.length && found.start < found.end));
  }
});

const CODE = Array.from({ length: 300 }, (_, index) => `const line${index + 1} = ${index}; // ${"word ".repeat(40)}\n`);

const FILES: Readonly<Record<string, string | Uint8Array>> = {
  "a.ts": CODE.join(""),
  "b.json": JSON.stringify({ id: 1, list: [1, 2, { deep: { deeper: "<b>&" } }], __proto__: null, empty: {} })
    .replace('"id":1', '"id":12345678901234567890'),
  "c.csv": "name,size\nx,10\ny,9\n<b>z</b>,100\n",
  "d.json": "{broken",
  "e.md": `See [below](#deep), [code](a.ts) and a note[^n].

> [!WARNING]
> Careful.

<details><summary>More <b>here</b></summary>

## Deep

\`\`\`ts
const x = "[^n]: no note";
\`\`\`

</details>

<img src="f.png" width="7" onerror="alert(1)">

[^n]: The *note*,

    in two parts.
`,
  "f.png": PNG,
  "g.mp4": "no video",
  "g.de.srt": "1\r\n00:00:01,000 --> 00:00:02,500\r\nHallo\r\n",
  "g.vtt": "WEBVTT\n\n00:01.000 --> 00:02.000\nHello\n",
  "h1.wav": wav(800),
  "h2.wav": wav(8000),
  "i.zip": handZip([
    { name: "docs/" },
    { name: "docs/<b>.md", data: "# Inside\n\n[x](javascript:alert(1))" },
    { name: "../../evil.txt", data: "harmless" },
    { name: "big.txt", data: "0123456789".repeat(200_000), method: 8 },
    { name: "p.png", data: PNG },
    { name: "secret.txt", data: "x", method: 99 },
  ]),
  "j.zip": "no archive",
  "crlf.txt": "one\r\ntwo\r\n",
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
  async "Markdown has notes, alerts, parts to open, sizes of pictures, and links that stay in the page"({ page }) {
    await preview(page, "e.md");
    const stage = page.locator(".stage");
    await stage.locator(".footnotes li", { hasText: "in two parts" }).waitFor();
    assertEquals(await stage.locator("sup a").textContent(), "1");
    assertEquals(await stage.locator(".footnotes em").textContent(), "note");
    assertEquals(await stage.locator("blockquote[data-kind=warning] strong").textContent(), "Warning");
    assertEquals(await stage.locator("img").getAttribute("width"), "7");
    assertEquals(await stage.locator("[onerror]").count(), 0);
    assertEquals(await stage.locator("details[open]").count(), 0);
    await page.waitForFunction("CSS.highlights.get('code-word')?.size > 0");
    assertEquals(await stage.locator("pre").textContent(), 'const x = "[^n]: no note";');
    await stage.getByText("below").click();
    await stage.locator("details[open] h3").waitFor();
    assertEquals(await page.evaluate("location.hash"), "#preview=e.md");
    await stage.getByText("code", { exact: true }).click();
    await page.waitForURL((url) => url.hash === "#preview=a.ts");
  },
  async "pictures have a position and a scale, and swipes go on"({ page }) {
    await preview(page, "f.png");
    await page.locator(".facts", { hasText: /7 of \d+ .* 1 × 1/ }).waitFor();
    const image = page.locator(".stage img");
    for (let times = 0; times < 20; times++) await page.keyboard.press("+");
    await page.locator(".facts", { hasText: "1,600%" }).waitFor();
    assertEquals((await image.boundingBox())!.width, 16);
    await page.getByRole("button", { name: "Fit" }).click();
    assertEquals((await image.boundingBox())!.width, 1);
    const swipe = (from: number, to: number) =>
      page.evaluate(`(() => {
        const target = document.querySelector(".stage");
        const touch = (clientX) => [new Touch({ identifier: 1, target, clientX, clientY: 100 })];
        target.dispatchEvent(new TouchEvent("touchstart", { touches: touch(${from}), changedTouches: touch(${from}) }));
        target.dispatchEvent(new TouchEvent("touchend", { touches: [], changedTouches: touch(${to}) }));
      })()`);
    await swipe(200, 100);
    await page.locator("h2", { hasText: "g.de.srt" }).waitFor();
    await page.keyboard.press("ArrowLeft");
    await page.locator("h2", { hasText: "f.png" }).waitFor();
    await page.evaluate(`document.documentElement.dir = "rtl"`);
    await page.keyboard.press("ArrowLeft");
    await page.locator("h2", { hasText: "g.de.srt" }).waitFor();
  },
  async "the next sound follows by itself, and a video has the subtitles beside it"({ page }) {
    await preview(page, "h1.wav");
    await page.locator(".queue [aria-current]", { hasText: "h2.wav" }).waitFor();
    assertEquals(await page.evaluate("location.hash"), "#preview=h2.wav");
    await page.route("**/g.mp4", () => {}); // it neither plays nor fails
    await preview(page, "g.mp4");
    await page.locator("track").nth(1).waitFor({ state: "attached" });
    const tracks = await page.evaluate(`(async () => {
      const tracks = [...document.querySelectorAll("track")];
      for (const { track } of tracks) track.mode = "showing";
      while (!tracks.every(({ readyState }) => readyState > 1)) await new Promise((done) => setTimeout(done, 20));
      return tracks.map((element) => [element.label, element.default, element.track.cues[0]?.text]);
    })()`);
    assertEquals(tracks, [["German", false, "Hallo"], ["g.vtt", true, "Hello"]]);
    await preview(page, "a.ts"); // axe-core waits for media
    await page.locator(".source").waitFor();
  },
  async "an archive is listed, and files in it are shown, without fetching all of it"({ page }) {
    await preview(page, "i.zip");
    const zip = page.locator(".zip");
    await zip.getByText("docs").click();
    await zip.getByRole("button", { name: "<b>.md" }).click();
    await page.locator(".stage h2", { hasText: "Inside" }).waitFor();
    assertEquals(await page.locator(".stage [href^=javascript]").count(), 0);
    await page.getByRole("button", { name: "Back to the list" }).click();
    await zip.getByRole("button", { name: "big.txt" }).click();
    await page.locator(".cut", { hasText: "Only the first 512 KiB" }).waitFor();
    assertEquals((await page.locator(".source code").textContent())!.length, 512 * 1024);
    await page.getByRole("button", { name: "Back to the list" }).click();
    await zip.getByRole("button", { name: "secret.txt" }).click();
    await page.getByText("compressed in a way that cannot be read").waitFor();
    await page.getByRole("button", { name: "Back to the list" }).click();
    await zip.getByRole("button", { name: "p.png" }).click();
    await page.waitForFunction(`document.querySelector(".zip-image img")?.naturalWidth === 1`);
    const downloading = page.waitForEvent("download");
    await page.getByRole("group", { name: "View" }).getByRole("button", { name: "Download" }).click();
    assertEquals((await downloading).suggestedFilename(), "p.png");
    await page.getByRole("button", { name: "Back to the list" }).click();
    assertEquals(await page.evaluate("document.activeElement.textContent.startsWith('p.png')"), true);
    await preview(page, "j.zip");
    await page.getByText("This is not a ZIP archive.").waitFor();
  },
  async "a text file is edited, and a change of somebody else is not lost"({ page, tree }) {
    await preview(page, "crlf.txt");
    await page.getByRole("button", { name: "Edit" }).click();
    const field = page.locator(".editor textarea");
    assertEquals(await field.inputValue(), "one\ntwo\n");
    await field.fill("one\nTWO\n");
    await page.keyboard.press("Control+s");
    await page.locator(".toast", { hasText: "Saved" }).waitFor();
    assertEquals(await Deno.readTextFile(tree.at("crlf.txt")), "one\r\nTWO\r\n");
    await page.locator(".source code", { hasText: "TWO" }).waitFor();

    await page.getByRole("button", { name: "Edit" }).click();
    await field.fill("mine\n");
    await Deno.writeTextFile(tree.at("crlf.txt"), "theirs\r\n");
    await page.keyboard.press("Control+s");
    await page.locator(".difference", { hasText: "theirs" }).getByText("mine").waitFor();
    assertEquals(await violations(page), []);
    assertEquals(await Deno.readTextFile(tree.at("crlf.txt")), "theirs\r\n");
    await page.getByRole("button", { name: "Keep editing" }).click();
    await page.keyboard.press("Escape");
    await page.getByText("Discard the changes?").waitFor();
    await page.getByRole("button", { name: "Keep editing" }).click();
    assertEquals(await field.inputValue(), "mine\n");
    await page.keyboard.press("Control+s");
    await page.getByRole("button", { name: "Save mine as a copy" }).click();
    await page.locator(".toast", { hasText: "Saved as" }).waitFor();
    assertEquals(await Deno.readTextFile(tree.at("crlf.txt")), "theirs\r\n");
    assertEquals(await Deno.readTextFile(tree.at("crlf (1).txt")), "mine\r\n");
    await page.keyboard.press("Escape");
    await page.locator("dialog.preview").waitFor({ state: "hidden" });

    await page.getByRole("button", { name: "New text file" }).click();
    await page.getByLabel("Name", { exact: true }).fill("new & #.txt");
    await page.keyboard.press("Enter");
    await field.fill("made");
    await page.getByRole("button", { name: "Save" }).click();
    await page.locator("tbody a:focus", { hasText: "new & #.txt" }).waitFor();
    assertEquals(await Deno.readTextFile(tree.at("new & #.txt")), "made");
  },
  async "tiles of photos cost kilobytes once, and then nothing"({ page, tree, base }) {
    const picture = async (type: string, width: number, height: number) => {
      return Uint8Array.fromBase64(
        await page.evaluate(`new Promise((resolve) => {
          const canvas = Object.assign(document.createElement("canvas"), { width: ${width}, height: ${height} });
          const context = canvas.getContext("2d");
          for (let at = 0; at < 9000; at++) {
            context.fillStyle = "#" + (at * 7919 % 4096).toString(16).padStart(3, "0");
            context.fillRect(at * 131 % ${width}, at * 37 % ${height}, 9, 9);
          }
          resolve(canvas.toDataURL("${type}").replace(/.*,/, ""));
        })`) as string,
      );
    };
    const small = await picture("image/jpeg", 160, 120);
    const rest = await picture("image/jpeg", 900, 700);
    const whole = new Uint8Array([...photo(small, 6).slice(0, -4), ...rest.slice(2), ...new Uint8Array(400_000)]);
    await Deno.writeFile(tree.at("photo.jpg"), whole);
    await Deno.writeFile(tree.at("drawing.png"), await picture("image/png", 900, 700));
    const asked: string[] = [];
    page.on("request", (request) => {
      if (/photo|drawing/.test(request.url())) {
        asked.push(`${request.url().slice(base.length)} ${request.headers().range}`);
      }
    });
    const shown = async () => {
      await page.reload();
      await page.locator("html.on").waitFor();
      if (await page.locator("table.tiles").count() === 0) await page.keyboard.press("v");
      const sizes = `["photo.jpg", "drawing.png"].map((name) => {
        const { naturalWidth, naturalHeight } = document.querySelector(\`a[href="\${name}"] img\`) ?? {};
        return [naturalWidth, naturalHeight];
      })`;
      await page.waitForFunction(`${sizes}.flat().every((side) => side > 0)`);
      return await page.evaluate(sizes);
    };
    assertEquals(await shown(), [[120, 160], [400, 311]]); // the photo is turned
    assertEquals(asked.toSorted(), ["/drawing.png undefined", "/photo.jpg bytes=0-65535"]);
    assertEquals(await shown(), [[120, 160], [400, 311]]);
    assertEquals(asked.length, 2);
  },
};

/** Runs tests in scenes of one browser. */
async function runAll(t: Deno.TestContext, browser: Browser, axe: string) {
  for (const [name, test] of Object.entries(TESTS)) {
    await t.step(name, () =>
      inScene(browser, FILES, async (scene) => {
        await scene.page.evaluate(axe);
        await test(scene);
        await scene.page.evaluate(axe); // it may have been reloaded
        assertEquals(await violations(scene.page), []);
        assertEquals(scene.page.problems, []);
      }, { context: { bypassCSP: true, reducedMotion: "reduce" } }));
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
