/** The workflows: what may publish, and that everything in them is pinned. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { ROOT } from "../support/paths.ts";

const WORKFLOWS = [...Deno.readDirSync(`${ROOT}/.github/workflows`)].map(({ name }) => name);

function workflow(name: string): string {
  return Deno.readTextFileSync(`${ROOT}/.github/workflows/${name}`);
}

/** The lines of a job, by its name. */
function jobOf(text: string, name: string): string {
  return new RegExp(`^  ${name}:\\n((?:    .*\\n|\\s*\\n)+)`, "m").exec(text)?.[1] ?? "";
}

Deno.test("every action is pinned to a commit, and keeps no credentials", () => {
  assert(WORKFLOWS.length >= 2);
  for (const name of WORKFLOWS) {
    const uses = [...workflow(name).matchAll(/uses: (.*)/g)].map(([, action]) => action!);
    assert(uses.length > 0, name);
    for (const action of uses) assertMatch(action, /^[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/, name);
    const checkouts = workflow(name).match(/actions\/checkout/g)!.length;
    assertEquals(workflow(name).match(/persist-credentials: false/g)!.length, checkouts, name);
  }
});

Deno.test("only the job that waits for the protected environment gets the token that publishes", () => {
  const text = workflow("publish.yml");
  assertMatch(text, /^permissions: \{\}$/m);
  assertEquals(text.match(/id-token/g)!.length, 1);
  const publish = jobOf(text, "publish");
  assertMatch(publish, /^ {4}environment: jsr$/m);
  assertMatch(publish, /^ {6}id-token: write/m);
  assertMatch(publish, /^ {4}needs: test$/m);
  for (const name of WORKFLOWS.filter((each) => each !== "publish.yml")) assert(!workflow(name).includes("id-token"));
});

Deno.test("publishing and testing use one version of Deno", () => {
  const versions = [...workflow("publish.yml").matchAll(/deno-version: (.*)/g)].map(([, version]) => version!);
  assertEquals(versions.length, 2);
  for (const version of versions) assertMatch(version, /^\d+\.\d+\.\d+$/);
  assertEquals(new Set(versions).size, 1);
  assert(!/-latest/.test(workflow("publish.yml")));
});
