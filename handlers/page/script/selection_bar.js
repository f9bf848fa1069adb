/** The bar with what can be done to the selection. */

import { downloadZip, openShareLinks } from "./actions.js";
import { t, tn } from "./language.js";
import { urlOf } from "./places.js";
import { removeEntries } from "./deeds.js";
import { button, h } from "./dom.js";
import { formatSize } from "./format.js";
import { moveByDialog } from "./moving.js";
import { chosenOf, totalsOf } from "./selectors.js";
import { copyText } from "./share.js";
import { can, store } from "./store.js";

/** @typedef {import("./entries.js").Entry} Entry */

export function selectionBar() {
  const text = h("p", { role: "status" });
  /** @param {(entries: readonly Entry[]) => void} act */
  const to = (act) => () => act(chosenOf(store.state));
  const bar = h(
    "section",
    { class: "selected", "aria-label": t("Selection"), hidden: true },
    text,
    can("archive") && button("download", t("Download"), to(downloadZip), { words: true }),
    can("share") && button("share", t("Share …"), to(openShareLinks), { words: true }),
    button("link", t("Copy links"), to((entries) => copyText(entries.map(urlOf).join("\n"))), { words: true }),
    can("upload") && button("move", t("Move or copy …"), to(moveByDialog), { words: true }),
    can("delete") && button("trash", t("Delete"), to(removeEntries), { words: true, class: "danger" }),
    button("close", t("Clear the selection"), () => store.dispatch({ type: "clear" }), { keys: "Esc" }),
  );
  store.watch(chosenOf, (chosen) => {
    const hadFocus = bar.contains(document.activeElement);
    bar.hidden = chosen.length === 0;
    document.documentElement.classList.toggle("selecting", !bar.hidden);
    text.textContent = bar.hidden ? "" : description(chosen);
    if (bar.hidden && hadFocus) store.dispatch({ type: "focus", key: null });
  });
  return bar;
}

/** @param {readonly Entry[]} chosen */
function description(chosen) {
  const { bytes } = totalsOf(chosen);
  const unseen = store.state.ticked.size - chosen.length;
  return [
    tn(chosen.length, "{n} item selected", "{n} items selected"),
    bytes > 0 && formatSize(bytes),
    unseen > 0 && tn(unseen, "{n} not shown", "{n} not shown"),
  ].filter(Boolean).join(" · ");
}
