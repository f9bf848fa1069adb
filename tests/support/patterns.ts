/** The regular expressions in the sources, and texts that show where one takes more than linear time. */

import { walk } from "@std/fs/walk";
import { ROOT } from "./paths.ts";

/** A regular expression of a file. */
export interface Found {
  readonly where: string;
  readonly pattern: RegExp;
}

/** What stands in front of a regular expression, and of nothing that is divided. */
const LITERAL =
  /(?<=(?:[(,=:[!&|?{;]|=>|return)\s*)\/(?![*/])((?:[^/\\\n[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+)\/([dgimsuvy]*)/g;

/** All that are written as literals in what runs. */
export async function patternsIn(...folders: readonly string[]): Promise<Found[]> {
  const found: Found[] = [];
  for (const folder of folders) {
    for await (const { path } of walk(`${ROOT}/${folder}`, { includeDirs: false })) {
      if (!/\.[jt]s$/.test(path)) continue;
      const text = await Deno.readTextFile(path);
      for (const { 1: source, 2: flags, index } of text.matchAll(LITERAL)) {
        const line = text.slice(0, index).split("\n").length;
        const lineStart = text.slice(text.lastIndexOf("\n", index) + 1, index);
        if (/^\s*(?:\*|\/\/|\/\*)/.test(lineStart)) continue;
        found.push({ where: `${path.slice(ROOT.length)}:${line}`, pattern: new RegExp(source!, flags) });
      }
    }
  }
  return found;
}

/** Characters that patterns look for. */
const CHARACTERS = [..." \ta0A-_.,;:=\"'`/\\()[]{}<>*#|&%~@!?+"];

/** Texts that begin as a pattern wants it, go on with the same over and over, and end as it does not. */
export function* attacks({ source }: RegExp): Generator<(length: number) => string> {
  if (!/[*+]|,\}/.test(source)) return; // it looks at so many characters at most
  const literal = [...new Set(source.replace(/\\[sSwWdDbB]/g, "").replace(/[\\^$]/g, ""))].filter((c) => c > " ");
  const words = source.match(/[A-Za-z0-9<!=:/ -]{2,}/g) ?? [];
  const few = literal.slice(0, 4);
  const pumps = new Set([...CHARACTERS, ...words, ...few.flatMap((a) => [" ", "a", ...few].map((b) => a + b))]);
  for (const start of new Set(["", "a", prefixOf(source), words.join(""), ...few])) {
    for (const pump of pumps) {
      for (const end of ["\r\x00x", "x"]) {
        yield (length) => start + pump.repeat(Math.ceil(length / pump.length)) + end;
      }
    }
  }
}

/** What every match of a pattern begins with, as far as that is plain to see. */
function prefixOf(source: string): string {
  const plain = source.replace(/^\^/, "").replace(/\\d/g, "1").replace(/\\([^\w])/g, "$1");
  return plain.slice(0, plain.search(/[([*+?{\\]|$/));
}

/** Characters of a first text, and milliseconds of its run that are looked at more closely: a linear one takes 0.02. */
const LENGTH = 2_000;
const SUSPICIOUS_MS = 0.6;

/** Whether a pattern takes more than linear time for a text: tells by a text eight times as long, the best of three. */
export function isSlow(pattern: RegExp, attack: (length: number) => string): boolean {
  const text = attack(LENGTH);
  if (timeOf(pattern, text) < SUSPICIOUS_MS) return false;
  const longer = attack(8 * LENGTH);
  return Math.min(...[1, 2, 3].map(() => timeOf(pattern, longer) / timeOf(pattern, text))) > 20;
}

function timeOf(pattern: RegExp, text: string): number {
  const since = performance.now();
  if (pattern.global) text.replace(pattern, "");
  else pattern.exec(text);
  pattern.lastIndex = 0;
  return performance.now() - since;
}
