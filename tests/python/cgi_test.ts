/**
 * CGIHTTPRequestHandler: the cases of CPython's CGIHTTPServerTestCase under their names, NPH output, and what the class
 * must not do: send source code, run other files, leave anything running.
 */

import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { endAllScripts } from "@x/pyserve/handlers";
import {
  CGIHTTPRequestHandler,
  type ClientAddress,
  type Connection,
  type HTTPServer,
  ThreadingHTTPServer,
} from "@x/pyserve/python";
import { missing } from "../support/programs.ts";
import { latin1, parseResponse, type RawResponse } from "../support/raw.ts";
import { type TempTree, tempTree } from "../support/tree.ts";
import { Client, exchange, reply, type Serving, serving } from "../support/python.ts";
import { isRunning, until } from "../support/wait.ts";

const FILE1 = "#!/usr/bin/env python3\n\nprint('Content-type: text/html')\nprint()\nprint('Hello World')\n";
const SH = "#!/bin/sh\necho 'Content-type: text/plain'\necho\n";
const FILES = {
  "cgi-bin/file1.py": FILE1,
  "cgi-bin/file2.py":
    "#!/usr/bin/env python3\nimport os, sys, urllib.parse as u\nprint('Content-type: text/html\\n')\n" +
    "f = u.parse_qs(sys.stdin.read(int(os.environ['CONTENT_LENGTH'])))\n" +
    "print('%s, %s, %s' % (f['spam'][0], f['eggs'][0], f['bacon'][0]))\n",
  "cgi-bin/child-dir/file3.py": FILE1,
  "cgi-bin/file4.py": "#!/usr/bin/env python3\nimport os\nprint('Content-type: text/html\\n')\n" +
    "print(os.environ['QUERY_STRING'])\n",
  "cgi-bin/file6.py":
    "#!/usr/bin/env python3\nimport os\nprint('Content-type: text/plain\\n')\nprint(repr(os.environ))\n",
  "cgi-bin/echo": `${SH}echo "$REQUEST_METHOD $SERVER_PROTOCOL $SERVER_SOFTWARE [$PATH_INFO]"; cat\n`,
  "cgi-bin/status": "#!/bin/sh\nprintf 'Status: 404 Not Here\\nContent-Type: text/plain\\n\\nsorry'\n",
  "cgi-bin/away": "#!/bin/sh\nprintf 'Location: http://example.org/\\n\\n'\n",
  "cgi-bin/over": "#!/bin/sh\nprintf 'Location: /a.txt\\n\\n'\n",
  "cgi-bin/mute": "#!/bin/sh\n",
  "cgi-bin/nph-raw": "#!/bin/sh\nprintf 'HTTP/1.0 299 As I say\\nX-Mine: %s\\n\\nraw' \"$QUERY_STRING\"\n",
  "cgi-bin/nph-mute": "#!/bin/sh\n",
  "cgi-bin/text": "no program",
  "sub/dir/cgi-bin/file5.py": FILE1,
  "a.txt": "a file",
  "outside.py": FILE1,
};
const ignore = Deno.build.os === "windows" || missing("python3");

/** The classes that serve a tree with shell scripts and Python programs. */
async function site(files: Record<string, string> = FILES) {
  const tree = await tempTree(files);
  for (const [name, content] of Object.entries(files)) {
    if (content.startsWith("#!")) await Deno.chmod(tree.at(name), 0o755);
  }
  return tree;
}

function rooted(tree: TempTree) {
  return class extends CGIHTTPRequestHandler {
    override directory = tree.path;
  };
}

async function ask({ port }: Serving, target: string, method = "GET", ...more: string[]): Promise<RawResponse> {
  return await reply(port, [`${method} ${target} HTTP/1.1`, "Host: localhost", ...more, "", ""].join("\r\n"));
}

Deno.test({ name: "CGIHTTPServerTestCase", ignore }, async (t) => {
  await using tree = await site();
  await using server = serving(rooted(tree));
  const hello = async (target: string, ...more: string[]) => {
    const { status, text, headers } = await ask(server, target, "GET", ...more);
    assertEquals([status, headers.get("content-type"), text], [200, "text/html", "Hello World\n"], target);
  };
  await t.step("test_headers_and_content", () => hello("/cgi-bin/file1.py"));
  await t.step("test_issue19435", async () => {
    assertEquals((await ask(server, "///////////nocgi.py/../cgi-bin/nothere.sh")).status, 404);
  });
  await t.step("test_post", async () => {
    const body = "spam=1&eggs=python&bacon=123456";
    const type = "Content-Type: application/x-www-form-urlencoded";
    const head =
      `POST /cgi-bin/file2.py HTTP/1.1\r\nHost: localhost\r\n${type}\r\nContent-Length: ${body.length}\r\n\r\n`;
    assertEquals((await reply(server.port, head + body)).text, "1, python, 123456\n");
  });
  await t.step("test_invaliduri", async () => {
    const { status, head } = await ask(server, "/cgi-bin/invalid");
    assertEquals(status, 404);
    assertStringIncludes(head, "404 No such CGI script ('/cgi-bin/invalid')\r\n");
  });
  await t.step("test_authorization", () => hello("/cgi-bin/file1.py", `Authorization: Basic ${btoa("username:pass")}`));
  await t.step("test_no_leading_slash", () => hello("cgi-bin/file1.py"));
  await t.step("test_os_environ_is_not_altered", async () => {
    const before = Deno.env.toObject();
    await hello("/cgi-bin/file1.py", "X-Signature: Test CGI Server");
    assertEquals(Deno.env.toObject(), before);
  });
  await t.step("test_urlquote_decoding_in_cgi_check", () => hello("/cgi-bin%2ffile1.py"));
  await t.step("test_nested_cgi_path_issue21323", () => hello("/cgi-bin/child-dir/file3.py"));
  await t.step("test_query_with_multiple_question_mark", async () => {
    assertEquals((await ask(server, "/cgi-bin/file4.py?a=b?c=d")).text, "a=b?c=d\n");
  });
  await t.step("test_query_with_continuous_slashes", async () => {
    const query = "k=aa%2F%2Fbb&//q//p//=//a//b//";
    assertEquals((await ask(server, `/cgi-bin/file4.py?${query}`)).text, `${query}\n`);
  });
  await t.step("test_cgi_path_in_sub_directories", async () => {
    const { cgi_directories } = CGIHTTPRequestHandler;
    cgi_directories.push("/sub/dir/cgi-bin");
    try {
      await hello("/sub/dir/cgi-bin/file5.py");
    } finally {
      cgi_directories.pop();
    }
  });
  await t.step("test_accept", async () => {
    const cases: [string[], string][] = [
      [["Accept: text/html,*/*;q=0.8"], "text/html,*/*;q=0.8"],
      [[], ""],
      [["Accept: text/html", "ACCEPT: text/plain"], "text/html,text/plain"],
    ];
    for (const [headers, expected] of cases) {
      assertStringIncludes(
        (await ask(server, "/cgi-bin/file6.py", "GET", ...headers)).text,
        `'HTTP_ACCEPT': '${expected}'`,
      );
    }
  });
});

/** CPython's table of `_url_collapse_path`, as far as it is about programs: targets, and `cgi_info`. */
const PATHS: readonly (readonly [target: string, info: readonly [string, string] | null])[] = [
  ["/cgi-bin/file1.py", ["/cgi-bin", "file1.py"]],
  ["cgi-bin/file1.py", ["/cgi-bin", "file1.py"]],
  ["///cgi-bin//file1.py", ["/cgi-bin", "file1.py"]],
  ["/./cgi-bin/./file1.py", ["/cgi-bin", "file1.py"]],
  ["/a/../cgi-bin/file1.py?q", ["/cgi-bin", "file1.py?q"]],
  ["/%63gi-bin/file1.py", ["/cgi-bin", "file1.py"]],
  ["/cgi-bin%2ffile1.py", ["/cgi-bin", "file1.py"]],
  ["/cgi-bin%2Fchild-dir/file3.py/x?a/b", ["/cgi-bin", "child-dir/file3.py/x?a/b"]],
  ["/htbin/x", ["/htbin", "x"]],
  ["/cgi-bin/", ["/cgi-bin", ""]],
  ["http://host/cgi-bin/file1.py", ["/cgi-bin", "file1.py"]],
  ["/cgi-bin", null],
  ["/cgi-bin?/x", null],
  ["/CGI-BIN/file1.py", null],
  ["/other/cgi-bin/file1.py", null],
  ["/cgi-bin/../root.sh", null],
  ["/..", null],
  ["/../cgi-bin/file1.py", null],
  ["/cgi-bin%252ffile1.py", null],
  ["/%00", null],
];

Deno.test("is_cgi finds the program, and never throws", () => {
  class Asked extends CGIHTTPRequestHandler {
    constructor(path: string) {
      super({} as Connection, ["", 0] as ClientAddress, { server_port: 1 } as HTTPServer);
      this.path = path;
    }
  }
  for (const [path, info] of PATHS) {
    const asked = new Asked(path);
    assertEquals([path, asked.is_cgi() ? asked.cgi_info : null], [path, info]);
  }
});

Deno.test({ name: "Python's errors, and the other headers of the reply", ignore }, async (t) => {
  await using tree = await site();
  await using server = serving(rooted(tree));
  const line = async (target: string, method = "GET", ...more: string[]) => {
    return (await ask(server, target, method, ...more)).head.split("\r\n")[0];
  };
  const cases: [string, string, string][] = [
    ["GET", "/cgi-bin/", "403 CGI script is not a plain file ('/cgi-bin/')"],
    ["GET", "/cgi-bin/text", "403 CGI script is not executable ('/cgi-bin/text')"],
    ["GET", "/cgi-bin/it's", `404 No such CGI script ("/cgi-bin/it's")`],
    ["POST", "/a.txt", "501 Can only POST to CGI scripts"],
    ["POST", "/cgi-bin", "501 Can only POST to CGI scripts"],
    ["PUT", "/cgi-bin/echo", "501 Unsupported method ('PUT')"],
    ["GET", "/cgi-bin", "301 Moved Permanently"],
    ["GET", "/cgi-bin/mute", "502 The program ended without any output"],
    ["GET", "/cgi-bin/nph-mute", "502 The program ended without any output"],
    ["GET", "/cgi-bin/away", "302 Found"],
    ["GET", "/a.txt", "200 OK"],
  ];
  for (const [method, target, expected] of cases) {
    await t.step(`${method} ${target}`, async () => assertEquals(await line(target, method), `HTTP/1.0 ${expected}`));
  }
  await t.step("a program's Status is the status of the reply", async () => {
    const { head, text } = await ask(server, "/cgi-bin/status");
    assertEquals([head.split("\r\n")[0], text], ["HTTP/1.0 404 Not Found", "sorry"]);
  });
  await t.step("a local redirect is followed", async () => {
    assertEquals((await ask(server, "/cgi-bin/over")).text, "a file");
  });
  await t.step("HEAD has no body", async () => {
    const { status, body } = await ask(server, "/cgi-bin/echo", "HEAD");
    assertEquals([status, body.length], [200, 0]);
  });
  await t.step("the program gets the software, the protocol and the path info", async () => {
    const { text } = await ask(server, "/cgi-bin/echo/a%2Fb//c");
    assertEquals(text, `GET HTTP/1.1 SimpleHTTP Deno/${Deno.version.deno} [/a/b//c]\n`);
  });
  await t.step("a body in chunks", async () => {
    const head = "POST /cgi-bin/echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
    assertMatch((await reply(server.port, `${head}3\r\nabc\r\n0\r\n\r\n`)).text, /^POST .*\nabc$/);
  });
});

Deno.test({ name: "no spelling of a path reveals the source of a program", ignore }, async () => {
  await using tree = await site();
  await Deno.symlink(tree.at("cgi-bin/file1.py"), tree.at("link.py"));
  await Deno.symlink(tree.at("cgi-bin"), tree.at("bin"));
  await using server = serving(rooted(tree));
  const targets = ["/link.py", "/bin/file1.py", "//cgi-bin/file1.py", "cgi-bin/file1.py", "/cgi-bin%2ffile1.py"].concat(
    ["/cgi-bin%2Ffile1.py", "/a/../cgi-bin/file1.py", "/a%2f..%2fcgi-bin/file1.py", "/cgi-bin%5cfile1.py"],
    [
      "/cgi-bin/file1.py%2f",
      "/cgi-bin/file1.py/",
      "/cgi-bin/file1.py%00",
      "/cgi-bin/./file1.py",
      "http://h/cgi-bin/file1.py",
    ],
    ["/%2e%2e/cgi-bin/file1.py", "/cgi-bin/x/..%2ffile1.py", "/./cgi-bin%2f%2ffile1.py", "/cgi-bin/file1.py;x"],
  );
  for (const target of targets) {
    for (const method of ["GET", "POST"]) {
      const heard = await exchange(server.port, `${method} ${target} HTTP/1.0\r\n\r\n`);
      assert(!heard.includes("print("), `${method} ${target}: ${heard}`);
    }
  }
  assert(!(await exchange(server.port, "GET /bin/ HTTP/1.0\r\n\r\n")).includes("file1.py</a>"));
});

Deno.test(
  { name: "an nph- program writes to the client directly, and the connection ends with it", ignore },
  async () => {
    await using tree = await site();
    class Handler extends rooted(tree) {
      override protocol_version = "HTTP/1.1";
    }
    await using server = serving(Handler);
    const twice = "GET /cgi-bin/nph-raw?q HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(2);
    assertEquals(await exchange(server.port, twice), "HTTP/1.0 299 As I say\nX-Mine: q\n\nraw");
    assert(server.log.lines.some((line) => line.includes("299")), server.log.lines.join("\n"));
    assertEquals(server.errors, []);
  },
);

Deno.test({ name: "connections are kept alive if the end of the output is known", ignore }, async () => {
  await using tree = await site({ "cgi-bin/short": `${SH}echo short\n`, "a.txt": "a file" });
  class Handler extends rooted(tree) {
    override protocol_version = "HTTP/1.1";
  }
  await using server = serving(Handler);
  const get = (target: string, more = "") => `GET ${target} HTTP/1.1\r\nHost: localhost\r\n${more}\r\n`;
  const heard = await exchange(server.port, get("/a.txt") + get("/cgi-bin/short", "Connection: close\r\n"));
  const second = heard.indexOf("HTTP/1.1", 1);
  assertEquals(parseResponse(latin1(heard.slice(0, second))).text, "a file");
  assertEquals(parseResponse(latin1(heard.slice(second))).text, "short\n");
});

Deno.test({ name: "methods that a class overrides are called", ignore }, async () => {
  await using tree = await site({
    "apps/run.me": `${SH}echo "$SCRIPT_NAME [$PATH_INFO] $QUERY_STRING"; cat\n`,
    "cgi-bin/x": SH,
  });
  class Handler extends rooted(tree) {
    override is_cgi() {
      if (!this.path.startsWith("/app/")) return super.is_cgi();
      this.cgi_info = ["/apps", this.path.slice("/app/".length)];
      return true;
    }
    override is_executable(path: string) {
      return super.is_executable(path) && !path.endsWith("/x");
    }
    do_PUT() {
      return this.run_cgi();
    }
    async do_DELETE() {
      this.is_cgi();
      await this.run_cgi();
    }
  }
  await using server = serving(Handler);
  assertEquals((await ask(server, "/app/run.me/more?q?r")).text, "/apps/run.me [/more] q?r\n");
  assertStringIncludes((await ask(server, "/cgi-bin/x")).head, "403 CGI script is not executable ('/cgi-bin/x')");
  const put = await reply(server.port, "DELETE /app/run.me HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc");
  assertEquals(put.text, "/apps/run.me [] \nabc");
  assertEquals((await ask(server, "/app/none")).status, 404);
});

for (const name of ["slow", "begun", "nph-begun"]) {
  for (const way of ["the client leaves", "the server is closed"]) {
    Deno.test({ name: `a program (${name}) and what it has started end when ${way}`, ignore }, async () => {
      const head = name === "slow" ? "" : "printf 'Content-Type: text/plain\\n\\nbegun'\n";
      await using tree = await site({
        [`cgi-bin/${name}`]: `#!/bin/sh\n${head}sleep 60 & echo $$ $! > ../pids\nwait\n`,
      });
      await using _programs = { [Symbol.asyncDispose]: endAllScripts };
      await using server = serving(rooted(tree));
      using client = await Client.connect(server.port);
      await client.say(`GET /cgi-bin/${name} HTTP/1.0\r\n\r\n`);
      if (head) await client.hear("begun");
      let pids: number[] = [];
      await until(() => {
        pids = (Deno.readTextFileSync(ensure(tree.at("pids"))).match(/\d+/g) ?? []).map(Number);
        return pids.length === 2;
      }, "it has begun");
      if (way === "the client leaves") client.conn.close();
      else await server.server.server_close();
      await until(() => !pids.some(isRunning), "both have ended");
      assertEquals(server.errors, []);
    });
  }
}

/** Creates a file. */
function ensure(path: string): string {
  Deno.openSync(path, { append: true, create: true }).close();
  return path;
}

Deno.test({ name: "a body for a program that stalls is 408, and the program is not started", ignore }, async () => {
  await using tree = await tempTree({ "cgi-bin/mark": "#!/bin/sh\ntouch started\nprintf 'Content-Type: a/b\\n\\n'\n" });
  await Deno.chmod(tree.at("cgi-bin/mark"), 0o755);
  class Programs extends CGIHTTPRequestHandler {
    override directory = tree.path;
  }
  await using server = serving(Programs, ThreadingHTTPServer, { body_timeout: 0.3 });
  const head = "POST /cgi-bin/mark HTTP/1.1\r\nHost: localhost\r\nContent-Length: ";
  assertEquals((await reply(server.port, `${head}9\r\n\r\nabc`)).status, 408);
  await assertRejects(() => Deno.stat(tree.at("cgi-bin/started")), Deno.errors.NotFound);
  assertEquals((await reply(server.port, `${head}3\r\n\r\nabc`)).status, 200);
  await Deno.stat(tree.at("cgi-bin/started"));
});
