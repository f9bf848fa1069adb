/** The state of the page, without a browser: what can happen to it, and what follows from it. */

import { assertEquals } from "@std/assert";
import { addressOf, viewAt } from "../../handlers/page/script/address.js";
import { chosenOf, currentOf, previewedOf, shownOf } from "../../handlers/page/script/selectors.js";
import { initialState, reduce } from "../../handlers/page/script/state.js";

type State = ReturnType<typeof initialState>;
type Action = Parameters<typeof reduce>[1];

const BY_NAME = { sort: "name", order: "asc" } as const;
const HOME = { order: BY_NAME, search: null, preview: null, lines: "" };

function entries(...names: readonly string[]) {
  return names.map((name, rank) => ({
    name,
    href: encodeURIComponent(name),
    kind: "file" as const,
    size: name.length,
    modified: 0,
    link: false,
    problem: null,
    rank,
  }));
}

function after(state: State, ...actions: readonly Action[]): State {
  return actions.reduce(reduce, state);
}

function folder(...names: readonly string[]): State {
  return after(
    initialState(new Set(), HOME, false),
    { type: "append", entries: entries(...names) },
    { type: "complete" },
  );
}

function namesOf(list: readonly { readonly name: string }[]): string {
  return list.map(({ name }) => name).join(" ");
}

Deno.test("only what is shown is chosen, and a range follows the order", () => {
  const ticked = after(folder("a", "bb", "ab"), { type: "toggle", key: "a" }, { type: "toggle", key: "ab" });
  assertEquals(namesOf(chosenOf(ticked)), "a ab");
  const filtered = after(ticked, { type: "filter", text: "b" });
  assertEquals([namesOf(shownOf(filtered)), namesOf(chosenOf(filtered))], ["bb ab", "ab"]);
  assertEquals(namesOf(chosenOf(after(filtered, { type: "filter", text: "" }))), "a ab");
  const range = after(folder("a", "b", "c", "d"), { type: "toggle", key: "d" }, { type: "extend", key: "b" });
  assertEquals(namesOf(chosenOf(range)), "b c d");
  const reversed = after(folder("a", "b", "c"), { type: "sort", order: { sort: "name", order: "desc" } });
  assertEquals(namesOf(shownOf(after(reversed, { type: "select all" }))), "c b a");
});

Deno.test("what is gone is not selected, and the next row is the current one", () => {
  const state = after(folder("a", "b", "c"), { type: "select all" }, { type: "current", key: "b" });
  const less = after(state, { type: "replace", entries: entries("a", "c") });
  assertEquals([namesOf(chosenOf(less)), currentOf(less)?.name], ["a c", "c"]);
  const last = after(less, { type: "replace", entries: entries("a") });
  assertEquals(currentOf(last)?.name, "a");
  assertEquals(currentOf(after(last, { type: "replace", entries: [] })), null);
  // One that comes back is another one.
  assertEquals(namesOf(chosenOf(after(last, { type: "replace", entries: entries("a", "b") }))), "a");
});

Deno.test("a search is another list, whose late results are not those of the next", () => {
  const first = after(folder("a", "b"), { type: "toggle", key: "a" }, { type: "search", text: "x" });
  assertEquals([namesOf(shownOf(first)), chosenOf(first).length], ["", 0]);
  const id = first.search!.id;
  const next = after(first, { type: "search", text: "y" }, { type: "found", id, entries: entries("late") });
  assertEquals(namesOf(shownOf(next)), "");
  const found = after(next, { type: "found", id: next.search!.id, entries: entries("z", "y") });
  assertEquals(namesOf(shownOf(found)), "z y");
  // The directory may change meanwhile.
  const changed = after(found, { type: "replace", entries: entries("a", "c") });
  assertEquals(namesOf(shownOf(changed)), "z y");
  assertEquals(namesOf(shownOf(after(changed, { type: "leave search" }))), "a c");
  assertEquals(namesOf(shownOf(after(changed, { type: "filter", text: "c" }))), "c");
});

Deno.test("results that are searched again stay until the new ones are there", () => {
  const state = after(folder("a"), { type: "search", text: "x" });
  const known = after(
    state,
    { type: "found", id: state.search!.id, entries: entries("x1", "x2") },
    { type: "found all", id: state.search!.id },
    { type: "toggle", key: "x2" },
    { type: "search again" },
  );
  assertEquals(namesOf(shownOf(known)), "x1 x2");
  const again = after(known, { type: "found all", id: known.search!.id, entries: entries("x2", "x3") });
  assertEquals([namesOf(shownOf(again)), namesOf(chosenOf(again))], ["x2 x3", "x2"]);
});

Deno.test("a preview may still arrive, or not be there", () => {
  const state = initialState(new Set(), { ...HOME, preview: "b" }, false);
  assertEquals(previewedOf(state), undefined);
  assertEquals(previewedOf(after(state, { type: "append", entries: entries("b") }))?.name, "b");
  assertEquals(previewedOf(after(state, { type: "complete" })), null);
});

Deno.test("an address and its view are the same", () => {
  const place = { pathname: "/d/", search: "?x=1" };
  const views = [
    ["/d/?x=1", HOME],
    ["/d/?x=1#preview=a%26b%20c&d.txt", { ...HOME, preview: "a%26b%20c&d.txt" }],
    ["/d/?x=1#q=a%26b", { ...HOME, search: "a&b" }],
    ["/d/?x=1&sort=size&order=desc#q=re%20x&preview=a/b.md#L10-L20", {
      order: { sort: "size", order: "desc" },
      search: "re x",
      preview: "a/b.md",
      lines: "#L10-L20",
    }],
  ] as const;
  for (const [address, view] of views) {
    assertEquals(addressOf(place, view), address);
    assertEquals(viewAt(new URL(address, "http://localhost")), view);
  }
  for (const hash of ["#q=", "#md-heading", "#preview=", "#q"]) {
    assertEquals(viewAt({ search: "", hash }), HOME);
  }
  assertEquals(viewAt({ search: "", hash: "#q=%E0%A4%A" }).search, "%E0%A4%A");
});
