/**
 * The page's script as it is served, loaded with the first page.
 *
 * @module
 */

import actions from "./script/actions.js" with { type: "text" };
import address from "./script/address.js" with { type: "text" };
import addressCard from "./script/address_card.js" with { type: "text" };
import appCss from "./script/app.css" with { type: "text" };
import changes from "./script/changes.js" with { type: "text" };
import conflict from "./script/conflict.js" with { type: "text" };
import csv from "./script/csv.js" with { type: "text" };
import csvTable from "./script/csv_table.js" with { type: "text" };
import deeds from "./script/deeds.js" with { type: "text" };
import dialogs from "./script/dialogs.js" with { type: "text" };
import dom from "./script/dom.js" with { type: "text" };
import downloads from "./script/downloads.js" with { type: "text" };
import dragging from "./script/dragging.js" with { type: "text" };
import drop from "./script/drop.js" with { type: "text" };
import edit from "./script/edit.js" with { type: "text" };
import entries from "./script/entries.js" with { type: "text" };
import exif from "./script/exif.js" with { type: "text" };
import facts from "./script/facts.js" with { type: "text" };
import fileText from "./script/file_text.js" with { type: "text" };
import folder from "./script/folder.js" with { type: "text" };
import folderPicker from "./script/folder_picker.js" with { type: "text" };
import format from "./script/format.js" with { type: "text" };
import harvest from "./script/harvest.js" with { type: "text" };
import headRow from "./script/head_row.js" with { type: "text" };
import heading from "./script/heading.js" with { type: "text" };
import help from "./script/help.js" with { type: "text" };
import highlight from "./script/highlight.js" with { type: "text" };
import historyOf from "./script/history.js" with { type: "text" };
import icons from "./script/icons.js" with { type: "text" };
import keptValues from "./script/kept.js" with { type: "text" };
import jsonTree from "./script/json_tree.js" with { type: "text" };
import keyboard from "./script/keyboard.js" with { type: "text" };
import kinds from "./script/kinds.js" with { type: "text" };
import language from "./script/language.js" with { type: "text" };
import lazy from "./script/lazy.js" with { type: "text" };
import lines from "./script/lines.js" with { type: "text" };
import live from "./script/live.js" with { type: "text" };
import liveRows from "./script/live_rows.js" with { type: "text" };
import login from "./script/login.js" with { type: "text" };
import main from "./script/main.js" with { type: "text" };
import markdownCss from "./script/markdown.css" with { type: "text" };
import markdown from "./script/markdown.js" with { type: "text" };
import match from "./script/match.js" with { type: "text" };
import mediaView from "./script/media_view.js" with { type: "text" };
import moves from "./script/moves.js" with { type: "text" };
import moving from "./script/moving.js" with { type: "text" };
import order from "./script/order.js" with { type: "text" };
import pictureView from "./script/picture_view.js" with { type: "text" };
import place from "./script/place.js" with { type: "text" };
import places from "./script/places.js" with { type: "text" };
import preview from "./script/preview.js" with { type: "text" };
import previews from "./script/previews.js" with { type: "text" };
import problem from "./script/problem.js" with { type: "text" };
import qr from "./script/qr.js" with { type: "text" };
import queue from "./script/queue.js" with { type: "text" };
import readme from "./script/readme.js" with { type: "text" };
import rowClicks from "./script/row_clicks.js" with { type: "text" };
import rows from "./script/rows.js" with { type: "text" };
import search from "./script/search.js" with { type: "text" };
import selectionBar from "./script/selection_bar.js" with { type: "text" };
import selectors from "./script/selectors.js" with { type: "text" };
import share from "./script/share.js" with { type: "text" };
import shareLinks from "./script/share_links.js" with { type: "text" };
import source from "./script/source.js" with { type: "text" };
import spans from "./script/spans.js" with { type: "text" };
import state from "./script/state.js" with { type: "text" };
import store from "./script/store.js" with { type: "text" };
import stream from "./script/stream.js" with { type: "text" };
import style from "./script/style.js" with { type: "text" };
import summary from "./script/summary.js" with { type: "text" };
import textView from "./script/text_view.js" with { type: "text" };
import theme from "./script/theme.js" with { type: "text" };
import thumbnails from "./script/thumbnails.js" with { type: "text" };
import toolbar from "./script/toolbar.js" with { type: "text" };
import transfer from "./script/transfer.js" with { type: "text" };
import upload from "./script/upload.js" with { type: "text" };
import uploads from "./script/uploads.js" with { type: "text" };
import viewCss from "./script/view.css" with { type: "text" };
import viewStyle from "./script/view_style.js" with { type: "text" };
import work from "./script/work.js" with { type: "text" };
import zipReader from "./script/zip_reader.js" with { type: "text" };
import zipView from "./script/zip_view.js" with { type: "text" };
import { BASE, bundle, CODE, MAIN } from "./bundle.ts";
import { languages, wordFiles, wordsJson } from "./words.ts";

export { languages };

/** The modules, style sheets and texts by name. */
export const sources: ReadonlyMap<string, string> = new Map([
  ["actions.js", actions],
  ["address.js", address],
  ["address_card.js", addressCard],
  ["app.css", appCss],
  ["changes.js", changes],
  ["conflict.js", conflict],
  ["csv.js", csv],
  ["csv_table.js", csvTable],
  ["deeds.js", deeds],
  ["dialogs.js", dialogs],
  ["dom.js", dom],
  ["downloads.js", downloads],
  ["dragging.js", dragging],
  ["drop.js", drop],
  ["edit.js", edit],
  ["entries.js", entries],
  ["exif.js", exif],
  ["facts.js", facts],
  ["file_text.js", fileText],
  ["folder.js", folder],
  ["folder_picker.js", folderPicker],
  ["format.js", format],
  ["harvest.js", harvest],
  ["head_row.js", headRow],
  ["heading.js", heading],
  ["help.js", help],
  ["highlight.js", highlight],
  ["history.js", historyOf],
  ["icons.js", icons],
  ["kept.js", keptValues],
  ["json_tree.js", jsonTree],
  ["keyboard.js", keyboard],
  ["kinds.js", kinds],
  ["language.js", language],
  ["lazy.js", lazy],
  ["lines.js", lines],
  ["live.js", live],
  ["live_rows.js", liveRows],
  ["login.js", login],
  ["main.js", main],
  ["markdown.css", markdownCss],
  ["markdown.js", markdown],
  ["match.js", match],
  ["media_view.js", mediaView],
  ["moves.js", moves],
  ["moving.js", moving],
  ["order.js", order],
  ["picture_view.js", pictureView],
  ["place.js", place],
  ["places.js", places],
  ["preview.js", preview],
  ["previews.js", previews],
  ["problem.js", problem],
  ["qr.js", qr],
  ["queue.js", queue],
  ["readme.js", readme],
  ["row_clicks.js", rowClicks],
  ["rows.js", rows],
  ["search.js", search],
  ["selection_bar.js", selectionBar],
  ["selectors.js", selectors],
  ["share.js", share],
  ["share_links.js", shareLinks],
  ["source.js", source],
  ["spans.js", spans],
  ["state.js", state],
  ["store.js", store],
  ["stream.js", stream],
  ["style.js", style],
  ["summary.js", summary],
  ["text_view.js", textView],
  ["theme.js", theme],
  ["thumbnails.js", thumbnails],
  ["toolbar.js", toolbar],
  ["transfer.js", transfer],
  ["upload.js", upload],
  ["uploads.js", uploads],
  ["view.css", viewCss],
  ["view_style.js", viewStyle],
  ["words.json", wordsJson],
  ["work.js", work],
  ["zip_reader.js", zipReader],
  ["zip_view.js", zipView],
]);

/** The files that a page needs at once. */
export const first: readonly string[] = [BASE, MAIN];

/** Modules that are loaded by other pages than listings. */
const OTHER_ROOTS = ["live.js"];

let joined: ReadonlyMap<string, string> | undefined;

/** The files that are served, by name; joined with the first request for one, because a page needs only their version. */
export function texts(): ReadonlyMap<string, string> {
  return joined ??= new Map([...bundle(sources, OTHER_ROOTS), ...wordFiles()]);
}

/** Hash of all that decides about the files: the cache-busting part of their URLs. */
export const version: string = new Uint8Array(
  await crypto.subtle.digest("SHA-256", new TextEncoder().encode([CODE, ...sources.values()].join("\0"))),
).toHex().slice(0, 16);
