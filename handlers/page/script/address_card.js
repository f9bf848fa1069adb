/** A URL to copy, and as a QR code for a phone. */

import { button, h } from "./dom.js";
import { openDialog } from "./dialogs.js";
import { t } from "./language.js";
import { qrCode } from "./qr.js";
import { copyText } from "./share.js";

const SVG = "http://www.w3.org/2000/svg";

/** @param {string} title @param {string} url */
export function openAddress(title, url) {
  const address = h("input", { value: url, readonly: true, "aria-label": t("Address") });
  address.addEventListener("focus", () => address.select());
  openDialog(
    title,
    [
      drawing(url),
      localHint(url),
      h(
        "div",
        { class: "address" },
        address,
        button("copy", t("Copy"), () => copyText(url), { words: true, class: "primary" }),
      ),
    ].filter((part) => part !== false),
    { class: "share" },
  );
}

/** A warning about an address that only works on this machine; false for others. @param {string} url */
export function localHint(url) {
  return /^(?:localhost|127\.|\[::1\])/.test(new URL(url).hostname) &&
    h(
      "p",
      { class: "faint" },
      t(
        "This address only works on this machine. For a phone, open the page at a network address that the server printed.",
      ),
    );
}

/** A QR code. @param {string} url */
export function drawing(url) {
  let code;
  try {
    code = qrCode(url);
  } catch {
    return h("p", { class: "faint" }, t("The address is too long for a QR code."));
  }
  const size = code.length + 8;
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${size} ${size}`);
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", t("QR code of {url}", { url }));
  svg.setAttribute("shape-rendering", "crispEdges");
  const path = document.createElementNS(SVG, "path");
  const squares = code.flatMap((row, y) => row.flatMap((dark, x) => dark ? [`M${x + 4} ${y + 4}h1v1h-1z`] : []));
  path.setAttribute("d", squares.join(""));
  svg.append(path);
  return h("div", { class: "qr" }, svg);
}
