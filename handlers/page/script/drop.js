/** Files to upload: dropped, chosen or pasted, with folders read recursively. */

/** @typedef {{ file: File, path: string }} Chosen */
/** @typedef {{ files: Chosen[], folders: string[] }} Choice `folders` lists the empty ones. */

/** Metadata files of operating systems. */
const LITTER = /(?:^|\/)(?:\.DS_Store|Thumbs\.db|desktop\.ini|\._[^/]*)$/i;

/**
 * @param {DataTransfer} data
 * @returns {Promise<Choice>}
 */
export async function choiceOfDrop(data) {
  // Read synchronously: the browser clears the list after the first await.
  const entries = [...data.items].map((item) =>
    item.kind === "file" ? item.webkitGetAsEntry?.() ?? item.getAsFile() : null
  );
  /** @type {Choice} */
  const choice = { files: [], folders: [] };
  for (const entry of entries) {
    if (entry instanceof File) choice.files.push({ file: entry, path: entry.name });
    else if (entry) await walk(entry, "", choice);
  }
  return cleaned(choice);
}

/** @param {FileList} list @returns {Choice} */
export function choiceOfInput(list) {
  return cleaned({
    files: [...list].map((file) => ({ file, path: file.webkitRelativePath || file.name })),
    folders: [],
  });
}

/**
 * Pasted images all have the same name, so they are named after the current time.
 *
 * @param {DataTransfer} data
 * @returns {Choice}
 */
export function choiceOfPaste(data) {
  const stamp = new Date().toLocaleString("sv").replaceAll(":", ".");
  const files = [...data.files].map((file, index) => {
    const isNameless = /^image\.\w+$/.test(file.name);
    const name = isNameless
      ? file.name.replace(/^image/, `pasted ${stamp}${index > 0 ? ` ${index + 1}` : ""}`)
      : file.name;
    return { file, path: name };
  });
  return { files, folders: [] };
}

/** @param {FileSystemEntry} entry @param {string} above @param {Choice} choice */
async function walk(entry, above, choice) {
  const path = above + entry.name;
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) =>
      /** @type {FileSystemFileEntry} */ (entry).file(resolve, reject)
    );
    choice.files.push({ file, path });
    return;
  }
  const reader = /** @type {FileSystemDirectoryEntry} */ (entry).createReader();
  let isEmpty = true;
  for (;;) {
    // Returns a hundred at a time, then an empty array.
    /** @type {FileSystemEntry[]} */
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) break;
    isEmpty = false;
    for (const each of some) await walk(each, `${path}/`, choice);
  }
  if (isEmpty) choice.folders.push(path);
}

/** @param {Choice} choice @returns {Choice} */
function cleaned({ files, folders }) {
  return { files: files.filter(({ path }) => !LITTER.test(path)), folders };
}
