/** Reserved words in queries do not affect pages: a page may have any query. */

import { assert, assertEquals } from "@std/assert";
import {
  archive,
  archives,
  cgiFeature,
  chain,
  checksums,
  disk,
  type Feature,
  files,
  fileServer,
  type FileSource,
  type Handler,
  listing,
  memory,
  mount,
  search,
  searches,
  toFetch,
  uploadFeatures,
  wrap,
} from "@x/pyserve";
import { start } from "../support/command.ts";
import { ask } from "../support/raw.ts";
import { tempTree } from "../support/tree.ts";

const QUERIES = [
  ...["archive=2024", "archive=zip", "archive=zip&name=a.txt", "archive", "q=x", "q", "format=json", "format=2"],
  ...["sort=x", "order=x", "upload=1", "upload=12345678", "sha256", "md5=", "size", "x&archive=tar", "recursive"],
];

const FILES = {
  "index.html": "the page",
  "a.txt": "a",
  "old/index.htm": "the page",
  "plain/a.txt": "a",
  "plain/site/index.html": "the page",
};

const reading = () => [archives(), searches(), checksums()];

/** A custom feature. */
const size: Feature = {
  methods: ["GET"],
  queries: ["size"],
  handler: ({ source }) => async (_request, { target }) => {
    const stat = await source.stat(target.path);
    return stat && new Response(String(stat.size));
  },
};

async function text(door: Handler, target: string, method = "GET"): Promise<string> {
  const response = await toFetch(door)(new Request(`http://localhost${target}`, { method }));
  return `${response.status} ${await response.text()}`;
}

const DOORS: Readonly<Record<string, (source: FileSource) => Handler>> = {
  "a file server": (source) => fileServer(source, { features: [...reading(), size], log: false }),
  "a mount": (source) => {
    return wrap(mount("/", fileServer(source, { features: [...reading(), size], log: false })));
  },
  "a chain": (source) => chain(archive(source), search(source), files(source), listing(source)),
};

for (const [name, open] of Object.entries(DOORS)) {
  Deno.test(`a page keeps its query: ${name}`, async () => {
    const door = open(memory(FILES));
    for (const query of QUERIES) {
      for (const directory of ["/", "/old/", "/plain/site/"]) {
        assertEquals(await text(door, `${directory}?${query}`), "200 the page", query);
        assertEquals(await text(door, `${directory}?${query}`, "HEAD"), "200 ", query);
      }
      const redirect = await toFetch(door)(new Request(`http://localhost/old?${query}`));
      assertEquals([redirect.status, redirect.headers.get("location")], [301, `old/?${query}`]);
    }
  });
}

Deno.test("without a page, the words have pyserve's meaning", async () => {
  const door = DOORS["a file server"]!(memory(FILES));
  assert((await text(door, "/plain/?archive=tar")).startsWith("200 plain/"));
  assertEquals(await text(door, "/plain/?q=a.txt&format=text"), "200 a.txt\n");
  assertEquals(await text(door, "/plain/?format=text"), "200 site/\na.txt\n");
  assertEquals((await text(door, "/plain/?archive=2024")).slice(0, 3), "400");
  assert((await text(door, "/index.html?sha256")).endsWith("  index.html\n"));
  assertEquals(await text(door, "/index.html?sha256=1"), "200 the page"); // with a value it is the page's own
  assertEquals(await text(door, "/index.html?archive=zip"), "200 the page");
  assertEquals(await text(door, "/a.txt?size"), "200 1");
});

Deno.test("a directory with a page can be packed as an entry of another, under its name", async () => {
  const fetch = toFetch(DOORS["a file server"]!(memory(FILES)));
  const response = await fetch(new Request("http://localhost/plain/?archive=tar&name=site"));
  assertEquals(response.headers.get("content-disposition"), 'attachment; filename="site.tar"');
  assert((await response.text()).includes("plain/site/index.html"));
});

Deno.test("custom index names count as pages", async () => {
  const options = { index: ["start.txt"], features: reading(), log: false } as const;
  const door = fileServer(memory({ "start.txt": "the page", "plain/index.html": "no page" }), options);
  assertEquals(await text(door, "/?archive=zip"), "200 the page");
  assert((await text(door, "/plain/?archive=tar")).startsWith("200 plain/"));
});

Deno.test(
  { name: "a program that is an index keeps its query", ignore: Deno.build.os === "windows" },
  async () => {
    await using tree = await tempTree({
      "p/index.cgi": '#!/bin/sh\necho Content-Type: text/plain; echo; printf "%s" "$QUERY_STRING"\n',
    });
    await Deno.chmod(tree.at("p/index.cgi"), 0o755);
    const programs = cgiFeature({ extensions: [".cgi"], index: ["index.cgi"] });
    for (const features of [[...reading(), size, programs], [programs, size, ...reading()]]) {
      const door = fileServer(disk(tree.path), { features, log: false });
      for (const query of QUERIES) assertEquals(await text(door, `/p/?${query}`), `200 ${query}`);
    }
    await programs.end!();
  },
);

Deno.test("a page keeps its query beside uploads, out of the cache, and over HTTP/1.0", async () => {
  await using tree = await tempTree(FILES);
  const beside = fileServer(tree.path, { features: [...uploadFeatures(), ...reading()], log: false });
  for (const query of QUERIES) assertEquals(await text(beside, `/?${query}`), "200 the page", query);
  for (const args of [[], ["--protocol", "HTTP/1.0"], ["--upload"], ["--cache-size", "0"]]) {
    await using command = await start([tree.path, ...args]);
    for (const query of QUERIES) {
      for (let i = 0; i < 2; i++) {
        const { status, text } = await ask(command.port, "GET", `/?${query}`);
        assertEquals([status, text], [200, "the page"], `${args} ${query}`);
      }
    }
  }
  assertEquals(await text(beside, "/a.txt?upload=12345678"), "200 a");
  assertEquals((await text(beside, "/a.txt?upload=12345678", "HEAD")).slice(0, 3), "404"); // as clients of uploads ask
  assertEquals((await text(beside, "/new.txt?upload=12345678")).slice(0, 3), "404");
  await using single = await start([tree.at("index.html")]);
  for (const query of QUERIES) assertEquals((await ask(single.port, "GET", `/?${query}`)).text, "the page", query);
});
