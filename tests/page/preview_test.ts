/** Files shown in the page; nothing in them runs. */

import { assert, assertEquals } from "@std/assert";
import { type Browser, IN_BROWSER, launch, newPage, openFolder } from "../support/browser.ts";
import { start } from "../support/command.ts";
import { tempTree } from "../support/tree.ts";

const PNG = Uint8Array.fromBase64(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
);

/** A second of nothing: 8,000 samples of 8 bits. */
function wav(): Uint8Array {
  const bytes = new Uint8Array(44 + 8000).fill(128);
  const view = new DataView(bytes.buffer);
  bytes.set(new TextEncoder().encode("RIFF____WAVEfmt "));
  bytes.set(new TextEncoder().encode("data"), 36);
  for (const [at, value] of [[4, 36 + 8000], [16, 16], [24, 8000], [28, 8000], [40, 8000]]) {
    view.setUint32(at!, value!, true);
  }
  for (const [at, value] of [[20, 1], [22, 1], [32, 1], [34, 8]]) view.setUint16(at!, value!, true);
  return bytes;
}

/** Half a second of video, recorded by the browser that is to play it. */
async function webm(browser: Browser): Promise<Uint8Array> {
  const page = await browser.newPage();
  const base64 = await page.evaluate(`new Promise((resolve) => {
    const canvas = document.createElement("canvas");
    const context = canvas.getContext("2d");
    const recorder = new MediaRecorder(canvas.captureStream(20), { mimeType: "video/webm" });
    const timer = setInterval(() => context.fillRect(Math.random() * 200, 20, 30, 30), 20);
    recorder.ondataavailable = async ({ data }) => {
      clearInterval(timer);
      const bytes = new Uint8Array(await data.arrayBuffer());
      resolve(btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join("")));
    };
    recorder.start();
    setTimeout(() => recorder.stop(), 500);
  })`) as string;
  await page.close();
  return Uint8Array.fromBase64(base64);
}

const RUN = "top.document.title='it ran'";

const HOSTILE_MARKDOWN = `# Title <img src=x onerror="${RUN}">

<script>${RUN}</script>
[link](javascript:${RUN}) [data](data:text/html,<script>${RUN}</script>) <javascript:alert(1)>
![picture](javascript:alert(1)) ![there](pixel.png) ![elsewhere](https://elsewhere.example/x.png)
[good](deep/other.md "title") [ref][1] https://example.org/a_b_c and \`<b>code</b>\` **bold *both*** ~~gone~~ a_b_c

[1]: ./ref.md

- one
  - inner
- [x] done

1. first
2. second

| a | b |
| - | -: |
| 1 | \`x\` |

> quoted
> > twice

\`\`\`ts
<script>
\`\`\`
`;

/** Half a megabyte each, which takes minutes if every opening is tried with every end. */
const TIRING: Readonly<Record<string, string>> = {
  "emphasis.md": "# Title\n\n" + "*a ".repeat(170_000),
  "heading.md": `# Title\n\n# ${" ".repeat(250_000)}x${" ".repeat(250_000)}y`,
  "rule.md": `# Title\n\na | b\n-${" ".repeat(500_000)}x`,
  "columns.md": `# Title\n\n${"|a".repeat(60_000)}\n${"|-".repeat(60_000)}\n${"|\n".repeat(60_000)}`,
  "strings.py": 'x = "' + '\\"'.repeat(99_000),
  "comments.js": "/* ".repeat(66_000),
};

Deno.test({
  name: "files made to keep the page busy do not",
  ...IN_BROWSER,
  async fn(t) {
    await using tree = await tempTree(TIRING);
    await using server = await start([tree.path, "--quiet"]);
    await using browser = await launch();
    const base = `http://127.0.0.1:${server.port}`;
    for (const name of Object.keys(TIRING)) {
      await t.step(name, async () => {
        const page = await newPage(browser, base); // one that hangs does not affect the others
        await page.goto(`${base}/#preview=${name}`);
        await page.locator(name.endsWith(".md") ? ".stage h2" : ".stage code").first().waitFor();
        assertEquals(page.problems, []);
      });
    }
  },
});

Deno.test({
  name: "a preview shows pictures, sound, video, PDF, text and Markdown, and runs nothing",
  ...IN_BROWSER,
  async fn(t) {
    await using browser = await launch();
    await using tree = await tempTree({
      "a.png": PNG,
      "b.svg":
        `<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><script>${RUN}</script><rect width="9" height="9"/></svg>`,
      "c.wav": wav(),
      "d.webm": await webm(browser),
      "e.pdf": "%PDF-1.4",
      "f.ts": "const x = 1; // <b>\n".repeat(3),
      "g.txt": `${"x".repeat(99)}\n`.repeat(10_000),
      "h.md": HOSTILE_MARKDOWN,
      "i.txt": new Uint8Array([65, 0, 66]),
      "j.html": `<title>x</title><script>${RUN}</script><p>shown</p>`,
      "k.txt": new Uint8Array([0xe4, 0x0a]),
      "l.mp4": "no video",
      "m.bin": "x",
      "empty.txt": "",
      "README.md": HOSTILE_MARKDOWN,
      "pixel.png": PNG,
    });
    await using server = await start([tree.path, "--quiet"]);
    const base = `http://127.0.0.1:${server.port}`;
    const page = await newPage(browser, base);
    await openFolder(page, `${base}/`);
    const title = await page.title();
    const stage = page.locator(".stage");
    const show = (name: string) => page.locator("tbody .name a", { hasText: name }).first().click();
    const close = async () => {
      await page.keyboard.press("Escape");
      await page.locator("dialog.preview").waitFor({ state: "hidden" });
      await page.waitForURL((url) => url.hash === ""); // going back is asynchronous
    };

    await t.step("a picture, and arrows to the others", async () => {
      await show("a.png");
      await stage.locator("img[alt='a.png']").waitFor();
      assertEquals(new URL(page.url()).hash, "#preview=a.png");
      await page.keyboard.press("ArrowRight");
      await stage.locator("img[alt='b.svg']").waitFor();
      assert(
        await stage.locator("img").evaluate((image: unknown) =>
          (image as { decode(): Promise<void> }).decode().then(() => true)
        ),
      );
      await page.keyboard.press("ArrowLeft");
      await stage.locator("img[alt='a.png']").waitFor();
      await page.goBack();
      await page.locator("dialog.preview").waitFor({ state: "hidden" });
      assertEquals(new URL(page.url()).hash, "");
      assertEquals(await page.locator("tbody a:focus").textContent(), "a.png");
    });
    await t.step("sound and video play, and can be sought in", async () => {
      const ranges: number[] = [];
      page.on("response", (response) => void (/[cd]\.w/.test(response.url()) && ranges.push(response.status())));
      for (const [name, element] of [["c.wav", "audio"], ["d.webm", "video"]]) {
        await show(name!);
        await stage.locator(element!).waitFor();
        const played = page.evaluate(`new Promise((resolve) => {
          const media = document.querySelector(".stage ${element}");
          if (media.readyState >= 2) resolve(true);
          media.addEventListener("loadeddata", () => resolve(true));
          media.addEventListener("error", () => resolve(false));
        })`);
        assert(await played, name);
        await close();
      }
      assertEquals([...new Set(ranges)], [206]);
    });
    await t.step("a PDF in the viewer of the browser, a page without its script", async () => {
      await show("e.pdf");
      assertEquals(await stage.locator("iframe").getAttribute("src"), "e.pdf");
      await close();
      await page.getByRole("button", { name: "Actions for j.html" }).click();
      await page.getByRole("menuitem", { name: "Preview" }).click();
      assertEquals(await stage.locator("iframe").getAttribute("sandbox"), "");
      await stage.frameLocator("iframe").getByText("shown").waitFor();
      await close();
    });
    await t.step("text with numbers, in colour, and only the beginning of what is long", async () => {
      await show("f.ts");
      await stage.locator("code").waitFor();
      assertEquals(await stage.locator("code").textContent(), "const x = 1; // <b>\n".repeat(3));
      assertEquals(await stage.locator(".numbers").textContent(), "1\n2\n3");
      assertEquals(await page.evaluate("CSS.highlights.get('code-comment').size"), 3);
      await close();
      await show("g.txt");
      await stage.locator(".cut", { hasText: "Only the first 512 KiB are shown" }).waitFor();
      assertEquals((await stage.locator("code").textContent())!.length, 512 * 1024);
      await close();
      await show("k.txt");
      await stage.locator("code", { hasText: "ä" }).waitFor();
      await close();
      await show("empty.txt");
      await stage.locator("code").waitFor({ state: "attached" });
      await close();
    });
    await t.step("Markdown without scripts", async () => {
      await show("h.md");
      await stage.locator("h2").waitFor();
      assertEquals(await stage.locator("script, [onerror], a[href^='javascript'], a[href^='data']").count(), 0);
      assertEquals(await stage.locator("img").count(), 2); // of this server only
      const links = await stage.locator("a").evaluateAll((links) =>
        links.map((link) => link.getAttribute("href"))
      ) as string[];
      assertEquals(links, [
        "https://elsewhere.example/x.png",
        `${base}/deep/other.md`,
        `${base}/ref.md`,
        "https://example.org/a_b_c",
      ]);
      assertEquals(await stage.locator("code").first().textContent(), "<b>code</b>");
      assertEquals(await stage.locator("strong em").textContent(), "both");
      assertEquals(await stage.locator("ul ul li").textContent(), "inner");
      assertEquals(await stage.locator("ol li").count(), 2);
      assertEquals(await stage.locator("td.to-end").textContent(), "x");
      assertEquals(await stage.locator("blockquote blockquote").textContent(), "twice");
      assertEquals(await stage.locator("pre").textContent(), "<script>");
      await page.getByRole("button", { name: "Source" }).click();
      assertEquals(await stage.locator("code").textContent(), HOSTILE_MARKDOWN);
      await close();
      await page.locator(".readme h2", { hasText: "Title" }).waitFor();
    });
    await t.step("a file that cannot be shown says so", async () => {
      await show("i.txt");
      await stage.locator(".failed", { hasText: "This is not a text file." }).waitFor();
      await close();
      await show("l.mp4");
      await stage.locator(".failed", { hasText: "No preview is available" }).waitFor();
      await close();
      await Deno.remove(tree.at("f.ts"));
      await show("f.ts");
      await stage.locator(".failed", { hasText: "The file no longer exists" }).waitFor();
      await close();
    });
    await t.step("an address with a preview opens it", async () => {
      await page.goto(`${base}/?x#preview=a.png`);
      await stage.locator("img[alt='a.png']").waitFor();
    });
    await t.step("nothing ran", async () => {
      await page.goto(`${base}/`);
      assertEquals(await page.title(), title);
      const expected = /sandboxed|frame is sandboxed/; // Chromium tells that it did not run the script of the page
      assertEquals(page.problems.filter((problem) => !expected.test(problem)), []);
    });
  },
});
