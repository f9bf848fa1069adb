/** QR codes on a terminal: what is printed, read by an independent decoder. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { codesFor } from "../../cli/qr.ts";
import { start } from "../support/command.ts";
import { tempTree } from "../support/tree.ts";

const URLS = ["https://192.168.1.5:8443/", "http://[fd00::1:2:3]:8080/.pyserve/ca.crt"];

/** The background and the text of terminals, as grey levels. */
const THEMES = { dark: [0, 220], light: [255, 30] } as const;

/** Draws half blocks as a terminal does, and reads the code. */
async function readCode(
  lines: readonly string[],
  [paper, ink]: readonly [number, number],
): Promise<string | undefined> {
  const { default: jsQR } = await import("npm:jsqr@1.4.0");
  const read = jsQR as unknown as (data: Uint8ClampedArray, width: number, height: number) => { data: string } | null;
  const scale = 4;
  // deno-lint-ignore no-control-regex
  const rows = lines.map((line) => line.replaceAll(/\x1b\[[\d;]*m/g, "").slice(2));
  const [width, height] = [(rows[0]!.length + 8) * scale, (rows.length * 2 + 8) * scale];
  const isColored = lines[0]!.includes("\x1b[38;5;16;48;5;231m");
  const pixels = new Uint8ClampedArray(width * height * 4).fill(255);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [column, half] = [Math.floor(x / scale) - 4, Math.floor(y / scale) - 4];
      const glyph = rows[Math.floor(half / 2)]?.[column];
      const isDrawn = glyph === "█" || glyph === (half % 2 === 0 ? "▀" : "▄");
      const grey = glyph === undefined ? paper : isColored ? isDrawn ? 0 : 255 : isDrawn ? ink : paper;
      pixels.fill(grey, (y * width + x) * 4, (y * width + x) * 4 + 3);
    }
  }
  return read(pixels, width, height)?.data;
}

/** The lines of each code in a text. */
function codesIn(text: string): string[][] {
  // deno-lint-ignore no-control-regex
  const blocks = text.split("\n\n").map((block) => block.split("\n").filter((line) => /[█▀▄\x1b]/.test(line)));
  return blocks.filter((block) => block.length > 0);
}

for (const colors of [true, false]) {
  Deno.test(`QR codes ${colors ? "with" : "without"} colours are read on dark and light terminals`, async () => {
    const codes = codesIn(codesFor(URLS, colors));
    assertEquals(codes.length, 2);
    for (const [theme, levels] of Object.entries(THEMES)) {
      for (const [i, code] of codes.entries()) assertEquals(await readCode(code, levels), URLS[i], theme);
    }
  });
}

Deno.test("--qr prints the code of the URL, and with --tls that of the authority", async () => {
  await using tree = await tempTree({ "site/a.txt": "a" });
  for (const [args, count] of [[[], 1], [["--tls"], 2]] as const) {
    await using server = await start([tree.at("site"), "--qr", ...args], { env: { XDG_STATE_HOME: tree.at("state") } });
    await server.stop();
    const codes = codesIn(server.stdout());
    const urls = await Promise.all(codes.map((code) => readCode(code, THEMES.dark)));
    const url = `${count === 1 ? "http" : "https"}://127.0.0.1:${server.port}/`;
    assertEquals(urls, [url, `${url}.pyserve/ca.crt`].slice(0, count));
    for (const url of urls) assertStringIncludes(server.stdout(), `\n  ${url}\n`);
  }
});
