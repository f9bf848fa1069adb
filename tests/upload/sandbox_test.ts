/** Pages among writable files run in a sandbox, however the handlers are composed. */

import { assertEquals } from "@std/assert";
import { join } from "@std/path/join";
import {
  chain,
  disk,
  files,
  fileServer,
  filtered,
  type Handler,
  mount,
  toFetch,
  upload,
  uploadFeatures,
} from "@x/pyserve";
import { cgiContent } from "@x/pyserve/handlers";
import { isVisible, writableIn } from "@x/pyserve/sources";
import { tempTree } from "../support/tree.ts";

/** Ways to let clients write below `root/in` and to serve it, each with the path of the page. */
const WAYS: Readonly<Record<string, readonly [path: string, make: (root: string) => Handler]>> = {
  "upload behind files": ["/in/p.html", (root) => {
    const source = disk(root);
    return chain(files(source), upload(source));
  }],
  "upload in front of files": ["/in/p.html", (root) => {
    const source = disk(root);
    return chain(upload(source), files(source));
  }],
  "upload to what is visible": ["/in/p.html", (root) => {
    const source = disk(root);
    return chain(upload(filtered(source, isVisible)), files(source));
  }],
  "files of what is visible": ["/in/p.html", (root) => {
    const source = disk(root);
    return chain(upload(source), files(filtered(source, isVisible)));
  }],
  "upload to one directory, files without programs": ["/in/p.html", (root) => {
    const content = cgiContent(disk(root), { uploads: ["/in"] });
    return chain(upload(writableIn(content, ["/in"])), files(content));
  }],
  "two sources of one directory": ["/in/p.html", (root) => chain(upload(disk(root)), files(disk(root)))],
  "upload below what is served": [
    "/in/p.html",
    (root) => chain(mount("/up", upload(disk(join(root, "in")))), files(disk(root))),
  ],
  "upload above what is served": [
    "/p.html",
    (root) => chain(mount("/up", upload(disk(root))), files(disk(join(root, "in")))),
  ],
  "a file server behind": [
    "/in/p.html",
    (root) => chain(mount("/up", upload(disk(root))), fileServer(root, { log: false })),
  ],
  "two file servers": [
    "/in/p.html",
    (root) =>
      chain(
        mount("/up", fileServer(root, { log: false, features: uploadFeatures() })),
        fileServer(root, { log: false }),
      ),
  ],
};

for (const [name, [path, make]] of Object.entries(WAYS)) {
  Deno.test(`pages that clients can write run in a sandbox: ${name}`, async () => {
    await using tree = await tempTree({ "in/p.html": "<script>1</script>" });
    const fetch = toFetch(make(tree.path));
    for (const headers of [{}, { "if-none-match": "*" }] as const) {
      const response = await fetch(new Request(`http://localhost${path}`, { headers }));
      await response.body?.cancel();
      assertEquals(response.headers.get("content-security-policy")?.split(" ")[0], "sandbox");
    }
  });
}

Deno.test("the entity tag of an upload's response is that of the served file", async () => {
  await using tree = await tempTree({});
  const source = disk(tree.path);
  const fetch = toFetch(chain(upload(source), files(source)));
  const stored = await fetch(new Request("http://localhost/p.html", { method: "PUT", body: "x" }));
  const sent = await fetch(new Request("http://localhost/p.html", { method: "HEAD" }));
  assertEquals(stored.headers.get("etag")?.replace("W/", ""), sent.headers.get("etag")?.replace("W/", ""));
});

Deno.test("pages run without a sandbox if it is turned off, or if nothing can be written", async () => {
  await using tree = await tempTree({ "in/p.html": "", "input/p.html": "" });
  const policies = async (handler: Handler) => {
    const response = await toFetch(handler)(new Request("http://localhost/p.html"));
    await response.body?.cancel();
    return [response.status, response.headers.get("content-security-policy")];
  };
  const inside = disk(tree.at("in"));
  upload(inside);
  assertEquals(await policies(files(inside, { sandbox: false })), [200, null]);
  assertEquals(await policies(files(disk(tree.at("input")))), [200, null]);
});
