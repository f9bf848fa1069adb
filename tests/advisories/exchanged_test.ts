/** Advisories about races: a path is replaced between the check and the open. */

import { assert } from "@std/assert";
import { fileServer, toFetch } from "@x/pyserve";
import { start } from "../support/command.ts";
import { ask } from "../support/raw.ts";
import { tempTree } from "../support/tree.ts";
import { ignore, SECRET, withEach } from "./support.ts";

const ROUNDS = 300;
const PUBLIC = "public";
const SWAPPED = ["/page.txt", "/dir/page.txt", "/dir/", "/list/?format=json", "/list/public.txt"];

/** Files and directories that are exchanged for links to what is outside, and back; each rename is one step. */
async function swappableTree() {
  const tree = await tempTree({
    "root/page.txt": PUBLIC,
    "root/dir/page.txt": PUBLIC,
    "root/dir/index.html": PUBLIC,
    "root/list/public.txt": PUBLIC,
    "outside/page.txt": SECRET,
    "outside/index.html": SECRET,
    [`outside-list/${SECRET}.txt`]: SECRET,
    "outside-list/public.txt": SECRET,
  });
  const swaps = [["page.txt", "outside/page.txt"], ["dir", "outside"], ["list", "outside-list"]].map(
    ([name, outside]) => {
      return swap(tree.at(`root/${name}`), tree.at(outside!));
    },
  );
  return { tree, out: () => swaps.forEach(({ out }) => out()), back: () => swaps.forEach(({ back }) => back()) };
}

function swap(path: string, outside: string) {
  const [kept, link] = [`${path}.kept`, `${path}.link`];
  Deno.symlinkSync(outside, link);
  return {
    out() {
      Deno.renameSync(path, kept);
      Deno.renameSync(link, path);
    },
    back() {
      Deno.renameSync(path, link);
      Deno.renameSync(kept, path);
    },
  };
}

/** Lets pending promise callbacks run, a number of times. */
async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await Promise.resolve();
}

const EXCHANGED = "CVE-2025-67124 (miniserve), static-web-server 2.44: exchanged for a link to outside";

Deno.test({ name: `${EXCHANGED} after each step of an answer`, ignore }, async () => {
  const { tree, out, back } = await swappableTree();
  await using _tree = tree;
  const fetch = toFetch(fileServer(tree.at("root"), { log: false }));
  const ask = (target: string) => fetch(new Request(`http://localhost${target}`));
  const seen = new Set<string>();
  for (let round = 0; round < ROUNDS; round++) {
    const inside = SWAPPED.map(ask);
    await turns(round % 30);
    out();
    const outside = SWAPPED.map(ask);
    await turns(round % 7);
    back();
    for (const response of await Promise.all([...inside, ...outside])) {
      const text = await response.text();
      assert(!text.includes(SECRET), `${text} after ${round % 30} turns`);
      seen.add(`${response.status} ${text}`);
    }
  }
  assert(seen.has(`200 ${PUBLIC}`), "Nothing was ever served");
  assert(seen.has("404 404 Not Found: File not found\n"), "Nothing was ever exchanged");
});

/** Sends requests to the command continuously while the files it serves are swapped as fast as this process can. */
async function askWhileSwapping(targets: readonly string[], rounds: number): Promise<void> {
  const { tree, out, back } = await swappableTree();
  await using _tree = tree;
  await using command = await start([tree.at("root"), "--quiet"]);
  const seen = new Set<number>();
  let asking = true;
  const swapping = (async () => {
    for (; asking; await new Promise((resolve) => setTimeout(resolve))) for (let i = 0; i < 20; i++) (out(), back());
  })();
  const asked = Array.from({ length: rounds }, (_, round) => targets[round % targets.length]!);
  try {
    await withEach(asked, async (target) => {
      const { status, text } = await ask(command.port, "GET", target);
      assert(!text.includes(SECRET), text);
      seen.add(status);
    });
  } finally {
    asking = false;
    await swapping;
  }
  assert(seen.has(200), "Nothing was ever served");
  for (const status of seen) assert([200, 404, 503].includes(status), `There was a ${status}`);
}

Deno.test({ name: `${EXCHANGED} while another process sends files`, ignore }, async () => {
  await askWhileSwapping(SWAPPED.filter((target) => !target.includes("?")), 5 * ROUNDS);
});

Deno.test({ name: `${EXCHANGED} while another process lists`, ignore }, async () => {
  await askWhileSwapping(["/list/?format=json", "/list/?format=text"], 5 * ROUNDS);
});
