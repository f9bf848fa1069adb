/** The cases of CPython's CGIHTTPServerTestCase, and other requirements of RFC 3875, over the wire. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { ask, raw } from "../../support/raw.ts";
import { missing } from "../../support/programs.ts";
import { type CgiSite, cgiSite } from "./support.ts";

const FILE1 = "#!/usr/bin/env python3\nprint('Content-type: text/html')\nprint()\nprint('Hello World')\n";
const FILES = {
  "cgi-bin/file1.py": FILE1,
  "cgi-bin/child-dir/file3.py": FILE1,
  "cgi-bin/file2.py":
    "#!/usr/bin/env python3\nimport os, sys, urllib.parse as u\nprint('Content-type: text/html\\n')\n" +
    "f = u.parse_qs(sys.stdin.read(int(os.environ['CONTENT_LENGTH'])))\n" +
    "print('%s, %s, %s' % (f['spam'][0], f['eggs'][0], f['bacon'][0]))\n",
  "cgi-bin/file4.py": "#!/usr/bin/env python3\nimport os\nprint('Content-type: text/html\\n')\n" +
    "for k, v in os.environ.items():\n    if k.startswith('HTTP_'): print(k, '=', v)\n",
  "cgi-bin/file5.py": "#!/usr/bin/env python3\nimport os\nprint('Content-type: text/plain\\n')\n" +
    "for k in sorted(os.environ): print(k + '=' + os.environ[k])\n",
  "cgi-bin/file6.sh": "#!/bin/sh\nprintf 'Content-type: text/plain\\n\\n'\nfor word; do echo \"[$word]\"; done\n",
  "cgi-bin/nocgi.txt": "",
  "sub/dir/cgi-bin/file5.py": "#!/usr/bin/env python3\n",
  "root.py": "#!/usr/bin/env python3\n",
};

const HELLO = "Hello World\n";
const ignore = Deno.build.os === "windows" || missing("python3");

function test(name: string, fn: (site: CgiSite) => Promise<void>): void {
  Deno.test({
    name,
    ignore,
    async fn() {
      await using site = await cgiSite(FILES);
      await fn(site);
    },
  });
}

test("test_headers_and_content", async ({ port }) => {
  const response = await ask(port, "GET", "/cgi-bin/file1.py");
  assertEquals([response.status, response.headers.get("content-type"), response.text], [200, "text/html", HELLO]);
});

test("test_issue19435", async ({ port }) => {
  assertEquals((await ask(port, "GET", "///////////nocgi.py/../cgi-bin/nothere.sh")).status, 404);
});

test("test_post", async ({ port }) => {
  const body = "spam=1&eggs=python&bacon=123456";
  const response = await raw(
    port,
    "POST /cgi-bin/file2.py HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" +
      `Content-Type: application/x-www-form-urlencoded\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
  assertEquals(response.text, "1, python, 123456\n");
});

test("test_invaliduri", async ({ port }) => {
  assertEquals((await ask(port, "GET", "/cgi-bin/invalid")).status, 404);
});

test("test_authorization", async ({ port }) => {
  const response = await ask(port, "GET", "/cgi-bin/file1.py", `Authorization: Basic ${btoa("username:pass")}`);
  assertEquals([response.status, response.text], [200, HELLO]);
});

test("test_os_environ_is_not_altered", async ({ port }) => {
  const signature = "Test CGI Server";
  const first = await ask(port, "GET", "/cgi-bin/file5.py", `X-Signature: ${signature}`);
  assertStringIncludes(first.text, `HTTP_X_SIGNATURE=${signature}`);
  assertEquals((await ask(port, "GET", "/cgi-bin/file5.py")).text.includes("SIGNATURE"), false);
});

test("test_urlquote_decoding_in_cgi_check", async ({ port }) => {
  assertEquals((await ask(port, "GET", "/%63gi-bin/file1.py")).text, HELLO);
  // Python runs the program for this one; an encoded slash is not a slash (RFC 3986 section 2.2).
  assertEquals((await ask(port, "GET", "/cgi-bin%2ffile1.py")).status, 404);
});

test("test_nested_cgi_path_issue21323", async ({ port }) => {
  assertEquals((await ask(port, "GET", "/cgi-bin/child-dir/file3.py")).text, HELLO);
});

test("test_query_with_multiple_question_mark", async ({ port }) => {
  assertStringIncludes((await ask(port, "GET", "/cgi-bin/file5.py?a=b?c=d")).text, "\nQUERY_STRING=a=b?c=d\n");
});

test("test_query_with_continuous_slashes", async ({ port }) => {
  const query = "k=aa%2F%2Fbb&//q//p//=//a//b//";
  assertStringIncludes((await ask(port, "GET", `/cgi-bin/file5.py?${query}`)).text, `\nQUERY_STRING=${query}\n`);
});

test("test_cgi_path_in_sub_directories", async ({ tree }) => {
  const { start } = await import("../../support/command.ts");
  await Deno.writeTextFile(tree.at("sub/dir/cgi-bin/file5.py"), FILE1);
  await using command = await start([tree.path, "--cgi=/sub/dir/cgi-bin"]);
  assertEquals((await ask(command.port, "GET", "/sub/dir/cgi-bin/file5.py")).text, HELLO);
});

test("test_accept", async ({ port }) => {
  const lines: readonly (readonly [string[], string])[] = [
    [[], ""],
    [["Accept: text/html"], "HTTP_ACCEPT = text/html"],
    [["Accept: text/html", "Accept: text/plain"], "HTTP_ACCEPT = text/html, text/plain"],
  ];
  for (const [headers, line] of lines) {
    const { text } = await ask(port, "GET", "/cgi-bin/file4.py", ...headers);
    assertEquals(text.split("\n").find((each) => each.startsWith("HTTP_ACCEPT")) ?? "", line);
  }
});

test("POST elsewhere is not for programs: 405, where Python says 501", async ({ port }) => {
  assertEquals((await ask(port, "POST", "/root.py", "Content-Length: 0")).status, 405);
});

test("the environment of a program", async ({ port, tree }) => {
  const { text } = await ask(
    port,
    "GET",
    "/cgi-bin/file5.py/path%20info//x/?a=%41",
    "Proxy: http://evil/",
    "X_Forwarded_For: 6.6.6.6",
    "Authorization: Basic eDp5",
    "X-Note: ok",
  );
  const environment = Object.fromEntries(text.trim().split("\n").map((line) => line.split(/=(.*)/s, 2)));
  const expected = {
    GATEWAY_INTERFACE: "CGI/1.1",
    PATH_INFO: "/path info//x/",
    PATH_TRANSLATED: `${tree.path}/path info//x/`,
    QUERY_STRING: "a=%41",
    REDIRECT_STATUS: "200",
    REMOTE_ADDR: "127.0.0.1",
    REMOTE_HOST: "127.0.0.1",
    REQUEST_METHOD: "GET",
    REQUEST_SCHEME: "http",
    REQUEST_URI: "/cgi-bin/file5.py/path%20info//x/?a=%41",
    SCRIPT_FILENAME: tree.at("cgi-bin/file5.py"),
    SCRIPT_NAME: "/cgi-bin/file5.py",
    SERVER_NAME: "localhost",
    SERVER_PORT: String(port),
    SERVER_PROTOCOL: "HTTP/1.1",
    DOCUMENT_ROOT: tree.path,
    HTTP_X_NOTE: "ok",
  };
  for (const [name, value] of Object.entries(expected)) assertEquals([name, environment[name]], [name, value]);
  for (const name of ["HTTP_PROXY", "HTTP_X_FORWARDED_FOR", "HTTP_AUTHORIZATION", "REMOTE_USER", "CONTENT_LENGTH"]) {
    assertEquals([name, environment[name]], [name, undefined]);
  }
  assertEquals(environment.HOME, undefined);
});

test("words of an indexed query are arguments, and never options", async ({ port }) => {
  const words = async (query: string) => (await ask(port, "GET", `/cgi-bin/file6.sh?${query}`)).text;
  assertEquals(await words("a+b%20c"), "[a]\n[b c]\n");
  assertEquals(await words("a=b"), "");
  assertEquals(await words("-rf+/"), "");
  assertEquals(await words(""), "");
});
