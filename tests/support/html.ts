/** Reads pages as a browser does, as far as pages of this server need it. */

import { assert, assertEquals } from "@std/assert";

const ENTITIES: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

/** Undoes the escaping of text and attributes. */
export function unescapeHtml(html: string): string {
  return html.replace(/&(?:#(\d+)|#x([0-9a-f]+)|(\w+));/gi, (entity, decimal, hex, name) => {
    if (name !== undefined) return ENTITIES[name] ?? entity;
    return String.fromCodePoint(decimal === undefined ? parseInt(hex, 16) : Number(decimal));
  });
}

/** The text of the first element with a tag name, without tags inside. */
export function textOf(html: string, element: string): string {
  const content = new RegExp(`<${element}[^>]*>([^]*?)</${element}>`).exec(html)?.[1] ?? "";
  return unescapeHtml(content.replace(/<[^>]*>/g, ""));
}

/** The resolved targets of all links of a page; fails if one leads to another server or is not an http URL. */
export function linksOf(html: string, base: string): string[] {
  return Array.from(html.matchAll(/<a\b[^>]*?\shref="([^"]*)"/g), ([, href]) => {
    const url = new URL(unescapeHtml(href!), base);
    assertEquals(url.origin, new URL(base).origin, `The link ${href} leads away`);
    return url.pathname + url.search;
  });
}

const TAG = /<\/?[a-z][^\s/>]*((?:[\s/]*[^\s"'>=/]+(?:\s*=\s*(?:"[^"]*"|'[^']*'|[^\s"'>]+))?)*)[\s/]*>|<[^>]*/gi;
const ATTRIBUTE = /([^\s"'>=/]+)(?:\s*=\s*(?:"[^"]*"|'[^']*'|[^\s"'>]+))?/g;

/**
 * The tags of a page with the names of their attributes, which text must not change. Boxes around characters that cannot
 * be seen are left out.
 */
export function skeletonOf(html: string): string[] {
  const boxless = html.replace(/<span class="odd">(U\+[0-9A-F]+)<\/span>/g, "$1");
  return Array.from(boxless.matchAll(TAG), ([tag, attributes]) => {
    if (attributes === undefined) return tag; // not a tag, but a browser may make one of it
    const names = Array.from(attributes.matchAll(ATTRIBUTE), ([, name]) => name);
    return [/^<\/?[a-z][^\s/>]*/i.exec(tag)![0], ...names].join(" ");
  });
}

/** Removes the inline script at the beginning of one of our pages, which contains no names. */
export function withoutOwnScript(html: string): string {
  return html.replace(/<script>\(d=>\{[^<]*<\/script>\n/, "");
}

/**
 * Fails if a policy allows more than the page's first script, by its hash, and what that loads. Pages without
 * it may run nothing.
 */
export async function assertOnlyOwnScript(policy: string, html: string): Promise<void> {
  assert(policy.includes("default-src 'none'") && !policy.includes("unsafe"), policy);
  const scripts = Array.from(html.matchAll(/<script>([^]*?)<\/script>/g), ([, script]) => script!);
  if (scripts.length === 0) return assert(!policy.includes("script-src"), policy);
  assertEquals(scripts.length, 1);
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(scripts[0]));
  const allowed = /script-src ([^;]*)/.exec(policy)?.[1];
  assertEquals(allowed, `'sha256-${new Uint8Array(digest).toBase64()}' 'strict-dynamic'`);
}
