/** The concurrency limit: order, fairness, timeouts. */

import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { Limiter } from "../../handlers/core/limiter.ts";
import { HttpError } from "../../handlers/core/errors.ts";

Deno.test("a limiter admits so many at once, and the others in order of arrival", async () => {
  const limiter = new Limiter({ max: 2, queueMs: 60_000 });
  const inside = [await limiter.enter(), await limiter.enter()];
  const order: number[] = [];
  const waiting = [0, 1, 2].map(async (i) => {
    using _ = await limiter.enter();
    order.push(i);
  });
  assertEquals([limiter.inside, limiter.waiting, order], [2, 3, []]);
  inside[0]![Symbol.dispose]();
  await Promise.all(waiting);
  inside[1]![Symbol.dispose]();
  assertEquals([order, limiter.inside, limiter.waiting], [[0, 1, 2], 0, 0]);
});

Deno.test("no request overtakes the queue", async () => {
  const limiter = new Limiter({ max: 1, queueMs: 60_000 });
  const first = await limiter.enter();
  const order: string[] = [];
  const second = limiter.enter().then((place) => (order.push("second"), place));
  first[Symbol.dispose]();
  const third = limiter.enter().then((place) => (order.push("third"), place));
  (await second)[Symbol.dispose]();
  (await third)[Symbol.dispose]();
  assertEquals(order, ["second", "third"]);
});

Deno.test("a lower rank leaves the queue first, and those of one rank in order of arrival", async () => {
  const limiter = new Limiter({ max: 1, queueMs: 60_000 });
  const first = await limiter.enter();
  const order: string[] = [];
  const waiting = ["2a", "1a", "2b", "0a", "1b"].map(async (name) => {
    using _ = await limiter.enter("", undefined, Number(name[0]));
    order.push(name);
  });
  first[Symbol.dispose]();
  await Promise.all(waiting);
  assertEquals(order, ["0a", "1a", "1b", "2a", "2b"]);
});

Deno.test("a slot that is released twice counts once", async () => {
  const limiter = new Limiter({ max: 1, queueMs: 0 });
  const place = await limiter.enter();
  place[Symbol.dispose]();
  place[Symbol.dispose]();
  assertEquals(limiter.inside, 0);
  using _ = await limiter.enter();
  await assertRejects(() => limiter.enter(), HttpError);
});

Deno.test("a request that has waited too long is told when to retry", async () => {
  const limiter = new Limiter({ max: 1, queueMs: 10 });
  using _ = await limiter.enter();
  const error = await assertRejects(() => limiter.enter(), HttpError);
  assertEquals([error.status, error.headers["retry-after"], limiter.waiting], [503, "1", 0]);
});

Deno.test("a client that disconnects leaves the queue and takes no slot", async () => {
  const limiter = new Limiter({ max: 1, queueMs: 60_000 });
  const place = await limiter.enter();
  const client = new AbortController();
  const gone = limiter.enter("", client.signal);
  const patient = limiter.enter("", new AbortController().signal);
  client.abort(new Error("left"));
  await assertRejects(() => gone, Error, "left");
  await assertRejects(() => limiter.enter("", client.signal), Error, "left");
  assertEquals(limiter.waiting, 1);
  place[Symbol.dispose]();
  (await patient)[Symbol.dispose]();
  assertEquals(limiter.inside, 0);
});

Deno.test("a client at its limit neither takes the slots of others nor blocks those after it in the queue", async () => {
  const limiter = new Limiter({ max: 3, maxPerClient: 2, queueMs: 10_000 });
  const first = await limiter.enter("a");
  const second = await limiter.enter("a");
  const order: string[] = [];
  const third = limiter.enter("a").then((place) => (order.push("a"), place));
  const other = await limiter.enter("b");
  const another = limiter.enter("b").then((place) => (order.push("b"), place));
  assertEquals([limiter.inside, limiter.waiting], [3, 2]);
  other[Symbol.dispose]();
  const next = await another;
  assertEquals(order, ["b"]);
  first[Symbol.dispose]();
  for (const place of [second, next, await third]) place[Symbol.dispose]();
  assertEquals([order, limiter.inside, limiter.waiting], [["b", "a"], 0, 0]);
});

Deno.test("a client at its limit gets 429; clients without an address have no limit of their own", async () => {
  const limiter = new Limiter({ max: 3, maxPerClient: 1, queueMs: 0 });
  using _ = await limiter.enter("a");
  assertEquals((await assertRejects(() => limiter.enter("a"), HttpError)).status, 429);
  using _first = await limiter.enter("");
  using _second = await limiter.enter("");
  assertEquals((await assertRejects(() => limiter.enter("a"), HttpError)).status, 503);
});

Deno.test("a limiter without slots is refused", () => {
  assertThrows(() => new Limiter({ max: 4, maxPerClient: 0, queueMs: 0 }), RangeError);
  assertThrows(() => new Limiter({ max: 0, queueMs: 0 }), RangeError);
  assertThrows(() => new Limiter({ max: NaN, queueMs: 0 }), RangeError);
});
