/** The delay after failed logins, by a clock of the test. */

import { assert, assertEquals } from "@std/assert";
import { type Attempt, Throttle } from "../../handlers/identity/throttle.ts";

function withClock() {
  let now = 1_000_000;
  const throttle = new Throttle(() => now);
  return {
    throttle,
    pass: (seconds: number) => now += seconds * 1000,
    /** Fails to log in; the delay after it, or before it where the attempt is refused. */
    fail(name: string, client: string): { refused: number } | { delay: number } {
      const attempt = throttle.begin(name, client);
      return typeof attempt === "number" ? { refused: attempt } : { delay: attempt.failed().delay };
    },
    succeed(name: string, client: string): void {
      begun(throttle.begin(name, client)).succeeded();
    },
  };
}

function begun(attempt: Attempt | number): Attempt {
  assert(typeof attempt !== "number", `refused for ${attempt} s`);
  return attempt;
}

Deno.test("after five failures the delay doubles, up to 15 minutes", () => {
  const { throttle, fail, pass } = withClock();
  for (let i = 0; i < 4; i++) assertEquals(fail("ann", "192.0.2.1"), { delay: 0 });
  for (const delay of [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]) {
    assertEquals(fail("ann", "192.0.2.1"), { delay });
    assertEquals(fail("ann", "192.0.2.1"), { refused: delay });
    pass(delay - 0.5);
    assertEquals([fail("ann", "192.0.2.1"), throttle.delay("ann", "192.0.2.1")], [{ refused: 1 }, 1]);
    pass(0.5);
    assertEquals(throttle.delay("ann", "192.0.2.1"), 0);
  }
});

Deno.test("another user and another address are not delayed by it", () => {
  const { fail, succeed } = withClock();
  for (let i = 0; i < 6; i++) fail("ann", "192.0.2.1");
  assertEquals(fail("ann", "192.0.2.1"), { refused: 1 });
  assertEquals(fail("bob", "192.0.2.1"), { delay: 0 });
  succeed("ann", "192.0.2.2");
});

Deno.test("a success forgets the failures of this user from this address, and no others", () => {
  const { fail, succeed } = withClock();
  for (let i = 0; i < 4; i++) fail("ann", "192.0.2.1");
  for (let i = 0; i < 4; i++) fail("bob", "192.0.2.1");
  succeed("ann", "192.0.2.1");
  for (let i = 0; i < 4; i++) assertEquals(fail("ann", "192.0.2.1"), { delay: 0 });
  assertEquals(fail("bob", "192.0.2.1"), { delay: 1 });
});

Deno.test("an address that tries many names is delayed, up to 30 seconds; a user known there is not", () => {
  const { fail, pass, succeed } = withClock();
  succeed("ann", "192.0.2.1");
  for (let i = 0; i < 19; i++) assertEquals(fail(`u${i}`, "192.0.2.1"), { delay: 0 });
  for (const delay of [1, 2, 4, 8, 16, 30, 30]) {
    assertEquals(fail(`v${delay}`, "192.0.2.1"), { delay });
    assertEquals(fail("another", "192.0.2.1"), { refused: delay });
    succeed("ann", "192.0.2.1");
    pass(delay);
  }
});

Deno.test("a valid account is no way around the limit of an address", () => {
  const { fail, succeed } = withClock();
  let delayed = 0;
  for (let i = 0; i < 100; i++) {
    if ("refused" in fail(`u${i}`, "192.0.2.1")) delayed += 1;
    succeed("mallory", "192.0.2.2");
    succeed("mallory", "192.0.2.2");
  }
  assertEquals(delayed, 80);
});

Deno.test("strangers cannot lock a user out, from however many addresses they try", () => {
  const { fail, succeed } = withClock();
  succeed("ann", "198.51.100.1");
  for (let i = 0; i < 5000; i++) fail("ann", `2001:db8:${i}:0`);
  succeed("ann", "198.51.100.1"); // where she has been before
  for (let i = 0; i < 4; i++) assertEquals(fail("ann", "198.51.100.1"), { delay: 0 });
  succeed("ann", "203.0.113.5"); // and elsewhere
});

Deno.test("a name under attack has one free attempt from each new address", () => {
  const { fail } = withClock();
  for (let i = 0; i < 20; i++) assertEquals(fail("ann", `2001:db8:${i}:0`), { delay: 0 });
  assertEquals(fail("ann", "203.0.113.5"), { delay: 1 });
  assertEquals(fail("ann", "203.0.113.5"), { refused: 1 });
});

Deno.test("attempts at the same time do not get around the delay", () => {
  const { throttle } = withClock();
  const attempts = Array.from({ length: 100 }, () => throttle.begin("ann", "192.0.2.1"));
  assertEquals(attempts.filter((attempt) => typeof attempt !== "number").length, 5);
  const others = Array.from({ length: 100 }, (_, i) => throttle.begin(`u${i}`, "192.0.2.1"));
  assertEquals(others.filter((attempt) => typeof attempt !== "number").length, 3);
  for (const attempt of [...attempts, ...others]) if (typeof attempt !== "number") attempt.failed();
  assertEquals(throttle.delay("ann", "192.0.2.1"), 1);
});

Deno.test("an attack from many addresses does not delay users at addresses of earlier logins", () => {
  const { throttle, succeed } = withClock();
  succeed("ann", "198.51.100.1");
  const attempts = Array.from({ length: 1000 }, (_, i) => throttle.begin(`u${i}`, `2001:db8:${i}:0`));
  const admitted = attempts.filter((attempt) => typeof attempt !== "number");
  assertEquals([admitted.length, attempts.at(-1)], [32, 1]);
  succeed("ann", "198.51.100.1");
  begun(throttle.begin("eve", "198.51.100.1")).dropped(); // for any name: it must not tell who has logged in
  for (const attempt of admitted) attempt.failed();
  begun(throttle.begin("bob", "203.0.113.5")).dropped();
});

Deno.test("while many attempts fail, passwords are checked in the background, apart from those of known addresses", () => {
  const { throttle, fail, pass, succeed } = withClock();
  const precedenceOf = (name: string, client: string) => {
    const attempt = begun(throttle.begin(name, client));
    attempt.dropped();
    return attempt.precedence;
  };
  succeed("ann", "198.51.100.1");
  fail("ann", "198.51.100.7");
  assertEquals([precedenceOf("ann", "203.0.113.5"), precedenceOf("ann", "198.51.100.7")], [0, 0], "people mistype");
  for (let i = 0; i < 10; i++) fail(`u${i}`, `2001:db8:${i}:0`);
  assertEquals([precedenceOf("ann", "203.0.113.5"), precedenceOf("ann", "2001:db8:1:0")], [1, 2]);
  assertEquals([precedenceOf("ann", "198.51.100.1"), precedenceOf("nobody", "198.51.100.1")], [0, 0], "for any name");
  for (let i = 0; i < 1000; i++) fail(`u${i}`, `2001:db8:${i}:1`);
  succeed("ann", "");
  assertEquals(precedenceOf("ann", ""), 1, "clients without an address share one");
  pass(60);
  assertEquals(precedenceOf("ann", "203.0.113.5"), 0, "a minute after the last one, however many there were");
});

Deno.test("attempts of addresses with failures leave room for those of others", () => {
  const { throttle, fail } = withClock();
  const clients = Array.from({ length: 100 }, (_, i) => `2001:db8:${i}:0`);
  for (const client of clients) fail("ann", client);
  const again = clients.map((client) => throttle.begin("bob", client));
  assertEquals(again.filter((attempt) => typeof attempt !== "number").length, 16);
  begun(throttle.begin("bob", "203.0.113.5"));
});

Deno.test("an attempt without a verdict counts nothing, and leaves nothing", () => {
  const { throttle } = withClock();
  for (let i = 0; i < 50; i++) {
    const attempt = begun(throttle.begin("ann", "192.0.2.1"));
    attempt.dropped();
    attempt.dropped();
  }
  assertEquals(throttle.size, 0);
});

Deno.test("failures are forgotten after half an hour", () => {
  const { fail, pass } = withClock();
  for (let i = 0; i < 9; i++) {
    fail("ann", "192.0.2.1");
    pass(20);
  }
  assertEquals(fail("ann", "192.0.2.1"), { delay: 32 });
  pass(1800);
  for (let i = 0; i < 4; i++) assertEquals(fail("ann", "192.0.2.1"), { delay: 0 });
});

Deno.test("where the address is not known, the delay is short: others share it", () => {
  const { fail, pass } = withClock();
  for (let i = 0; i < 15; i++) {
    fail("ann", "");
    pass(10);
  }
  assertEquals(fail("ann", ""), { delay: 10 });
});

Deno.test("the tables are bounded, and a flood of names does not forget the one under attack", () => {
  const { throttle, fail, pass } = withClock();
  for (let i = 0; i < 10; i++) {
    fail("ann", "192.0.2.1");
    pass(40);
  }
  const { delay } = fail("ann", "192.0.2.1") as { delay: number };
  assertEquals(delay, 64);
  // From one address, only so many are counted.
  for (let i = 0; i < 100_000; i++) fail(`u${i}`, "192.0.2.1");
  assertEquals(fail("ann", "192.0.2.1"), { refused: 64 });
  for (let i = 0; i < 60_000; i++) fail(`u${i}`, `2001:db8:${i}:0`);
  assert(throttle.size <= 40_000, `${throttle.size}`);
});
