/** The parts of the server's page around the table. */

import { h, icon } from "./dom.js";
import { fetchText } from "./file_text.js";
import { searchWith } from "./order.js";
import { filterOf } from "./selectors.js";
import { store } from "./store.js";

/** The breadcrumbs start with a labelled home link, since a bare slash means nothing to a screen reader. @param {HTMLElement} header */
export function prepareHeading(header) {
  const root = header.querySelector("h1 bdi");
  root?.replaceChildren(
    icon("home"),
    h("span", { class: "unseen" }, "Home"),
    root.parentElement?.matches("a") ? "/" : "",
  );
  // A folder that is gone up to keeps the order.
  store.watch((state) => state.order, (order) => {
    for (const link of header.querySelectorAll("h1 a")) {
      link.setAttribute(
        "href",
        /** @type {string} */ (link.getAttribute("href")).replace(/\?.*/, "") + searchWith("", order),
      );
    }
  });
}

/** Goes to the parent folder, if it is linked. */
export function goUp() {
  const link = [...document.querySelectorAll("h1 a")].at(-1);
  if (link instanceof HTMLAnchorElement) location.assign(link.href);
}

/** Totals and the zip link have moved to the top, where they are kept up to date. */
export function shortenFooter() {
  const buttons = document.querySelectorAll("body > footer button[name=format]");
  const form = h("form", {}, "This list as data: ", ...[...buttons].flatMap((button) => [button, " "]));
  document.querySelector("body > footer")?.replaceChildren(form);
}

const READMES = ["readme.md", "readme.markdown", "readme.txt", "readme"];

/** Shows the README of the folder below its list. */
export async function showReadme() {
  const files = store.state.folder.entries.filter(({ kind, href }) => kind === "file" && href !== null);
  const found = READMES.map((name) => files.find((entry) => entry.name.toLowerCase() === name));
  const entry = found.find((file) => file !== undefined);
  if (!entry) return;
  const loading = import("./readme.js");
  loading.catch(() => {}); // handled below
  const content = await fetchText(/** @type {string} */ (entry.href));
  if (content === null || content.text.trim() === "") return;
  const card = (await loading).readmeCard(entry, content.text);
  document.querySelector("main")?.append(card);
  store.watch((state) => state.search !== null || filterOf(state) !== "", (isElsewhere) => {
    card.hidden = isElsewhere;
  });
}
