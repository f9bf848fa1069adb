/** The parts of the server's page around the table. */

import { h, icon } from "./dom.js";
import { nameOf } from "./entries.js";
import { fetchText } from "./file_text.js";
import { folderPicture } from "./icons.js";
import { t } from "./language.js";
import { searchWith } from "./order.js";
import { filterOf } from "./selectors.js";
import { store } from "./store.js";

/** The breadcrumbs start with a labelled home link, since a bare slash means nothing to a screen reader. @param {HTMLElement} header */
export function prepareHeading(header) {
  const heading = /** @type {HTMLElement} */ (header.querySelector("h1"));
  heading.querySelector(".prefix")?.remove(); // in English
  const [root, ...names] = heading.querySelectorAll("bdi");
  const title = names.at(-1)?.textContent?.replace(/\/$/, "") ?? location.host;
  root?.replaceChildren(
    icon("home"),
    h("span", { class: "unseen" }, t("Home")),
    names.length > 0 ? "/" : location.host,
  );
  // Outside of the name, a slash has the direction of the page.
  for (const name of names.slice(0, -1)) {
    if (name.lastChild) name.lastChild.nodeValue = name.lastChild.nodeValue?.replace(/\/$/, "") ?? null;
    name.after("/");
  }
  if (names.length > 3) collapse(heading);
  document.querySelector("link[rel=icon]")?.setAttribute("href", folderPicture());
  store.watch((state) => state.preview, (preview) => {
    document.title = preview === null ? title : nameOf(preview);
  });
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

/** On narrow screens, a button takes the place of all folders but the first and the last two. @param {HTMLElement} heading */
function collapse(heading) {
  const all = h("button", { type: "button", class: "crumbs", "aria-label": t("Show the whole path") }, "…");
  const slash = h("span", { class: "crumbs", "aria-hidden": "true" }, "/");
  all.addEventListener("click", () => {
    heading.classList.remove("deep");
    /** @type {HTMLElement | null} */ (all.nextElementSibling?.nextElementSibling)?.focus();
    all.remove();
    slash.remove();
  });
  heading.classList.add("deep");
  heading.querySelector(":scope > :is(a, bdi)")?.after(all, slash);
}

/** Goes to the parent folder, if it is linked. */
export function goUp() {
  const link = [...document.querySelectorAll("h1 a")].at(-1);
  if (link instanceof HTMLAnchorElement) location.assign(link.href);
}

/** Totals and the zip link have moved to the top, where they are kept up to date. */
export function shortenFooter() {
  const buttons = document.querySelectorAll("body > footer button[name=format]");
  const form = h("form", {}, t("This list as data:"), " ", ...[...buttons].flatMap((button) => [button, " "]));
  document.querySelector("body > footer")?.replaceChildren(form);
}

/** The footer appears when it is known what is above it, so that it does not move. */
export async function showEnd() {
  await showReadme().catch(() => {}); // the list needs no README
  document.documentElement.classList.remove("ending");
}

const READMES = ["readme.md", "readme.markdown", "readme.txt", "readme"];

/** Shows the README of the folder below its list. */
async function showReadme() {
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
