/** Hashes of passwords: made and read, against the programs that others use. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { endHashThread } from "../../handlers/identity/hash_thread.ts";
import { hashPassword, parseHash, PasswordChecker, verifyPassword } from "../../handlers/identity/password.ts";
import type { PasswordHash } from "../../handlers/identity/password_hash.ts";
import { ROOT } from "../support/paths.ts";
import { missing } from "../support/programs.ts";

/** Passwords with what goes wrong: spaces, colons, other scripts, lengths around the block of MD5 and the limit of bcrypt. */
const PASSWORDS = [
  "secret",
  "a b:c$d",
  "pässwörd",
  "密码🔑",
  "x".repeat(15),
  "x".repeat(16),
  "x".repeat(17),
  "y".repeat(72),
];

/** A hash of crypt_blowfish's vectors, of "U*U". */
const BCRYPT = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";

async function output(program: string, args: readonly string[], input = ""): Promise<string> {
  const child = new Deno.Command(program, {
    args: [...args],
    cwd: ROOT,
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input));
  await writer.close();
  return new TextDecoder().decode((await child.output()).stdout).trim();
}

/** Ends the thread of the older hashes with the block. */
function threadHere(): Disposable {
  return { [Symbol.dispose]: endHashThread };
}

function parsed(text: string): PasswordHash {
  const hash = parseHash(text);
  assert(typeof hash !== "string", `${hash}`);
  return hash;
}

Deno.test("hashPassword() and verifyPassword() agree, and no two hashes are the same", async () => {
  const [first, second] = [await hashPassword("secret"), await hashPassword("secret")];
  assert(first !== second);
  assert(await verifyPassword(first, "secret") && await verifyPassword(second, "secret"));
  assert(!await verifyPassword(first, "Secret") && !await verifyPassword(first, ""));
});

Deno.test("a password is the same however its letters were composed", async () => {
  assert(await verifyPassword(await hashPassword("caf\u00e9"), "cafe\u0301"));
  assert(await verifyPassword(await hashPassword("cafe\u0301"), "caf\u00e9"));
});

Deno.test("what cannot be sent as a password is never hashed, and never right", async () => {
  for (const bad of ["", "a\0b", "line\n", "\ud800", "z".repeat(1025), "é".repeat(513)]) {
    await assertRejects(() => hashPassword(bad), TypeError, "The password ");
    assert(!await verifyPassword(await hashPassword("secret"), bad));
  }
});

Deno.test({
  name: "argon2id hashes of the reference program are verified",
  ignore: missing("argon2"),
  async fn() {
    const costs = [["2", "19456", "1", "32"], ["3", "4096", "1", "32"], ["1", "64", "4", "16"], [
      "4",
      "1024",
      "2",
      "64",
    ]];
    for (const [t, k, p, l] of costs as [string, string, string, string][]) {
      for (const password of PASSWORDS.slice(0, 4)) {
        const hash = await output("argon2", ["some salt", "-id", "-t", t, "-k", k, "-p", p, "-l", l, "-e"], password);
        assert(await verifyPassword(hash, password), hash);
        assert(!await verifyPassword(hash, `${password}.`), hash);
      }
    }
  },
});

Deno.test({
  name: "the hashes of htpasswd are verified: bcrypt, $apr1$ and {SHA}",
  ignore: missing("htpasswd"),
  async fn() {
    using _thread = threadHere();
    const kinds = [["-B", /^\$2y\$05\$/, null], ["-m", /^\$apr1\$/, "$apr1$"], ["-s", /^\{SHA\}/, "{SHA}"]] as const;
    for (const [flag, form, weak] of kinds) {
      for (const password of PASSWORDS) {
        const line = await output("htpasswd", ["-ni", flag, "ann"], password);
        const hash = line.slice("ann:".length);
        assert(form.test(hash), line);
        assertEquals(parsed(hash).weak, weak);
        assertEquals(
          [await verifyPassword(hash, password), await verifyPassword(hash, `${password.slice(0, -1)}!`)],
          [true, false],
          `${flag} ${password}`,
        );
      }
    }
  },
});

Deno.test({
  name: "the $apr1$ hashes of openssl are verified, with short salts too",
  ignore: missing("openssl"),
  async fn() {
    using _thread = threadHere();
    for (const salt of ["a", "abcd1234", "./XYz09."]) {
      for (const password of PASSWORDS.slice(0, 5)) {
        const hash = await output("openssl", ["passwd", "-apr1", "-salt", salt, "-stdin"], `${password}\n`);
        assert(await verifyPassword(hash, password), hash);
      }
    }
  },
});

Deno.test("bcrypt: all three prefixes are read, and the part of a password that it would ignore is not ignored", async () => {
  using _thread = threadHere();
  // The vectors of crypt_blowfish (openwall).
  assert(await verifyPassword(BCRYPT, "U*U"));
  assert(await verifyPassword("$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "U*U"));
  const long = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
  const hash = "$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui";
  assert(await verifyPassword(hash, long)); // 72 bytes
  assert(!await verifyPassword(hash, `${long}chars after 72 are ignored`));
});

Deno.test("a hash of another kind, a malformed one and one that demands too much are refused, and never repeated", () => {
  const rows: readonly [hash: string, reason: string][] = [
    ["", "there is no hash"],
    ["plain-text", "unknown kind"],
    ["B3hO0jZIjpNys", "unknown kind"],
    ["$1$salt$qJH7.N4xYta3aEG/dfqo/0", "($1$)"],
    ["$5$salt$x", "($5$)"],
    ["$6$salt$x", "($6$)"],
    ["$argon2i$v=19$m=64,t=1,p=1$c29tZXNhbHQ$KiUpkNXkW0iek3f66642bafVuX6jLM4L5GStYqwn32c", "($argon2i$)"],
    ["{SSHA}abc", "({SSHA})"],
    ["{PLAIN}secret", "({PLAIN})"],
    ["{SHA}short=", "malformed"],
    ["$apr1$salt$short", "malformed"],
    ["$2y$05$short", "malformed"],
    ["$2x$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "($2x$)"],
    ["$2y$15$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "too much time"],
    ["$2y$03$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "malformed"],
    [argon("m=4194304,t=1,p=1"), "too much memory or time"],
    [argon("m=262144,t=1000,p=1"), "too much memory or time"],
    [argon("m=64,t=9999999999,p=1"), "too much memory or time"],
    [argon("m=1024,t=1,p=64"), "too much memory or time"],
    [argon("m=7,t=1,p=1"), "impossible"],
    [argon("m=64,t=0,p=1"), "impossible"],
    [argon("m=64,t=1,p=0"), "impossible"],
    [argon("m=64,t=1,p=1").replace("v=19", "v=16"), "malformed"],
    [argon("m=64,t=1,p=1").slice(0, 50), "malformed"],
    [argon("m=64,t=1"), "malformed"],
  ];
  for (const [text, reason] of rows) {
    const result = parseHash(text);
    assert(typeof result === "string" && result.includes(reason), `${text}: ${JSON.stringify(result)}`);
    assert(text === "" || !result.includes(text));
  }
});

function argon(parameters: string): string {
  return `$argon2id$v=19$${parameters}$c29tZXNhbHQ$KiUpkNXkW0iek3f66642bafVuX6jLM4L5GStYqwn32c`;
}

/** A hash that counts its checks, around a real one. */
function counted(text: string, counts: Map<string, number>): PasswordHash {
  const wrap = (hash: PasswordHash): PasswordHash => ({
    ...hash,
    matches(password) {
      counts.set(hash.kind, (counts.get(hash.kind) ?? 0) + 1);
      return hash.matches(password, false);
    },
    decoy: () => wrap(hash.decoy()),
  });
  return wrap(parsed(text));
}

Deno.test("each check costs the same hashes, whoever is asked for", async () => {
  using _thread = threadHere();
  const counts = new Map<string, number>();
  const argon2id = counted(argon("m=64,t=1,p=1"), counts);
  const other = counted(argon("m=128,t=1,p=1"), counts);
  const sha = counted("{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", counts);
  const bcrypt = counted(BCRYPT, counts);
  const apr1 = counted("$apr1$7X4TYdoP$SUxL1FIfFoRGfzQiyXg701", counts);
  const checker = new PasswordChecker([sha, argon2id, argon2id, other, bcrypt, apr1]);
  assertEquals(checker.kinds, 5);
  const cases: [PasswordHash | null, string, boolean][] = [
    [sha, "secret", true],
    [sha, "wrong", false],
    [bcrypt, "U*U", true],
    [apr1, "secret", true],
    [argon2id, "wrong", false],
    [null, "secret", false],
    [null, "control\u0001", false],
    [sha, "s".repeat(5000), false],
  ];
  for (const [hash, password, right] of cases) {
    counts.clear();
    assertEquals(await checker.check(hash, password), right);
    assertEquals([...counts.values()], [1, 1, 1, 1, 1]);
  }
});

Deno.test("a decoy is of the same kind, and no password matches it", async () => {
  using _thread = threadHere();
  const texts = [
    argon("m=64,t=1,p=1"),
    "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=",
    BCRYPT,
    "$apr1$7X4TYdoP$SUxL1FIfFoRGfzQiyXg701",
  ];
  for (const text of texts) {
    const decoy = parsed(text).decoy();
    assertEquals(decoy.kind, parsed(text).kind);
    for (const password of ["", "secret", "U*U"]) assert(!await decoy.matches(password, false));
  }
});

Deno.test({
  name: "500 logins at once need the memory of a few, and others have their turn meanwhile",
  ignore: Deno.build.os !== "linux",
  async fn() {
    // In a process of its own: the memory of this one has grown with all tests before.
    const script = `
      import { parseHash, PasswordChecker } from "./handlers/identity/password.ts";
      const hash = parseHash("${argon("m=40960,t=1,p=1")}");
      const checker = new PasswordChecker([hash]);
      await checker.check(hash, "warm");
      const before = Deno.memoryUsage().rss;
      let [peak, turns] = [0, 0];
      const timer = setInterval(() => {
        peak = Math.max(peak, Deno.memoryUsage().rss);
        turns += 1;
      }, 5);
      const logins = Array.from({ length: 500 }, (_, i) => checker.check(hash, String(i)));
      const ends = await Promise.allSettled(logins);
      clearInterval(timer);
      const busy = ends.filter(({ status }) => status === "rejected");
      console.log(JSON.stringify({
        grown: (peak - before) / 2 ** 20,
        turns,
        reasons: [...new Set(busy.map(({ reason }) => reason.status))],
        wrong: ends.filter(({ value }) => value === false).length + busy.length,
      }));
    `;
    const { grown, turns, reasons, wrong } = JSON.parse(await output(Deno.execPath(), ["eval", "--ext=ts", script]));
    assert(grown < 350, `${grown} MiB`); // all at once they would need 20 GB, and those of the runtime's threads 1.3 GB
    assert(turns > 50, `${turns} turns`);
    assert(reasons.every((status: number) => status === 503), `${reasons}`);
    assertEquals(wrong, 500);
  },
});

Deno.test("where bcrypt cannot be loaded, a file that needs it says so in one sentence, before the first login", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const script = `
      import { userFile } from "./handlers/identity/user_file.ts";
      Deno.writeTextFileSync(Deno.env.get("DENO_DIR") + "/users.txt", "ann:${BCRYPT}");
      try {
        await userFile(Deno.env.get("DENO_DIR") + "/users.txt").ready();
      } catch (error) {
        console.log(error.message);
      }
    `;
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["eval", "--ext=ts", script],
      cwd: ROOT,
      env: { DENO_DIR: directory, NPM_CONFIG_REGISTRY: "http://127.0.0.1:9" },
      stderr: "null",
    }).output();
    const text = new TextDecoder().decode(stdout);
    assert(text.startsWith("Cannot check bcrypt passwords, because npm:bcryptjs@3.0.3 cannot be loaded"), text);
    assertEquals(text.trim().split("\n").length, 1);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

/** How many threads of this process have the policy SCHED_IDLE. */
function idleThreads(): number {
  return [...Deno.readDirSync("/proc/self/task")].filter(({ name }) => {
    try {
      const stat = Deno.readTextFileSync(`/proc/self/task/${name}/stat`);
      return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[38] === "5";
    } catch {
      return false; // it has ended
    }
  }).length;
}

Deno.test({
  name: "in the background, the threads that hash only run when the machine has nothing else to do",
  ignore: Deno.build.os !== "linux",
  async fn() {
    using _thread = threadHere();
    const [argon2id, before] = [await hashPassword("U*U"), idleThreads()];
    for (const hash of [argon2id, BCRYPT]) {
      for (const precedence of [1, 2] as const) {
        assert(await verifyPassword(hash, "U*U", precedence), hash);
        assert(!await verifyPassword(hash, "wrong", precedence), hash);
      }
    }
    const added = idleThreads() - before;
    assert(added >= 2, `${added}: the worker, and the thread of its pool that WebCrypto uses`);
  },
});
