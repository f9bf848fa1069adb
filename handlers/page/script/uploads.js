/** Uploads, loaded at once where they are allowed: files may be dropped at any time. */

import { openMenu } from "./dialogs.js";
import { t } from "./language.js";
import { loaded } from "./lazy.js";
import { can } from "./store.js";

/** @type {Promise<ReturnType<typeof import("./upload.js").startUploads> | null>} */
let starting = Promise.resolve(null);

/** @param {HTMLElement} dock Where the panel is shown. */
export function prepareUploads(dock) {
  if (can("upload")) starting = loaded(async () => (await import("./upload.js")).startUploads(dock));
}

/** Asks what to upload, in a menu. @param {HTMLElement} opener */
export async function chooseUploads(opener) {
  const uploads = await starting;
  if (!uploads) return;
  openMenu(opener, [["file", t("Files …"), uploads.pickFiles], ["folder", t("A folder …"), uploads.pickFolder]]);
}
