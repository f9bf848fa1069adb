/** No text makes a pattern of the server or of the page take more than linear time. */

import { assertEquals } from "@std/assert";
import { Spans } from "../../handlers/page/script/spans.js";

/** Linear work takes seconds at most, anything worse takes minutes to years. */
const LIMIT_MS = 120_000;

for (
  const [job, name] of [
    ["patterns", "every regular expression of the server and of the page is linear in what it reads"],
    ["spans", "Markdown is looked through once, whatever is opened in it"],
    ["colours", "source text is coloured in linear time"],
  ] as const
) {
  Deno.test({
    name,
    sanitizeOps: false, // where a worker is ended, what it was doing is
    sanitizeResources: false,
    async fn() {
      const worker = new Worker(import.meta.resolve("../support/hostile_worker.ts"), { type: "module" });
      const { promise, resolve, reject } = Promise.withResolvers<string[]>();
      worker.onmessage = ({ data }) => resolve(data);
      worker.onerror = (event) => {
        event.preventDefault();
        reject(new Error(event.message));
      };
      const timer = setTimeout(() => reject(new Error(`It takes longer than ${LIMIT_MS} ms`)), LIMIT_MS);
      worker.postMessage(job);
      try {
        assertEquals(await promise, []);
      } finally {
        clearTimeout(timer);
        worker.terminate();
      }
    },
  });
}

Deno.test("a code span ends with as many backticks as it begins with, and keeps its blanks", () => {
  const rows: [text: string, code: string | null, end: number][] = [
    ["`a`", "a", 3],
    ["`` a`b `` c", "a`b", 9],
    ["`a``b`", "a``b", 6],
    ["`a", null, 1],
    ["``a`", null, 2],
    ["` `` `", "``", 6],
    ["`  `", "  ", 4],
    ["` a`", " a", 4],
    ["`a\nb`", "a b", 5],
  ];
  for (const [text, code, end] of rows) {
    const found = new Spans(text).code(0);
    assertEquals([text, found.code, found.end], [text, code, end]);
  }
});
