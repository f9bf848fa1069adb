/** `pyserve passwd` and `pyserve token`, as processes and on a terminal. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { main } from "@x/pyserve/cli";
import { endHashThread } from "../../handlers/identity/hash_thread.ts";
import { userFile } from "../../handlers/identity/user_file.ts";
import { runCommand, start } from "../support/command.ts";
import { CLI } from "../support/paths.ts";
import { missing } from "../support/programs.ts";
import { type TempTree, tempTree } from "../support/tree.ts";

const POSIX = { ignore: Deno.build.os === "windows" };

/** Runs `pyserve ...args` with a text on standard input. */
async function withInput(input: string | Uint8Array, ...args: string[]) {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-lock", "-A", CLI, ...args],
    env: { NO_COLOR: "1" },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  // A command that refuses its arguments does not read.
  await writer.write(typeof input === "string" ? new TextEncoder().encode(input) : input).catch(() => {});
  await writer.close().catch(() => {});
  const { code, stdout, stderr } = await child.output();
  return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
}

/** Runs the command in this process, for what reads nothing. */
async function ran(...args: string[]) {
  const [out, err]: string[][] = [[], []];
  const status = await main(args, {
    out: (text) => out!.push(text),
    err: { write: (bytes) => (err!.push(new TextDecoder().decode(bytes)), Promise.resolve(bytes.length)) },
  });
  return { status, out: out!.join(""), err: err!.join("") };
}

async function isRight(path: string, name: string, password: string): Promise<boolean> {
  try {
    return await userFile(path).verify(name, password) !== null;
  } finally {
    endHashThread();
  }
}

/** The names of what lies in a directory: no lock, no half of a file may be left. */
function namesIn(tree: TempTree): string[] {
  return [...Deno.readDirSync(tree.path)].map(({ name }) => name).sort();
}

Deno.test("passwd adds a user, changes the password, keeps all other lines, and removes the user", POSIX, async () => {
  await using tree = await tempTree();
  const path = tree.at("users.txt");
  assertEquals(await withInput("first secret\n", "passwd", path, "ann"), {
    code: 0,
    stdout: `Added "ann" to ${path}\n`,
    stderr: "",
  });
  assertEquals(Deno.statSync(path).mode! & 0o777, 0o600);
  assert(await isRight(path, "ann", "first secret"));
  const more = "# comment\r\n\r\nbob:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=:Bob\r\n";
  await Deno.writeTextFile(path, Deno.readTextFileSync(path) + more);
  await Deno.chmod(path, 0o644);
  assertEquals(
    (await withInput("second:secret\r\nignored\n", "passwd", path, "ann")).stdout,
    `Changed the password of "ann" in ${path}\n`,
  );
  assert(await isRight(path, "ann", "second:secret") && !await isRight(path, "ann", "first secret"));
  assert(Deno.readTextFileSync(path).endsWith(more));
  assertEquals(Deno.statSync(path).mode! & 0o777, 0o600);
  assertEquals(await ran("passwd", "--delete", path, "ann"), {
    status: 0,
    out: `Removed "ann" from ${path}\n`,
    err: "",
  });
  assertEquals(Deno.readTextFileSync(path), more);
  assertEquals(namesIn(tree), ["users.txt"]);
});

Deno.test("passwd refuses what it cannot use, in one sentence and with an exit status", async () => {
  await using tree = await tempTree({ "dir/": "", "latin": new Uint8Array([0x61, 0x3A, 0xE9]) });
  const [path, missing] = [tree.at("users.txt"), tree.at("none/users.txt")];
  const rows: readonly [input: string | Uint8Array, args: string[], code: number, message: string][] = [
    ["", [path, "ann"], 1, "Standard input has no password: write it as one line"],
    ["\n", [path, "ann"], 1, "Standard input has no password: write it as one line"],
    ["a\tb\n", [path, "ann"], 1, "The password has control characters"],
    ["x".repeat(1025), [path, "ann"], 1, "The password is longer than 1024 bytes"],
    ["x".repeat(100_000), [path, "ann"], 1, "The password is too long"],
    [new Uint8Array([0xE9, 0x0A]), [path, "ann"], 1, "The password is not UTF-8"],
    ["pw\n", [missing, "ann"], 1, `Cannot change "${missing}": its directory does not exist`],
    ["pw\n", [tree.at("dir"), "ann"], 1, `Cannot change "${tree.at("dir")}": it is not a file`],
    ["pw\n", [tree.at("latin"), "ann"], 1, `Cannot change "${tree.at("latin")}": line 1: it is not UTF-8`],
  ];
  for (const [input, args, code, message] of rows) {
    assertEquals(await withInput(input, "passwd", ...args), { code, stdout: "", stderr: `pyserve: ${message}\n` });
  }
  assertEquals(namesIn(tree), ["dir", "latin"]);
});

Deno.test("what is wrong with the arguments of a subcommand is said in one sentence", async () => {
  await using tree = await tempTree({ "users.txt": "ann:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n", "bad.txt": "ann\n" });
  const path = tree.at("users.txt");
  const help = (command: string) => ` (see pyserve ${command} --help)`;
  const rows: readonly [args: string[], status: number, message: string][] = [
    [["passwd"], 2, "pyserve passwd needs a FILE and a NAME"],
    [["passwd", path], 2, "pyserve passwd needs a FILE and a NAME"],
    [
      ["passwd", path, "ann", "secret"],
      2,
      "pyserve passwd takes a FILE and a NAME; the password is asked for, or read from standard input",
    ],
    [["passwd", "--remove", path, "ann"], 2, "There is no option --remove, only --delete"],
    [["passwd", "-D", path, "ann"], 2, "There is no option -D, only --delete"],
    [["passwd", "--delete=x", path, "ann"], 2, "The option --delete takes no value"],
    [["passwd", path, "a:b"], 2, 'Cannot use the name "a:b": it has a ":" or a "/"'],
    [["passwd", path, "users"], 2, 'Cannot use the name "users": it is reserved: in rules it means several users'],
    [["passwd", path, "a\u202eb"], 2, 'Cannot use the name "a\\u202eb": it has invisible characters'],
    [["passwd", "--delete", path, "zoe"], 1, `There is no user "zoe" in ${path}`],
    [["token"], 2, "pyserve token needs a FILE"],
    [["token", path], 2, "pyserve token needs a FILE and a NAME"],
    [["token", path, "ann", "more"], 2, "pyserve token takes a FILE and a NAME"],
    [["token", path, "ann", "--rights"], 2, "The option --rights needs RIGHT,..."],
    [
      ["token", path, "ann", "--rights=read,write"],
      2,
      'Cannot use --rights "read,write": "write" is none of read, upload, delete, run, share',
    ],
    ...["", "30", "d", "-1d", "1y", "99999999w", "0d"].map((text) =>
      [
        ["token", path, "ann", `--for=${text}`],
        2,
        `Cannot use --for "${text}": it is not a duration such as 30d, 12h or 45m, or 0 for unlimited`,
      ] as const
    ) as [string[], number, string][],
    ...["pub", "/a/../b", "//a", "/a//b", "\\a", ""].map((text) =>
      [
        ["token", path, "ann", "--path", text],
        2,
        `Cannot use --path "${
          text.replaceAll("\\", "\\\\")
        }": it is not a path of the site such as /pub, without "." and ".."`,
      ] as const
    ) as [string[], number, string][],
    [["token", "--list", "--revoke=x", path], 2, "The options --list and --revoke contradict each other"],
    [["token", "--list", "--for=1d", path], 2, "The options --list and --for contradict each other"],
    [["token", "--revoke", "x", path, "ann"], 2, "pyserve token --revoke takes an ID and a FILE"],
    [["token", path, "zoe"], 1, `There is no user "zoe" in ${path}; add it with "pyserve passwd"`],
    [["token", "--revoke", "x", path], 1, `There is no token x in ${path}`],
    ...[["token", "--revoke", "x"], ["token", "--list"], ["token"], ["passwd", "--delete"]].map((args) =>
      [
        [...args, tree.at("none"), ...args.length === 1 || args[0] === "passwd" ? ["ann"] : []],
        1,
        `Cannot read "${tree.at("none")}": it does not exist`,
      ] as [string[], number, string]
    ),
    [["token", "--revoke", path, "x"], 1, `There is no token x in ${path}`],
    [["token", "--list", tree.at("none")], 1, `Cannot read "${tree.at("none")}": it does not exist`],
    [
      ["token", "--list", tree.at("bad.txt")],
      1,
      `Cannot use "${tree.at("bad.txt")}": line 1: it has no colon; a line is NAME:HASH`,
    ],
  ];
  const before = Deno.readTextFileSync(path);
  for (const [args, status, message] of rows) {
    const end = status === 2 ? help(args[0]!) : "";
    assertEquals(await ran(...args), { status, out: "", err: `pyserve: ${message}${end}\n` }, args.join(" "));
  }
  assertEquals([Deno.readTextFileSync(path), namesIn(tree)], [before, ["bad.txt", "users.txt"]]);
});

Deno.test("a subcommand is the first word only, and its help is its own", async () => {
  for (const command of ["passwd", "token"]) {
    for (const option of ["--help", "-h"]) {
      const { status, out, err } = await ran(command, option);
      assertEquals([status, err], [0, ""]);
      assertStringIncludes(out, `Usage: pyserve ${command}`);
      assert(out.split("\n").every((line) => line.length <= 80), out);
    }
  }
  await using tree = await tempTree({ "passwd/a.txt": "in passwd" });
  for (const args of [["./passwd"], ["-q", "passwd"], ["-d", "passwd"]]) {
    await using server = await start(args, { cwd: tree.path });
    assertEquals(await (await fetch(`http://127.0.0.1:${server.port}/a.txt`)).text(), "in passwd");
  }
});

Deno.test("passwd repairs a file that is broken, and says what is still wrong", async () => {
  await using tree = await tempTree({ "users.txt": "ann:$6$old$x\nann:again\nbroken\nbob:plain" });
  const path = tree.at("users.txt");
  const { code, stderr } = await withInput("secret\n", "passwd", path, "ann");
  assertEquals([code, stderr], [
    0,
    `pyserve: "${path}" still cannot be used for --auth: line 2: it has no colon; a line is NAME:HASH\n`,
  ]);
  assert(/^ann:\$argon2id\$[^\n]*\nbroken\nbob:plain$/.test(Deno.readTextFileSync(path)));
});

Deno.test("passwd follows a symbolic link, and keeps it", POSIX, async () => {
  await using tree = await tempTree({ "real/users.txt": "# kept\n" });
  const link = tree.at("link.txt");
  await Deno.symlink("real/users.txt", link);
  assertEquals((await withInput("secret\n", "passwd", link, "ann")).code, 0);
  assert(Deno.lstatSync(link).isSymlink && Deno.lstatSync(tree.at("real/users.txt")).isFile);
  assert(await isRight(link, "ann", "secret") && Deno.readTextFileSync(link).startsWith("# kept\n"));
  await Deno.symlink("nowhere", tree.at("dangling"));
  const { code, stderr } = await withInput("secret\n", "passwd", tree.at("dangling"), "ann");
  assertEquals([code, stderr], [
    1,
    `pyserve: Cannot change "${tree.at("dangling")}": it is a link to a file that does not exist\n`,
  ]);
});

Deno.test("concurrent runs lose no line", async () => {
  await using tree = await tempTree();
  const path = tree.at("users.txt");
  const names = Array.from({ length: 8 }, (_, i) => `user${i}`);
  const results = await Promise.all(names.map((name) => withInput(`secret of ${name}\n`, "passwd", path, name)));
  assertEquals(results.map(({ code }) => code), names.map(() => 0));
  const lines = Deno.readTextFileSync(path).trim().split("\n");
  assertEquals(lines.map((line) => line.split(":")[0]).sort(), names);
  const tokens = await Promise.all(names.map((name) => ran("token", path, name)));
  assertEquals(tokens.map(({ status }) => status), names.map(() => 0));
  assertEquals((await ran("token", "--list", path)).out.trim().split("\n").length, names.length);
  assertEquals(namesIn(tree), ["users.txt"]);
});

Deno.test("a lock that was left is told of, and nothing is changed", async () => {
  await using tree = await tempTree({ "users.txt": "#\n", "users.txt.lock": "" });
  const lock = tree.at("users.txt.lock");
  const { status, err } = await ran("token", "--revoke", "x", tree.at("users.txt"));
  assertEquals([status, err], [
    1,
    `pyserve: Cannot change "${
      tree.at("users.txt")
    }": "${lock}" exists; delete it if no other pyserve is changing the file\n`,
  ]);
  assertEquals(namesIn(tree), ["users.txt", "users.txt.lock"]);
});

Deno.test({
  name: "without the right to write, the file stays as it is",
  ignore: Deno.build.os === "windows",
  async fn() {
    await using tree = await tempTree({ "users.txt": "#\n" });
    const path = tree.at("users.txt");
    const { code, stderr } = await runCommand(["token", "--revoke", "x", path], {
      run: ["--allow-read", "--no-prompt", CLI],
    });
    assertEquals(code, 1);
    assertStringIncludes(stderr, "pyserve: Not permitted: Requires write access");
    assertEquals(namesIn(tree), ["users.txt"]);
  },
});

Deno.test("a file of htpasswd is taken over, and htpasswd goes on with it", {
  ignore: missing("htpasswd"),
}, async () => {
  await using tree = await tempTree();
  const path = tree.at("users.txt");
  const htpasswd = async (...args: string[]) => {
    const { success } = await new Deno.Command("htpasswd", { args, stderr: "null" }).output();
    assert(success);
  };
  await htpasswd("-cbB", path, "bob", "of bob");
  assertEquals((await withInput("of ann\n", "passwd", path, "ann")).code, 0);
  const { out } = await ran("token", path, "ann");
  await htpasswd("-bm", path, "carl", "of carl");
  await htpasswd("-bB", path, "bob", "new");
  for (const [name, password] of [["ann", "of ann"], ["bob", "new"], ["carl", "of carl"]] as const) {
    assert(await isRight(path, name, password), name);
  }
  assertEquals(userFile(path).token(out.trim())?.user.name, "ann");
});

Deno.test("token makes, lists and revokes; the file holds no token", async () => {
  await using tree = await tempTree({
    "users.txt": "ann:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\nbob:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n",
  });
  const path = tree.at("users.txt");
  assertEquals(await ran("token", "--list", path), { status: 0, out: "", err: `There are no tokens in ${path}\n` });
  const made = await ran("token", path, "ann", "--rights", "upload,read", "--path=/team/a b/", "--for", "2h");
  const [, id] =
    /^Token (\w+) of "ann": read, upload below \/team\/a b, until [\d-]+ [\d:]+ UTC; it is not shown again\n$/
      .exec(made.err) ?? [];
  assert(id !== undefined, made.err);
  const unlimited = await ran("token", "--for=0", path, "bob");
  const users = userFile(path);
  const token = users.token(made.out.trim())!;
  assertEquals([token.id, token.user.name, token.rights, token.path], [id, "ann", ["read", "upload"], "/team/a b"]);
  assert(Math.abs(token.expires! - Date.now() - 7_200_000) < 60_000);
  assertEquals(users.token(unlimited.out.trim())?.expires, null);
  assert(!Deno.readTextFileSync(path).includes(made.out.trim()));
  const { out } = await ran("token", "--list", path);
  const cells = out.trimEnd().split("\n").map((line) => line.trimEnd().split(/ {2,}/));
  assertEquals(cells.map(([, ...others]) => others.slice(0, 3)), [["ann", "read,upload", "/team/a b"], [
    "bob",
    "read",
    "/",
  ]]);
  assertEquals([cells[0]![0], cells[0]![4]!.slice(0, 6), cells[1]![4]], [id, "until ", "never expires"]);
  assertEquals((await ran("token", "--list", path, "bob")).out.trim().split("\n").length, 1);
  assertEquals(await ran("token", "--revoke", id, path), {
    status: 0,
    out: `Revoked the token ${id} in ${path}\n`,
    err: "",
  });
  assertEquals([userFile(path).token(made.out.trim()), (await ran("token", "--list", path)).out.includes(id)], [
    null,
    false,
  ]);
});

/** Runs `pyserve passwd FILE ann` on a terminal, with a script of expect; the screen, and the state of the terminal after it. */
async function onTerminal(path: string, script: string) {
  const command = `${Deno.execPath()} run --no-lock -A ${CLI} passwd ${path} ann`;
  // A shell that outlives the command shows what is left of the terminal's state.
  const whole = `
    set timeout 60
    spawn -noecho sh -c "stty -g > ${path}.before; sh -c 'echo $$ > ${path}.pid; exec ${command}'; echo status=$?; stty -g > ${path}.after"
    expect "Password for ann: "
    ${script}
    expect -re {status=[0-9]+}
    expect eof
  `.replaceAll(/\$[?$]/g, "\\$&");
  const { stdout } = await new Deno.Command("expect", {
    args: ["-c", whole],
    env: { NO_COLOR: "1", TERM: "dumb" },
    stdin: "null",
  }).output();
  const state = (name: string) => Deno.readTextFileSync(`${path}.${name}`);
  return { screen: new TextDecoder().decode(stdout), isRestored: state("before") === state("after") };
}

Deno.test({
  name: "on a terminal, passwd asks twice without echo; Backspace, Ctrl-U and arrow keys do no harm",
  ignore: missing("expect"),
  async fn() {
    await using tree = await tempTree();
    const path = tree.at("users.txt");
    const { screen, isRestored } = await onTerminal(
      path,
      `send "gone\\025sécrex\\177t\\033\\[A\\r"
       expect "The same again: "
       send "sécret\\r"`,
    );
    assertStringIncludes(screen, "status=0");
    assert(isRestored && !/s.{1,2}cre/.test(screen) && !screen.includes("gone"), screen);
    assert(await isRight(path, "ann", "sécret"));
  },
});

Deno.test({
  name:
    "on a terminal, two answers that differ change nothing; Ctrl-C, Ctrl-D and SIGTERM leave the terminal as it was",
  ignore: missing("expect"),
  async fn() {
    await using tree = await tempTree();
    const path = tree.at("users.txt");
    const rows: readonly [script: string, status: number][] = [
      [`send "one\\r"; expect "The same again: "; send "two\\r"`, 1],
      [`send "\\r"; expect "The same again: "; send "\\r"`, 1],
      [`send "on\\003"`, 130],
      [`send "one\\r"; expect "The same again: "; send "\\003"`, 130],
      [`send "\\004"`, 1],
      [`exec kill -TERM [exec cat ${path}.pid]`, 143],
    ];
    for (const [script, status] of rows) {
      const { screen, isRestored } = await onTerminal(path, script);
      assertStringIncludes(screen, `status=${status}`, script);
      assert(isRestored, script);
      assert(!namesIn(tree).includes("users.txt"));
    }
  },
});

Deno.test("no subcommand prints a control or a bidirectional character of a name, path or file", POSIX, async () => {
  await using tree = await tempTree();
  const [name, path] = ["ann\u0301\u202etxt", "/pub/\u202e\u2066x"];
  const file = tree.at("a\u001b[2J\u202e\nb.txt");
  await Deno.writeTextFile(file, "ann:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\nbob:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n");
  await Deno.chmod(file, 0o600);
  const shown = [
    await ran("token", "--path", path, file, "ann"),
    await ran("token", "--list", file),
    await ran("token", "--list", file, name),
    await ran("token", "--revoke", name, file),
    await ran("token", file, name),
    await ran("passwd", "--delete", file, name),
    await ran("passwd", "--delete", file, "ann"),
    await ran("share", "--state", tree.at("none\u202e"), "--list"),
    await ran("share", "--state", tree.at("none\u202e"), "--revoke", "\u001b[2J"),
    await ran("share", "--state", tree.at("none\u202e"), file),
  ];
  // deno-lint-ignore no-control-regex
  for (const { out, err } of shown) assert(!/[\0-\x09\x0b-\x1f\p{Cf}]/u.test(out + err), JSON.stringify([out, err]));
  assertStringIncludes(shown[1]!.out, "/pub/\\u202e\\u2066x");
  assertStringIncludes(shown[6]!.out, "a\\x1b[2J\\u202e\\x0ab.txt\n");
});
