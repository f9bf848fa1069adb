/**
 * Names that contain a hash of the content, as build tools give them.
 *
 * @module
 */

/** Types of files to which build tools give such names. Documents are not among them: their addresses must stay. */
const ASSETS = new Set(
  ("js mjs cjs css map wasm json woff woff2 ttf otf eot png jpg jpeg gif svg webp avif ico bmp mp3 mp4 webm ogg wav flac " +
    "glb gltf ktx2 txt data bin").split(" "),
);

/** Words after the hash: `main.1a2b3c4d.chunk.js`. */
const SUFFIXES = new Set(["bundle", "chunk", "css", "js", "min", "mjs", "module"]);

const SHORTEST = 8;
const LONGEST = 64;

/**
 * Whether a file name contains a hash of its content: `index-B3xK9_aQ.js`, `main.073c9b0a.chunk.css`, `logo-5LRS2FJV.svg`. A
 * file with such a name never changes, because another content has another name.
 *
 * A guess, on the safe side: a hash has at least 8 characters, in which letters and digits, or capitals and small letters,
 * alternate more than in words, dates and numbers.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { isFingerprinted } from "@x/pyserve/http";
 *
 * assert(isFingerprinted("app-5LRS2FJV.js") && isFingerprinted("style.073c9b0a.css"));
 * assert(!isFingerprinted("jquery-migrate.min.js") && !isFingerprinted("photo-20240131.jpg"));
 * ```
 */
export function isFingerprinted(name: string): boolean {
  const parts = name.split(".");
  if (!ASSETS.has((parts.pop() ?? "").toLowerCase())) return false;
  while (parts.length > 1 && SUFFIXES.has(parts.at(-1)!.toLowerCase())) parts.pop();
  const last = parts.at(-1) ?? "";
  const afterHyphen = last.slice(last.lastIndexOf("-") + 1);
  // Base64url also has hyphens: what has exactly the usual length, and a separator before it.
  const usual = last.at(-SHORTEST - 1) === "-" ? last.slice(-SHORTEST) : "";
  return [last, afterHyphen, usual].some(isHash) && (parts.length > 1 || last.includes("-") || isLongHex(last));
}

function isLongHex(text: string): boolean {
  return /^[0-9a-f]{16,64}$/.test(text);
}

function isHash(text: string): boolean {
  if (text.length < SHORTEST || text.length > LONGEST) return false;
  if (/^[0-9a-f]+$/.test(text)) return /[a-f]/.test(text) && /\d/.test(text) && !/^(?:[a-f]+\d+|\d+[a-f])$/.test(text);
  if (/^[A-Z2-7]{8}$/.test(text)) return /\d/.test(text) && !/^(?:[A-Z]+\d+|\d+[A-Z]+)$/.test(text); // base 32
  if (!/^[\w-]+$/.test(text) || !/[A-Z]/.test(text)) return false;
  // Words, dates and numbers are longer than what alternates by chance.
  const runs = text.match(/[A-Z]+[a-z]*|[a-z]+|\d+|[_-]+/g) ?? [];
  return runs.length * 2 >= text.length;
}
