/**
 * QR codes on a terminal.
 *
 * @module
 */

import { qrCode } from "../handlers/page/script/qr.js";

/** Light modules around a code, so that a reader finds it. The standard asks for 4, and readers manage with 2. */
const MARGIN = 2;

/** Black on white in the colours that themes do not change, so that it is the right way round on any background. */
const [INK, END] = ["\x1b[38;5;16;48;5;231m", "\x1b[0m"];

/**
 * The URLs, each with its code in half blocks, two modules to a character.
 *
 * @param colors Whether the terminal supports colours. If not, the code is right on a dark background, and inverted on a
 * light one, which most readers also read.
 */
export function codesFor(urls: readonly string[], colors: boolean): string {
  return urls.map((url) => `\n  ${url}\n${codeFor(url, colors)}`).join("");
}

function codeFor(text: string, colors: boolean): string {
  const modules = qrCode(text);
  const isDark = (x: number, y: number) => modules[y - MARGIN]?.[x - MARGIN] ?? false;
  const size = modules.length + 2 * MARGIN;
  // Without colours, what is drawn is light.
  const glyph = (upper: boolean, lower: boolean) => " ▀▄█"[Number(upper === colors) + 2 * Number(lower === colors)]!;
  const line = (y: number) => {
    const glyphs = Array.from({ length: size }, (_, x) => glyph(isDark(x, y), isDark(x, y + 1))).join("");
    return `  ${colors ? INK : ""}${glyphs}${colors ? END : ""}\n`;
  };
  return Array.from({ length: Math.ceil(size / 2) }, (_, row) => line(2 * row)).join("");
}
