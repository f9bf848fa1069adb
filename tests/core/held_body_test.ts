/** Response bodies that hold a slot until they end. */

import { assertEquals, assertRejects } from "@std/assert";
import { heldBody } from "@x/pyserve/handlers";
import { clientOf } from "@x/pyserve/http";

/** A body whose end is observed: how often its slot was released, and why its source was cancelled. */
function held(pull: UnderlyingDefaultSource<Uint8Array<ArrayBuffer>>["pull"], stallMs: number) {
  const seen = { left: 0, stalled: 0, cancelled: Promise.withResolvers<unknown>() };
  const source = new ReadableStream<Uint8Array<ArrayBuffer>>({ pull: pull!, cancel: seen.cancelled.resolve }, {
    highWaterMark: 0,
  });
  const place = { [Symbol.dispose]: () => seen.left++ };
  return { seen, body: heldBody(source, { place, stallMs, stalled: () => seen.stalled++ }) };
}

const PIECE = new Uint8Array(8);

Deno.test("a held body is passed on, and releases its slot at its end", async () => {
  let pieces = 3;
  const { seen, body } = held((controller) => pieces-- > 0 ? controller.enqueue(PIECE) : controller.close(), 60_000);
  assertEquals((await new Response(body).bytes()).length, 24);
  assertEquals([seen.left, seen.stalled], [1, 0]);
});

Deno.test("a held body that fails or is cancelled releases its slot", async () => {
  const failing = held(() => Promise.reject(new Error("broken")), 60_000);
  await assertRejects(() => new Response(failing.body).bytes(), Error, "broken");
  assertEquals(failing.seen.left, 1);
  const left = held((controller) => controller.enqueue(PIECE), 60_000);
  await left.body.cancel("gone");
  assertEquals([left.seen.left, await left.seen.cancelled.promise], [1, "gone"]);
});

Deno.test("a held body is aborted if its client reads nothing, even of the first piece", async () => {
  const never = held((controller) => controller.enqueue(PIECE), 10);
  await never.seen.cancelled.promise;
  await assertRejects(() => new Response(never.body).bytes(), Error, "stopped reading");
  const once = held((controller) => controller.enqueue(PIECE), 10);
  const reader = once.body.getReader();
  await reader.read();
  await once.seen.cancelled.promise;
  await assertRejects(() => reader.read(), Error, "stopped reading");
  assertEquals([never.seen, once.seen].map(({ left, stalled }) => [left, stalled]), [[1, 1], [1, 1]]);
});

Deno.test("the time that a held body takes to be produced does not count as its client's", async () => {
  const made = Promise.withResolvers<void>();
  const slow = held(async (controller) => {
    await made.promise;
    controller.enqueue(PIECE);
  }, 10);
  const reader = slow.body.getReader();
  const read = reader.read();
  setTimeout(made.resolve, 50); // five times as long as a client may pause
  assertEquals((await read).value, PIECE);
  await reader.cancel();
  assertEquals(slow.seen.stalled, 0);
});

Deno.test("clients are distinguished by address, IPv6 networks by their first half", () => {
  const rows: [address: string, headers: Record<string, string>, client: string][] = [
    ["192.0.2.1", {}, "192.0.2.1"],
    ["192.0.2.1", { "x-forwarded-for": "10.0.0.1" }, "192.0.2.1"],
    ["2001:db8:1:2:3:4:5:6", {}, "2001:db8:1:2"],
    ["2001:db8:1:2::7", {}, "2001:db8:1:2"],
    ["2001:db8::7", {}, "2001:db8:0:0"],
    ["::7", {}, "0:0:0:0"],
    ["127.0.0.1", {}, "127.0.0.1"],
    ["127.0.0.1", { "x-forwarded-for": "10.0.0.1, 192.0.2.1" }, "192.0.2.1"],
    ["::1", { "x-forwarded-for": "2001:db8:1:2:3::" }, "2001:db8:1:2"],
    ["127.0.0.1", { "via": "1.1 proxy" }, ""],
    ["127.0.0.1", { "x-forwarded-for": "x".repeat(1_000) }, ""],
    ["unix", {}, ""],
    ["", {}, ""],
  ];
  for (const [address, headers, client] of rows) {
    assertEquals([address, headers, clientOf(address, new Headers(headers))], [address, headers, client]);
  }
});
