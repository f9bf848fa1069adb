/** Plays sound, of which the next file follows by itself, and video with the subtitles beside it. */

import { h } from "./dom.js";
import { keyOf } from "./entries.js";
import { fetchText } from "./file_text.js";
import { kindOf } from "./kinds.js";
import { locale, t } from "./language.js";
import { openPreview } from "./previews.js";
import { visible } from "./rows.js";
import { listOf, shownOf } from "./selectors.js";
import { store } from "./store.js";

/** @typedef {import("./preview.js").View} View */
/** @typedef {import("./entries.js").Entry} Entry */

/** Files of the queue that are listed before and after the one that plays. */
const LISTED = 100;

/** Maximum number of subtitles of a video. */
const SUBTITLES = 20;

/** @param {View} view */
export function showAudio(view) {
  const queue = shownOf(store.state).filter(({ name, kind, href }) =>
    kind === "file" && href !== null && kindOf(name) === "audio"
  );
  const at = queue.findIndex((entry) => keyOf(entry) === keyOf(view.entry));
  const audio = h("audio", { src: view.entry.href, controls: true, autoplay: true, "aria-label": view.entry.name });
  view.load(audio);
  if (queue.length < 2) return;
  view.stage.append(queueOf(queue, at));
  view.stage.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
  const step = (/** @type {number} */ by) => {
    const next = queue[at + by];
    if (next && !view.signal.aborted) openPreview(next);
  };
  audio.addEventListener("ended", () => step(1));
  listenToMediaKeys(view, step);
}

/** @param {readonly Entry[]} queue @param {number} at */
function queueOf(queue, at) {
  const from = Math.max(0, at - LISTED);
  const items = queue.slice(from, at + LISTED + 1).map((entry, index) => {
    const isCurrent = from + index === at;
    const label = h("bdi", {}, ...visible(entry.name));
    const item = h("button", { type: "button", "aria-current": isCurrent ? "true" : null }, label);
    item.addEventListener("click", () => openPreview(entry));
    return h("li", {}, item);
  });
  return h("ol", { class: "queue", start: from + 1, "aria-label": t("Queue") }, items);
}

/** The keys of keyboards, headphones and lock screens. @param {View} view @param {(by: number) => void} step */
function listenToMediaKeys({ entry, signal }, step) {
  if (!("mediaSession" in navigator)) return;
  const { mediaSession } = navigator;
  mediaSession.metadata = new MediaMetadata({ title: entry.name });
  mediaSession.setActionHandler("nexttrack", () => step(1));
  mediaSession.setActionHandler("previoustrack", () => step(-1));
  signal.addEventListener("abort", () => {
    mediaSession.metadata = null;
    mediaSession.setActionHandler("nexttrack", null);
    mediaSession.setActionHandler("previoustrack", null);
  });
}

/** @param {View} view */
export async function showVideo(view) {
  const { entry, signal } = view;
  const video = h("video", {
    src: entry.href,
    controls: true,
    autoplay: true,
    playsinline: true,
    "aria-label": entry.name,
  });
  view.load(video);
  for (const { file, language } of subtitlesOf(entry)) {
    const src = /\.srt$/i.test(file.name) ? await converted(/** @type {string} */ (file.href), signal) : file.href;
    if (signal.aborted) return;
    if (src === null) continue;
    const isDefault = video.querySelector("track[default]") === null && isWanted(language);
    video.append(h("track", {
      kind: "subtitles",
      src,
      srclang: language || null,
      label: languageName(language) ?? file.name,
      default: isDefault,
    }));
  }
}

/** The files beside a video that begin like its name: `film.vtt`, `film.de.srt`. @param {Entry} video */
function subtitlesOf({ name, folder = "" }) {
  const stem = name.slice(0, name.lastIndexOf("."));
  return listOf(store.state).entries.flatMap((file) => {
    if (file.href === null || (file.folder ?? "") !== folder || !file.name.startsWith(stem)) return [];
    const match = /^(?:\.([\w-]{2,20}))?\.(?:vtt|srt)$/i.exec(file.name.slice(stem.length));
    return match ? [{ file, language: match[1] ?? "" }] : [];
  }).slice(0, SUBTITLES);
}

/** Whether subtitles are shown at once: those without a language, or in the user's. @param {string} language */
function isWanted(language) {
  const [own] = language.toLowerCase().split("-");
  return language === "" || navigator.languages.some((wanted) => wanted.toLowerCase().split("-")[0] === own);
}

/** @param {string} language */
function languageName(language) {
  try {
    return language === "" ? undefined : new Intl.DisplayNames(locale, { type: "language" }).of(language);
  } catch {
    return undefined;
  }
}

/** The URL of SubRip subtitles as WebVTT, which differs in its header and in a comma. @param {string} href @param {AbortSignal} signal */
async function converted(href, signal) {
  const content = await fetchText(href, signal).catch(() => null);
  if (content === null) return null;
  const text = content.text.replace(/\r\n?/g, "\n").replace(/(\d\d:\d\d:\d\d),(\d{3})/g, "$1.$2");
  const url = URL.createObjectURL(new Blob([`WEBVTT\n\n${text}`], { type: "text/vtt" }));
  signal.addEventListener("abort", () => URL.revokeObjectURL(url));
  return url;
}
