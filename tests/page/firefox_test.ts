/** The main paths of the page in Firefox. */

import { assertEquals } from "@std/assert";
import { FIREFOX, launchFirefox } from "../support/firefox.ts";
import { missing } from "../support/programs.ts";
import { start } from "../support/command.ts";
import { tempTree } from "../support/tree.ts";

/** What each step has at hand. */
const TOOLS = `
  const $ = (selector) => document.querySelector(selector);
  const all = (selector) => [...document.querySelectorAll(selector)];
  const until = async (find, what = String(find)) => {
    for (const end = performance.now() + 15_000; performance.now() < end;) {
      const found = find();
      if (found) return found;
      await new Promise((done) => setTimeout(done, 20));
    }
    throw new Error("Not in time: " + what);
  };
  const named = (selector, text) => until(() => all(selector).find((element) => element.textContent.trim() === text), text);
  const type = (field, text) => {
    field.value = text;
    field.dispatchEvent(new InputEvent("input", { bubbles: true }));
  };
  const names = () => all("tbody .name bdi").map(({ textContent }) => textContent).join(" ");
  const choose = async (name, item) => {
    (await named("tbody .name bdi", name)).closest("tr").querySelector(".more button").click();
    (await named("[role=menuitem]", item)).click();
  };
`;

const STEPS: readonly (readonly [name: string, code: string, outcome: string])[] = [
  ["browse", `return names();`, "docs a.txt b.md"],
  ["filter", `type($("[type=search]"), "a."); await until(() => names() === "a.txt"); return names();`, "a.txt"],
  [
    "search",
    `type($("[type=search]"), "deep"); $(".filter").requestSubmit();
     await until(() => names() === "docs/deep.txt"); $(".notice button").click();
     await until(() => names().startsWith("docs ")); return names();`,
    "docs a.txt b.md",
  ],
  [
    "upload",
    `const data = new DataTransfer(); data.items.add(new File(["new"], "c.txt"));
     $("input.files").files = data.files; $("input.files").dispatchEvent(new Event("change"));
     await named("tbody .name bdi", "c.txt"); return await (await fetch("c.txt")).text();`,
    "new",
  ],
  [
    "rename",
    `await choose("c.txt", "Rename"); type(await until(() => $("dialog input")), "d.txt"); $("dialog form").requestSubmit($("dialog .answers button"));
     await named("tbody .name bdi", "d.txt"); return names();`,
    "docs a.txt b.md d.txt",
  ],
  [
    "move",
    `await choose("d.txt", "Move or copy …"); (await named(".folders button", "docs")).click();
     const here = await named("dialog .answers button", "Move here"); await until(() => !here.disabled); here.click();
     await until(() => names() === "docs a.txt b.md"); return await (await fetch("docs/d.txt")).text();`,
    "new",
  ],
  [
    "preview",
    `(await named("tbody .name bdi", "b.md")).closest("a").click();
     const heading = (await until(() => $(".stage .markdown h2"))).textContent; const { title } = document;
     $("dialog.preview").close(); await until(() => location.hash === ""); return heading + ", " + title;`,
    "Title, b.md",
  ],
  ["language", `localStorage.setItem("pyserve.language", "ar"); return "";`, ""],
];

Deno.test({
  name: "Firefox browses, searches, uploads, renames, moves, previews and changes the language",
  ignore: FIREFOX === undefined && missing("firefox-esr"),
  sanitizeOps: false,
  sanitizeResources: false,
  async fn(t) {
    await using tree = await tempTree({ "docs/deep.txt": "deep", "a.txt": "a", "b.md": "# Title" });
    await using profile = await tempTree({});
    await using server = await start([tree.path, "--quiet", "--upload", "--delete"]);
    await using firefox = await launchFirefox(profile.path);
    const base = `http://127.0.0.1:${server.port}/`;
    await firefox.open(base);
    await firefox.run(`${TOOLS} await until(() => $("html.on") && names() === "docs a.txt b.md"); return "";`);
    for (const [name, code, outcome] of STEPS) {
      await t.step(name, async () => assertEquals(await firefox.run(TOOLS + code), outcome));
    }
    await firefox.open(base);
    const words = await firefox.run(
      `${TOOLS} await until(() => $("html.on .summary").textContent); return document.dir + " " + $(".summary").textContent;`,
    );
    assertEquals(words.slice(0, 12), "rtl مجلد واح");
  },
});
