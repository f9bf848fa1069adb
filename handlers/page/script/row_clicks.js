/** Clicks in the table. */

import { menuOf } from "./actions.js";
import { openMenu } from "./dialogs.js";
import { keyOf } from "./entries.js";
import { isShown } from "./kinds.js";
import { openPreview } from "./previews.js";
import { CAN_DRAG } from "./rows.js";
import { chosenOf } from "./selectors.js";
import { store } from "./store.js";

/** @param {HTMLElement} body @param {import("./rows.js").Rows} rows */
export function listenToClicks(body, rows) {
  body.addEventListener("click", (event) => {
    const entry = rows.entryAt(/** @type {Node} */ (event.target));
    if (entry) clicked(event, entry);
  });
  body.addEventListener("pointerover", async () => {
    const dragging = CAN_DRAG && await import("./dragging.js").catch(() => null);
    if (dragging) dragging.listenToDrags(body, rows);
  }, { once: true });
  body.addEventListener("contextmenu", ({ target }) => {
    const entry = rows.entryAt(/** @type {Node} */ (target));
    if (entry) store.dispatch({ type: "current", key: keyOf(entry) });
  });
}

/** @param {MouseEvent} event @param {import("./entries.js").Entry} entry */
function clicked(event, entry) {
  const target = /** @type {Element} */ (event.target);
  if (target.closest(".pick")) {
    // A click on the label also fires on its checkbox.
    if (target.matches("input")) select(event, entry);
    return;
  }
  const opener = /** @type {HTMLElement | null} */ (target.closest(".more button"));
  if (opener) return openMenu(opener, menuOf(entry));
  if (event.ctrlKey || event.metaKey || event.altKey || !target.closest("a")) return;
  const isSelecting = chosenOf(store.state).length > 0 && matchMedia("(pointer: coarse)").matches;
  if (event.shiftKey || isSelecting) {
    event.preventDefault();
    select(event, entry);
  } else if (isShown(entry)) {
    event.preventDefault();
    openPreview(entry);
  }
}

/** @param {MouseEvent} event @param {import("./entries.js").Entry} entry */
function select({ shiftKey }, entry) {
  store.dispatch({ type: shiftKey ? "extend" : "toggle", key: keyOf(entry) });
}
