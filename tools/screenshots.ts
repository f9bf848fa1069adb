/**
 * Takes the README's screenshots: `deno task screenshots`. Creates a sample directory, serves it with the command, and
 * renders the page in Chromium.
 */

import { launch, newPage, openFolder, type Page } from "../tests/support/browser.ts";
import { start } from "../tests/support/command.ts";
import { tempTree } from "../tests/support/tree.ts";

const IMAGES = new URL("../docs/images/", import.meta.url);

/** Colours of the sky and of the hills, from far to near. */
const SKIES = [
  ["#fbd3a0", "#f4845f", "#7d5ba6", "#3b2c6e", "#1d1a3d"],
  ["#dff3ff", "#a5d8f3", "#5b9fc7", "#2c6a8f", "#123a52"],
  ["#fff3c9", "#f9c74f", "#90be6d", "#43aa8b", "#1f6f63"],
  ["#ffd6e0", "#ef8fb0", "#b3547f", "#6d2e5b", "#351637"],
  ["#e9ecef", "#adb5bd", "#6c757d", "#495057", "#212529"],
  ["#c3f0ca", "#7cc6a0", "#3f8f7a", "#20605a", "#0f3a3a"],
] as const;

const VIEWS = ["cliffs", "dunes", "fog", "harbour at dawn", "lake", "meadow", "north shore", "valley", "winter light"];

/** A generated landscape: no image rights to clear. */
function landscape(seed: number): string {
  const [glow, sky, ...hills] = SKIES[seed % SKIES.length]!;
  const hill = (base: number, phase: number) => {
    const points = Array.from({ length: 22 }, (_, i) => {
      const y = base + 34 * Math.sin(i / 2.7 + phase) + 16 * Math.sin(i * 1.9 + phase * 3);
      return `${i * 40} ${Math.round(y)}`;
    });
    return `M0 600L${points.join(" ")} 840 600z`;
  };
  const shapes = hills.map((color, i) => `<path d="${hill(310 + i * 85, seed * 1.7 + i)}" fill="${color}"/>`);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 800 600">
<linearGradient id="sky" x2="0" y2="1"><stop stop-color="${sky}"/><stop offset="1" stop-color="${glow}"/></linearGradient>
<path d="M0 0h800v600H0z" fill="url(#sky)"/><circle cx="${180 + seed * 53}" cy="${
    190 - seed * 6
  }" r="48" fill="${glow}"/>
${shapes.join("\n")}</svg>`;
}

const README = `# Field notes

Photographs, recordings and drafts of the **north shore** project. Everything here may be copied.

- [x] sort the photographs
- [ ] transcribe the interviews, see [the guide](drafts/guide.md)

| Folder   | What is in it                    |
| -------- | -------------------------------- |
| \`photos\` | the pictures, as they came       |
| \`drafts\` | what is being written            |
`;

const SITE: Readonly<Record<string, string | Uint8Array>> = {
  "drafts/guide.md": "# Guide\n",
  "maps/": "",
  "recordings/": "",
  "README.md": README,
  "tide tables 2026.pdf": new Uint8Array(184_000),
  "interview with Ada.m4a": new Uint8Array(9_340_000),
  "crossing the bay.mp4": new Uint8Array(48_200_000),
  "expenses.csv": new Uint8Array(2_300),
  "originals.zip": new Uint8Array(31_000_000),
  "notes.txt": new Uint8Array(1_700).fill(97),
  "route.geojson": new Uint8Array(61_000),
  "publish.sh": "#!/bin/sh\n",
  ...Object.fromEntries(VIEWS.map((name, index) => [`photos/${name}.svg`, landscape(index)])),
};

async function setTimes(at: (name: string) => string): Promise<void> {
  const now = Date.now() / 1000;
  const names = ["notes.txt", "publish.sh", "photos", "expenses.csv", "README.md", "drafts", "route.geojson", "maps"];
  const others = Object.keys(SITE).filter((name) => !name.includes("/") && !names.includes(name));
  for (const [index, name] of [...names, ...others, "recordings"].entries()) {
    const time = now - 60 * 11 * (index + 1) ** 3.6;
    await Deno.utime(at(name), time, time);
  }
}

async function take(page: Page, name: string): Promise<void> {
  const path = new URL(`${name}.png`, IMAGES);
  await page.screenshot({ path: path.pathname });
  // deno-lint-ignore no-console
  console.log(`${name}.png: ${Math.round((await Deno.stat(path)).size / 1024)} KiB`);
}

const DESKTOP = { width: 1120, height: 700 };

await Deno.mkdir(IMAGES, { recursive: true });
await using tree = await tempTree(SITE);
await setTimes(tree.at);
await using server = await start([tree.path, "--quiet", "--upload", "--delete"]);
await using browser = await launch();
const base = `http://127.0.0.1:${server.port}`;

{
  const page = await newPage(browser, base, { viewport: DESKTOP, colorScheme: "light" });
  await openFolder(page, `${base}/`);
  await page.locator(".readme").waitFor();
  await take(page, "desktop");
  await openFolder(page, `${base}/photos/`);
  await page.keyboard.press("v");
  await page.locator("img").last().waitFor();
  await page.evaluate("Promise.all([...document.images].map((image) => image.decode()))");
  await take(page, "gallery");
}
{
  const page = await newPage(browser, base, { viewport: DESKTOP, colorScheme: "dark" });
  await openFolder(page, `${base}/`);
  await page.getByLabel("Select crossing the bay.mp4").check({ force: true });
  await page.getByLabel("Select expenses.csv").check({ force: true });
  await take(page, "dark");
}
{
  const viewport = { width: 390, height: 760 };
  const page = await newPage(browser, base, { viewport, colorScheme: "light", isMobile: true, hasTouch: true });
  await openFolder(page, `${base}/`);
  await take(page, "phone");
}
{
  const page = await newPage(browser, base, { viewport: DESKTOP, colorScheme: "light" });
  await openFolder(page, `${base}/recordings/`);
  const session = await page.context().newCDPSession(page);
  const conditions = { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: 6_000_000 };
  await session.send("Network.emulateNetworkConditions", conditions);
  const sizes = { "seagulls.m4a": 800_000, "harbour bell.m4a": 12_000_000, "interview, part 2.m4a": 24_000_000 };
  await using from = await tempTree({
    ...Object.fromEntries(Object.entries(sizes).map(([name, size]) => [name, new Uint8Array(size)])),
    "storm.m4a": new Uint8Array(16_000_000),
  });
  const names = [...Object.keys(sizes), "storm.m4a"];
  await page.locator("input.files").setInputFiles(names.map((name) => from.at(name)));
  await page.locator(".uploads .facts", { hasText: "left" }).first().waitFor();
  await page.locator("tbody .name", { hasText: "seagulls" }).waitFor();
  await page.locator(".uploads li .facts", { hasText: /^[3-9](?:\.\d+)? MiB of 11/ }).waitFor();
  await take(page, "upload");
}
