/** Existing programs: cgit, CGI.pm, wsgiref, the shell, C. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { hasProgram, missing } from "../../support/programs.ts";
import { cgiSite, run } from "./support.ts";

const CGIT = "/usr/lib/cgit/cgit.cgi";

/** Whether something is missing that has no program on the PATH. */
function absent(path: string): boolean {
  try {
    Deno.statSync(path);
    return false;
  } catch {
    // deno-lint-ignore no-console
    console.log(`skipped: ${path} is not there`);
    return true;
  }
}

Deno.test({
  name: "cgit shows a repository, and its pages link to each other",
  ignore: absent(CGIT) || missing("git"),
  async fn() {
    await using site = await cgiSite({ "repo/a.txt": "hello from cgit\n" }, (tree) => [
      `--cgi-mount=/cgit=${CGIT}`,
      `--cgi-env=CGIT_CONFIG=${tree.at("cgitrc")}`,
    ]);
    const { tree, base } = site;
    const git = (...args: string[]) =>
      run("git", ["-c", "user.name=a", "-c", "user.email=a@example.org", ...args], { cwd: tree.at("repo") });
    await git("init", "-q", "-b", "main");
    await git("add", ".");
    await git("commit", "-qm", "a commit to look at");
    await Deno.writeTextFile(
      tree.at("cgitrc"),
      `virtual-root=/cgit/\nrepo.url=r\nrepo.path=${tree.at("repo/.git")}\nrepo.desc=described\n`,
    );
    const index = await (await fetch(`${base}/cgit/`)).text();
    assertStringIncludes(index, "described");
    const link = /href='(\/cgit\/r\/)'/.exec(index)?.[1];
    assert(link, index);
    assertStringIncludes(await (await fetch(base + link)).text(), "a commit to look at");
    assertEquals(await (await fetch(`${base}/cgit/r/plain/a.txt`)).text(), "hello from cgit\n");
  },
});

const HAS_CGI_PM = hasProgram("perl") &&
  (await new Deno.Command("perl", { args: ["-MCGI", "-e1"], stderr: "null" }).output()).success;

Deno.test({
  // deno-lint-ignore no-console
  ignore: !HAS_CGI_PM && (console.log("skipped: CGI.pm is not installed"), true),
  name: "CGI.pm reads parameters and uploads, redirects, and speaks as NPH",
  async fn() {
    await using site = await cgiSite({
      "cgi-bin/params.pl": `#!/usr/bin/perl
use CGI; my $q = CGI->new;
print $q->header(-type => "text/plain", -charset => "utf-8", -cookie => [$q->cookie("a", 1), $q->cookie("b", 2)]);
print join(",", map { "$_=" . join("|", $q->multi_param($_)) } sort $q->param), " ", $q->url(-absolute => 1), " ", $q->path_info;
`,
      "cgi-bin/upload.pl": `#!/usr/bin/perl
use CGI; my $q = CGI->new; my $h = $q->upload("f"); local $/; my $c = <$h>;
print $q->header("text/plain"), length($c), " ", $q->param("f");
`,
      "cgi-bin/redirect.pl": "#!/usr/bin/perl\nuse CGI; print CGI->new->redirect('http://example.org/x');\n",
      "cgi-bin/nph.pl":
        "#!/usr/bin/perl\nuse CGI; print CGI->new->header(-nph => 1, -status => '202 Taken', -type => 'text/plain'), 'nph';\n",
    });
    const { base } = site;
    const params = await fetch(`${base}/cgi-bin/params.pl/p/i?b=2&a=1&a=3`);
    assertEquals(params.headers.getSetCookie().length, 2);
    assertEquals(await params.text(), "a=1|3,b=2 /cgi-bin/params.pl /p/i");
    const form = new FormData();
    form.set("f", new File([new Uint8Array(300_000)], "zeros.bin"));
    assertEquals(
      await (await fetch(`${base}/cgi-bin/upload.pl`, { method: "POST", body: form })).text(),
      "300000 zeros.bin",
    );
    const redirect = await fetch(`${base}/cgi-bin/redirect.pl`, { redirect: "manual" });
    assertEquals([redirect.status, redirect.headers.get("location")], [302, "http://example.org/x"]);
    await redirect.body?.cancel();
    const nph = await fetch(`${base}/cgi-bin/nph.pl`);
    assertEquals([nph.status, await nph.text()], [202, "nph"]);
  },
});

Deno.test({
  name: "a WSGI application runs with wsgiref's CGIHandler and its validator",
  ignore: missing("python3"),
  async fn() {
    await using site = await cgiSite({
      "cgi-bin/app.py": `#!/usr/bin/env python3
from wsgiref.handlers import CGIHandler
from wsgiref.validate import validator
from wsgiref.util import request_uri
def app(environ, start_response):
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    start_response("201 Created", [("Content-Type", "text/plain"), ("X-Path", environ["PATH_INFO"])])
    return [request_uri(environ).encode(), b" ", environ["REQUEST_METHOD"].encode(), b" ", body]
CGIHandler().run(validator(app))
`,
    });
    const url = `${site.base}/cgi-bin/app.py`;
    const got = await fetch(`${url}?a=1`);
    assertEquals([got.status, got.headers.get("x-path")], [201, ""]);
    assertEquals(await got.text(), `${url}?a=1 GET `);
    const put = await fetch(`${url}/some/thing`, { method: "PUT", body: "written" });
    assertEquals(put.headers.get("x-path"), "/some/thing");
    assertEquals(await put.text(), `${url}/some/thing PUT written`);
    assertEquals(site.command.stderr().includes("Error"), false, site.command.stderr());
  },
});

Deno.test({
  name: "a shell script and a C program echo the body",
  ignore: missing("gcc"),
  async fn() {
    await using site = await cgiSite({
      "cgi-bin/echo.sh": `#!/bin/sh
printf 'Content-Type: text/plain\\n\\n%s %s\\n' "$REQUEST_METHOD" "$QUERY_STRING"
cat
`,
      "src/echo.c": `#include <stdio.h>
#include <stdlib.h>
int main(void) {
  const char *length = getenv("CONTENT_LENGTH");
  printf("Content-Type: application/octet-stream\\r\\nX-Length: %s\\r\\n\\r\\n", length ? length : "none");
  for (int c; (c = getchar()) != EOF;) putchar(c);
  return 0;
}
`,
    });
    await run("gcc", ["-o", site.tree.at("cgi-bin/echo"), site.tree.at("src/echo.c")]);
    const shell = await fetch(`${site.base}/cgi-bin/echo.sh?a=b%20c`, { method: "POST", body: "line\n" });
    assertEquals(await shell.text(), "POST a=b%20c\nline\n");
    const bytes = crypto.getRandomValues(new Uint8Array(50_000));
    const c = await fetch(`${site.base}/cgi-bin/echo`, { method: "POST", body: bytes });
    assertEquals(c.headers.get("x-length"), "50000");
    assertEquals(new Uint8Array(await c.arrayBuffer()), bytes);
    const bare = await fetch(`${site.base}/cgi-bin/echo`);
    assertEquals(bare.headers.get("x-length"), "none");
    assertMatch(await bare.text(), /^$/);
  },
});
