/** The style sheet of the page with JavaScript. */

import appCss from "./app.css" with { type: "text" };
import { firstIcons } from "./icons.js";

/** The policy of the page blocks external style sheets; constructed ones are allowed. */
export function adoptStyle() {
  adopt(firstIcons() + appCss);
}

/** @param {string} css */
export function adopt(css) {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(css);
  document.adoptedStyleSheets.push(sheet);
}
