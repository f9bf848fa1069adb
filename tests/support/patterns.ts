/** The regular expressions in the sources, and texts on which some take more than linear time. */

import { walk } from "@std/fs/walk";
import { ROOT } from "./paths.ts";

/** A regular expression of a file. */
export interface Found {
  readonly where: string;
  readonly pattern: RegExp;
}

/** A regular expression literal, told from a division by what precedes it. */
const LITERAL =
  /(?<=(?:[(,=:[!&|?{;]|=>|return)\s*)\/(?![*/])((?:[^/\\\n[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+)\/([dgimsuvy]*)/g;

/** All literals in code, not in comments. */
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

/** Texts that begin as a pattern does, repeat a piece, and end with a mismatch. */
export function* attacks({ source }: RegExp): Generator<(length: number) => string> {
  if (!/[*+]|,\}/.test(source)) return; // its matches have a bounded length
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

/** The literal prefix of a pattern. */
function prefixOf(source: string): string {
  const plain = source.replace(/^\^/, "").replace(/\\d/g, "1").replace(/\\([^\w])/g, "$1");
  return plain.slice(0, plain.search(/[([*+?{\\]|$/));
}

/** Characters of a first text, and milliseconds of its run that are looked at more closely: a linear one takes 0.02. */
const LENGTH = 2_000;
const SUSPICIOUS_MS = 0.6;

/** Whether a pattern takes more than linear time: measured with a text eight times as long, the best of three. */
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
