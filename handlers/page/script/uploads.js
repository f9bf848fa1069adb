/** What is to be uploaded: dropped, chosen or pasted. The module that uploads is loaded when it is needed. */

import { openMenu } from "./dialogs.js";
import { h, icon } from "./dom.js";
import { choiceOfDrop, choiceOfInput, choiceOfPaste } from "./drop.js";
import { t } from "./language.js";
import { loaded } from "./lazy.js";
import { can, store } from "./store.js";

/** @typedef {import("./drop.js").Choice} Choice */

/** @type {Promise<((choice: Choice) => void) | null> | null} */
let starting = null;

/** @type {{ files: HTMLInputElement, folder: HTMLInputElement } | undefined} */
let pickers;

/** @param {HTMLElement} dock Where the panel is shown. */
export function prepareUploads(dock) {
  if (!can("upload")) return;
  const start = async () => {
    starting ??= loaded(async () => (await import("./upload.js")).startUploads(dock));
    const upload = await starting;
    if (upload === null) starting = null; // the next time, it may be loaded
    return upload;
  };
  /** @param {Choice} choice */
  const take = async (choice) => (await start())?.(choice);
  listenToDrops(take, start);
  document.addEventListener("paste", (event) => {
    const target = /** @type {Element} */ (event.target);
    if (target.matches("input, textarea") || !event.clipboardData?.files.length) return;
    event.preventDefault();
    take(choiceOfPaste(event.clipboardData));
  });
  pickers = pickersFor(take);
}

/** @param {(choice: Choice) => void} take */
function pickersFor(take) {
  const common = { type: "file", hidden: true };
  const files = h("input", { ...common, multiple: true, class: "files", "aria-label": t("Files to upload") });
  const folder = h("input", { ...common, webkitdirectory: true, class: "folder", "aria-label": t("Folder to upload") });
  for (const input of [files, folder]) {
    input.addEventListener("change", () => {
      if (input.files) take(choiceOfInput(input.files));
      input.value = ""; // allows choosing the same file again
    });
  }
  document.body.append(files, folder);
  return { files, folder };
}

/** The whole page is a drop target. @param {(choice: Choice) => void} take @param {() => void} prepare */
function listenToDrops(take, prepare) {
  const veil = h("div", { class: "veil", hidden: true }, h("p", {}, icon("upload"), t("Drop to upload")));
  document.body.append(veil);
  /** @param {DragEvent} event */
  const hasFiles = (event) => event.dataTransfer?.types.includes("Files") && store.state.layers === 0;
  addEventListener("dragenter", (event) => {
    if (!hasFiles(event)) return;
    veil.hidden = false;
    prepare();
  });
  addEventListener("dragover", (event) => {
    if (hasFiles(event)) event.preventDefault();
  });
  veil.addEventListener("dragleave", () => {
    veil.hidden = true;
  });
  addEventListener("drop", async (event) => {
    veil.hidden = true;
    if (!hasFiles(event) || !event.dataTransfer) return;
    event.preventDefault();
    take(await choiceOfDrop(event.dataTransfer));
  });
}

/** Asks what to upload, in a menu. @param {HTMLElement} opener */
export function chooseUploads(opener) {
  openMenu(opener, [
    ["file", t("Files …"), () => pickers?.files.click()],
    ["folder", t("A folder …"), () => pickers?.folder.click()],
  ]);
}
