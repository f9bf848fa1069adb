/** Everything that the documents refer to exists. */

import { assertEquals } from "@std/assert";
import { dirname } from "@std/path/dirname";
import { join } from "@std/path/join";
import { ROOT } from "../support/paths.ts";

const DOCUMENTS = [
  "README.md",
  "SECURITY.md",
  "CHANGELOG.md",
  ".github/CONTRIBUTING.md",
  "examples/README.md",
  ...await markdownIn("docs"),
];

async function markdownIn(directory: string): Promise<string[]> {
  const entries = await Array.fromAsync(Deno.readDir(join(ROOT, directory)));
  return entries.filter(({ name }) => name.endsWith(".md")).map(({ name }) => `${directory}/${name}`);
}

/** Headings as GitHub names them. */
function anchorsOf(text: string): string[] {
  const headings = text.matchAll(/^#+ (.+)$/gm).map(([, heading]) => heading!);
  return [...headings].map((heading) => heading.toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-"));
}

for (const document of DOCUMENTS) {
  Deno.test(`links of ${document} lead to files and headings of the checkout`, async () => {
    const text = await Deno.readTextFile(join(ROOT, document));
    const links = text.replace(/```[\s\S]*?```/g, "").matchAll(/\]\(([^)\s]+)\)/g).map(([, link]) => link!);
    const broken: string[] = [];
    for (const link of [...links].filter((link) => !/^[a-z]+:/i.test(link))) {
      const [path, anchor] = link.split("#") as [string, string?];
      const target = path === "" ? join(ROOT, document) : join(ROOT, dirname(document), path);
      const content = await Deno.readTextFile(target).catch(() => null);
      if (content === null || (anchor !== undefined && !anchorsOf(content).includes(anchor))) broken.push(link);
    }
    assertEquals(broken, []);
  });
}

Deno.test("each promise of SECURITY.md names tests that exist", async () => {
  const text = await Deno.readTextFile(join(ROOT, "SECURITY.md"));
  const named = new Set(text.matchAll(/`(tests\/[\w/]+(?:\.ts)?)\/?`/g).map(([, path]) => path!));
  const missing: string[] = [];
  for (const path of named) {
    if (await Deno.stat(join(ROOT, path)).then(() => false, () => true)) missing.push(path);
  }
  assertEquals(missing, []);
  const promises = text.split("\n").filter((line) => line.startsWith("|") && !/^\| (-|Promise|Party|[a-z])/.test(line));
  assertEquals(promises.filter((line) => !/`tests\//.test(line) && !line.startsWith("| ---")), []);
});
