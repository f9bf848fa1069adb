/**
 * Notes on pages that options name and that do not exist. They may be built after the start, so that is no error.
 *
 * @module
 */

import { join } from "@std/path/join";
import { DEFAULT_INDEX } from "../handlers/serving/resolve.ts";
import type { SiteSettings } from "./settings.ts";

/** One sentence for each page that is missing from the directory of a site. */
export function missingPages(sites: readonly SiteSettings[]): string[] {
  return sites.flatMap(({ root, server: { spa, notFound, index = DEFAULT_INDEX } }) => {
    const notes: string[] = [];
    const isMissing = (names: readonly string[]) => {
      return isDirectory(root) && !names.some((name) => isFile(join(root, name)));
    };
    const pages = spa === true ? index : typeof spa === "string" ? [spa] : [];
    if (pages.length > 0 && isMissing(pages)) {
      notes.push(`--spa: there is no "${join(root, pages[0]!)}" yet; until there is, its addresses are not found`);
    }
    if (typeof notFound === "string" && isMissing([notFound])) {
      notes.push(
        `--not-found: there is no "${join(root, notFound)}" yet; until there is, pyserve has a page of its own`,
      );
    }
    return notes;
  });
}

/** Of an archive, nothing is known here. */
function isDirectory(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
