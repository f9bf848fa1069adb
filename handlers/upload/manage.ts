/**
 * Renaming and deleting without JavaScript: `?manage` shows the entries of a directory with buttons, and its forms are
 * sent back to it.
 *
 * @module
 */

import { HttpError } from "../core/errors.ts";
import type { Context } from "../core/types.ts";
import type { SitePath } from "../http/target.ts";
import { formOf, html, redirect } from "../identity/forms.ts";
import { naturalOrder } from "../serving/natural_order.ts";
import { deletionPage, entriesPage, type ManagedEntry, renamingPage } from "./manage_page.ts";
import { answered, writeError } from "./refusals.ts";
import { operationsFor } from "./rights.ts";
import { transfer } from "./tree.ts";
import type { UploadSite } from "./upload_site.ts";

/** The query of the pages. */
export const MANAGE = "manage";

/** Number of entries on the page. */
const MOST_ENTRIES = 1_000;

/** All names of a page, selected, and encoded as in a URL. */
const MAX_FORM_BYTES = 1_048_576;

/** Whether a request is for the page, or sends one of its forms. */
export function asksToManage({ target }: Context): boolean {
  return target.slash && /(?:^|&)manage(?:[=&]|$)/.test(target.query);
}

/** The page with the entries; null if there is no such directory, or the client may not change it. */
export async function managePage(site: UploadSite, request: Request, context: Context): Promise<Response | null> {
  const { path } = context.target;
  if (!context.may("change", path)) return null;
  const entries = await entriesOf(site, request, context);
  return entries && html(200, entriesPage(context.target.path.segments.at(-1) ?? "", entries));
}

/** The names that can be renamed and deleted, in natural order, up to a limit. */
async function entriesOf(site: UploadSite, request: Request, context: Context) {
  const slices = await operationsFor(site, request, context).known("change").list(context.target.path);
  if (slices === null) return null;
  const entries: ManagedEntry[] = [];
  let isCut = false;
  for await (const slice of slices) {
    for (const { name, stat } of slice) {
      if (stat) entries.push({ name, isDirectory: stat.kind === "directory" });
    }
    isCut = entries.length > MOST_ENTRIES;
    if (isCut) break;
  }
  entries.sort((a, b) => naturalOrder(a.name, b.name));
  return { entries: entries.slice(0, MOST_ENTRIES), isCut };
}

/** Answers a form: asks for a new name or for confirmation, or does it and shows the page again. */
export async function postManage(site: UploadSite, request: Request, context: Context): Promise<Response> {
  const form = await formOf(request, MAX_FORM_BYTES);
  const renamed = form.get("rename");
  if (renamed !== null) {
    return await rename(site, request, context, { from: pathOf(context, renamed), to: form.get("to") });
  }
  const paths = form.getAll("name").map((name) => pathOf(context, name));
  if (paths.length === 0) throw new HttpError(400, "Nothing was selected");
  if (form.get("delete") !== "confirmed") return html(200, deletionPage(paths.map(({ name }) => name)));
  await removeAll(site, request, context, paths);
  return done();
}

interface Renaming {
  readonly from: SitePath;
  /** The new name; null if it has not been asked for. */
  readonly to: string | null;
}

async function rename(site: UploadSite, request: Request, context: Context, { from, to }: Renaming): Promise<Response> {
  if (to === null) return html(200, renamingPage(from.name));
  const path = context.target.path.child(to);
  if (path === null) throw new HttpError(400, "Cannot use that name: it is empty, or has a slash or a NUL");
  const operations = operationsFor(site, request, context);
  if (path.name !== from.name) {
    await answered(path, () => transfer(site, request, context, (signal) => operations.move(from, path, { signal })));
  }
  return done();
}

/** Deletes one after the other; an error does not affect the others, and tells how many were deleted. */
async function removeAll(
  site: UploadSite,
  request: Request,
  context: Context,
  paths: readonly SitePath[],
): Promise<void> {
  const operations = operationsFor(site, request, context);
  const failures: HttpError[] = [];
  await transfer(site, request, context, async (signal) => {
    for (const path of paths) {
      signal.throwIfAborted();
      await operations.remove(path, { recursive: true, signal })
        .catch((error) => void failures.push(writeError(error, path)));
    }
  });
  const [first] = failures;
  if (first === undefined) return;
  const done = paths.length - failures.length;
  const message = paths.length === 1 ? first.message : `${first.message}; ${done} of ${paths.length} were deleted`;
  throw new HttpError(first.status, message, { cause: first.cause });
}

/** The path of a name as the forms send it: encoded, because forms change line breaks. */
function pathOf({ target }: Context, encoded: string): SitePath {
  const path = target.path.child(decoded(encoded) ?? "");
  if (path === null) throw new HttpError(400, "The form names something that is no entry of this directory");
  return path;
}

function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}

function done(): Response {
  return redirect(`?${MANAGE}`);
}
