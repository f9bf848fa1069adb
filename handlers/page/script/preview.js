/** File previews within the page. */

import { button, h, icon } from "./dom.js";
import { formatShort, formatSize } from "./format.js";
import { fetchText, SHOWN_BYTES } from "./file_text.js";
import { closeByClick, countLayers } from "./dialogs.js";
import { keyOf } from "./entries.js";
import { isShown, kindOf } from "./kinds.js";
import { t } from "./language.js";
import { copyText, openShare } from "./share.js";
import { highlight } from "./highlight.js";
import { loginCount, request } from "./login.js";
import { renderMarkdown } from "./markdown.js";
import { visible } from "./rows.js";
import { positionOf, shownOf } from "./selectors.js";
import { store } from "./store.js";

/** @typedef {import("./entries.js").Entry & { href: string }} Shown */

export class Preview {
  #dialog;
  #title = h("h2", { id: "preview-title" });
  #facts = h("p", { class: "facts" });
  #stage = h("div", { class: "stage" });
  #open = h("a", { class: "button bare", "aria-label": t("Open"), title: t("Open"), target: "_blank" }, icon("open"));
  #download = h(
    "a",
    { class: "button bare", "aria-label": t("Download"), title: t("Download"), download: true },
    icon("download"),
  );
  #before = button("before", t("Previous"), () => this.#go(-1), { class: "side before" });
  #after = button("after", t("Next"), () => this.#go(1), { class: "side after" });
  /** @type {Shown | null} */
  #entry = null;
  #left = new AbortController();

  constructor() {
    this.#dialog = h(
      "dialog",
      { class: "preview", "aria-labelledby": "preview-title" },
      h(
        "header",
        {},
        h("div", { class: "what" }, this.#title, this.#facts),
        h(
          "div",
          { class: "tools" },
          button("link", t("Copy link"), () => this.#entry && copyText(addressOf(this.#entry))),
          button("qr", t("QR code"), () => this.#entry && openShare(this.#entry.name, addressOf(this.#entry))),
          this.#open,
          this.#download,
          button("close", t("Close (Esc)"), () => this.#dialog.close()),
        ),
      ),
      this.#stage,
      h("div", { class: "steps" }, this.#before, this.#after),
    );
    this.#dialog.addEventListener("keydown", (event) => this.#key(event));
    closeByClick(this.#dialog, (target) => target === this.#stage || target === this.#dialog);
    this.#dialog.addEventListener("close", () => {
      if (this.#dialog.open) return; // the event is late: it has been opened again
      this.#clear();
      this.#entry = null;
      countLayers();
      if (store.state.preview === null) return;
      store.dispatch({ type: "preview", key: null });
      store.dispatch({ type: "focus", key: null });
    });
    this.#swipes();
    document.body.append(this.#dialog);
  }

  close() {
    if (this.#dialog.open) this.#dialog.close();
  }

  /** @param {number} step */
  #go(step) {
    const entry = this.#neighbour(step);
    if (entry) store.dispatch({ type: "preview", key: keyOf(entry) });
  }

  /** @param {number} step @returns {Shown | null} */
  #neighbour(step) {
    if (!this.#entry) return null;
    const list = shownOf(store.state);
    for (let at = positionOf(store.state, keyOf(this.#entry)) + step; at >= 0 && at < list.length; at += step) {
      const entry = list[at];
      if (entry && isShown(entry)) return /** @type {Shown} */ (entry);
    }
    return null;
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const target = /** @type {Element} */ (event.target);
    if (target.matches("audio, video, pre, .wide") || event.ctrlKey || event.altKey || event.metaKey) return;
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    this.#go(step);
  }

  /** A horizontal swipe over an image goes to the next or previous file. */
  #swipes() {
    let from = 0;
    this.#stage.addEventListener("touchstart", (event) => {
      from = event.touches.length === 1 ? event.touches[0]?.clientX ?? 0 : NaN;
    }, { passive: true });
    this.#stage.addEventListener("touchend", (event) => {
      const moved = (event.changedTouches[0]?.clientX ?? 0) - from;
      if (this.#stage.matches(":has(> img)") && Math.abs(moved) > 60) this.#go(moved < 0 ? 1 : -1);
    });
  }

  #clear() {
    this.#left.abort();
    this.#left = new AbortController();
    // Media keep playing and loading even when removed from the document.
    for (const media of this.#stage.querySelectorAll("audio, video")) media.removeAttribute("src");
    this.#stage.replaceChildren();
  }

  /** @param {Shown} entry */
  show(entry) {
    this.#clear();
    this.#entry = entry;
    const { name, href, size, modified } = entry;
    this.#title.replaceChildren(h("bdi", {}, ...visible(name)));
    this.#facts.textContent = [size !== null && formatSize(size), modified !== null && formatShort(modified)]
      .filter(Boolean).join(" · ");
    this.#open.href = href;
    this.#download.href = href;
    this.#before.hidden = this.#neighbour(-1) === null;
    this.#after.hidden = this.#neighbour(1) === null;
    this.#fill(entry);
    if (!this.#dialog.open) this.#dialog.showModal();
    countLayers();
  }

  /** @param {Shown} entry */
  #fill(entry) {
    const { name, href } = entry;
    const kind = kindOf(name);
    this.#stage.dataset.kind = kind;
    if (kind === "image") this.#put(h("img", { src: href, alt: name }));
    else if (kind === "audio") this.#put(h("audio", { src: href, controls: true, autoplay: true }));
    else if (kind === "video") this.#put(h("video", { src: href, controls: true, autoplay: true, playsinline: true }));
    else if (kind === "pdf") this.#put(h("iframe", { src: href, title: name }));
    // An empty `sandbox` attribute disables scripts and gives the page an opaque origin.
    else if (kind === "html") this.#put(h("iframe", { src: href, title: name, sandbox: "", class: "page" }));
    else this.#text(entry, kind === "markdown");
  }

  /** @param {HTMLImageElement | HTMLMediaElement | HTMLIFrameElement} element */
  #put(element) {
    element.addEventListener("error", () => this.#again(element));
    this.#stage.replaceChildren(element);
  }

  /** Elements do not tell why they failed: loads once more if it was the end of the session. */
  async #again(/** @type {HTMLImageElement | HTMLMediaElement | HTMLIFrameElement} */ element) {
    const { signal } = this.#left;
    const before = loginCount();
    await request(element.src, { method: "HEAD" }).catch(() => null);
    if (signal.aborted) return;
    if (before === loginCount()) this.#fail(t("No preview is available for this file."));
    else element.setAttribute("src", element.src); // loads again
  }

  /** @param {string} sentence */
  #fail(sentence) {
    const download = h(
      "a",
      { class: "button primary", href: this.#entry?.href, download: true },
      icon("download"),
      t("Download"),
    );
    this.#stage.replaceChildren(h("div", { class: "failed" }, h("p", {}, sentence), download));
  }

  /** @param {Shown} entry @param {boolean} isMarkdown */
  async #text({ href, name }, isMarkdown) {
    const { signal } = this.#left;
    this.#stage.replaceChildren(h("p", { class: "faint" }, t("Loading …")));
    try {
      const content = await fetchText(href, signal);
      if (signal.aborted) return;
      if (content === null) return this.#fail(t("This is not a text file."));
      const source = sourceOf(content.text, name);
      const note = content.isCut &&
        h("p", { class: "cut" }, t("Only the first {size} are shown.", { size: formatSize(SHOWN_BYTES) }));
      if (!isMarkdown) return this.#stage.replaceChildren(...[note, source].filter((part) => part !== false));
      const rendered = renderMarkdown(content.text, addressOf({ href }));
      rendered.dir = "auto";
      const toggle = h("button", { type: "button", class: "button toggle", "aria-pressed": "false" }, t("Source"));
      toggle.addEventListener("click", () => {
        const isSource = toggle.getAttribute("aria-pressed") === "false";
        toggle.setAttribute("aria-pressed", String(isSource));
        (isSource ? rendered : source).replaceWith(isSource ? source : rendered);
      });
      this.#stage.replaceChildren(...[note, toggle, rendered].filter((part) => part !== false));
    } catch (error) {
      if (signal.aborted) return;
      const reason = error instanceof Error ? error.message : String(error);
      this.#fail(t("Could not load the file: {reason}.", { reason }));
    }
  }
}

/** @param {string} text @param {string} name */
function sourceOf(text, name) {
  const lines = text.split("\n").length - (text.endsWith("\n") ? 1 : 0);
  const numbers = Array.from({ length: lines }, (_, index) => index + 1).join("\n");
  const code = h("code", {}, text);
  highlight(code, name);
  return h(
    "div",
    { class: "source" },
    h("pre", { class: "numbers", "aria-hidden": "true" }, numbers),
    h("pre", { tabindex: "0", role: "region", "aria-label": t("Content") }, code),
  );
}

/** @param {{ href: string }} entry */
function addressOf({ href }) {
  return new URL(href, location.href.replace(/[?#].*/, "")).href;
}
