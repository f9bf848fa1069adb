/** Checking credentials: remembered, shared, delayed. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { type Denied, isDenied, Logins } from "../../handlers/identity/logins.ts";
import type { User, Users } from "../../handlers/identity/users.ts";

const HOME = "192.0.2.1";

/** Users of a test, with a count of the checks and a clock. */
function withUsers(find: (user: User | null) => ReturnType<Users["find"]> = (user) => user) {
  const passwords = new Map([["ann", "secret"], ["bob", "other"]]);
  const epochs = new Map([["ann", "1"], ["bob", "1"]]);
  const checks: string[] = [];
  const lines: string[] = [];
  let now = 5000;
  const userOf = (name: string) => epochs.has(name) ? { name, epoch: epochs.get(name)! } : null;
  const users: Users = {
    find: (name) => find(userOf(name)),
    async verify(name, password) {
      checks.push(`${name}:${password}`);
      await Promise.resolve();
      if (password === "broken") throw new Error("The database is away");
      return passwords.get(name) === password ? userOf(name) : null;
    },
  };
  const logins = new Logins(users, { log: { error: (line) => lines.push(line) }, now: () => now });
  return { logins, passwords, epochs, checks, lines, pass: (seconds: number) => now += seconds * 1000 };
}

function nameOf(result: User | Denied): string | number | null {
  return isDenied(result) ? result.retryAfter : result.name;
}

Deno.test("verified credentials are remembered for a minute, and then answered without a promise", async () => {
  const { logins, checks, pass } = withUsers();
  assertEquals(nameOf(await logins.check("ann", "secret", HOME)), "ann");
  for (let i = 0; i < 100; i++) {
    const result = logins.check("ann", "secret", HOME);
    assert(!(result instanceof Promise) && nameOf(result) === "ann");
  }
  assertEquals(checks, ["ann:secret"]);
  pass(60);
  assertEquals(nameOf(await logins.check("ann", "secret", HOME)), "ann");
  assertEquals(checks.length, 2);
});

Deno.test("failures are not remembered, and only the very same credentials are", async () => {
  const { logins, checks, passwords } = withUsers();
  assertEquals(nameOf(await logins.check("ann", "new", HOME)), null);
  passwords.set("ann", "new");
  assertEquals(nameOf(await logins.check("ann", "new", HOME)), "ann");
  for (const [name, password] of [["ann", "ne"], ["an", "nnew"], ["ann", "new "], ["ann", ""]] as const) {
    assertEquals(nameOf(await logins.check(name, password, HOME)), null);
  }
  assertEquals(nameOf(await logins.check("ann", "new", "192.0.2.2")), "ann");
  assertEquals(checks.length, 7);
});

Deno.test("equal credentials at the same time are checked once", async () => {
  const { logins, checks } = withUsers();
  const right = await Promise.all(Array.from({ length: 50 }, () => logins.check("ann", "secret", HOME)));
  const wrong = await Promise.all(Array.from({ length: 50 }, () => logins.check("bob", "secret", HOME)));
  assertEquals([right.every((one) => nameOf(one) === "ann"), wrong.every((one) => nameOf(one) === null)], [true, true]);
  assertEquals(checks, ["ann:secret", "bob:secret"]);
});

Deno.test("what is remembered ends with the user and with the password", async () => {
  for (const find of [undefined, (user: User | null) => Promise.resolve(user)]) {
    const { logins, checks, epochs, passwords } = withUsers(find);
    await logins.check("ann", "secret", HOME);
    passwords.set("ann", "new");
    epochs.set("ann", "2");
    assertEquals(nameOf(await logins.check("ann", "secret", HOME)), null);
    await logins.check("bob", "other", HOME);
    epochs.delete("bob");
    assertEquals(nameOf(await logins.check("bob", "other", HOME)), null);
    assertEquals(checks.length, 4);
  }
});

Deno.test("a name is the same however its letters were composed", async () => {
  const { logins, passwords, epochs } = withUsers();
  passwords.set("caf\u00e9", "x");
  epochs.set("caf\u00e9", "1");
  assertEquals(nameOf(await logins.check("cafe\u0301", "x", HOME)), "caf\u00e9");
});

Deno.test("failures delay, also what is remembered: it must not tell which guess is right", async () => {
  const { logins, checks, pass, lines } = withUsers();
  await logins.check("ann", "secret", HOME);
  for (let i = 0; i < 5; i++) assertEquals(nameOf(await logins.check("ann", `guess ${i}`, HOME)), null);
  assertEquals(nameOf(await logins.check("ann", "guess", HOME)), 1);
  assertEquals(nameOf(await logins.check("ann", "secret", HOME)), 1);
  assertEquals(checks.length, 6);
  pass(1);
  assertEquals(nameOf(await logins.check("ann", "secret", HOME)), "ann");
  assertEquals(lines.length, 5);
  assertEquals(lines[0], 'Login failed from 192.0.2.1: "ann"');
  assertEquals(lines[4], 'Login failed from 192.0.2.1 (failure 5, next attempt in 1 s): "ann"');
});

Deno.test("10,000 wrong passwords are few checks", async () => {
  const { logins, checks, lines, pass } = withUsers();
  for (let i = 0; i < 10_000; i++) {
    await logins.check("ann", `guess ${i}`, HOME);
    pass(0.1);
  }
  assertEquals([checks.length, lines.length], [14, 14]);
});

Deno.test("names that no user can have are counted as one, and kept nowhere", async () => {
  const { logins, checks, lines } = withUsers();
  for (const name of ["", "a\0b", "a\u202eb", "x".repeat(256), "y".repeat(100_000)]) {
    assertEquals(nameOf(await logins.check(name, "secret", HOME)), null);
  }
  assertEquals(checks, Array(5).fill(":secret"));
  assertEquals(nameOf(await logins.check("z\n", "secret", HOME)), 1);
  assertEquals(lines[0], "Login failed from 192.0.2.1: a name that no user can have");
});

Deno.test("an error of the users is no failure of the client, and is not remembered", async () => {
  const { logins, lines } = withUsers();
  for (let i = 0; i < 30; i++) {
    await assertRejects(async () => await logins.check("ann", "broken", HOME), Error, "The database is away");
  }
  assertEquals(nameOf(await logins.check("ann", "secret", HOME)), "ann");
  assertEquals(lines, []);
});
