/**
 * Renders the pages for renaming and deleting without JavaScript.
 *
 * @module
 */

import { encodeSegment, escapeHtml } from "../http/escape.ts";
import { page } from "../page/frame.ts";
import { nameHtml } from "../page/names.ts";

/** An entry that can be renamed or deleted. */
export interface ManagedEntry {
  readonly name: string;
  readonly isDirectory: boolean;
}

/** What the page shows. */
export interface ManagedEntries {
  readonly entries: readonly ManagedEntry[];
  /** Whether the directory has more. */
  readonly isCut: boolean;
}

/** The page with all entries. */
export function entriesPage(directory: string, { entries, isCut }: ManagedEntries): string {
  const title = directory === "" ? "Rename or delete" : `Rename or delete in ${directory}`;
  const note = isCut ? '<p class="hint">The directory has more entries than are shown here.</p>\n' : "";
  const rest = entries.length === 0
    ? '<p class="hint">There is nothing to rename or delete.</p>\n'
    : '<button name="delete" value="asked">Delete the selected …</button>\n';
  return managed(title, `<form method="post" action="?manage">\n${list(entries)}${rest}</form>\n${note}`, "./");
}

function list(entries: readonly ManagedEntry[]): string {
  const items = entries.map(({ name, isDirectory }) => {
    const value = escapeHtml(encodeSegment(name));
    const shown = `<bdi>${nameHtml(name)}${isDirectory ? "/" : ""}</bdi>`;
    return `<li><label><input type="checkbox" name="name" value="${value}"> ${shown}</label>
<button name="rename" value="${value}" aria-label="Rename ${escapeHtml(name)}">Rename …</button></li>
`;
  });
  return `<ul class="managed">\n${items.join("")}</ul>\n`;
}

/** Asks for a new name. */
export function renamingPage(name: string): string {
  return managed(
    `Rename ${name}`,
    `<form method="post" action="?manage">
${hidden("rename", name)}<label>New name <input name="to" value="${escapeHtml(name)}" required></label>
<button>Rename</button>
</form>
`,
    "?manage",
  );
}

/** Asks whether to delete. */
export function deletionPage(names: readonly string[]): string {
  const what = names.length === 1 ? names[0]! : `${names.length} entries`;
  return managed(
    `Delete ${what}?`,
    `<p class="hint">Directories are deleted with everything in them. This cannot be undone.</p>
<ul>
${names.map((name) => `<li><bdi>${nameHtml(name)}</bdi></li>\n`).join("")}</ul>
<form method="post" action="?manage">
${names.map((name) => hidden("name", name)).join("")}<button name="delete" value="confirmed">Delete</button>
</form>
`,
    "?manage",
  );
}

function hidden(field: string, name: string): string {
  return `<input type="hidden" name="${field}" value="${escapeHtml(encodeSegment(name))}">\n`;
}

function managed(title: string, content: string, back: string): string {
  return page(
    title,
    `<main class="login wide">
<h1>${nameHtml(title)}</h1>
${content}<p class="hint"><a href="${back}">Back</a></p>
</main>`,
  );
}
