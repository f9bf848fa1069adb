/** Modules that are loaded on demand. */

import { assertEquals } from "@std/assert";
import { walk } from "@std/fs/walk";
import { onDemand } from "../../handlers/core/on_demand.ts";
import { ROOT } from "../support/paths.ts";

Deno.test("modules are loaded once, one at a time, and again after a failure", async () => {
  let under = 0;
  let most = 0;
  const loads: string[] = [];
  const slowly = (name: string, fails = 0) => {
    let failures = fails;
    return onDemand(async () => {
      loads.push(name);
      most = Math.max(most, ++under);
      await new Promise((resolve) => setTimeout(resolve));
      under--;
      if (failures-- > 0) throw new Error(name);
      return name;
    });
  };
  const [a, b] = [slowly("a"), slowly("b", 1)];
  const all = await Promise.allSettled([a(), b(), a(), b()]);
  assertEquals(all.map(({ status }) => status), ["fulfilled", "rejected", "fulfilled", "rejected"]);
  assertEquals([await b(), await b(), await a()], ["b", "b", "a"]);
  assertEquals([loads, most], [["a", "b", "b"], 1]);
});

Deno.test("a running server imports through it only: two imports at once can make the runtime panic", async () => {
  const found: string[] = [];
  for await (const { path } of walk(`${ROOT}/handlers`)) {
    if (!path.endsWith(".ts")) continue;
    const code = (await Deno.readTextFile(path)).replace(/^\s*(?:\*|\/\*|\/\/).*$/gm, "");
    for (const [text] of code.matchAll(/[^;]*?[^\w.]import\(/g)) {
      if (!/(?:onDemand|lazily)\(\s*(?:async )?\(\) =>[^;]*$|typeof\s+import\($/.test(text)) {
        found.push(`${path}: ${text.trim()}`);
      }
    }
  }
  assertEquals(found, []);
});
