/** File kinds by extension, for icons and previews. */

/** @typedef {"image" | "audio" | "video" | "pdf" | "markdown" | "text" | "code" | "html" | "archive" | "font" | "program" | "table" | "slides" | "file"} FileKind */

/** @type {Record<Exclude<FileKind, "file">, string>} */
const ENDINGS = {
  image: "png jpg jpeg jfif gif webp avif svg bmp ico apng",
  audio: "mp3 m4a aac ogg oga opus flac wav weba",
  video: "mp4 m4v webm ogv mov mkv",
  pdf: "pdf",
  markdown: "md markdown mdown",
  text: "txt text log rst adoc tex bib srt vtt diff patch nfo asc license readme changelog",
  code:
    "js mjs cjs jsx ts mts tsx json jsonc json5 ndjson map css scss less py pyi rb rs go c h cc cpp hpp cs java kt " +
    "swift php pl lua sh bash zsh fish ps1 bat sql r jl hs ml ex exs erl clj scala dart vue svelte yaml yml toml ini " +
    "conf cfg env xml xsd xsl plist gradle cmake mk makefile dockerfile lock gitignore editorconfig proto graphql nix",
  html: "html htm xhtml",
  archive: "zip gz tgz tar bz2 xz zst br 7z rar jar iso dmg deb rpm apk",
  font: "woff woff2 ttf otf",
  program: "exe msi bin so dll dylib wasm appimage",
  table: "csv tsv xls xlsx ods parquet sqlite db",
  slides: "ppt pptx odp key doc docx odt rtf epub",
};

/** @type {Map<string, FileKind>} */
const KINDS = new Map(
  Object.entries(ENDINGS).flatMap(([kind, endings]) =>
    endings.split(" ").map((ending) => [ending, /** @type {FileKind} */ (kind)])
  ),
);

/**
 * @param {string} name
 * @returns {FileKind}
 */
export function kindOf(name) {
  return KINDS.get(name.slice(name.lastIndexOf(".") + 1).toLowerCase()) ?? "file";
}

/** Kinds with a preview; a click on any other is left to the browser. */
const SHOWN = new Set(["image", "audio", "video", "pdf", "markdown", "text", "code"]);

/** @param {import("./entries.js").Entry} entry */
export function isShown(entry) {
  return entry.kind === "file" && entry.href !== null &&
    (SHOWN.has(kindOf(entry.name)) || isTable(entry.name) || isZip(entry.name));
}

/** Whether a file is a table as text. @param {string} name */
export function isTable(name) {
  return /\.[ct]sv$/i.test(name);
}

/** Whether a file is a ZIP archive, whose contents can be listed. @param {string} name */
export function isZip(name) {
  return /\.(?:zip|jar|cbz)$/i.test(name);
}
