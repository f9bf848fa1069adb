/**
 * The bootstrap of the page script: an inline script, allowed by its hash, loads the modules.
 *
 * @module
 */

import { onDemand } from "../core/on_demand.ts";
import { policyHash } from "./inlined.ts";

/** The inline script of pages at one depth. */
export interface PageScript {
  /** The content of the `<script>` element. */
  readonly text: string;
  /** Its hash in the form used in a policy. */
  readonly hash: string;
}

/** Directory of the script files below the root. Its leading dot avoids collisions with served files. */
export const SCRIPT_DIRECTORY = ".pyserve";

/** The script files and their common version. */
export const assetFiles: () => Promise<typeof import("./asset_files.ts")> = onDemand(() => import("./asset_files.ts"));

const scripts = new Map<number, PageScript>();

/**
 * Prepares the inline script for pages at a depth below the root; null if it is ready. The files are loaded with the
 * first page, not at each start.
 */
export function prepareScript(depth: number): Promise<void> | null {
  return scripts.has(depth) ? null : make(depth);
}

/** The inline script for a depth; null if it has not been prepared. */
export function scriptAt(depth: number): PageScript | null {
  return scripts.get(depth) ?? null;
}

/**
 * Sets the theme, the language and the density, and reserves the room for what the script adds, before the first paint; if the
 * script cannot be loaded, the page is as it is without JavaScript. The URLs are relative, so that they work below a
 * mount and behind a proxy that removes a prefix. They are part of the hashed text: a URL read from the page could be
 * injected. The script adds elements because `import()` would be refused: `strict-dynamic` passes trust from a
 * parser-inserted script to elements only. The files are requested at once.
 */
async function make(depth: number): Promise<void> {
  const { version, first, languages } = await assetFiles();
  const directory = `${"../".repeat(depth) || "./"}${SCRIPT_DIRECTORY}/${version}/`;
  const text = "(d=>{const r=d.documentElement;let l=name;" +
    "try{const g=k=>localStorage.getItem('pyserve.'+k);r.dataset.theme=g('theme')||'auto';r.dataset.density=g('density')||'';l=g('language')}" +
    "catch{}" +
    `const c=${JSON.stringify(["en", ...languages])},f=${JSON.stringify(first.map((name) => directory + name))};` +
    "l=[l||'',...navigator.languages].map(a=>c.find(b=>a.split('-')[0]==b.split('-')[0])).find(a=>a)||'en';" +
    "r.lang=l;r.dir=l=='ar'?'rtl':'ltr';if(l!='en')f.push('" + directory + "words_'+l+'.js');" +
    "const k=r.classList;k.add('soon');addEventListener('error',()=>{" +
    "if(k.contains('soon')){k.remove('soon');r.lang='en';r.dir='ltr'}},true);" +
    "const t=self.trustedTypes,o={createScriptURL:u=>u},p=t?t.createPolicy('pyserve',o):o;" +
    "for(const u of f)" +
    "{const s=d.createElement('script');" +
    "s.type='module';" +
    "s.src=p.createScriptURL(u);" +
    "d.head.append(s)}})(document)";
  scripts.set(depth, { text, hash: await policyHash(text) });
}
