/**
 * The page's script as it is served, loaded with the first page.
 *
 * @module
 */

import actions from "./script/actions.js" with { type: "text" };
import appCss from "./script/app.css" with { type: "text" };
import changes from "./script/changes.js" with { type: "text" };
import dialogs from "./script/dialogs.js" with { type: "text" };
import dom from "./script/dom.js" with { type: "text" };
import downloads from "./script/downloads.js" with { type: "text" };
import drop from "./script/drop.js" with { type: "text" };
import entries from "./script/entries.js" with { type: "text" };
import fileText from "./script/file_text.js" with { type: "text" };
import format from "./script/format.js" with { type: "text" };
import help from "./script/help.js" with { type: "text" };
import highlight from "./script/highlight.js" with { type: "text" };
import icons from "./script/icons.js" with { type: "text" };
import keyboard from "./script/keyboard.js" with { type: "text" };
import kinds from "./script/kinds.js" with { type: "text" };
import live from "./script/live.js" with { type: "text" };
import liveRows from "./script/live_rows.js" with { type: "text" };
import login from "./script/login.js" with { type: "text" };
import main from "./script/main.js" with { type: "text" };
import markdown from "./script/markdown.js" with { type: "text" };
import match from "./script/match.js" with { type: "text" };
import model from "./script/model.js" with { type: "text" };
import order from "./script/order.js" with { type: "text" };
import preview from "./script/preview.js" with { type: "text" };
import problem from "./script/problem.js" with { type: "text" };
import qr from "./script/qr.js" with { type: "text" };
import queue from "./script/queue.js" with { type: "text" };
import readme from "./script/readme.js" with { type: "text" };
import rows from "./script/rows.js" with { type: "text" };
import search from "./script/search.js" with { type: "text" };
import selection from "./script/selection.js" with { type: "text" };
import share from "./script/share.js" with { type: "text" };
import shareLinks from "./script/share_links.js" with { type: "text" };
import spans from "./script/spans.js" with { type: "text" };
import style from "./script/style.js" with { type: "text" };
import stream from "./script/stream.js" with { type: "text" };
import theme from "./script/theme.js" with { type: "text" };
import toolbar from "./script/toolbar.js" with { type: "text" };
import transfer from "./script/transfer.js" with { type: "text" };
import upload from "./script/upload.js" with { type: "text" };
import { BASE, bundle, MAIN } from "./bundle.ts";

/** The modules and style sheets by name. */
export const sources: ReadonlyMap<string, string> = new Map([
  ["actions.js", actions],
  ["app.css", appCss],
  ["changes.js", changes],
  ["dialogs.js", dialogs],
  ["dom.js", dom],
  ["downloads.js", downloads],
  ["drop.js", drop],
  ["entries.js", entries],
  ["file_text.js", fileText],
  ["format.js", format],
  ["help.js", help],
  ["highlight.js", highlight],
  ["icons.js", icons],
  ["keyboard.js", keyboard],
  ["kinds.js", kinds],
  ["live.js", live],
  ["live_rows.js", liveRows],
  ["login.js", login],
  ["main.js", main],
  ["markdown.js", markdown],
  ["match.js", match],
  ["model.js", model],
  ["order.js", order],
  ["preview.js", preview],
  ["problem.js", problem],
  ["qr.js", qr],
  ["queue.js", queue],
  ["readme.js", readme],
  ["rows.js", rows],
  ["search.js", search],
  ["selection.js", selection],
  ["share.js", share],
  ["share_links.js", shareLinks],
  ["spans.js", spans],
  ["stream.js", stream],
  ["theme.js", theme],
  ["style.js", style],
  ["toolbar.js", toolbar],
  ["transfer.js", transfer],
  ["upload.js", upload],
]);

/** The files that a page needs at once. */
export const first: readonly string[] = [BASE, MAIN];

/** Modules that are loaded by other pages than listings. */
const OTHER_ROOTS = ["live.js"];

/** The files that are served, by name. */
export const texts: ReadonlyMap<string, string> = bundle(sources, OTHER_ROOTS);

/** Hash of all files: the cache-busting part of their URLs. */
export const version: string = new Uint8Array(
  await crypto.subtle.digest("SHA-256", new TextEncoder().encode([...texts.values()].join("\0"))),
).toHex().slice(0, 16);
