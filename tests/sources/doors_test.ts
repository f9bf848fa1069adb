/** Everything that reads a source, while paths are replaced at every step: files, listings, checksums, searches, archives, programs. */

import { assert, assertEquals } from "@std/assert";
import { DEFAULT_SCRIPT_RULES, ScriptFinder } from "../../handlers/upstream/find_script.ts";
import { archives, checksums, disk, fileServer, type FileSource, searches, toFetch } from "@x/pyserve";
import { planOf } from "../../handlers/archive/plan.ts";
import { withoutPrograms } from "../../handlers/upstream/without_programs.ts";
import { DESCRIPTORS } from "../../handlers/sources/disk_calls.ts";
import { atEachStep, exchangeOf } from "../support/interposed.ts";
import { tempTree } from "../support/tree.ts";
import { pathOf, textAt } from "../support/source.ts";

const SECRET = "SECRET";
const ignore = DESCRIPTORS === null;

/** Each archive that breaks off says so. */
const SILENT = { access() {}, error() {} };

/** Reads a body until it ends or fails. */
async function bodyOf(response: Response): Promise<string> {
  let text = "";
  try {
    for await (const chunk of response.body ?? []) text += new TextDecoder("latin1").decode(chunk);
  } catch {
    // The file being packed or sent was replaced meanwhile.
  }
  return text;
}

const TARGETS: Readonly<Record<string, string>> = {
  "/dir/a.txt": "inside",
  "/dir/": "a.txt",
  "/dir/?format=text": "a.txt",
  "/dir/?q=a&format=text": "a.txt",
  "/dir/a.txt?sha256": "a.txt",
  "/dir/?archive=tar": "inside",
  "/?archive=tar": "inside",
  "/pub/sub/?format=text": "a.txt",
  "/pub/sub/?archive=tar": "inside",
};

async function hexOf(text: string): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))).toHex();
}

for (const [target, expected] of Object.entries(TARGETS)) {
  Deno.test({
    name: `exchanged for a link to outside at any step: GET ${target}`,
    ignore,
    async fn() {
      const sum = await hexOf(SECRET);
      const seen = new Set<string>();
      await atEachStep(async () => {
        const tree = await tempTree({
          "root/dir/a.txt": "inside",
          "root/dir/sub/a.txt": "inside",
          "outside/a.txt": SECRET,
          [`outside/${SECRET}`]: SECRET,
          "outside/sub/a.txt": SECRET,
          [`outside/sub/${SECRET}`]: SECRET,
        });
        await Deno.symlink("dir", tree.at("root/pub"));
        const features = [archives(), checksums(), searches()];
        const fetch = toFetch(fileServer(tree.at("root"), { log: false, features, cacheSize: 0 }), { log: SILENT });
        let text = "";
        return {
          exchange: exchangeOf(tree.at("root/dir"), (beside) => Deno.symlinkSync(tree.at("outside"), beside)),
          work: async () => {
            text = await bodyOf(
              await fetch(new Request(`http://localhost${target}`, { headers: { accept: "text/plain" } })),
            );
          },
          async check(round) {
            assert(!text.includes(SECRET) && !text.includes(sum), `${text} with ${JSON.stringify(round)}`);
            seen.add(text);
            await tree[Symbol.asyncDispose]();
          },
        };
      }, 3);
      assert([...seen].some((text) => text.includes(expected)), `Never answered: ${[...seen]}`);
      assert(seen.size > 1, "Never exchanged");
    },
  });
}

for (const first of ["a directory", "a link to programs"]) {
  Deno.test({
    name: `exchanged at any step, a link to programs and a directory: no source code is sent (${first} at first)`,
    ignore,
    async fn() {
      const seen = new Set<string>();
      await atEachStep(async () => {
        const tree = await tempTree({ "cgi-bin/x.txt": SECRET });
        const makers = [
          (name: string) => {
            Deno.mkdirSync(name);
            Deno.writeTextFileSync(`${name}/x.txt`, "public");
          },
          (name: string) => Deno.symlinkSync("cgi-bin", name),
        ] as const;
        const [now, later] = first === "a directory" ? makers : [makers[1], makers[0]];
        now(tree.at("pub"));
        const source = disk(tree.path);
        const content = withoutPrograms(source, new ScriptFinder(source, DEFAULT_SCRIPT_RULES));
        let text: string | null = null;
        return {
          exchange: exchangeOf(tree.at("pub"), later),
          work: async () => text = await textAt(content, pathOf("pub/x.txt")).catch((error) => error.name),
          async check(round) {
            assert(text !== SECRET, JSON.stringify(round));
            seen.add(String(text));
            await tree[Symbol.asyncDispose]();
          },
        };
      });
      assert(seen.has("public") && seen.size > 1, String([...seen]));
    },
  });
}

Deno.test({
  name: "links to directories are not packed from a source without real paths",
  ignore: Deno.build.os === "windows",
  async fn() {
    await using tree = await tempTree({ "d/a.txt": "a", "other/b.txt": "b" });
    await Deno.symlink("../other", tree.at("d/link"));
    await Deno.symlink("..", tree.at("d/up")); // through which there would be no end
    const { locate: _, ...source } = methodsOf(disk(tree.path));
    const limits = { entries: 100, bytes: 1_000 };
    const plan = await planOf(source, { directory: pathOf("d"), name: "d", names: null }, limits);
    const members = Array.from(
      { length: plan.length },
      (_, index) => new TextDecoder().decode(plan.member(index).path),
    );
    assertEquals(members, ["d/", "d/a.txt", "d (left out).txt"]);
    const report = new TextDecoder().decode(plan.report);
    assertEquals(report.match(/d\/(link|up)\/: link to a directory/g)?.length, 2, report);
  },
});

/** A copy of a source, of which methods can be left out. */
function methodsOf(source: FileSource): FileSource {
  return {
    stat: (path) => source.stat(path),
    list: (path) => source.list(path),
    open: (path, seen) => source.open(path, seen),
    locate: (path, seen) => source.locate!(path, seen),
  };
}
