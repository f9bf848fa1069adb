/** Where files come from: what is dropped, chosen or pasted, folders with all that is in them. */

/** @typedef {{ file: File, path: string }} Chosen */
/** @typedef {{ files: Chosen[], folders: string[] }} Choice Folders are those that have nothing in them. */

/** What systems leave in folders for themselves. */
const LITTER = /(?:^|\/)(?:\.DS_Store|Thumbs\.db|desktop\.ini|\._[^/]*)$/i;

/**
 * @param {DataTransfer} data
 * @returns {Promise<Choice>}
 */
export async function choiceOfDrop(data) {
  // Asked at once: after the first wait the browser has forgotten what was dropped.
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
 * Pictures that are pasted are all called the same, so they get the time for a name.
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
    // A hundred at a time, until there are none.
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
