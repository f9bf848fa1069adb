/** Shows a picture: as large as fits or at a scale, whose parts are reached by dragging, scrolling and swiping. */

import { button, h } from "./dom.js";
import { keyOf } from "./entries.js";
import { locale, t } from "./language.js";
import { stepToSide } from "./previews.js";

/** @typedef {import("./preview.js").View} View */

const STEP = 1.25;
const [SMALLEST, LARGEST] = [0.05, 16];

/** Maximum width in pixels. */
const WIDEST = 32_000;

/** @param {View} view */
export function showPicture(view) {
  const image = h("img", { src: view.entry.href, alt: view.entry.name, draggable: "false" });
  view.load(image);
  image.addEventListener("load", () => view.tell(`${image.naturalWidth} × ${image.naturalHeight}`));
  const picture = new Picture(view, image);
  view.control(
    button("zoom-out", t("Zoom out"), () => picture.zoom(1 / STEP), { keys: "-" }),
    picture.switcher,
    button("zoom-in", t("Zoom in"), () => picture.zoom(STEP), { keys: "+" }),
    document.fullscreenEnabled && button("full", t("Full screen"), () => switchFullScreen(view), { keys: "F" }),
  );
  view.onkey = ({ key }) => {
    const deed = {
      "+": () => picture.zoom(STEP),
      "-": () => picture.zoom(1 / STEP),
      "0": () => picture.show(picture.scale === null ? 1 : null),
      f: () => switchFullScreen(view),
    }[key];
    deed?.();
    return deed !== undefined;
  };
  listenToSwipes(view, () => picture.scale === null);
}

/** The room with the stage and the buttons, because a dialog cannot be shown in full screen. @param {View} view */
function switchFullScreen({ stage }) {
  const change = document.fullscreenElement ? document.exitFullscreen() : stage.parentElement?.requestFullscreen();
  change?.catch(() => {}); // the browser does not allow it
}

class Picture {
  /** How large it is; null if it fits into the stage. @type {number | null} */
  scale = null;
  /** Shows it at its own size, or so that it fits. */
  switcher = button("fit", percent(1), () => this.show(this.scale === null ? 1 : null), { words: true, keys: "0" });
  #view;
  #image;

  /** @param {View} view @param {HTMLImageElement} image */
  constructor(view, image) {
    this.#view = view;
    this.#image = image;
    const { stage, signal } = view;
    image.addEventListener("dblclick", (event) => this.show(this.scale === null ? 1 : null, event));
    stage.addEventListener("wheel", (event) => {
      if (!event.ctrlKey) return; // pinching a touchpad sends it, too
      event.preventDefault();
      this.zoom(event.deltaY < 0 ? STEP : 1 / STEP, event);
    }, { passive: false, signal });
    this.#listenToDrags();
  }

  /** @param {number} factor @param {MouseEvent} [at] */
  zoom(factor, at) {
    const now = this.scale ?? this.#image.clientWidth / (this.#image.naturalWidth || 300);
    const largest = Math.min(LARGEST, WIDEST / (this.#image.naturalWidth || 300));
    this.show(Math.min(largest, Math.max(SMALLEST, now * factor)), at);
  }

  /** Shows it at a scale; what is at a position, or else in the middle, stays there. @param {number | null} scale @param {MouseEvent} [at] */
  show(scale, at) {
    const { stage } = this.#view;
    const image = this.#image;
    const outside = stage.getBoundingClientRect();
    const [x, y] = at ? [at.clientX, at.clientY] : [outside.x + outside.width / 2, outside.y + outside.height / 2];
    const before = image.getBoundingClientRect();
    this.scale = scale;
    image.classList.toggle("scaled", scale !== null);
    image.style.width = scale === null ? "" : `${Math.max(1, Math.round((image.naturalWidth || 300) * scale))}px`;
    const after = image.getBoundingClientRect();
    stage.scrollLeft += after.x + (x - before.x) / before.width * after.width - x;
    stage.scrollTop += after.y + (y - before.y) / before.height * after.height - y;
    // What can be scrolled has to be reached by the keyboard.
    if (scale === null) stage.removeAttribute("tabindex");
    else stage.setAttribute("tabindex", "0");
    const label = this.switcher.lastElementChild;
    if (label) label.textContent = scale === null ? percent(1) : t("Fit");
    const size = `${image.naturalWidth} × ${image.naturalHeight}`;
    this.#view.tell(scale === null ? size : t("{size} at {scale}", { size, scale: percent(scale) }));
  }

  /** With a mouse; touch screens scroll by themselves. */
  #listenToDrags() {
    const { stage, signal } = this.#view;
    this.#image.addEventListener("pointerdown", (event) => {
      if (event.pointerType !== "mouse" || event.button !== 0 || this.scale === null) return;
      event.preventDefault();
      this.#image.setPointerCapture(event.pointerId);
    }, { signal });
    this.#image.addEventListener("pointermove", (event) => {
      if (this.#image.hasPointerCapture(event.pointerId)) stage.scrollBy(-event.movementX, -event.movementY);
    }, { signal });
  }
}

/** @param {number} scale */
function percent(scale) {
  return new Intl.NumberFormat(locale, { style: "percent" }).format(scale);
}

/** A horizontal swipe goes to the next or previous file. @param {View} view @param {() => boolean} isFitting */
function listenToSwipes({ stage, signal, entry }, isFitting) {
  let [fromX, fromY] = [NaN, NaN];
  stage.addEventListener("touchstart", ({ touches }) => {
    const touch = touches.length === 1 && isFitting() ? touches[0] : undefined;
    [fromX, fromY] = [touch?.clientX ?? NaN, touch?.clientY ?? NaN];
  }, { passive: true, signal });
  stage.addEventListener("touchend", ({ changedTouches }) => {
    const [x, y] = [(changedTouches[0]?.clientX ?? 0) - fromX, (changedTouches[0]?.clientY ?? 0) - fromY];
    const isScaled = (visualViewport?.scale ?? 1) > 1.05; // the page has been pinched
    if (!isScaled && Math.abs(x) > 60 && Math.abs(x) > 2 * Math.abs(y)) stepToSide(keyOf(entry), x < 0 ? 1 : -1);
  }, { signal });
}
