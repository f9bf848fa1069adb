/** File previews within the page: the frame around them. Viewers are loaded when they are first needed. */

import { button, h, icon } from "./dom.js";
import { formatShort, formatSize } from "./format.js";
import { closeByClick, countLayers } from "./dialogs.js";
import { keyOf } from "./entries.js";
import { isShown, isZip, kindOf } from "./kinds.js";
import { t } from "./language.js";
import { copyText, openShare } from "./share.js";
import { loginCount, request } from "./login.js";
import { urlOf } from "./places.js";
import { neighbourOf, stepFrom, stepToSide } from "./previews.js";
import { visible } from "./rows.js";
import { shownOf } from "./selectors.js";
import { store } from "./store.js";
import { adoptViewStyle } from "./view_style.js";

/** @typedef {import("./entries.js").Entry & { href: string }} Shown */

/**
 * @typedef {object} View What a viewer has at hand for one file.
 * @property {Shown} entry
 * @property {HTMLElement} stage Where it is shown.
 * @property {AbortSignal} signal Aborted when the file is no longer shown.
 * @property {(...parts: (Node | null | false)[]) => void} put Replaces what is shown.
 * @property {(element: HTMLImageElement | HTMLMediaElement | HTMLIFrameElement) => void} load The same for an element
 * that loads the file itself.
 * @property {(sentence: string) => void} fail Says why it cannot be shown, with a link to the file.
 * @property {(fact: string) => void} tell Adds a fact to those below the name.
 * @property {(...controls: (HTMLElement | null | false)[]) => void} control Replaces the controls of the viewer.
 * @property {((event: KeyboardEvent) => boolean) | null} onkey Whether the viewer has a use for the key.
 * @property {(() => void) | null} onlines Called when other lines are chosen.
 */

/** @type {Partial<Record<import("./kinds.js").FileKind, (view: View) => Promise<unknown> | void>>} */
const VIEWERS = {
  image: async (view) => (await import("./picture_view.js")).showPicture(view),
  audio: async (view) => (await import("./media_view.js")).showAudio(view),
  video: async (view) => (await import("./media_view.js")).showVideo(view),
  pdf: (view) => view.load(h("iframe", { src: view.entry.href, title: view.entry.name })),
  // An empty `sandbox` attribute disables scripts and gives the page an opaque origin.
  html: (view) => view.load(h("iframe", { src: view.entry.href, title: view.entry.name, sandbox: "", class: "page" })),
};

/** @param {View} view */
async function showText(view) {
  await (await import("./text_view.js")).showText(view);
}

/** @param {View} view */
async function showZip(view) {
  await (await import("./zip_view.js")).showZip(view);
}

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
  #controls = h("div", { class: "controls", role: "group", "aria-label": t("View") });
  /** @type {View | null} */
  #view = null;
  #left = new AbortController();

  constructor() {
    adoptViewStyle();
    this.#dialog = h(
      "dialog",
      { class: "preview", "aria-labelledby": "preview-title", tabindex: "-1" },
      h("header", {}, h("div", { class: "what" }, this.#title, this.#facts), this.#tools()),
      h("div", { class: "room" }, this.#stage, h("div", { class: "steps" }, this.#before, this.#controls, this.#after)),
    );
    this.#dialog.addEventListener("keydown", (event) => this.#key(event));
    closeByClick(this.#dialog, (target) => target === this.#stage || target === this.#dialog);
    this.#dialog.addEventListener("close", () => {
      if (this.#dialog.open) return; // the event is late: it has been opened again
      this.#clear();
      countLayers();
      if (store.state.preview === null) return;
      store.dispatch({ type: "preview", key: null });
      store.dispatch({ type: "focus", key: null });
    });
    store.watch(shownOf, () => this.#place());
    store.watch((state) => state.lines, () => this.#view?.onlines?.());
    document.body.append(this.#dialog);
  }

  #tools() {
    const address = () => location.href.replace(/#.*/, "") + `#preview=${store.state.preview}${store.state.lines}`;
    const link = () => this.#view && copyText(store.state.lines === "" ? urlOf(this.#view.entry) : address());
    return h(
      "div",
      { class: "tools" },
      button("link", t("Copy link"), link),
      button("qr", t("QR code"), () => this.#view && openShare(this.#view.entry.name, urlOf(this.#view.entry)), {
        class: "wide-only",
      }),
      this.#open,
      this.#download,
      button("close", t("Close (Esc)"), () => this.#dialog.close()),
    );
  }

  close() {
    if (this.#dialog.open) this.#dialog.close();
  }

  /** @param {number} step */
  #go(step) {
    if (this.#view) stepFrom(keyOf(this.#view.entry), step);
  }

  /** Shows where the file is among those that can be shown, and the ways to the others. */
  #place() {
    if (!this.#view) return;
    const { size, modified } = this.#view.entry;
    const key = keyOf(this.#view.entry);
    const list = shownOf(store.state).filter(isShown);
    const at = list.findIndex((entry) => keyOf(entry) === key);
    this.#before.hidden = neighbourOf(key, -1) === null;
    this.#after.hidden = neighbourOf(key, 1) === null;
    const facts = [
      at >= 0 && list.length > 1 && t("{shown} of {all}", { shown: at + 1, all: list.length }),
      size !== null && formatSize(size),
      this.#stage.dataset.fact,
      modified !== null && formatShort(modified),
    ];
    this.#facts.textContent = facts.filter(Boolean).join(" · ");
    this.#keepFocus();
  }

  /** Keys are heard in the dialog only: if what had the focus is gone, the dialog has it. */
  #keepFocus() {
    const { activeElement } = document;
    if (this.#dialog.open && (activeElement === document.body || activeElement?.closest("[hidden]"))) {
      this.#dialog.focus();
    }
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const target = /** @type {Element} */ (event.target);
    if (event.ctrlKey || event.altKey || event.metaKey || event.defaultPrevented) return;
    if (target.matches("input, textarea, select")) return;
    if (this.#view?.onkey?.(event)) return event.preventDefault();
    const side = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!this.#view || side === undefined || target.matches("audio, video, [tabindex='0']")) return; // these scroll or seek
    event.preventDefault();
    stepToSide(keyOf(this.#view.entry), side);
  }

  #clear() {
    this.#left.abort();
    this.#left = new AbortController();
    this.#view = null;
    // Media keep playing and loading even when removed from the document.
    for (const media of this.#stage.querySelectorAll("audio, video")) media.removeAttribute("src");
    this.#stage.replaceChildren();
    this.#stage.removeAttribute("tabindex");
    this.#stage.removeAttribute("style");
    delete this.#stage.dataset.fact;
    this.#controls.replaceChildren();
  }

  /** @param {Shown} entry */
  show(entry) {
    this.#clear();
    this.#view = this.#viewOf(entry);
    this.#title.replaceChildren(h("bdi", {}, ...visible(entry.name)));
    this.#open.href = entry.href;
    this.#download.href = entry.href;
    this.#stage.scrollTo(0, 0);
    this.#fill(this.#view);
    if (!this.#dialog.open) this.#dialog.showModal();
    this.#place();
    countLayers();
  }

  /** @param {Shown} entry @returns {View} */
  #viewOf(entry) {
    const { signal } = this.#left;
    return {
      entry,
      stage: this.#stage,
      signal,
      put: (...parts) => {
        if (signal.aborted) return;
        this.#stage.replaceChildren(...parts.filter((part) => part !== null && part !== false));
        this.#keepFocus();
      },
      load: (element) => {
        if (signal.aborted) return;
        element.addEventListener("error", () => this.#again(element, signal));
        this.#stage.replaceChildren(element);
      },
      fail: (sentence) => signal.aborted || this.#fail(entry, sentence),
      tell: (fact) => {
        if (signal.aborted) return;
        this.#stage.dataset.fact = fact;
        this.#place();
      },
      control: (...controls) => {
        if (signal.aborted) return;
        this.#controls.replaceChildren(...controls.filter((part) => part !== null && part !== false));
        this.#keepFocus();
      },
      onkey: null,
      onlines: null,
    };
  }

  /** @param {View} view */
  async #fill(view) {
    const kind = kindOf(view.entry.name);
    this.#stage.dataset.kind = kind;
    try {
      await (isZip(view.entry.name) ? showZip : VIEWERS[kind] ?? showText)(view);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      view.fail(t("Could not load the file: {reason}.", { reason }));
    }
  }

  /** Elements do not tell why they failed: loads once more if it was the end of the session. */
  async #again(
    /** @type {HTMLImageElement | HTMLMediaElement | HTMLIFrameElement} */ element,
    /** @type {AbortSignal} */ signal,
  ) {
    const before = loginCount();
    await request(element.src, { method: "HEAD" }).catch(() => null);
    if (signal.aborted) return;
    if (before === loginCount()) this.#view?.fail(t("No preview is available for this file."));
    else element.setAttribute("src", element.src); // loads again
  }

  /** @param {Shown} entry @param {string} sentence */
  #fail({ href }, sentence) {
    const download = h("a", { class: "button primary", href, download: true }, icon("download"), t("Download"));
    this.#stage.replaceChildren(h("div", { class: "failed" }, h("p", {}, sentence), download));
    this.#controls.replaceChildren();
    this.#keepFocus();
  }
}
