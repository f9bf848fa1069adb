/**
 * How a page starts its script: a line in the page, which is known by its hash, loads the modules.
 *
 * @module
 */

import { onDemand } from "../on_demand.ts";

/** The line that starts the script of pages at one depth. */
export interface PageScript {
  /** The content of the `<script>` element. */
  readonly text: string;
  /** Its hash, as a policy names it. */
  readonly hash: string;
}

/** The directory of the script, below the root of what is served. Its dot keeps names of files away from it. */
export const SCRIPT_DIRECTORY = ".pyserve";

/** The files of the script, and the version of them all. */
export const assetFiles: () => Promise<typeof import("./asset_files.ts")> = onDemand(() => import("./asset_files.ts"));

const scripts = new Map<number, PageScript>();

/**
 * Makes the script of pages so many directories below the root of what is served, or says that it is there: its files are
 * loaded when the first page is asked for, not at each start.
 */
export function prepareScript(depth: number): Promise<void> | null {
  return scripts.has(depth) ? null : make(depth);
}

/** The script of pages at a depth, which has been prepared; null where it has not. */
export function scriptAt(depth: number): PageScript | null {
  return scripts.get(depth) ?? null;
}

/**
 * The theme is set before anything is painted. The address is relative, so that it holds below a mount and behind a proxy
 * which takes a prefix off. It is a part of what is hashed: an address that the script would read from the page could be
 * another one. `import()` here would be refused: what the parser has inserted hands its leave on to elements only.
 */
async function make(depth: number): Promise<void> {
  const { version } = await assetFiles();
  const url = `${"../".repeat(depth) || "./"}${SCRIPT_DIRECTORY}/${version}/main.js`;
  const text = "(d=>{" +
    "try{d.documentElement.dataset.theme=localStorage.getItem('pyserve.theme')||'auto'}catch{}" +
    `const u=${JSON.stringify(url)},t=self.trustedTypes,s=d.createElement('script');` +
    "s.type='module';" +
    "s.src=t?t.createPolicy('pyserve',{createScriptURL:()=>u}).createScriptURL(''):u;" +
    "d.head.append(s)})(document)";
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  scripts.set(depth, { text, hash: `sha256-${new Uint8Array(digest).toBase64()}` });
}
