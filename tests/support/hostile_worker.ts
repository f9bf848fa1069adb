/** Runs jobs that might never end in a worker that can be terminated. Replies with what was too slow or wrong. */

import { patternOf } from "../../handlers/page/script/highlight.js";
import { destinationAt, referenceAt, Spans } from "../../handlers/page/script/spans.js";
import { MARKDOWN, SOURCE } from "./hostile.ts";
import { attacks, isSlow, patternsIn } from "./patterns.ts";

/** Characters of a text that the page shows. */
const LENGTH = 524_288;

/** Slow patterns from the history of this repository, which the search must find. */
const SLOW = [
  /^ (.*\S.*) $/,
  /[ \t]+$/,
  /^HTTP\/\d(?:\.\d)?[ \t]+(.*)$/,
  /\((\S+)\)/,
  /\s*\n\s*/g,
];

const JOBS: Readonly<Record<string, () => string[] | Promise<string[]>>> = {
  async patterns() {
    const found = await patternsIn("handlers", "cli");
    if (found.length < 150) return ["the patterns were not found"];
    const isAttacked = (pattern: RegExp) => attacks(pattern).some((attack) => isSlow(pattern, attack));
    return [
      ...found.filter(({ pattern }) => isAttacked(pattern)).map(({ where, pattern }) => `${where} ${pattern}`),
      ...SLOW.filter((pattern) => !isAttacked(pattern)).map((pattern) => `not found to be slow: ${pattern}`),
    ];
  },
  spans() {
    for (const make of Object.values(MARKDOWN)) lookThrough(make(LENGTH));
    return [];
  },
  colours() {
    const patterns = ["a.js", "a.css", "a.sql", "a.html", "a.py", "a.txt"].map(patternOf);
    return Object.entries(SOURCE).flatMap(([name, make]) => {
      return patterns.filter((pattern) => isSlow(pattern, make)).map(({ source }) => `${name}: ${source.slice(0, 30)}`);
    });
  },
};

/** Scans as the page does, trying everything that may begin at each position. */
function lookThrough(text: string): void {
  const spans = new Spans(text);
  for (let at = 0; at < text.length; at++) {
    if (text[at] === "[") spans.closingBracket(at);
    if (text[at] === "*") spans.emphasisEnd("*", at + 2);
    if (text[at] === "_") spans.emphasisEnd("_", at + 2);
    destinationAt(text, at);
    referenceAt(text, at);
    if (text[at] === "`") at = spans.code(at).end - 1;
  }
}

const worker = self as unknown as {
  onmessage: (event: MessageEvent<string>) => void;
  postMessage(slow: string[]): void;
};
worker.onmessage = async ({ data }) => worker.postMessage(await JOBS[data]!());
