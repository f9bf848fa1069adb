/** The command line: parsing, checks, help. In process, without starting a server. */

import { assert, assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { main } from "@x/pyserve/cli";
import { colorLogLine, colorStartLine } from "../../cli/colors.ts";
import { LogSink } from "../../cli/log_sink.ts";
import { variableOf } from "../../cli/environment.ts";
import { GROUPS } from "../../cli/option.ts";
import { OPTION_ROWS } from "../../cli/options.ts";
import { application } from "../../cli/values.ts";
import { parse } from "../../cli/parse.ts";
import { type Settings, settingsOf } from "../../cli/settings.ts";
import { activatedSocket } from "../../cli/socket_activation.ts";
import { StartError } from "../../cli/start_error.ts";
import type { InheritedEndpoint, TcpEndpoint } from "../../handlers/transport/endpoint.ts";

const settings = (...args: string[]) => settingsOf(parse(args));

/** Runs the command in process; `status` and what it printed. */
async function ran(...args: string[]) {
  const out: string[] = [];
  const err: string[] = [];
  const status = await main(args, {
    out: (text) => out.push(text),
    err: { write: (bytes) => (err.push(new TextDecoder().decode(bytes)), Promise.resolve(bytes.length)) },
  });
  return { status, out: out.join(""), err: err.join("") };
}

function tcpOf({ endpoint }: Settings): TcpEndpoint {
  return endpoint as TcpEndpoint;
}

Deno.test("every form of Python's command line is understood", async (t) => {
  const rows: readonly [args: string[], root: string, port: number, hostname?: string][] = [
    [[], ".", 8000],
    [["8080"], ".", 8080],
    [["9_210"], ".", 9210],
    [[" 9210"], ".", 9210],
    [["0"], ".", 0],
    [["site"], "site", 8000],
    [["site", "8080"], "site", 8080],
    [["8080", "site"], "site", 8080],
    [["./8080"], "./8080", 8000],
    [["-d", "site", "8080"], "site", 8080],
    [["--directory=site"], "site", 8000],
    [["--dir", "site"], "site", 8000],
    [["-b", "127.0.0.1"], ".", 8000, "127.0.0.1"],
    [["-b127.0.0.1"], ".", 8000, "127.0.0.1"],
    [["--bind=::1", "1"], ".", 1, "::1"],
    [["1", "--bind", "localhost"], ".", 1, "localhost"],
    [["-p", "HTTP/1.1"], ".", 8000],
    [["--proto=HTTP/1.1"], ".", 8000],
    [["--", "-odd"], "-odd", 8000],
    [["-d", "8080"], "8080", 8000],
    [["-b", "a", "-b", "b"], ".", 8000, "b"],
    [["-d", "a", "-d", "b"], "b", 8000],
    [["-p", "HTTP/1.0", "9000"], ".", 9000],
  ];
  for (const [args, root, port, hostname = "0.0.0.0"] of rows) {
    await t.step(args.join(" ") || "(nothing)", () => {
      const { root: gotRoot, endpoint } = settings(...args);
      assertEquals([gotRoot, endpoint], [root, { kind: "tcp", hostname, port }]);
    });
  }
});

Deno.test("a port and an address are understood as other servers take them", async (t) => {
  const rows: readonly [args: string[], root: string, port: number, hostname?: string][] = [
    [["-p", "8080"], ".", 8080],
    [["-p8080"], ".", 8080],
    [["-p=8080"], ".", 8080],
    [["--port", "8080", "site"], "site", 8080],
    [["--port=0"], ".", 0],
    [["-p", "8080", "-p", "HTTP/1.0"], ".", 8080],
    [["-p", "1", "--port", "2"], ".", 2],
    [[":8080"], ".", 8080],
    [["localhost:8080"], ".", 8080, "localhost"],
    [["127.0.0.1:8080", "site"], "site", 8080, "127.0.0.1"],
    [["[::1]:8080"], ".", 8080, "::1"],
    [["my_host.example:1"], ".", 1, "my_host.example"],
    [["./localhost:8080"], "./localhost:8080", 8000],
    [["-d", "localhost:8080"], "localhost:8080", 8000],
    [["a:b"], "a:b", 8000],
    [["::1"], "::1", 8000],
    [["-b", "127.0.0.1:8080"], ".", 8080, "127.0.0.1"],
    [["-b", "[::1]:8080"], ".", 8080, "::1"],
    [["-b", "[::1]"], ".", 8000, "::1"],
    [["-b", "::1"], ".", 8000, "::1"],
    [["-b", ":8080"], ".", 8080],
    [["--upload", ":8080"], ".", 8080, "127.0.0.1"],
  ];
  for (const [args, root, port, hostname = "0.0.0.0"] of rows) {
    await t.step(args.join(" "), () => {
      const { root: gotRoot, endpoint } = settings(...args);
      assertEquals([gotRoot, endpoint], [root, { kind: "tcp", hostname, port }]);
    });
  }
  assertEquals(settings("-p", "HTTP/1.0").classic, true);
  assertEquals(settings("-p", "8080", "-p", "HTTP/1.0").classic, true);
});

Deno.test("a socket is an address, and systemd's is used where no address and no port is given", () => {
  const systemd: InheritedEndpoint = { kind: "inherited", fd: 3 };
  const endpoint = (...args: string[]) => settingsOf(parse(args), systemd).endpoint;
  assertEquals(endpoint("-b", "unix:/run/a:1.sock"), { kind: "unix", path: "/run/a:1.sock" });
  assertEquals(endpoint("-b", "unix:a.sock", "--upload"), { kind: "unix", path: "a.sock" });
  assertEquals(endpoint("site", "unix:/run/a.sock"), { kind: "unix", path: "/run/a.sock" });
  assertEquals(endpoint("fd:7"), { kind: "inherited", fd: 7 });
  assertEquals(endpoint("-b", "fd:7"), { kind: "inherited", fd: 7 });
  assertEquals(endpoint(), systemd);
  assertEquals(endpoint("--upload"), systemd);
  assertEquals(endpoint("8080"), { kind: "tcp", hostname: "0.0.0.0", port: 8080 });
  assertEquals(endpoint("-b", "::1"), { kind: "tcp", hostname: "::1", port: 8000 });
});

Deno.test("the socket of systemd belongs to the process that it names, and there can be only one", () => {
  const LISTEN_PID = String(Deno.pid);
  assertEquals(activatedSocket({ LISTEN_PID, LISTEN_FDS: "1" }), { kind: "inherited", fd: 3 });
  assertEquals(activatedSocket({ LISTEN_PID: "1", LISTEN_FDS: "1" }), null);
  assertEquals(activatedSocket({ LISTEN_PID, LISTEN_FDS: "0" }), null);
  assertEquals(activatedSocket({}), null);
  assertThrows(() => activatedSocket({ LISTEN_PID, LISTEN_FDS: "2" }), StartError, "Cannot listen on 2 sockets");
});

Deno.test("every option can be an environment variable, which the command line overrides", async (t) => {
  const from = (env: Record<string, string>, ...args: string[]) => settingsOf(parse(args, env));
  await t.step("values, switches, lists, places", () => {
    assertEquals(tcpOf(from({ PYSERVE_PORT: "9000", PYSERVE_BIND: "::1", PYSERVE_DIRECTORY: "site" })).port, 9000);
    assertEquals(tcpOf(from({ PYSERVE_BIND: "[::1]:9001" })).hostname, "::1");
    assertEquals(tcpOf(from({ PYSERVE_BIND: "[::1]:9001" })).port, 9001);
    assertEquals(from({ PYSERVE_HIDDEN: "Yes" }).server.hidden, true);
    assertEquals(from({ PYSERVE_HIDDEN: "0" }).server.hidden, false);
    assertEquals(from({ PYSERVE_HEADER: "X-A 1\nX-B: 2 3\n" }).server.headers, [["X-A", "1"], ["X-B", "2 3"]]);
    assertEquals(from({ PYSERVE_CGI: "1" }).features.cgi?.cgi, ["/cgi-bin", "/htbin"]);
    assertEquals(from({ PYSERVE_CGI: "off" }).features.cgi, null);
    assertEquals(from({ PYSERVE_CGI: "/a,/b" }).features.cgi?.cgi, ["/a", "/b"]);
    assertEquals(tcpOf(from({ PYSERVE_UPLOAD: "1" })).hostname, "127.0.0.1");
    assertEquals(tcpOf(from({ PYSERVE_PORT: "" })).port, 8000);
  });
  await t.step("the command line overrides it", () => {
    assertEquals(tcpOf(from({ PYSERVE_PORT: "9000" }, "9001")).port, 9001);
    assertEquals(tcpOf(from({ PYSERVE_PORT: "9000" }, "localhost:9001")).port, 9001);
    assertEquals(from({ PYSERVE_DIRECTORY: "a" }, "b").root, "b");
    assertEquals(from({ PYSERVE_HEADER: "X-A: 1" }, "-H", "X-B: 2").server.headers, [["X-B", "2"]]);
    assertEquals(from({ PYSERVE_LOG_FORMAT: "json" }, "--quiet").server.log, false);
    assertEquals(from({ PYSERVE_QUIET: "1" }, "--log-format", "json").server.log, "json");
  });
  await t.step("an unusable value is one sentence", async () => {
    const rows: [env: Record<string, string>, sentence: string][] = [
      [{ PYSERVE_PROT: "1" }, "There is no option for the environment variable PYSERVE_PROT"],
      [{ PYSERVE_HIDDEN: "maybe" }, 'Cannot use PYSERVE_HIDDEN "maybe": it is neither 1 nor 0'],
      [{ PYSERVE_PORT: "x" }, 'Cannot use PYSERVE_PORT "x": it is not a port from 0 to 65535'],
      [{ PYSERVE_HELP: "1" }, "There is no option for the environment variable PYSERVE_HELP"],
      [{ PYSERVE_TLS_KEY: "k" }, "The option --tls-key needs --tls-cert"],
    ];
    for (const [env, sentence] of rows) {
      const err: string[] = [];
      const write = (bytes: Uint8Array) => Promise.resolve(err.push(new TextDecoder().decode(bytes)) && bytes.length);
      assertEquals(await main([], { env, err: { write } }), 2);
      assertStringIncludes(err.join(""), sentence);
    }
  });
  await t.step("workers, which may not read the environment, get it as arguments", () => {
    const { inherited } = parse(["--port", "1"], { PYSERVE_PORT: "2", PYSERVE_HIDDEN: "1", PYSERVE_INDEX: "a\nb" });
    assertEquals(inherited.toSorted(), ["--hidden", "--index=a", "--index=b"]);
    assertEquals(parse([...inherited, "--port", "1"]).options.index, ["a", "b"]);
  });
  for (const [name] of OPTION_ROWS.filter(([name]) => name !== "help" && name !== "version")) {
    assertEquals(variableOf(name), `PYSERVE_${name.toUpperCase().replaceAll("-", "_")}`);
  }
});

Deno.test("no error message suggests an option that lets clients write", () => {
  const offered = ["--all", "--delete", "--upload"];
  for (const [name] of OPTION_ROWS.filter(([, { writes }]) => writes)) assert(offered.includes(`--${name}`), name);
  for (
    const name of ["al", "alll", "a", "d", "u", "uplod", "upload-", "delet", "deletee", "ssl", "ball", "upl", "dellete"]
  ) {
    try {
      parse([`--${name}`]);
    } catch (error) {
      for (const option of offered) assert(!(error as Error).message.includes(`${option}?`), (error as Error).message);
      assert(!/--(all|delete|upload)(?![\w-])/.test((error as Error).message.replace(`--${name}`, "")));
    }
  }
});

Deno.test("headers come as NAME VALUE and as Name: value", () => {
  const { server } = settings("-H", "X-A", "1", "--header", "X-B: 2:3", "--header=X-C:4", "-H", "X-A", "5");
  assertEquals(server.headers, [["X-A", "1"], ["X-B", "2:3"], ["X-C", "4"], ["X-A", "5"]]);
});

Deno.test("--charset names a charset, or none", () => {
  assertEquals(settings().server.charset, undefined);
  assertEquals(settings("--charset", "Windows-1252").server.charset, "windows-1252");
  assertEquals(settings("--charset", "none").server.charset, null);
});

Deno.test("the other options arrive where they belong", () => {
  const { server, tls } = settings(
    ...["--hidden", "--follow-links", "--no-listing", "--precompressed", "--log-format", "json"],
    ...[
      "--cache-size",
      "2m",
      "--content-type",
      "text/plain",
      "--index",
      "a.html",
      "--index",
      "b.html",
      "--tls-cert",
      "c",
      "--tls-key",
      "k",
    ],
  );
  assertEquals(server, {
    hidden: true,
    followLinks: true,
    listing: false,
    precompressed: true,
    headers: [],
    log: "json",
    cacheSize: 2 * 1024 * 1024,
    fallback: "text/plain",
    index: ["a.html", "b.html"],
  });
  assertEquals(tls, { cert: "c", key: "k", password: null });
  assertEquals(settings("--quiet").server.log, false);
});

Deno.test("options about policies", () => {
  const { policies, server } = settings(
    ...["--cors", "--isolated", "--cache=auto", "--type", ".FOO=a/b", "--type=.bar=c/d;e=f"],
    ...["-H", "x-a: 1", "--remove-header", "server"],
  );
  assertEquals(policies, { origins: "*", isIsolated: true, cache: "auto", isCompressed: false, rules: [] });
  assertEquals([server.types, server.headers], [{ foo: "a/b", bar: "c/d;e=f" }, [["x-a", "1"], ["server", null]]]);
  const origins = ["https://a.example", "http://localhost:3000"];
  const some = settings(`--cors=${origins}`, "--cache", "60", "--compress").policies;
  assertEquals(some, { origins, isIsolated: false, cache: 60, isCompressed: true, rules: [] });
  assertEquals([settings().policies, settings().server.types], [null, undefined]);
});

Deno.test("options about pages", () => {
  const pages = (...args: string[]) => {
    const { spa, cleanUrls, trailingSlash, notFound } = settings(...args).server;
    return { spa, cleanUrls, trailingSlash, notFound };
  };
  const none = { spa: undefined, cleanUrls: undefined, trailingSlash: undefined, notFound: undefined };
  assertEquals(pages(), none);
  assertEquals(pages("--spa"), { ...none, spa: true });
  assertEquals(pages("--spa=app/a b.html"), { ...none, spa: "/app/a b.html" });
  assertEquals(pages("--not-found", "/404.htm"), { ...none, notFound: "/404.htm" });
  assertEquals(pages("--clean-urls", "--trailing-slash=never"), { ...none, cleanUrls: true, trailingSlash: "never" });
  assertEquals(settings("--spa", "8080", "site").root, "site");
});

Deno.test("a command line that cannot be used is one sentence on stderr and status 2", async (t) => {
  const rows: readonly [args: string[], sentence: string][] = [
    [["--bindd", "x"], "There is no option --bindd; did you mean --bind?"],
    [["--listing"], "There is no option --listing; did you mean --no-listing?"],
    [["--xyzzy-plugh"], "There is no option --xyzzy-plugh (see pyserve --help)"],
    [
      ["--cors=app.example"],
      'Cannot use --cors "app.example": "app.example" is not an origin such as https://app.example or http://localhost:3000',
    ],
    [
      ["--cors=https://a.example,https://b.example/"],
      'Cannot use --cors "https://a.example,https://b.example/": "https://b.example/" is not an origin such as ' +
      "https://app.example or http://localhost:3000",
    ],
    [["--cache", "no"], 'Cannot use --cache "no": it is neither auto nor off nor a whole number of seconds'],
    [["--type", "foo=text/plain"], 'Cannot use --type "foo=text/plain": it is not of the form .EXT=TYPE'],
    [["--type", ".foo=text"], 'Cannot use --type ".foo=text": it is not a media type such as text/plain'],
    [
      ["--type", ".foo=text/plain;\nx: y"],
      'Cannot use --type ".foo=text/plain;\\x0ax: y": it is not a media type such as text/plain',
    ],
    [
      ["--type", ".foo=text/plain\n;"],
      'Cannot use --type ".foo=text/plain\\x0a;": it is not a media type such as text/plain',
    ],
    [["--remove-header", "a b"], 'Cannot use --remove-header "a b": it is not the name of a header'],
    [["--remove-header", "Vary"], 'Cannot use --remove-header "Vary": responses need this header'],
    [["-H", "X-A: 1", "--remove-header", "x-a"], "Cannot both set and remove the header X-A"],
    [["--maxage"], "There is no option --maxage; did you mean --cache?"],
    [["--spa=../a"], 'Cannot use --spa "../a": it is not the path of a file below the root'],
    [["--not-found", "a//b"], 'Cannot use --not-found "a//b": it is not the path of a file below the root'],
    [["--trailing-slash=no"], 'Cannot use --trailing-slash "no": it must be always, never or auto'],
    [["--single"], "There is no option --single; did you mean --spa?"],
    [["--gzip"], "There is no option --gzip; did you mean --compress?"],
    [["--uplod"], "There is no option --uplod (see pyserve --help uploads)"],
    [["--dlete"], "There is no option --dlete (see pyserve --help uploads)"],
    [["-x"], "There is no option -x"],
    [["--h"], "The option --h could mean --health or --hosts or --hidden or --header or --headers or --hsts or --help"],
    [["--bind"], "The option --bind needs ADDRESS"],
    [["--bind", "--hidden"], "The option --bind needs ADDRESS"],
    [["--bind", ""], 'Cannot use --bind "": it is empty'],
    [["-b", "localhost:"], 'Cannot use --bind "localhost:": the port is missing'],
    [["-b", "[::1]:"], 'Cannot use --bind "[::1]:": the port is missing'],
    [
      ["-b", "localhost:http"],
      'Cannot use --bind "localhost:http": it is neither an address, perhaps with a port, nor',
    ],
    [["-b", "[::1"], 'Cannot use --bind "[::1": it is neither an address'],
    [["-b", "unix:"], 'Cannot use --bind "unix:": the path of the socket is missing'],
    [["-b", `unix:/${"x".repeat(107)}`], "the path of a socket has at most 107 bytes"],
    [["-b", "fd:x"], 'Cannot use --bind "fd:x": it is neither an address'],
    [["-b", "unix:/x", "80"], 'Cannot use a port with --bind "unix:/x"'],
    [["-b", "fd:3", "--port=80"], 'Cannot use a port with --bind "fd:3"'],
    [["-b", "unix:/x", "--tls-cert", "c"], "Cannot use --tls-cert with a Unix socket"],
    [["--hidden=yes"], "The option --hidden takes no value"],
    [["--ssl"], "There is no option --ssl; did you mean --tls?"],
    [["--host", "x"], "There is no option --host; did you mean --bind?"],
    [["-P", "80"], "There is no option -P; did you mean -p?"],
    [["--al"], "The option --al is ambiguous: write the full name"],
    [["--port", "x"], 'Cannot use --port "x": it is not a port from 0 to 65535'],
    [["-p", "65536"], 'Cannot use --port "65536": it is not a port from 0 to 65535'],
    [["-p", "1", "2"], "Cannot listen on several ports: 1, 2"],
    [[":1", "2"], "Cannot listen on several ports: 1, 2"],
    [["a:1", "-b", "b"], "Cannot listen on several addresses: b, a"],
    [["localhost:70000"], 'Cannot use --port "70000": it is not a port from 0 to 65535'],
    [["http://localhost:8000/"], 'Cannot use --directory "http://localhost:8000/": it is a URL; to listen there'],
    [["65536"], 'Cannot use --port "65536": it is not a port from 0 to 65535'],
    [["70000"], 'Cannot use --port "70000": it is not a port from 0 to 65535'],
    [["-1"], 'Cannot use --port "-1": it is not a port from 0 to 65535'],
    [["1", "2"], "Cannot listen on several ports: 1, 2"],
    [["a", "b"], 'Cannot serve several directories: "a", "b"'],
    [["a", "-d", "b"], 'Cannot serve several directories: "b", "a"'],
    [[""], 'Cannot use --directory "": it is empty'],
    [["-p", "HTTP/0.9"], 'Cannot use --protocol "HTTP/0.9": it must be HTTP/1.1 or HTTP/1.0'],
    [["-p", "foo"], 'Cannot use --port "foo": it is not a port from 0 to 65535'],
    [["-p", ""], 'Cannot use --port "": it is not a port from 0 to 65535'],
    [
      ["--fastcgi", "php=unix:/x"],
      'Cannot use --fastcgi "php=unix:/x": it is not of the form .EXT=unix:/PATH or .EXT=HOST:PORT',
    ],
    [["--fastcgi", ".php=unix:"], "it is not of the form .EXT=unix:/PATH"],
    [["--fastcgi", ".php=/run/x.sock"], "it is not of the form .EXT=unix:/PATH"],
    [["--fastcgi", ".php=localhost"], "it is not of the form .EXT=unix:/PATH"],
    [["--fastcgi", ".php=localhost:0"], "it is not of the form .EXT=unix:/PATH"],
    [["--fastcgi", ".php=localhost:65536"], "it is not of the form .EXT=unix:/PATH"],
    [["--max-body", "1M"], "The option --max-body needs --cgi or --cgi-ext or"],
    [["--tls-key", "k"], "The option --tls-key needs --tls-cert"],
    [["--tls-password-file", "p"], "The option --tls-password-file needs --tls-cert"],
    [["--quiet", "--log-format", "json"], "The options --quiet and --log-format cannot be combined"],
    [["--log-format", "xml"], 'Cannot use --log-format "xml": it must be python, common, combined or json'],
    [["--cache-size", "1.5M"], 'Cannot use --cache-size "1.5M": it is not a size such as 64M'],
    [["--cache-size=-1"], "it is not a size such as 64M"],
    [["--index", "a/b"], 'Cannot use --index "a/b": it is not a file name'],
    [["--charset", "utf-99"], 'Cannot use --charset "utf-99": it is not a charset such as utf-8, nor none'],
    [["--charset", "utf-8 "], 'Cannot use --charset "utf-8 ": it is not a charset such as utf-8, nor none'],
    [["--content-type", "text"], 'Cannot use --content-type "text": it is not a media type such as text/plain'],
    [["-H", "X-A"], "The option --header needs NAME VALUE"],
    [["-H", "a b", "c"], 'Cannot use --header "a b:c": it contains characters that are not allowed in headers'],
    [
      ["-H", "a", "b\nc: d"],
      'Cannot use --header "a:b\\x0ac: d": it contains characters that are not allowed in headers',
    ],
    [["-H", "Content-Length", "5"], "pyserve sets this header itself"],
    [["-H", "Content-Type", "text/plain"], "use --content-type for the type of unknown files"],
  ];
  for (const [args, sentence] of rows) {
    await t.step(args.join(" "), async () => {
      const { status, out, err } = await ran(...args);
      assertEquals([status, out], [2, ""]);
      assertStringIncludes(err, sentence);
      assertEquals(err.split("\n").length, 2, "one line");
    });
  }
});

Deno.test("--help and --version print to stdout even if other options are wrong", async (t) => {
  const all = await ran("--help", "all", "--cgi");
  for (const args of [["--help", "--cgi"], ["--help=all"], ["-h", "cgi"]]) {
    const help = await ran(...args);
    assertEquals([help.status, help.err], [0, ""]);
    await t.assertSnapshot(help.out);
    assert(help.out.split("\n").every((line) => line.length <= 80), "80 columns");
  }
  for (const [name] of OPTION_ROWS) assertStringIncludes(all.out, `--${name}`);
  for (const group of GROUPS) assertStringIncludes((await ran("--help", group.toLowerCase())).out, `${group}:\n`);
  for (const args of [["--help", "site"], ["-h", "site"], ["help", "site"]]) {
    const { status, out, err } = await ran(...args);
    assertEquals([status, out], [2, ""]);
    assertStringIncludes(err, 'No help on "site"; topics are all, address');
  }
  assertEquals((await ran("site", "--help")).out, (await ran("--help")).out);
  assertEquals((await ran("--help", "tls")).out, (await ran("--help", "https")).out);
  assertStringIncludes((await ran("--help=nonsense")).err, 'No help on "nonsense"; topics are all, address');
  const { version } = JSON.parse(await Deno.readTextFile(new URL("../../deno.json", import.meta.url)));
  for (const flag of ["-v", "-V"]) assertEquals((await ran(flag)).out, `pyserve ${version}\n`);
  assertEquals(settings("-q").server.log, false);
  assertEquals(await ran("--version"), { status: 0, out: `pyserve ${version}\n`, err: "" });
});

Deno.test("help is also a subcommand: on topics, options, and other subcommands", async () => {
  const same: readonly [string[], string[]][] = [
    [["help"], ["--help"]],
    [["help", "uploads"], ["--help", "uploads"]],
    [["help", "share"], ["share", "--help"]],
    [["--help", "share"], ["share", "--help"]],
    [["-h", "passwd"], ["passwd", "--help"]],
    [["help", "help"], ["help", "--help"]],
    [["help", "--cors"], ["help", "cors"]],
    [["--help", "bind"], ["help", "-b"]],
  ];
  for (const [args, others] of same) assertEquals(await ran(...args), await ran(...others), args.join(" "));
  const { status, out, err } = await ran("help", "cors");
  assertEquals([status, err], [0, ""]);
  assertMatch(out, /^Responses:\n +--cors\[=ORIGIN,\.\.\.\] [^]*\nMore on this topic: pyserve help responses\n$/);
  assertEquals((await ran("help", "a", "b")).status, 2);
  assertEquals(settings("./help").root, "./help");
});

Deno.test("colours are those of Python 3.15", () => {
  const line = '127.0.0.1 - - [22/Nov/2026 05:29:33] "GET /a b" HTTP/1.1" 404 -';
  assertEquals(
    colorLogLine(line),
    '\x1b[90m127.0.0.1 - - [22/Nov/2026 05:29:33]\x1b[0m "GET \x1b[36m/a b"\x1b[0m HTTP/1.1" \x1b[33m404\x1b[0m -',
  );
  assertStringIncludes(colorLogLine("::1 - - [x] code 404, message File not found"), "\x1b[33mcode 404");
  assertEquals(colorLogLine("pyserve: anything else"), "pyserve: anything else");
  assertStringIncludes(
    colorStartLine("Serving HTTP on :: port 1 (http://[::]:1/) ..."),
    "\x1b[36mhttp://[::]:1/\x1b[0m",
  );
});

Deno.test("LogSink writes in order, in batches, through partial writes", async () => {
  const written: number[] = [];
  const sink = new LogSink({
    write(bytes) {
      written.push(...bytes.subarray(0, 3));
      return Promise.resolve(Math.min(3, bytes.length));
    },
  });
  for (let i = 0; i < 10; i++) sink.line(`line ${i} é`);
  await sink.flush(10_000);
  sink.line("last");
  await sink.flush(10_000);
  const text = new TextDecoder().decode(new Uint8Array(written));
  assertEquals(text, [...Array(10).keys()].map((i) => `line ${i} é\n`).join("") + "last\n");
});

Deno.test("LogSink drops and counts lines that a stalled reader does not take, and does not wait for it", async () => {
  const gate = Promise.withResolvers<void>();
  const written: string[] = [];
  const sink = new LogSink({
    async write(bytes) {
      await gate.promise;
      written.push(new TextDecoder().decode(bytes));
      return bytes.length;
    },
  });
  const line = "x".repeat(1_000_000);
  for (let i = 0; i < 10; i++) sink.line(line);
  await sink.flush(30);
  assertEquals(written, []);
  gate.resolve();
  await sink.flush(10_000);
  assertEquals(
    written.join("").length,
    4 * 1_000_001 + "pyserve: 6 log lines dropped, the reader is too slow\n".length,
  );
});

Deno.test("LogSink keeps working when its reader is gone", async () => {
  const sink = new LogSink({ write: () => Promise.reject(new Deno.errors.BrokenPipe()) });
  sink.line("a");
  await sink.flush(10_000);
  sink.line("b");
  await sink.flush(10_000);
});

Deno.test("addresses of FastCGI applications", () => {
  const rows: [text: string, extension: string, address: unknown][] = [
    [".php=unix:/run/a=b:c.sock", ".php", { transport: "unix", path: "/run/a=b:c.sock" }],
    [".php=127.0.0.1:9000", ".php", { transport: "tcp", hostname: "127.0.0.1", port: 9000 }],
    [".tar.php=php.example:65535", ".tar.php", { transport: "tcp", hostname: "php.example", port: 65535 }],
    [".rb=[::1]:9000", ".rb", { transport: "tcp", hostname: "::1", port: 9000 }],
  ];
  for (const [text, extension, address] of rows) assertEquals(application(text), { extension, address });
});
