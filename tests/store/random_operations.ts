/** Random rights and operations, and a model that says what becomes of a tree. */

import { assert, assertEquals } from "@std/assert";
import type { FileSource, Right, SitePath } from "@x/pyserve";
import { type ConflictPolicy, type Operations, Store } from "@x/pyserve/store";
import { seeded } from "../support/random.ts";
import { bytes, refusal } from "./support.ts";
import { pathOf } from "../support/source.ts";

/** A tree by path: the text of a file, null for a directory. */
export type Tree = Record<string, string | null>;

/** A tree that is operated on. */
export interface Operated {
  readonly source: FileSource;
  /** What is there. */
  tree(): Tree | Promise<Tree>;
}

/** What is there before the first operation. */
export const FIRST_TREE: Readonly<Record<string, string>> = { "a/a": "aa", "a/b/c": "abc", "b": "b", "c/": "" };

interface Step {
  readonly kind: "create" | "mkdir" | "remove" | "move" | "copy";
  readonly from: string;
  readonly to: string;
  readonly policy: ConflictPolicy;
  readonly content: string;
  /** Whether the actor must not learn what is at the name: then even a directory only makes the file get another one. */
  readonly isConcealed?: boolean;
}

const isIn = (path: string, directory: string) => path === directory || path.startsWith(`${directory}/`);
const parentOf = (path: string) => path.split("/").slice(0, -1).join("/");
const inTree = (tree: Tree, directory: string) => Object.keys(tree).filter((path) => isIn(path, directory));
const sorted = (tree: Tree): Tree => Object.fromEntries(Object.entries(tree).sort(([a], [b]) => a < b ? -1 : 1));

/** What is at a path: undefined for nothing. */
const at = (tree: Tree, path: string): string | null | undefined => path === "" ? null : tree[path];

/** The name that a step stores under; undefined if the name is taken. */
function nameFor(tree: Tree, { to, policy }: Step, isDirectory: boolean): string | undefined {
  if (at(tree, to) === undefined) return to;
  if (policy === "overwrite") return isDirectory || tree[to] === null ? undefined : to;
  for (let number = 1; policy === "rename"; number++) {
    if (at(tree, `${to} (${number})`) === undefined) return `${to} (${number})`;
  }
  return undefined;
}

/** What a step makes of a tree if all rights are given; null if it is refused all the same. */
function modelled(tree: Tree, step: Step): Tree | null {
  const { kind, from, to, content } = step;
  if (kind === "remove") return from in tree ? without(tree, from) : null;
  if (kind === "mkdir") {
    return at(tree, to) === undefined && at(tree, parentOf(to)) === null ? { ...tree, [to]: null } : null;
  }
  if (kind === "create") return created(tree, step, content);
  const isDuplicate = kind === "copy" && from === to && step.policy === "rename";
  if (!(from in tree) || (isIn(to, from) && !isDuplicate) || at(tree, parentOf(to)) !== null) return null;
  const name = nameFor(tree, step, tree[from] === null);
  if (name === undefined) return null;
  const entries = inTree(tree, from).map((path) => [name + path.slice(from.length), tree[path]!]);
  return { ...(kind === "move" ? without(tree, from) : tree), ...Object.fromEntries(entries) };
}

function created(tree: Tree, step: Step, content: string): Tree | null {
  const made: Tree = {};
  for (let above = parentOf(step.to); above !== ""; above = parentOf(above)) {
    if (typeof tree[above] === "string") return null;
    if (!(above in tree)) made[above] = null;
  }
  // A directory is in the place of the file, whatever the policy.
  const name = tree[step.to] === null && !step.isConcealed ? undefined : nameFor(tree, step, false);
  return name === undefined ? null : { ...tree, ...made, [name]: content };
}

function without(tree: Tree, directory: string): Tree {
  return Object.fromEntries(Object.entries(tree).filter(([path]) => !isIn(path, directory)));
}

/** What becomes of a step of an actor who cannot read the name. */
function concealing(step: Step, may: May): Step {
  if (step.kind !== "create" || step.policy === "overwrite" || may("read", step.to)) return step;
  return { ...step, policy: "rename", isConcealed: true };
}

type May = (right: Right, path: string) => boolean;

/** Whether the rights cover each difference between two trees, and each byte that was brought to another place. */
function covers(may: May, [before, after]: readonly [Tree, Tree], { kind, from }: Step): boolean {
  const isCovered = (path: string) => {
    if (!(path in after)) return may("change", path);
    if (!(path in before)) return may("create", path);
    return before[path] === after[path] || may("change", path);
  };
  const isTaken = kind === "move" || kind === "copy";
  const taken = isTaken ? inTree(before, from).every((path) => may("read", path)) : true;
  return taken && Object.keys({ ...before, ...after }).every(isCovered);
}

async function run(files: Operations, { kind, from, to, policy, content }: Step): Promise<string | null> {
  const [source, target] = [pathOf(from), pathOf(to)];
  const onConflict = { onConflict: policy };
  switch (kind) {
    case "create":
      return await refusal(files.create(target, bytes(content), onConflict));
    case "mkdir":
      return await refusal(files.makeDirectory(target));
    case "remove":
      return await refusal(files.remove(source, { recursive: true }));
    case "move":
      return await refusal(files.move(source, target, onConflict));
    case "copy":
      return await refusal(files.copy(source, target, onConflict));
  }
}

const NAMES = ["a", "b", "c"];

/** A tree without what an actor cannot read of one directory: it is left out of a copy. */
function readableFor(tree: Tree, may: May, directory: string): Tree {
  const hidden = inTree(tree, directory).filter((path) => !may("read", path));
  return Object.fromEntries(Object.entries(tree).filter(([path]) => !hidden.some((each) => isIn(path, each))));
}

/** Tries random operations, and compares what they leave with the model. Returns how often each ended in which way. */
export async function tryRandomOperations(
  { source, tree }: Operated,
  { seed, turns }: { readonly seed: number; readonly turns: number },
): Promise<Record<string, number>> {
  const tally: Record<string, number> = {};
  const next = seeded(seed);
  const random = (below: number) => Math.floor(next() * below);
  const pick = <T>(values: readonly T[]) => values[random(values.length)]!;
  const path = () => Array.from({ length: 1 + random(3) }, () => pick(NAMES)).join("/");
  const store = new Store(source);
  for (let turn = 0; turn < turns; turn++) {
    const step: Step = {
      kind: pick(["create", "create", "mkdir", "remove", "move", "copy"]),
      from: path(),
      to: path(),
      policy: pick(["fail", "rename", "overwrite"]),
      content: `${seed} ${turn}`,
    };
    const near = () => pick([path(), step.from, `${step.from}/${pick(NAMES)}`, `${step.to}/${pick(NAMES)}`]);
    const denied = new Set(
      Array.from({ length: random(4) }, () => `${pick(["create", "change", "read"])} ${near()}`),
    );
    const may: May = (right, asked) => !denied.has(`${right} ${asked}`);
    const before = await tree();
    const files = store.as({ may: (right, { segments }: SitePath) => may(right, segments.join("/")) });
    const problem = await run(files, step);
    const after = await tree();
    const told = JSON.stringify({ seed, turn, step, denied: [...denied], problem });
    tally[`${step.kind} ${problem}`] = (tally[`${step.kind} ${problem}`] ?? 0) + 1;
    if (problem !== null) assertEquals(after, before, told);
    else {
      const seen = step.kind === "copy" ? readableFor(before, may, step.from) : before;
      const expected = modelled(seen, concealing(step, may)) ?? {};
      assertEquals(after, sorted(step.kind === "copy" ? { ...before, ...expected } : expected), told);
      assert(covers(may, [seen, step.kind === "copy" ? sorted(expected) : after], step), told);
    }
    // A refusal for want of rights has a reason: with all rights the step is done, or something else is in the way.
    const wanted = modelled(before, step);
    if (denied.size === 0) assertEquals(problem === null, wanted !== null, told);
    if (denied.size === 0) assert(problem !== "forbidden", told);
  }
  return tally;
}
