/** The source of a program is never sent: neither under other paths than its own, nor from the cache. */

import { assertEquals } from "@std/assert";
import { cgi, chain, disk, files, fileServer, type FileSource, mount, SitePath, toFetch } from "../../../mod.ts";
import { cgiContent, endAllScripts } from "@x/pyserve/handlers";
import { cgiFeature } from "../../../handlers/upstream/cgi/cgi.ts";
import { atEachStep, exchangeOf } from "../../support/interposed.ts";
import { ask } from "../../support/raw.ts";
import { oldTree, settleTimes, tempTree } from "../../support/tree.ts";
import { cgiSite } from "./support.ts";

const ignore = Deno.build.os === "windows";

/** A program whose output shows that it ran, and whose source shows that it was sent. */
const PROGRAM = "#!/bin/sh\n# SECRET\nprintf 'Content-Type: text/plain\\n\\nran'\n";

Deno.test({
  name: "a program that is the index of a directory, or a compressed file beside another, is not sent",
  ignore,
  async fn(t) {
    await using site = await cgiSite({
      "php/index.php": "<?php SECRET",
      "php/old.txt": "old",
      "cgi/index.cgi": PROGRAM,
      "link/": "",
      "link/a.txt": "plain",
      "a.txt": "plain",
      "a.txt.gz": PROGRAM,
      "cgi-bin/run.sh": PROGRAM,
    }, [
      ...["--cgi", "--cgi-ext", ".cgi,.gz", "--cgi-map", ".php=/bin/true", "--precompressed"],
      ...["--index", "index.php", "--index", "index.cgi", "--index", "index.html"],
    ]);
    await Deno.symlink(site.tree.at("cgi-bin/run.sh"), site.tree.at("link/index.html"));
    for (const target of ["/php/", "/cgi/", "/link/", "/a.txt"]) {
      for (
        const headers of [[], ["Accept-Encoding: gzip"], ["Range: bytes=0-"], [
          "Accept-Encoding: gzip",
          "If-None-Match: x",
        ]]
      ) {
        await t.step(`${target} ${headers}`, async () => {
          const response = await ask(site.port, "GET", target, ...headers);
          assertEquals([response.text.includes("SECRET"), response.headers.has("content-encoding")], [false, false]);
        });
      }
    }
    assertEquals((await ask(site.port, "GET", "/a.txt", "Accept-Encoding: gzip")).text, "plain");
    assertEquals((await ask(site.port, "GET", "/link/index.html")).text, "ran");
  },
});

Deno.test({
  name: "one program served as a site of one file runs by its name, and is not sent as the start page",
  ignore,
  async fn() {
    await using tree = await tempTree({ "x.cgi": PROGRAM });
    await Deno.chmod(tree.at("x.cgi"), 0o755);
    const features = [cgiFeature({ directories: [], extensions: [".cgi"] })];
    const fetch = toFetch(fileServer(tree.at("x.cgi"), { features, log: false }));
    const asked = async (path: string) => await (await fetch(new Request(`http://localhost${path}`))).text();
    assertEquals(await asked("/x.cgi"), "ran");
    assertEquals((await asked("/")).includes("SECRET"), false);
  },
});

Deno.test({
  name: "below a mount and through links, programs run and are not sent",
  ignore,
  async fn() {
    await using tree = await tempTree({
      "cgi-bin/x.sh": PROGRAM,
      "plain/index.html": PROGRAM,
      "outside/y.sh": PROGRAM,
    });
    await using root = await tempTree({ "a.txt": "content" });
    for (const name of ["cgi-bin/x.sh", "plain/index.html", "outside/y.sh"]) await Deno.chmod(tree.at(name), 0o755);
    await Deno.symlink(tree.at("outside"), root.at("cgi-bin"));
    await Deno.symlink(tree.at("outside/y.sh"), root.at("index.html"));
    const options = { extensions: [".html"] };
    const source = disk(tree.path);
    const mounted = chain(
      mount("/app", chain(cgi(source, options), files(cgiContent(source, options)))),
      fileServer(root.path, { followLinks: true, features: [cgiFeature()], log: false }),
    );
    const fetch = toFetch(mounted);
    const asked = async (path: string) => {
      const response = await fetch(new Request(`http://localhost${path}`));
      return [response.status, (await response.text()).replace(/^(?!ran|content).*$/s, "")];
    };
    assertEquals(await asked("/app/cgi-bin/x.sh"), [200, "ran"]);
    assertEquals(await asked("/app/plain/index.html"), [200, "ran"]);
    assertEquals(await asked("/app/plain/"), [404, ""]);
    assertEquals(await asked("/cgi-bin/y.sh"), [200, "ran"]);
    assertEquals(await asked("/index.html"), [200, "ran"], "a link to a program");
    assertEquals(await asked("/"), [200, "ran"], "as the start page it runs");
    assertEquals(await asked("/a.txt"), [200, "content"]);
  },
});

Deno.test({
  name: "content that becomes a program and back is treated as what it is now, even if it was cached",
  ignore,
  async fn() {
    const files = { "a": "content", "a.txt": "content", "cgi-bin/run.sh": PROGRAM };
    await using site = await cgiSite(files, ["--cgi"], { clockAhead: true });
    await settleTimes(site.tree.at("a.txt"));
    const name = site.tree.at("link");
    for (let round = 0; round < 2; round++) {
      await Deno.symlink(site.tree.at("a.txt"), name);
      for (let i = 0; i < 3; i++) assertEquals((await ask(site.port, "GET", "/link")).text, "content");
      await Deno.remove(name);
      await Deno.symlink(site.tree.at("cgi-bin/run.sh"), name);
      for (let i = 0; i < 3; i++) assertEquals((await ask(site.port, "GET", "/link")).text, "ran");
      await Deno.remove(name);
    }
  },
});

Deno.test({
  name: "a program that becomes the index of a directory replaces a cached index page",
  ignore,
  async fn() {
    await using tree = await oldTree({ "a.txt": "", "index.html": "content" });
    const features = [cgiFeature({ extensions: [".cgi"], index: ["index.cgi"] })];
    const fetch = toFetch(fileServer(tree.path, { features, log: false }));
    const asked = async () => await (await fetch(new Request("http://localhost/"))).text();
    for (let i = 0; i < 3; i++) assertEquals(await asked(), "content");
    await Deno.writeTextFile(tree.at("index.cgi"), PROGRAM);
    await Deno.chmod(tree.at("index.cgi"), 0o755);
    assertEquals(await asked(), "ran");
    await endAllScripts();
  },
});

Deno.test({
  name: "a program with a local redirect runs each time: the target's response is not cached under its path",
  ignore,
  async fn() {
    const files = {
      "a.txt": "content",
      "sub/b.txt": "content",
      "cgi-bin/on.sh": "#!/bin/sh\necho x >> ran\nprintf 'Location: /%s\\n\\n' \"$QUERY_STRING\"\n",
    };
    await using tree = await oldTree(files);
    await Deno.chmod(tree.at("cgi-bin/on.sh"), 0o755);
    const fetch = toFetch(fileServer(tree.path, { features: [cgiFeature()], log: false }));
    const fetched = async (path: string) => (await (await fetch(new Request(`http://localhost${path}`))).text());
    for (let i = 0; i < 4; i++) {
      assertEquals(await fetched("/cgi-bin/on.sh?a.txt"), "content");
      assertEquals((await fetched("/cgi-bin/on.sh?sub/")).includes("b.txt"), true);
    }
    assertEquals((await Deno.readTextFile(tree.at("cgi-bin/ran"))).length, 16);
    await endAllScripts(); // a redirect is followed before the program has exited
  },
});

Deno.test({
  name: "a link to a program is never opened as content, whatever it leads to meanwhile",
  ignore,
  async fn() {
    const path = SitePath.root.child("a.txt")!;
    const seen = new Set<string>();
    await atEachStep(async () => {
      const tree = await tempTree({ "run.cgi": PROGRAM, "plain.txt": "plain" });
      Deno.symlinkSync("run.cgi", tree.at("a.txt"));
      const exchange = exchangeOf(tree.at("a.txt"), (beside) => Deno.symlinkSync("plain.txt", beside));
      const content = cgiContent(disk(tree.path), { extensions: [".cgi"] });
      return {
        exchange,
        work: async () => void seen.add(await textOrReason(content, path)),
        check: async () => await tree[Symbol.asyncDispose](),
      };
    });
    assertEquals([...seen].sort(), ["FileChanged", "not there", "plain"]);
  },
});

async function textOrReason(source: FileSource, path: SitePath): Promise<string> {
  try {
    const stat = await source.stat(path);
    if (stat === null) return "not there";
    using file = await source.open(path, stat);
    const bytes = new Uint8Array(stat.size);
    return new TextDecoder().decode(bytes.subarray(0, await file.read(0, bytes)));
  } catch (error) {
    return error instanceof Error ? error.name : String(error);
  }
}
