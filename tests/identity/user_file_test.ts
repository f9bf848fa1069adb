/** Users in a file: what takes effect when the file changes. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { newToken } from "../../handlers/identity/token_line.ts";
import { userFile, UserFileError } from "../../handlers/identity/user_file.ts";
import { combinedUsers, environmentUser } from "../../handlers/identity/users.ts";
import { tempTree } from "../support/tree.ts";

/** Small hashes of "secret" and of "other". */
const [SECRET, OTHER] = await Promise.all(["secret", "other"].map(sha1));

async function sha1(password: string): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-1", new TextEncoder().encode(password)));
  return `{SHA}${digest.toBase64()}`;
}

/** A file with a clock that is past the next look each time, and what was warned of. */
async function opened(text: string, mode = 0o600) {
  const tree = await tempTree();
  const path = tree.at("users.txt");
  await Deno.writeTextFile(path, text, { mode });
  const warnings: string[] = [];
  let time = 0;
  const users = userFile(path, { warn: (warning) => warnings.push(warning), now: () => time += 1000 });
  warnings.splice(0); // of the weak hashes
  return { users, path, warnings, tree, [Symbol.asyncDispose]: () => tree[Symbol.asyncDispose]() };
}

/** Waits until something holds: a file is read once it has rested for 100 ms. */
async function until(holds: () => boolean): Promise<void> {
  for (let i = 0; i < 500 && !holds(); i++) await new Promise((resolve) => setTimeout(resolve, 10));
  assert(holds());
}

Deno.test("users of a file: names, passwords, epochs", async () => {
  await using file = await opened(`ann:${SECRET}\ncafe\u0301:${OTHER}\n`);
  const { users } = file;
  const ann = users.find("ann");
  assertEquals(ann?.name, "ann");
  assertEquals(await users.verify("ann", "secret"), ann);
  assertEquals(await users.verify("ann", "other"), null);
  assertEquals(await users.verify("Ann", "secret"), null);
  assertEquals(await users.verify("zoe", "secret"), null);
  assertEquals(await users.verify("", ""), null);
  assertEquals(users.find("caf\u00e9")?.name, "caf\u00e9");
  assertEquals(await users.verify("cafe\u0301", "other"), users.find("cafe\u0301"));
  assertEquals([users.find("__proto__"), users.find("ann/x")], [null, null]);
  assert(ann!.epoch !== users.find("café")!.epoch && !SECRET!.includes(ann!.epoch));
});

Deno.test("a change of the file takes effect: new, changed and deleted users, and their tokens", async () => {
  const { text, line } = newToken("ann", { rights: ["read"], path: "/pub", expires: null });
  await using file = await opened(`ann:${SECRET}\n${line}\n`);
  const { users, path } = file;
  const before = users.find("ann")!;
  assertEquals(users.token(text)?.user, before);
  assertEquals([users.token(text)?.path, users.token(text)?.rights], ["/pub", ["read"]]);
  await Deno.writeTextFile(path, `ann:${OTHER}\nbob:${SECRET}\n${line}\n`);
  await until(() => users.find("bob") !== null);
  assert(users.find("ann")!.epoch !== before.epoch);
  assertEquals(await users.verify("ann", "secret"), null);
  assertEquals(users.token(text)?.user.epoch, users.find("ann")!.epoch);
  await Deno.writeTextFile(file.tree.at("new"), `bob:${SECRET}\n${line}\n`);
  await Deno.rename(file.tree.at("new"), path);
  await until(() => users.find("ann") === null);
  assertEquals([await users.verify("ann", "other"), users.token(text)], [null, null]);
});

Deno.test("a user who is deleted while the password is checked is not let in, nor one whose password changes", async () => {
  const slow = "$argon2id$v=19$m=19456,t=8,p=1$c29tZXNhbHQ$KiUpkNXkW0iek3f66642bafVuX6jLM4L5GStYqwn32c";
  for (const line of ["", `ann:${OTHER}\n`]) {
    await using file = await opened(`slow:${slow}\nann:${SECRET}\n`);
    const before = file.users.find("ann")!.epoch;
    // The last one waits for several slow hashes, so that the file changes meanwhile.
    const checks = Array.from({ length: 6 }, () => file.users.verify("ann", "secret"));
    await Deno.writeTextFile(file.path, `slow:${slow}\n${line}`);
    await until(() => file.users.find("ann")?.epoch !== before);
    assertEquals((await Promise.all(checks)).at(-1), null);
  }
});

Deno.test("a new file that cannot be used keeps the users of before, and is reported once", async () => {
  await using file = await opened(`ann:${SECRET}\n`);
  const { users, path, warnings } = file;
  const rows: readonly [text: string | Uint8Array, reason: string][] = [
    [`ann:${SECRET}\nbob\n`, "line 2: it has no colon; a line is NAME:HASH"],
    [new Uint8Array([0x23, 0x0A, 0xE9, 0x3A]), "line 2: it is not UTF-8"],
    [new Uint8Array([0xFF, 0xFE, 0x61, 0]), "it is UTF-16; save it as UTF-8"],
  ];
  for (const [text, reason] of rows) {
    warnings.splice(0);
    await Deno.writeFile(path, typeof text === "string" ? new TextEncoder().encode(text) : text);
    await until(() => users.find("ann") !== null && warnings.length > 0);
    for (let i = 0; i < 5; i++) assert(users.find("ann"));
    assertEquals(warnings, [`Cannot use the new "${path}": ${reason}; the previous users stay`]);
  }
  warnings.splice(0);
  await Deno.remove(path);
  assert(users.find("ann") && warnings.length === 1, "the first look tells");
  for (let i = 0; i < 5; i++) assert(users.find("ann"));
  assertEquals(warnings, [`Cannot use the new "${path}": it does not exist; the previous users stay`]);
  await Deno.mkdir(path);
  await until(() => users.find("ann") !== null && warnings.length === 2);
  assert(warnings[1]!.includes("it is not a file"));
  await Deno.remove(path);
  await Deno.writeTextFile(path, `bob:${SECRET}\n`, { mode: 0o600 });
  await until(() => users.find("bob") !== null);
  assertEquals(users.find("ann"), null);
});

Deno.test("an emptied file logs all users out, and is reported once", async () => {
  await using file = await opened(`ann:${SECRET}\n`);
  const { users, path, warnings } = file;
  await Deno.writeTextFile(path, "# none left\n");
  await until(() => users.find("ann") === null);
  for (let i = 0; i < 5; i++) assertEquals(users.find("ann"), null);
  assertEquals(warnings, [`"${path}" has no users: add one with "pyserve passwd"`]);
});

Deno.test("a file that is being written is not read by half", async () => {
  await using file = await opened(`ann:${SECRET}\nbob:${SECRET}\n`);
  const { users, path, warnings } = file;
  const end = performance.now() + 300;
  while (performance.now() < end) {
    // As an editor does that empties the file and writes it in pieces.
    using writing = await Deno.open(path, { write: true, truncate: true });
    assert(users.find("bob"));
    await writing.write(new TextEncoder().encode(`ann:${SECRET}\nbob:{SHA}5en6`));
    assert(users.find("bob"));
    await writing.write(new TextEncoder().encode(`bob:${SECRET}`.slice("bob:{SHA}5en6".length)));
    assert(users.find("bob"));
  }
  assertEquals(warnings, []);
});

Deno.test("the file is checked twice a second at most", async () => {
  await using tree = await tempTree({ "users.txt": `ann:${SECRET}\n` });
  let now = 0;
  const users = userFile(tree.at("users.txt"), { now: () => now });
  await Deno.remove(tree.at("users.txt"));
  const warnings: string[] = [];
  const other = userFile.bind(null, tree.at("users.txt"), { warn: (text: string) => warnings.push(text) });
  assertThrows(other, UserFileError, "it does not exist");
  await Deno.writeTextFile(tree.at("users.txt"), `bob:${SECRET}\n`);
  await new Promise((resolve) => setTimeout(resolve, 150)); // no event tells that a file has rested
  for (now = 0; now < 500; now += 100) assert(users.find("ann") && !users.find("bob"));
  now = 501;
  assert(users.find("bob") && !users.find("ann"));
});

Deno.test("a file that cannot be used is refused in one sentence", async () => {
  const large = `${"#".repeat(1023)}\n`.repeat(2049);
  await using tree = await tempTree({ "dir/": "", "bad": `ann:${SECRET}\nann:${SECRET}\n`, large });
  const rows = [
    ["none", "it does not exist"],
    ["dir", "it is not a file"],
    ["large", "it is larger than 2 MiB"],
    ["bad", 'line 2: the name "ann" is already in line 1'],
  ] as const;
  for (const [name, reason] of rows) {
    const error = assertThrows(() => userFile(tree.at(name)), UserFileError);
    assertEquals(error.message, `Cannot use "${tree.at(name)}": ${reason}`);
  }
});

Deno.test({
  name: "a file that others can use is warned of, and weak hashes are",
  ignore: Deno.build.os === "windows",
  async fn() {
    await using tree = await tempTree({ "users.txt": `ann:${SECRET}\n` });
    const path = tree.at("users.txt");
    const warnings: string[] = [];
    for (const [mode, count] of [[0o644, 2], [0o640, 2], [0o620, 2], [0o600, 1], [0o400, 1]] as const) {
      await Deno.chmod(path, mode);
      warnings.splice(0);
      userFile(path, { warn: (text) => warnings.push(text) });
      assertEquals(warnings.length, count, mode.toString(8));
    }
    assertEquals(warnings, [
      `"${path}", line 1: the hash of "ann" is weak ({SHA}); set the password again with "pyserve passwd"`,
    ]);
  },
});

Deno.test("a token expires", async () => {
  const past = newToken("ann", { rights: ["read"], path: "/", expires: Date.now() - 2000 });
  const soon = newToken("ann", { rights: ["read", "run"], path: "/", expires: Date.now() + 60_000 });
  await using file = await opened(`ann:${SECRET}\n${past.line}\n${soon.line}\n`);
  assertEquals(file.users.token(past.text), null);
  assertEquals(file.users.token(soon.text)?.rights, ["read", "run"]);
  assertEquals(file.users.token(soon.text.replace(/.$/, (c) => c === "a" ? "b" : "a")), null);
  assertEquals(file.users.token("pys_"), null);
});

Deno.test("the user of an environment variable", async () => {
  const users = environmentUser("ann:pass:word \r\n");
  assertEquals((await users.verify("ann", "pass:word "))?.name, "ann");
  for (const [name, password] of [["ann", "pass"], ["ann", ""], ["", "pass:word "], ["bob", "pass:word "]] as const) {
    assertEquals(await users.verify(name, password), null);
  }
  assertEquals((await users.find("ann"))?.epoch, (await environmentUser("ann:pass:word ").find("ann"))?.epoch);
  assert((await users.find("ann"))?.epoch !== (await environmentUser("ann:other").find("ann"))?.epoch);
  assertEquals(await users.find("bob"), null);
  for (const bad of ["", "ann", "ann:", ":secret", "a/b:secret", "users:secret", "ann:se\ncret", "ann:\0"]) {
    const error = assertThrows(() => environmentUser(bad), TypeError);
    assert(!error.message.includes("secret"));
  }
});

Deno.test("a name of several sources belongs to the first one, with its password and tokens", async () => {
  const { text, line } = newToken("ann", { rights: ["read"], path: "/", expires: null });
  await using file = await opened(`ann:${SECRET}\nbob:${SECRET}\n${line}\n`);
  const users = combinedUsers(environmentUser("bob:other"), file.users);
  assertEquals((await users.verify("ann", "secret"))?.name, "ann");
  assertEquals((await users.verify("bob", "other"))?.name, "bob");
  assertEquals([await users.verify("bob", "secret"), await users.verify("zoe", "secret")], [null, null]);
  const found = users.find("ann");
  assert(!(found instanceof Promise) && found?.epoch === file.users.find("ann")!.epoch);
  assertEquals([(await users.token(text))?.user, await users.token("pys_"), await users.find("zoe")], [
    found,
    null,
    null,
  ]);
});
