/** sendContent: it sends only bytes of the file, and leaves nothing open. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { disk, files, type FileSource, memory, toFetch } from "@x/pyserve";
import { sendContent } from "@x/pyserve/handlers";
import { tempTree } from "../support/tree.ts";
import { watched } from "../support/watched.ts";

const LARGE = "x".repeat(200_000);

/** A source that does something between opening a file and reading it, once. */
function betweenOpenAndRead(source: FileSource, change: () => void): FileSource {
  let changed = false;
  return {
    ...source,
    stat: (path) => source.stat(path),
    list: (path) => source.list(path),
    async open(path, seen) {
      const file = await source.open(path, seen);
      if (!changed) change();
      changed = true;
      return file;
    },
  };
}

for (const name of ["a.txt", "a.html"]) { // the type of one is known, the other is searched for a declaration
  for (const range of [null, "bytes=0-8", "bytes=0-1,4-8"]) {
    Deno.test(`a file that shrinks between open and read is not padded: ${name}, ${range ?? "whole"}`, async () => {
      await using tree = await tempTree({ [name]: "0123456789" });
      const source = betweenOpenAndRead(disk(tree.path), () => Deno.truncateSync(tree.at(name), 4));
      const fetch = toFetch(files(source));
      const response = await fetch(
        new Request(`http://localhost/${name}`, { headers: range === null ? {} : { range } }),
      );
      const text = await response.text();
      assert(!text.includes("\0"), JSON.stringify(text));
      if (range === null) assertEquals([response.status, text], [200, "0123"]);
      assertEquals(response.headers.get("content-length"), String(text.length));
    });
  }
  Deno.test(`a large file that shrinks between open and read aborts the response: ${name}`, async () => {
    await using tree = await tempTree({ [name]: LARGE });
    const source = betweenOpenAndRead(disk(tree.path), () => Deno.truncateSync(tree.at(name), 100_000));
    const response = await toFetch(files(source))(new Request(`http://localhost/${name}`));
    assertEquals(response.headers.get("content-length"), String(LARGE.length));
    await assertRejects(() => response.bytes(), Error, "truncated");
  });
}

/** Responses, and what is done with them; afterwards nothing is open, immediately. */
const ENDS: readonly (readonly [what: string, init: RequestInit, end: (response: Response) => Promise<unknown>])[] = [
  ["read", {}, (response) => response.bytes()],
  ["cancelled before it is read", {}, (response) => response.body!.cancel()],
  ["cancelled while it is read", {}, async (response) => {
    const reader = response.body!.getReader();
    await reader.read();
    await reader.cancel();
  }],
  ["HEAD", { method: "HEAD" }, () => Promise.resolve()],
  ["a range", { headers: { range: "bytes=0-99999" } }, (response) => response.body!.cancel()],
  ["ranges", { headers: { range: "bytes=0-9,20-99999" } }, (response) => response.body!.cancel()],
  ["unsatisfiable", { headers: { range: "bytes=300000-" } }, (response) => response.body!.cancel()],
  [
    "not modified by date",
    { headers: { "if-modified-since": "Sat, 01 Jan 2050 00:00:00 GMT" } },
    () => Promise.resolve(),
  ],
  ["a failed condition", { headers: { "if-match": '"x"' } }, (response) => response.body!.cancel()],
];

for (const name of ["big.txt", "big.html", "small.txt", "small.html", "empty.html"]) {
  for (const [what, init, end] of ENDS) {
    Deno.test(`nothing is left open: ${name}, ${what}`, async () => {
      const content = { "big.txt": LARGE, "big.html": LARGE, "small.txt": "s", "small.html": "s", "empty.html": "" };
      const source = watched(memory(content));
      const response = await toFetch(files(source))(new Request(`http://localhost/${name}`, init));
      if (response.body !== null) await end(response);
      assertEquals(source.openFiles(), 0);
    });
  }
}

Deno.test("content that cannot be read is closed, and its error reported", async () => {
  for (const typeOf of [undefined, () => "text/html"]) {
    for (const method of ["GET", "HEAD"]) {
      let closed = 0;
      const failing = () => ({
        read(): number {
          throw new Error("The disk is on fire");
        },
        [Symbol.dispose]: () => void closed++,
      });
      const size = 100_000;
      const content = {
        type: "text/plain",
        size,
        modified: null,
        etag: null,
        open: failing,
        ...(typeOf && { typeOf }),
      };
      const sent = async () => {
        const response = await sendContent(new Request("http://localhost/", { method }), content);
        await response.body?.getReader().read();
      };
      if (method === "HEAD" && typeOf === undefined) await sent();
      else await assertRejects(sent, Error, "on fire");
      assertEquals(closed, 1, `${method} ${typeOf}`);
    }
  }
});
