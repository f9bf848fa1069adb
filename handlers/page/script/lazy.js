/** Parts of the script that are loaded when they are first needed. */

import { toast } from "./dom.js";
import { t } from "./language.js";

/**
 * The module, or null if it cannot be loaded, which the user is told: a server that does not answer, or another one.
 *
 * @template T
 * @param {() => Promise<T>} load
 * @returns {Promise<T | null>}
 */
export async function loaded(load) {
  try {
    return await load();
  } catch {
    toast(t("The server cannot be reached"), "failed");
    return null;
  }
}
