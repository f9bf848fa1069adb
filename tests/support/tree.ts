/** Temporary directories. */

import { dirname } from "@std/path/dirname";
import { join } from "@std/path/join";
import { clockAhead, nextTick } from "./clock.ts";
import { sweepsEnded } from "../../handlers/store/store.ts";

/** A temporary directory that is gone at the end of the block: `await using tree = await tempTree({...})`. */
export interface TempTree extends AsyncDisposable {
  readonly path: string;
  /** The path of an entry. */
  at(name: string): string;
}

/** Makes a temporary directory; names that end in `/` are directories, other values are the content of files. */
export async function tempTree(files: Readonly<Record<string, string | Uint8Array>> = {}): Promise<TempTree> {
  const path = await Deno.realPath(await Deno.makeTempDir({ prefix: "pyserve-test-" }));
  const at = (name: string) => join(path, name);
  for (const [name, content] of Object.entries(files)) {
    if (name.endsWith("/")) {
      await Deno.mkdir(at(name), { recursive: true });
      continue;
    }
    await Deno.mkdir(dirname(at(name)), { recursive: true });
    await (typeof content === "string" ? Deno.writeTextFile(at(name), content) : Deno.writeFile(at(name), content));
  }
  return {
    path,
    at,
    async [Symbol.asyncDispose]() {
      await sweepsEnded(); // of uploads that a test took in this process
      await Deno.remove(path, { recursive: true });
    },
  };
}

/** A temporary directory whose files count as old until the end of the block, so that responses are cached. */
export async function oldTree(files: Readonly<Record<string, string | Uint8Array>>): Promise<TempTree> {
  const tree = await tempTree(files);
  for (const name of Object.keys(files)) if (!name.endsWith("/")) await settleTimes(tree.at(name));
  await nextTick();
  const clock = clockAhead();
  return {
    ...tree,
    async [Symbol.asyncDispose]() {
      clock[Symbol.dispose]();
      await tree[Symbol.asyncDispose]();
    },
  };
}

/** Sets the times of files into the past, so that their entity tags are strong. */
export async function settleTimes(path: string, seconds = Date.now() / 1000 - 3600): Promise<void> {
  await Deno.utime(path, seconds, seconds);
}
