/** git over HTTP with git http-backend: clone, fetch, push. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { noise } from "../../support/bytes.ts";
import { missing } from "../../support/programs.ts";
import { tempTree } from "../../support/tree.ts";
import { type CgiSite, cgiSite, run } from "./support.ts";

const BACKEND = "/usr/lib/git-core/git-http-backend";

const env = {
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_TERMINAL_PROMPT: "0",
  GIT_AUTHOR_NAME: "a",
  GIT_AUTHOR_EMAIL: "a@example.org",
  GIT_COMMITTER_NAME: "a",
  GIT_COMMITTER_EMAIL: "a@example.org",
};

function git(cwd: string, ...args: string[]): Promise<string> {
  return run("git", args, { cwd, env });
}

/** A site with the bare repository repos/r.git, which has one commit, and git http-backend at /git. */
async function gitSite(): Promise<CgiSite & { readonly url: string }> {
  const site = await cgiSite({ "repos/": "", "first/a.txt": "first\n" }, (tree) => [
    `--cgi-mount=/git=${BACKEND}`,
    "--cgi-env=GIT_HTTP_EXPORT_ALL=1",
    `--cgi-env=GIT_PROJECT_ROOT=${tree.at("repos")}`,
  ]);
  const { tree } = site;
  await git(tree.at("first"), "init", "-q", "-b", "main");
  await git(tree.at("first"), "add", ".");
  await git(tree.at("first"), "commit", "-qm", "first");
  await git(tree.path, "clone", "-q", "--bare", "first", "repos/r.git");
  return { ...site, url: `${site.base}/git/r.git` };
}

const ignore = missing("git");

Deno.test({
  name: "git clones and fetches, and a push into a repository that does not accept it is refused",
  ignore,
  async fn() {
    await using site = await gitSite();
    const { tree, url } = site;
    await git(tree.path, "clone", "-q", url, "clone");
    assertEquals(await Deno.readTextFile(tree.at("clone/a.txt")), "first\n");
    await Deno.writeTextFile(tree.at("first/b.txt"), "second\n");
    await git(tree.at("first"), "add", ".");
    await git(tree.at("first"), "commit", "-qm", "second");
    await git(tree.at("first"), "push", "-q", tree.at("repos/r.git"), "main");
    await git(tree.at("clone"), "pull", "-q");
    assertEquals(await Deno.readTextFile(tree.at("clone/b.txt")), "second\n");
    await git(tree.at("clone"), "commit", "--allow-empty", "-qm", "mine");
    const refused = await git(tree.at("clone"), "push", "-q").then(() => "", String);
    assertStringIncludes(refused, "403");
    // An unverified user name must not become REMOTE_USER, as it did in Python, where git accepted the push.
    const named = url.replace("http://", "http://x:y@");
    assertStringIncludes(await git(tree.at("clone"), "push", "-q", named, "main").then(() => "", String), "403");
  },
});

Deno.test({
  name: "git pushes 8 MB in a chunked body and clones it again, gzip'd requests included",
  ignore,
  async fn() {
    await using site = await gitSite();
    const { tree, url } = site;
    await git(tree.at("repos/r.git"), "config", "http.receivepack", "true");
    await git(tree.path, "clone", "-q", url, "clone");
    const large = noise(8 * 1024 * 1024);
    await Deno.writeFile(tree.at("clone/large.bin"), large);
    await git(tree.at("clone"), "add", ".");
    await git(tree.at("clone"), "commit", "-qm", "large");
    await git(tree.at("clone"), "push", "-q"); // above http.postBuffer git sends chunks
    await git(tree.path, "clone", "-q", url, "again");
    assertEquals(await Deno.readFile(tree.at("again/large.bin")), large);
    // Many tags make a request so long that git sends it gzip'd.
    const tags = Array.from({ length: 400 }, (_, i) => `create refs/tags/t${i} HEAD\n`).join("");
    const updating = new Deno.Command("git", {
      args: ["update-ref", "--stdin"],
      cwd: tree.at("again"),
      env,
      stdin: "piped",
    })
      .spawn();
    const writer = updating.stdin.getWriter();
    await writer.write(new TextEncoder().encode(tags));
    await writer.close();
    assert((await updating.status).success);
    await git(tree.at("again"), "push", "-q", "--tags");
    assertEquals((await git(tree.at("repos/r.git"), "tag")).trim().split("\n").length, 400);
    await git(tree.path, "clone", "-q", url, "third");
    await Deno.writeTextFile(tree.at("clone/c.txt"), "c");
    await git(tree.at("clone"), "add", ".");
    await git(tree.at("clone"), "commit", "-qm", "c");
    await git(tree.at("clone"), "push", "-q");
    await git(tree.at("third"), "fetch", "-q");
  },
});

Deno.test({
  name: "git speaks version 2 of its protocol, for which the header Git-Protocol must reach the program",
  ignore,
  async fn() {
    await using site = await gitSite();
    const { url } = site;
    const response = await fetch(`${url}/info/refs?service=git-upload-pack`, {
      headers: { "Git-Protocol": "version=2" },
    });
    assertEquals(response.headers.get("content-type"), "application/x-git-upload-pack-advertisement");
    assertStringIncludes(await response.text(), "version 2");
    const dumb = await fetch(`${url}/HEAD`);
    assertEquals(await dumb.text(), "ref: refs/heads/main\n");
    const absent = await fetch(`${url.replace("r.git", "absent.git")}/info/refs`);
    assertEquals(absent.status, 404);
    await absent.body?.cancel();
  },
});

Deno.test({
  name: "git clones and pushes with a name and a password, where a rule grants the repository",
  ignore,
  async fn() {
    const hash = "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ="; // of "secret"
    await using own = await tempTree({ users: `ann:${hash}\nbob:${hash}\n` });
    await using site = await cgiSite({ "repos/": "" }, (tree) => [
      `--cgi-mount=/git=${BACKEND}`,
      "--cgi-env=GIT_HTTP_EXPORT_ALL=1",
      `--cgi-env=GIT_PROJECT_ROOT=${tree.at("repos")}`,
      ...["--auth", own.at("users"), "--state", own.at("state"), "--access", "ann:run@/git/r.git"],
    ]);
    const { tree, port } = site;
    await git(tree.at("repos"), "init", "-q", "--bare", "-b", "main", "r.git");
    await git(tree.at("repos"), "clone", "-q", "--bare", "r.git", "other.git");
    const url = (who: string, name = "r.git") => `http://${who}127.0.0.1:${port}/git/${name}`;
    await git(tree.path, "clone", "-q", url("ann:secret@"), "clone");
    await git(tree.at("clone"), "commit", "--allow-empty", "-qm", "mine");
    await git(tree.at("clone"), "push", "-q", "origin", "HEAD:main");
    assertStringIncludes(await git(tree.at("repos/r.git"), "log", "--format=%s", "main"), "mine");
    await git(tree.at("repos/r.git"), "config", "http.receivepack", "false");
    await git(tree.at("clone"), "commit", "--allow-empty", "-qm", "refused");
    assertStringIncludes(
      await git(tree.at("clone"), "push", "-q", "origin", "HEAD:main").then(() => "", String),
      "403",
    );
    await git(tree.at("clone"), "fetch", "-q");
    for (const address of [url(""), url("ann:wrong@"), url("bob:secret@"), url("ann:secret@", "other.git")]) {
      const refused = await git(tree.path, "ls-remote", address).then(() => "", String);
      assert(/40[13]|Authentication failed|could not read Username/.test(refused), `${address}: ${refused}`);
    }
  },
});
