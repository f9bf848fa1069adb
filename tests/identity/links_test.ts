/** Symlinks in what a user may write to do not lead to more than the user may do at their targets. */

import { assert, assertEquals } from "@std/assert";
import { disk, fileServer, toFetch, union, uploadFeatures } from "../../mod.ts";
import { auth } from "../../handlers/identity/auth.ts";
import { environmentUser } from "../../handlers/identity/users.ts";
import { tempTree } from "../support/tree.ts";

const OPTIONS = { ignore: Deno.build.os === "windows" };

const HEADERS = { authorization: `Basic ${btoa("ann:correct horse")}` };

async function siteWithLinks(mounted: boolean) {
  const tree = await tempTree({ "pub/own/a.txt": "a", "team/secret.txt": "secret", "team/sub/b.txt": "b" });
  await Deno.symlink("../team", tree.at("pub/link"));
  await Deno.symlink("own", tree.at("pub/alias"));
  await Deno.symlink("../team/secret.txt", tree.at("pub/file"));
  const source = mounted ? union({ "/m": disk(tree.path) }) : disk(tree.path);
  const prefix = mounted ? "/m" : "";
  const rules = [`users:all@${prefix}/pub`, `users:none@${prefix}/team`];
  const features = uploadFeatures({ rights: { create: true, change: true } });
  const fetch = toFetch(
    fileServer(source, {
      features,
      layers: [auth({ users: environmentUser("ann:correct horse"), rules })],
      log: false,
    }),
  );
  const send = async (method: string, path: string, init: RequestInit = {}) => {
    const response = await fetch(
      new Request(`http://localhost${prefix}${path}`, { method, ...init, headers: { ...HEADERS, ...init.headers } }),
    );
    return { status: response.status, text: await response.text() };
  };
  return Object.assign(tree, { send, prefix });
}

/** Everything in a tree, as text. */
async function snapshot(path: string): Promise<string[]> {
  const all: string[] = [];
  for await (const { name, isDirectory, isFile } of Deno.readDir(path)) {
    all.push(isFile ? `${name}=${await Deno.readTextFile(`${path}/${name}`)}` : name);
    if (isDirectory) all.push(...(await snapshot(`${path}/${name}`)).map((below) => `${name}/${below}`));
  }
  return all.sort();
}

for (const mounted of [false, true]) {
  Deno.test(`no method writes or reads through a link${mounted ? ", in a union" : ""}`, OPTIONS, async () => {
    await using site = await siteWithLinks(mounted);
    const { send, prefix } = site;
    const before = await snapshot(site.at("team"));
    const destination = (path: string) => ({ headers: { destination: prefix + path } });
    const form = new FormData();
    form.append("file", new File(["x"], "x.txt"));
    const attempts: [string, string, RequestInit?][] = [
      ["PUT", "/pub/link/x.txt", { body: "x" }],
      ["PUT", "/pub/link/new/x.txt", { body: "x" }],
      ["PUT", "/pub/link/secret.txt?on-conflict=overwrite", { body: "x" }],
      ["POST", "/pub/link/", { body: form }],
      ["MKCOL", "/pub/link/dir"],
      ["DELETE", "/pub/link/secret.txt"],
      ["DELETE", "/pub/link/sub/"],
      ["MOVE", "/pub/link/secret.txt", destination("/pub/own/stolen.txt")],
      ["MOVE", "/pub/own/a.txt", destination("/pub/link/a.txt")],
      ["COPY", "/pub/link/secret.txt", destination("/pub/own/stolen.txt")],
      ["COPY", "/pub/file", destination("/pub/own/stolen.txt")],
      ["COPY", "/pub/link/", destination("/pub/own/stolen/")],
      ["COPY", "/pub/own/a.txt", destination("/pub/link/a.txt")],
      ["PATCH", "/pub/link/x.txt", {
        body: "x",
        headers: { "content-type": "application/partial-upload", "upload-offset": "0" },
      }],
      ["POST", "/pub/link/x.txt", { headers: { "tus-resumable": "1.0.0", "upload-length": "1" } }],
    ];
    for (const [method, path, init] of attempts) {
      const { status, text } = await send(method, path, init);
      assert(status >= 400 && status < 500, `${method} ${path}: ${status} ${text}`);
      assertEquals(await snapshot(site.at("team")), before, `${method} ${path}`);
      assert(!text.includes("secret="), text);
    }
    assertEquals(await snapshot(site.at("pub/own")), ["a.txt=a"]);
    for (
      const path of ["/pub/file", "/pub/link/", "/pub/link/secret.txt", "/pub/link/?archive=tar", "/pub/file?sha256"]
    ) {
      assertEquals((await send("GET", path)).status, 404, path);
    }
  });

  Deno.test(
    `a link inside of what a user may write to is followed${mounted ? ", in a union" : ""}`,
    OPTIONS,
    async () => {
      await using site = await siteWithLinks(mounted);
      assertEquals((await site.send("PUT", "/pub/alias/x.txt", { body: "x" })).status, 201);
      assertEquals((await site.send("GET", "/pub/alias/x.txt")).text, "x");
      assertEquals(await snapshot(site.at("pub/own")), ["a.txt=a", "x.txt=x"]);
    },
  );
}
