/** The command as a process: what it prints, how it starts, how it ends. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { type Certificate, makeCertificate } from "../support/certificate.ts";
import { runCommand, start, startProcess } from "../support/command.ts";
import { CLI } from "../support/paths.ts";
import { missing } from "../support/programs.ts";
import { ask, raw } from "../support/raw.ts";
import { tempTree } from "../support/tree.ts";

const POSIX = Deno.build.os !== "windows";

Deno.test("it prints Python's start line at once, serves, logs, and ends with 0 on Ctrl-C", async () => {
  await using tree = await tempTree({ "a.txt": "hello" });
  await using server = await start([tree.path]);
  assertEquals(
    server.stdout(),
    `Serving HTTP on 127.0.0.1 port ${server.port} (http://127.0.0.1:${server.port}/) ...\n`,
  );
  assertEquals((await ask(server.port, "GET", "/a.txt")).text, "hello");
  assertEquals((await ask(server.port, "GET", "/nope\x1b")).status, 400);
  assertEquals((await ask(server.port, "GET", "/%1b%5c")).status, 404);
  await server.untilStderr("/%1b%5c");
  const [first, , second, third] = server.stderr().split("\n");
  assertMatch(first!, /^127\.0\.0\.1 - - \[\d\d\/\w{3}\/\d{4} \d\d:\d\d:\d\d\] "GET \/a\.txt HTTP\/1\.1" 200 -$/);
  assertMatch(`${second}${third}`, /404 -$/);
  assertEquals(await server.stop("SIGINT"), 0);
  assertStringIncludes(server.stdout(), "\nKeyboard interrupt received, exiting.\n");
});

Deno.test("it prints the reachable addresses where it listens on all", async () => {
  await using tree = await tempTree();
  for (const [bind, start_, local] of [["0.0.0.0", "0.0.0.0", "127.0.0.1"], ["::", "[::]", "[::1]"]] as const) {
    if (bind === "::" && !hasIpv6()) continue;
    await using server = await start([tree.path, "--bind", bind]);
    await new Promise((resolve) => setTimeout(resolve, 50)); // the lines are one write, but the pipe may split it
    const [line, ...urls] = server.stdout().trimEnd().split("\n");
    assertEquals(line, `Serving HTTP on ${bind} port ${server.port} (http://${start_}:${server.port}/) ...`);
    assert(urls.includes(`  http://${local}:${server.port}/`), server.stdout());
    for (const url of urls) assertEquals((await fetch(url.trim(), { method: "HEAD" })).status, 200, url);
  }
});

function hasIpv6(): boolean {
  return Deno.networkInterfaces().some(({ address }) => address === "::1");
}

Deno.test({
  name: "SIGTERM lets a running transfer finish, and exits with 0",
  ignore: !POSIX,
  async fn() {
    await using tree = await tempTree({ "big.bin": new Uint8Array(30_000_000) });
    await using server = await start([tree.path, "--quiet"]);
    const connection = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
    await connection.write(
      new TextEncoder().encode("GET /big.bin HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
    );
    const buffer = new Uint8Array(1_000_000);
    let received = await connection.read(buffer) ?? 0;
    const ended = server.stop("SIGTERM");
    for (let n = await connection.read(buffer); n !== null; n = await connection.read(buffer)) received += n;
    connection.close();
    assert(received > 30_000_000);
    assertEquals(await ended, 0);
    assertEquals(server.stderr(), "");
  },
});

Deno.test({
  name: "a second signal ends it at once",
  ignore: !POSIX,
  async fn() {
    await using tree = await tempTree({ "big.bin": new Uint8Array(30_000_000) });
    await using server = await start([tree.path, "--quiet"]);
    const connection = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
    await connection.write(new TextEncoder().encode("GET /big.bin HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    await connection.read(new Uint8Array(1000));
    server.process.kill("SIGTERM");
    await new Promise((resolve) => setTimeout(resolve, 200));
    assertEquals(await server.stop("SIGTERM"), 143);
    connection.close();
  },
});

Deno.test("a certificate and a key that do not match are refused in one sentence", async () => {
  await using tree = await tempTree({ "other/": "" });
  const [{ cert }, { key }] = await Promise.all([tree.path, tree.at("other")].map(makeCertificate)) as [
    Certificate,
    Certificate,
  ];
  const ended = await runCommand([tree.path, "0", "--tls-cert", cert, "--tls-key", key]);
  assertEquals(ended.code, 1);
  assertEquals(ended.stderr, "pyserve: Cannot use the certificate: it does not match the private key\n");
});

Deno.test({
  name: "a reader that closes its end of the pipe causes neither an exit nor an error message",
  ignore: !POSIX,
  async fn(t) {
    await using tree = await tempTree({ "a.txt": "hello" });
    await t.step("at the help", async () => {
      const script = '"$0" run -A --no-lock "$1" --help | true; echo "${PIPESTATUS[0]}"';
      const { stdout, stderr } = await new Deno.Command("bash", { args: ["-c", script, Deno.execPath(), CLI] })
        .output();
      assertEquals([decode(stdout), decode(stderr)], ["0\n", ""]);
    });
    await t.step("while it serves, until Ctrl-C", async () => {
      const command = new Deno.Command(Deno.execPath(), {
        args: ["run", "-A", "--no-lock", CLI, tree.path, "0", "-b", "127.0.0.1", "--quiet"],
        stdout: "piped",
        stderr: "piped",
      }).spawn();
      const reader = command.stdout.getReader();
      const { value } = await reader.read();
      await reader.cancel();
      const port = Number(/port (\d+)/.exec(decode(value!))![1]);
      assertEquals((await ask(port, "GET", "/a.txt")).text, "hello");
      command.kill("SIGINT");
      const errors = await new Response(command.stderr).text();
      assertEquals([(await command.status).code, errors], [0, ""]);
    });
  },
});

function decode(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

Deno.test("an error of the system is one sentence and status 1, and nothing is started", async (t) => {
  await using tree = await tempTree({ "a.txt": "a", "junk.pem": "junk", "d/": "" });
  if (POSIX) await Deno.symlink("loop", tree.at("loop"));
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = taken.addr as Deno.NetAddr;
  const rows: readonly [args: string[], sentence: RegExp][] = [
    [[tree.at("nothing")], /Cannot serve ".*nothing": it does not exist$/],
    [[tree.at("a.txt/x")], /Cannot serve ".*x": (one of its parents is a file|it does not exist)$/],
    [["~/nothing"], /Cannot serve "~\/nothing": it does not exist; the shell does not expand "~"/],
    ...["localhost", "127.0.0.1", "::1"].map((host): [string[], RegExp] => {
      return [
        [host],
        new RegExp(`Cannot serve "${host}": it does not exist; to listen on this address, use --bind ${host}$`),
      ];
    }),
    [[tree.at("a.txt"), "--upload"], /Cannot take uploads: ".*a\.txt" is a file; serve a directory instead$/],
    [["a\uFFFDb"], /it does not exist; a name that is not UTF-8 cannot be served: rename it$/],
    [["-b", "no:such:address", "0"], /Cannot listen on "no:such:address": it is neither an address nor a name$/],
    [[tree.path, "-b", "127.0.0.1", String(port)], new RegExp(`port ${port}: it is in use; port \\d+ is free$`)],
    [
      [tree.path, "-b", "198.51.100.1", "0"],
      /Cannot listen on "198\.51\.100\.1": it is not an address of this machine$/,
    ],
    [
      [tree.path, "-b", "8080"],
      /Cannot listen on "8080": it is not an address of this machine; for a port, use --port 8080$/,
    ],
    [
      [tree.path, "-b", "no-such-name.invalid", "0"],
      /Cannot listen on "no-such-name\.invalid": the name does not resolve$/,
    ],
    [
      [tree.path, "--tls-cert", tree.at("nothing"), "0"],
      /Cannot read the certificate file ".*nothing": it does not exist$/,
    ],
    [[tree.path, "--tls-cert", tree.at("d"), "0"], /Cannot read the certificate file ".*d": .+$/],
    [[tree.path, "--tls-cert", tree.at("junk.pem"), "0"], /it contains no PEM certificate$/],
    ...POSIX
      ? [
        [[tree.at("loop")], /it is a symlink loop$/],
        [["/dev/null"], /Cannot serve "\/dev\/null": it is neither a directory nor a file$/],
      ] satisfies [string[], RegExp][]
      : [],
  ];
  for (const [args, sentence] of rows) {
    await t.step(args.slice(-3).join(" "), async () => {
      const { code, stdout, stderr } = await runCommand(args);
      assertEquals([code, stdout], [1, ""], stderr);
      const [line, ...more] = stderr.split("\n");
      assertEquals(more, [""]);
      assert(line!.startsWith("pyserve: "));
      assertMatch(line!, sentence);
    });
  }
});

Deno.test("a usage error of the process is status 2", async () => {
  const { code, stdout, stderr } = await runCommand(["--nonsense"]);
  assertEquals([code, stdout], [2, ""]);
  assertEquals(stderr, "pyserve: There is no option --nonsense (see pyserve --help)\n");
});

Deno.test("a single file is served under its name and as the start page, and nothing beside it", async () => {
  await using tree = await tempTree({ "report.txt": "the report", "other.txt": "secret", ".env": "hidden" });
  await using server = await start([tree.at("report.txt")]);
  for (const target of ["/", "/report.txt"]) {
    const { text, headers } = await ask(server.port, "GET", target);
    assertEquals([text, headers.get("content-type")], ["the report", "text/plain; charset=utf-8"]);
  }
  for (const target of ["/other.txt", "/.env", "/report.txt/", "/../other.txt"]) {
    assertEquals((await ask(server.port, "GET", target)).status, 404, target);
  }
});

Deno.test("--hidden, --no-listing, --index, --content-type, -H and --quiet do what they say", async () => {
  await using tree = await tempTree({ ".env": "x", "d/a": "a", "home.html": "home", "README": "read" });
  await using server = await start([
    ...[tree.path, "--hidden", "--no-listing", "--index", "home.html", "--content-type", "text/x-mine", "--quiet"],
    ...["-H", "Access-Control-Allow-Origin", "*", "-H", "Cache-Control: max-age=5"],
  ]);
  assertEquals((await ask(server.port, "GET", "/.env")).text, "x");
  assertEquals((await ask(server.port, "GET", "/d/")).status, 404);
  assertEquals((await ask(server.port, "GET", "/")).text, "home");
  const { headers } = await ask(server.port, "GET", "/README");
  assertEquals(headers.get("content-type"), "text/x-mine");
  assertEquals(headers.get("cache-control"), "max-age=5");
  assertEquals((await ask(server.port, "GET", "/nope")).headers.get("access-control-allow-origin"), "*");
  assertEquals(await server.stop(), 0);
  assertEquals(server.stderr(), "");
});

Deno.test({
  name: "--follow-links follows links out of the root",
  ignore: !POSIX,
  async fn() {
    await using tree = await tempTree({ "root/": "", "out.txt": "outside" });
    await Deno.symlink("../out.txt", tree.at("root/link"));
    for (const [args, status] of [[[], 404], [["--follow-links"], 200]] as const) {
      await using server = await start([tree.at("root"), ...args]);
      assertEquals((await ask(server.port, "GET", "/link")).status, status);
    }
  },
});

Deno.test({
  name: "HTTPS serves HTTP/1.1 and HTTP/2, with a key in a file of its own, in the certificate's, or with a password",
  ignore: missing("openssl", "curl"),
  async fn(t) {
    await using tree = await tempTree({ "site/a.txt": "hello", "password": "s3cret\n", "wrong": "no" });
    await openssl(
      tree.path,
      "req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=localhost",
    );
    await openssl(tree.path, "pkcs8 -topk8 -in key.pem -out pkcs8.pem -passout pass:s3cret");
    await openssl(tree.path, "rsa -aes128 -traditional -in key.pem -out old.pem -passout pass:s3cret");
    await Deno.writeTextFile(
      tree.at("both.pem"),
      await Deno.readTextFile(tree.at("key.pem")) + await Deno.readTextFile(tree.at("cert.pem")),
    );
    const password = ["--tls-password-file", tree.at("password")];
    const rows: readonly string[][] = [
      ["--tls-cert", tree.at("cert.pem"), "--tls-key", tree.at("key.pem")],
      ["--tls-cert", tree.at("both.pem")],
      ["--tls-cert", tree.at("cert.pem"), "--tls-key", tree.at("pkcs8.pem"), ...password],
      ["--tls-cert", tree.at("cert.pem"), "--tls-key", tree.at("old.pem"), ...password],
    ];
    for (const args of rows) {
      await t.step(args.filter((arg) => arg.startsWith("--")).join(" "), async () => {
        await using server = await start([tree.at("site"), ...args]);
        assertMatch(
          server.stdout(),
          /^Serving HTTPS on 127\.0\.0\.1 port (\d+) \(https:\/\/127\.0\.0\.1:\1\/\) \.\.\.\n$/,
        );
        for (const version of ["1.1", "2"]) {
          const url = `https://127.0.0.1:${server.port}/a.txt`;
          assertEquals(await curl("-k", `--http${version}`, "-w", " %{http_version}", url), `hello ${version}`);
        }
        assertEquals(await curl("-k", "-r", "1-2", `https://127.0.0.1:${server.port}/a.txt`), "el");
      });
    }
    const refused: readonly [string[], string][] = [
      [["--tls-cert", tree.at("cert.pem")], "it contains no PEM private key; give its file with --tls-key"],
      [["--tls-cert", tree.at("cert.pem"), "--tls-key", tree.at("pkcs8.pem")], "the key is encrypted"],
      [
        ["--tls-cert", tree.at("cert.pem"), "--tls-key", tree.at("pkcs8.pem"), "--tls-password-file", tree.at("wrong")],
        "the password is wrong",
      ],
    ];
    for (const [args, sentence] of refused) {
      const { code, stderr } = await runCommand([tree.at("site"), ...args, "0"]);
      assertEquals(code, 1);
      assertStringIncludes(stderr, sentence);
      assertEquals(stderr.split("\n").length, 2);
    }
  },
});

async function openssl(cwd: string, command: string): Promise<void> {
  const { success, stderr } = await new Deno.Command("openssl", { args: command.split(" "), cwd }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
}

async function curl(...args: string[]): Promise<string> {
  const { stdout } = await new Deno.Command("curl", { args: ["-sS", ...args] }).output();
  return new TextDecoder().decode(stdout);
}

Deno.test("no log line keeps the server waiting, even when stderr is not read", async () => {
  await using tree = await tempTree({ "a.txt": "hello" });
  const process = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-lock", CLI, tree.path, "-b", "127.0.0.1", "0"],
    stdin: "null",
    stdout: "piped",
    stderr: "piped", // and never read
  }).spawn();
  const reader = process.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const { value } = await reader.read();
  const port = Number(/port (\d+)/.exec(value!)![1]);
  const target = "/a.txt?" + "x".repeat(8000);
  const request = `GET ${target} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
  const last = request.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
  const { text } = await raw(port, request.repeat(99) + last); // 800 kB of log; a pipe holds 64 KiB
  assertEquals(text.split("hello").length - 1, 100);
  process.kill("SIGKILL");
  await process.status;
  await reader.cancel();
  await process.stderr.cancel();
});

/** Runs its arguments in a terminal and copies the output. */
const IN_A_TERMINAL = "import pty, sys; pty.spawn(sys.argv[1:])";

Deno.test({
  name: "only terminals that support colours get them, unless NO_COLOR is set",
  ignore: Deno.build.os !== "linux" || missing("python3"),
  async fn() {
    await using tree = await tempTree();
    const rows = [["", "xterm", true], ["1", "xterm", false], ["", "dumb", false]] as const;
    for (const [noColor, terminal, colored] of rows) {
      const command = [Deno.execPath(), "run", "-A", "--no-lock", CLI, tree.path, "-b", "127.0.0.1", "0"];
      await using server = await startProcess("python3", ["-c", IN_A_TERMINAL, ...command], {
        env: { NO_COLOR: noColor, TERM: terminal },
      });
      await ask(server.port, "GET", "/nope");
      await server.untilStdout("404\x1b[0m -", "404 -");
      const green = "\x1b[32mServing HTTP on ";
      assertEquals(server.stdout().includes(green), colored);
      assertEquals(server.stdout().includes("\x1b[33m404\x1b[0m"), colored);
      assertEquals(server.stdout().includes("\x1b["), colored);
    }
  },
});
