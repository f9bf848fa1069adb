/** Relative references between paths of the site. */

import { assert, assertEquals } from "@std/assert";
import { parseTarget, Refusal, relativeReference, type SitePath } from "@x/pyserve/http";

interface Row {
  readonly from: string;
  readonly to: string;
  readonly gets: string;
  readonly slash?: boolean;
  readonly query?: string;
}

const ROWS: readonly Row[] = [
  // The slash after a directory's name.
  { from: "/docs", to: "/docs", slash: true, gets: "docs/" },
  { from: "/a/docs?x=1", to: "/a/docs", slash: true, query: "x=1", gets: "docs/?x=1" },
  { from: "/a/docs#f", to: "/a/docs", slash: true, gets: "docs/" },
  { from: "/a%20b", to: "/a b", slash: true, gets: "a%20b/" },
  { from: "/%64ocs", to: "/docs", slash: true, gets: "docs/" },
  { from: "/c:d", to: "/c:d", slash: true, gets: "c%3Ad/" }, // no scheme
  { from: "/\\evil.example", to: "/\\evil.example", slash: true, gets: "%5Cevil.example/" },
  { from: "/%252e%252e", to: "/%2e%2e", slash: true, gets: "%252e%252e/" },
  { from: "/docs", to: "/docs", slash: true, query: 'a="<>\r\n', gets: "docs/?a=%22%3C%3E%0D%0A" },
  // Empty segments are dropped, and never become a host.
  { from: "//evil.example", to: "/evil.example", slash: true, gets: "../evil.example/" },
  { from: "/a//b", to: "/a/b", slash: true, gets: "../b/" },
  { from: "///", to: "/", slash: true, gets: "../../" },
  // Dot segments.
  { from: "/x/../docs", to: "/docs", slash: true, gets: "docs/" },
  { from: "/x/./docs", to: "/x/docs", slash: true, gets: "docs/" },
  { from: "/docs/x/..", to: "/docs", slash: true, gets: "../" },
  { from: "/x/%2e%2e/docs", to: "/docs", slash: true, gets: "docs/" },
  { from: "/x/%2E%2e/docs/y", to: "/other", gets: "/other" }, // two levels up for some clients, three for others
  // The same place, beside it, above it, below it.
  { from: "/docs/", to: "/docs", slash: true, gets: "./" },
  { from: "/", to: "/", slash: true, gets: "./" },
  { from: "/", to: "/a.txt", gets: "a.txt" },
  { from: "/docs/a.txt", to: "/docs/b.txt", gets: "b.txt" },
  { from: "/docs/a.txt", to: "/docs", gets: "../docs" },
  { from: "/docs/a.txt", to: "/", gets: "../" },
  { from: "/docs/a.txt", to: "/other/c", slash: true, gets: "../other/c/" },
  { from: "/a/b/c/d", to: "/a/x/y", gets: "../../x/y" },
  { from: "/big.bin", to: "/big.bin", query: "upload=1", gets: "big.bin?upload=1" },
  { from: "/%zz/x", to: "/", gets: "../" },
  { from: "/x".repeat(300), to: "/", gets: "/" },
];

function pathOf(target: string): SitePath {
  const parsed = parseTarget(target.replace(/[^/]+/g, encodeURIComponent));
  assert(!(parsed instanceof Refusal));
  return parsed.path;
}

Deno.test("relativeReference() resolves from a target to a path", async (t) => {
  for (const { from, to, gets, slash = false, query = "" } of ROWS) {
    await t.step(`${from.slice(0, 40)} -> ${to}`, () => {
      assertEquals(relativeReference(from, pathOf(to), { slash, query }), gets);
    });
  }
});

Deno.test("relativeReference() resolves to the same place below any prefix, as in a browser", () => {
  const prefixes = ["", "/files", "/a/b", "/docs"];
  const names = ["a", "docs", "x y", "c:d", "..%2f", "ä"];
  const paths = ["", ...names, ...names.flatMap((name) => names.map((below) => `${name}/${below}`))];
  const tries = paths.flatMap((from) => paths.flatMap((to) => ["", "/"].map((slash) => ({ from, to, slash }))));
  for (const { from, to, slash } of tries) {
    const sent = `/${from.split("/").map(encodeURIComponent).join("/")}${from && slash}`;
    const path = pathOf(`/${to}`);
    for (const isDirectory of [true, to === ""]) {
      const reference = relativeReference(sent, path, { slash: isDirectory });
      for (const prefix of prefixes) {
        const { host, pathname } = new URL(reference, `http://host${prefix}${sent}`);
        const expected = prefix + path.href + (isDirectory && to !== "" ? "/" : "");
        assertEquals([host, pathname], ["host", expected], `${prefix}${sent} -> ${reference}`);
      }
    }
  }
});
