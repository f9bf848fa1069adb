/** Facts about a file: details and its checksum. */

import { openDialog } from "./dialogs.js";
import { h } from "./dom.js";
import { pathOf } from "./entries.js";
import { formatExact, formatSize } from "./format.js";
import { t, tn } from "./language.js";
import { request } from "./login.js";
import { urlOf } from "./places.js";
import { copyText } from "./share.js";

/** @typedef {import("./entries.js").Entry} Entry */

/** What a row has no room for, such as the exact date. @param {Entry} entry */
export function openDetails(entry) {
  const { size, modified } = entry;
  /** @type {[string, string | false][]} */
  const facts = [
    [t("Size"), size !== null && `${formatSize(size)} (${tn(size, "{n} byte", "{n} bytes")})`],
    [t("Modified"), modified !== null && formatExact(modified)],
    [t("Address"), urlOf(entry)],
  ];
  openDialog(t("Details"), [
    h("p", { class: "faint" }, h("bdi", {}, pathOf(entry))),
    h(
      "dl",
      { class: "details" },
      facts.flatMap(([name, value]) => value === false ? [] : [h("dt", {}, name), h("dd", {}, h("bdi", {}, value))]),
    ),
  ]);
}

/** @param {Entry} entry */
export async function openChecksum(entry) {
  const value = h("output", {}, t("Computing …"));
  const dialog = openDialog("SHA-256", [
    h("p", { class: "faint" }, h("bdi", {}, entry.name)),
    h("p", { class: "sum" }, value),
  ]);
  const left = new AbortController();
  dialog.addEventListener("close", () => left.abort());
  try {
    const response = await request(`${entry.href}?sha256`, { headers: { accept: "text/plain" }, signal: left.signal });
    const sum = /\b[0-9a-f]{64}\b/.exec(await response.text())?.[0];
    if (!response.ok || !sum) throw new Error(t("The server answered {status}", { status: response.status }));
    value.textContent = sum;
    value.after(h("button", { type: "button", class: "button", onclick: () => copyText(sum) }, t("Copy")));
    value.after(compareField(sum));
  } catch (error) {
    if (!left.signal.aborted) {
      const reason = error instanceof Error ? error.message : String(error);
      value.textContent = t("Could not compute the checksum: {reason}", { reason });
    }
  }
}

/** A field to paste the published checksum into. @param {string} sum */
function compareField(sum) {
  const verdict = h("span", { role: "status" });
  const input = h("input", {
    placeholder: t("Paste a checksum to compare"),
    "aria-label": t("Checksum to compare with"),
    spellcheck: "false",
  });
  input.addEventListener("input", () => {
    const given = input.value.trim().toLowerCase();
    const same = given === sum;
    verdict.textContent = given === "" ? "" : same ? t("Match") : t("No match");
    verdict.className = same ? "good" : "bad";
  });
  return h("div", { class: "compare" }, input, verdict);
}
