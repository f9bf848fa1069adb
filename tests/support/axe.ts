/** axe-core, in pages that bypass their policy. */

import type { Page } from "./browser.ts";

interface Verdict {
  readonly violations: readonly { readonly id: string; readonly nodes: readonly { readonly html: string }[] }[];
}

/** All rules of axe-core; and those that the colour scheme makes a difference to. */
export const ALL = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
export const COLOURS = { type: "rule", values: ["color-contrast", "link-in-text-block"] };

/** What axe-core finds wrong, one line each. */
export async function violations(page: Page, runOnly: typeof ALL | typeof COLOURS = ALL): Promise<string[]> {
  // The policy of the page rightly blocks script tags.
  const verdict = await page.evaluate(`axe.run(document, ${JSON.stringify({ runOnly })})`) as Verdict;
  return verdict.violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`);
}

export async function axeSource(): Promise<string> {
  const { default: axe } = await import("npm:axe-core@4.14.1");
  return axe.source;
}
