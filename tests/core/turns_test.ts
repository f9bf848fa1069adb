import { assert, assertEquals, assertRejects } from "@std/assert";
import { noteRequest, SharedTurns, Turns } from "../../handlers/core/turns.ts";

const STEPS = 60;

Deno.test("steps of many pieces of work are taken in order, with turns of the event loop between them", async () => {
  const turns = new SharedTurns();
  const taken: number[] = [];
  let sincePoll = 0;
  let most = 0;
  const polls = setInterval(() => sincePoll = 0, 0);
  await Promise.all(
    Array.from({ length: STEPS }, (_, index) =>
      turns.take(() => {
        taken.push(index);
        most = Math.max(most, ++sincePoll);
        for (const end = performance.now() + 1; performance.now() < end;);
      })),
  );
  clearInterval(polls);
  assertEquals(taken, taken.toSorted((a, b) => a - b));
  assertEquals(taken.length, STEPS);
  assert(most < STEPS / 2, String(most));
});

Deno.test("a step that fails does not keep the others from being taken", async () => {
  const turns = new SharedTurns();
  const failing = Array.from({ length: STEPS }, () =>
    turns.take(() => {
      for (const end = performance.now() + 1; performance.now() < end;);
      throw new RangeError("failed");
    }));
  const last = turns.take(() => "taken");
  for (const step of failing) await assertRejects(() => step, RangeError);
  assertEquals(await last, "taken");
});

Deno.test("time slices are longer while no requests come", async () => {
  const turns = new Turns();
  noteRequest();
  await turns.next();
  // Preemption can only make what is measured of a slice shorter here, and longer below.
  const start = performance.now();
  for (let now = start; !turns.due; now = performance.now()) assert(now - start < 3);
  await new Promise((resolve) => setTimeout(resolve, 110));
  const asked = performance.now();
  await turns.next();
  while (!turns.due);
  assert(performance.now() - asked >= 8);
});
