/** The one-liners of the documentation that no other test runs. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { hasProgram, missing } from "../../support/programs.ts";
import { cgiSite, run } from "./support.ts";

const GITWEB = "/usr/share/gitweb/gitweb.cgi";

const ignore = Deno.build.os === "windows";

Deno.test({
  name: "Python scripts without the executable bit, by --cgi-map .py=python3",
  ignore: ignore || missing("python3"),
  async fn() {
    await using site = await cgiSite({
      "hello.py":
        `import os, sys\nprint("Content-Type: text/plain\\n\\n" + os.environ["QUERY_STRING"], sys.stdin.read())\n`,
    }, ["--cgi-map", ".py=python3"]);
    const response = await fetch(`${site.base}/hello.py?who`, { method: "POST", body: "body" });
    assertEquals(await response.text(), "who body\n");
  },
});

Deno.test({
  name: 'programs in TypeScript, by --cgi-map ".ts=deno run -A"',
  ignore: ignore || !hasProgram("deno"),
  async fn() {
    await using site = await cgiSite({
      "hello.ts": `const name: string = new URLSearchParams(Deno.env.get("QUERY_STRING")).get("name")!;
console.log(\`Content-Type: text/plain\\n\\nHello \${name}\`);
`,
    }, ["--cgi-map", ".ts=deno run -A --no-config"]);
    assertEquals(await (await fetch(`${site.base}/hello.ts?name=you`)).text(), "Hello you\n");
  },
});

Deno.test({
  name: "programs in Perl anywhere, by --cgi-ext .cgi,.pl",
  ignore: ignore || missing("perl"),
  async fn() {
    await using site = await cgiSite({
      "a/hello.pl": `#!/usr/bin/env perl\nprint "Content-Type: text/plain\\n\\n$ENV{SCRIPT_NAME}";\n`,
    }, ["--cgi-ext", ".cgi,.pl"]);
    assertEquals(await (await fetch(`${site.base}/a/hello.pl`)).text(), "/a/hello.pl");
  },
});

/** A repository with one commit, which says "a commit to look at". */
async function repository(path: string): Promise<void> {
  const git = (...args: string[]) =>
    run("git", ["-c", "user.name=a", "-c", "user.email=a@example.org", ...args], { cwd: path });
  await git("init", "-q", "-b", "main");
  await git("commit", "-q", "--allow-empty", "-m", "a commit to look at");
}

Deno.test({
  name: 'a server for git, by --cgi-mount "/git=git http-backend"',
  ignore: ignore || missing("git"),
  async fn() {
    await using site = await cgiSite({ "repo/": "" }, (tree) => [
      ...["--cgi-mount", "/git=git http-backend"],
      ...["--cgi-env", `GIT_PROJECT_ROOT=${tree.path}`, "--cgi-env", "GIT_HTTP_EXPORT_ALL=1"],
    ]);
    await repository(site.tree.at("repo"));
    await run("git", ["clone", "-q", `${site.base}/git/repo`, "clone"], { cwd: site.tree.path });
    const log = await run("git", ["log", "--format=%s"], { cwd: site.tree.at("clone") });
    assertEquals(log, "a commit to look at\n");
  },
});

Deno.test({
  name: "gitweb, by --cgi-mount",
  ignore: ignore || missing("git") || !isThere(GITWEB),
  async fn() {
    await using site = await cgiSite({ "repos/r/": "" }, (tree) => [
      ...["--cgi-mount", `/gitweb=${GITWEB}`, "--cgi-env", `GITWEB_CONFIG=${tree.at("gitweb.conf")}`],
    ]);
    await repository(site.tree.at("repos/r"));
    await Deno.writeTextFile(site.tree.at("gitweb.conf"), `$projectroot = "${site.tree.at("repos")}";\n`);
    const index = await (await fetch(`${site.base}/gitweb/`)).text();
    const link = /href="([^"]*r\/\.git[^"]*a=summary[^"]*)"/.exec(index)?.[1];
    assert(link, index);
    const summary = new URL(link.replaceAll("&amp;", "&"), site.base);
    assertStringIncludes(await (await fetch(summary)).text(), "a commit to look at");
  },
});

Deno.test({
  name: "fossil, by a script of two lines",
  ignore: ignore || missing("fossil"),
  async fn() {
    await using site = await cgiSite({ "cgi-bin/fossil": "#!/usr/bin/env fossil\nrepository: ../r.fossil\n" });
    const { tree, base } = site;
    const env = { HOME: tree.path, USER: "me" };
    await run("fossil", ["init", tree.at("r.fossil"), "--project-name", "described"], { env });
    const home = await fetch(`${base}/cgi-bin/fossil/timeline`);
    assertEquals(home.status, 200);
    assertStringIncludes(await home.text(), "described");
  },
});

function isThere(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    // deno-lint-ignore no-console
    console.log(`skipped: ${path} is not there`);
    return false;
  }
}
