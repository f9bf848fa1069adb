/** The colour theme: light, dark, or the system's. */

import { button } from "./dom.js";
import { kept } from "./kept.js";
import { t } from "./language.js";

const THEMES = ["auto", "light", "dark"];

/** @param {string} theme */
function labelOf(theme) {
  return theme === "light" ? t("Theme: light") : theme === "dark" ? t("Theme: dark") : t("Theme: system");
}

/** @type {Record<string, string>} */
const PICTURES = { auto: "auto", light: "sun", dark: "moon" };

/** The theme button: each click selects the next theme. */
export function themeButton() {
  const element = button("auto", labelOf("auto"), () => {
    const now = document.documentElement.dataset.theme ?? "auto";
    const next = THEMES[(THEMES.indexOf(now) + 1) % THEMES.length] ?? "auto";
    kept.set("theme", next);
    show(next);
  });
  /** @param {string} theme */
  const show = (theme) => {
    document.documentElement.dataset.theme = theme;
    const label = labelOf(theme);
    element.title = label;
    element.setAttribute("aria-label", label);
    const picture = /** @type {HTMLElement} */ (element.firstElementChild);
    picture.style.setProperty("--icon", `var(--i-${PICTURES[theme]})`);
  };
  show(THEMES.find((theme) => theme === kept.get("theme")) ?? "auto");
  // Keep other tabs of this site in sync.
  addEventListener("storage", ({ key, newValue }) => key === "pyserve.theme" && show(newValue ?? "auto"));
  return element;
}
