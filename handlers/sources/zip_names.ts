/**
 * Names in ZIP archives.
 *
 * @module
 */

/** Bytes from 0x80 in code page 437, the encoding of names that are not marked as UTF-8 (APPNOTE.TXT, appendix D). */
const CP437 = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐" +
  "└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00a0";

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Decodes the name of an entry. Many programs write UTF-8 without marking it, so what is valid UTF-8 is taken for it.
 *
 * @returns Null if the name is marked as UTF-8, but is not.
 */
export function decodeName(bytes: Uint8Array, isMarked: boolean): string | null {
  try {
    return UTF8.decode(bytes);
  } catch {
    return isMarked
      ? null
      : Array.from(bytes, (byte) => byte < 0x80 ? String.fromCharCode(byte) : CP437[byte - 0x80]).join("");
  }
}

/**
 * The segments of a name, without the trailing slash of a directory. Null for a name that no program should extract:
 * absolute, with `..`, `.` or an empty segment, a backslash (a separator on Windows) or a control character.
 */
export function segmentsOf(name: string): string[] | null {
  // deno-lint-ignore no-control-regex
  if (/[\\\0-\x1f\x7f]/.test(name) || /^[A-Za-z]:/.test(name)) return null;
  const segments = (name.endsWith("/") ? name.slice(0, -1) : name).split("/");
  return segments.some((segment) => segment === "" || segment === "." || segment === "..") ? null : segments;
}
