/** Uploading with the page: the file arrives unchanged, whatever happens on the way. */

import { assert, assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import { IN_BROWSER, launch, newPage, openFolder, type Page, shownNames } from "../support/browser.ts";
import { type RunningCommand, start } from "../support/command.ts";
import { tempTree } from "../support/tree.ts";
import { noise } from "../support/bytes.ts";

async function shows(page: Page, text: string | RegExp): Promise<void> {
  await page.locator(".uploads h2", { hasText: text }).waitFor();
}

/** Waits for the end and closes the panel, so that what it shows next is new. */
async function uploaded(page: Page, text: string): Promise<void> {
  await shows(page, text);
  await page.locator(".uploads").getByRole("button", { name: "Close" }).click();
  await page.locator(".uploads").waitFor({ state: "hidden" });
}

/** Throttles the page, so that there is time to act during an upload. */
async function slow(page: Page, bytesPerSecond: number) {
  const session = await page.context().newCDPSession(page);
  const conditions = { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: bytesPerSecond };
  await session.send("Network.emulateNetworkConditions", conditions);
  return () => session.send("Network.emulateNetworkConditions", { ...conditions, uploadThroughput: -1 });
}

async function partsIn(path: string): Promise<string[]> {
  const names = await Array.fromAsync(Deno.readDir(path), ({ name }) => name);
  return names.filter((name) => name.startsWith(".pyserve-"));
}

Deno.test({
  name: "files and folders are uploaded by choosing, dropping and pasting, with a question about conflicts",
  ...IN_BROWSER,
  async fn(t) {
    const large = noise(3_000_000);
    await using from = await tempTree({
      "a.txt": "from a",
      "large.bin": large,
      "#?% ü.txt": "odd",
      "folder/inner/b.txt": "from b",
      "folder/c.txt": "from c",
      "folder/.DS_Store": "litter",
      "folder/empty/": "",
    });
    await using to = await tempTree();
    await using server = await start([to.path, "--quiet", "--upload", "--delete"]);
    await using browser = await launch();
    const base = `http://127.0.0.1:${server.port}`;
    const page = await newPage(browser, base);
    const choose = (...names: string[]) =>
      page.locator("input.files").setInputFiles(names.map((name) => from.at(name)));
    const question = page.locator("dialog", { hasText: "The name is taken" });
    await openFolder(page, `${base}/`);
    await page.locator(".empty", { hasText: "Drop files here" }).waitFor();

    await t.step("several files that are chosen", async () => {
      await choose("a.txt", "large.bin", "#?% ü.txt");
      await uploaded(page, "3 files uploaded");
      assertEquals(await Deno.readFile(to.at("large.bin")), large);
      assertEquals(await Deno.readTextFile(to.at("#?% ü.txt")), "odd");
      await page.locator("tbody .name", { hasText: "large.bin" }).waitFor();
      assertEquals(await shownNames(page), ["#?% ü.txt", "a.txt", "large.bin"]);
    });
    await t.step("a name that is taken: skip, keep both, replace", async () => {
      await Deno.writeTextFile(from.at("a.txt"), "newer");
      await choose("a.txt");
      await question.waitFor();
      const sides = await question.locator("figure").allTextContents();
      assertEquals(sides.map((side) => side.replace(/ B, .*(?=from|newer)/, ": ")), [
        "On the server6: from a",
        "Your file5: newer",
      ]);
      await question.getByRole("button", { name: "Skip" }).click();
      await uploaded(page, "0 files uploaded");
      assertEquals(await Deno.readTextFile(to.at("a.txt")), "from a");
      await choose("a.txt");
      await question.getByRole("button", { name: "Keep both" }).click();
      await uploaded(page, "1 file uploaded");
      assertEquals(await Deno.readTextFile(to.at("a (1).txt")), "newer");
      await choose("a.txt", "large.bin", "#?% ü.txt");
      await page.getByLabel("Do the same for all conflicts").check();
      await question.getByRole("button", { name: "Replace" }).click();
      await uploaded(page, "3 files uploaded");
      assertEquals(await Deno.readTextFile(to.at("a.txt")), "newer");
      assertEquals(await partsIn(to.path), []);
    });
    await t.step("a large file once more, as a second copy", async () => {
      for (const name of ["large (1).bin", "large (2).bin"]) {
        await choose("large.bin");
        await question.getByRole("button", { name: "Keep both" }).click();
        await uploaded(page, "1 file uploaded");
        assertEquals(await Deno.readFile(to.at(name)), large);
      }
    });
    await t.step("a folder that is chosen", async () => {
      await page.locator("input.folder").setInputFiles(from.at("folder"));
      await uploaded(page, "2 files uploaded");
      assertEquals(await Deno.readTextFile(to.at("folder/inner/b.txt")), "from b");
      await Deno.remove(to.at("folder"), { recursive: true });
    });
    await t.step("a folder that is dropped, with the empty one in it", async () => {
      const session = await page.context().newCDPSession(page);
      const made = page.waitForResponse((response) => response.url().endsWith("/folder/empty/"));
      const data = { items: [], files: [from.at("folder")], dragOperationsMask: 1 };
      for (const type of ["dragEnter", "dragOver", "drop"] as const) {
        await session.send("Input.dispatchDragEvent", { type, x: 400, y: 400, data });
        if (type === "dragOver") await page.locator(".veil", { hasText: "Drop to upload" }).waitFor();
      }
      await uploaded(page, "2 files uploaded");
      assertEquals((await made).status(), 201);
      assertEquals(await Deno.readTextFile(to.at("folder/c.txt")), "from c");
      assertEquals((await Deno.stat(to.at("folder/empty"))).isDirectory, true);
      assertEquals(
        await Array.fromAsync(Deno.readDir(to.at("folder")), ({ name }) => name).then((names) => names.sort()),
        [
          "c.txt",
          "empty",
          "inner",
        ],
      );
    });
    await t.step("a picture that is pasted gets a name", async () => {
      await page.evaluate(`(() => {
        const data = new DataTransfer();
        data.items.add(new File(["pixels"], "image.png", { type: "image/png" }));
        document.body.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true }));
      })()`);
      await page.locator("tbody .name", { hasText: /^pasted .*\.png$/ }).first().waitFor();
    });
    await t.step("a new folder, another name, and gone", async () => {
      await page.getByRole("button", { name: "New folder" }).click();
      await page.getByLabel("Name", { exact: true }).fill("made here");
      await page.keyboard.press("Enter");
      await page.locator("tbody a:focus", { hasText: "made here" }).waitFor();
      await page.keyboard.press("F2");
      await page.getByLabel("New name").fill("a/b");
      assertEquals(
        await page.getByLabel("New name").evaluate((input: unknown) =>
          (input as { validationMessage: string }).validationMessage
        ),
        "A name cannot contain a slash",
      );
      await page.getByLabel("New name").fill("renamed #1");
      await page.keyboard.press("Enter");
      await page.locator("tbody a:focus", { hasText: "renamed #1" }).waitFor();
      await Deno.writeTextFile(to.at("renamed #1/inside"), "x");
      await page.keyboard.press("Delete");
      await page.getByRole("button", { name: "Delete", exact: true }).click();
      await page.locator("tbody a", { hasText: "renamed #1" }).waitFor({ state: "detached" });
      assertEquals(
        await Array.fromAsync(Deno.readDir(to.path), ({ name }) => name).then((all) => all.includes("renamed #1")),
        false,
      );
    });
    await t.step("what cannot be done says why", async () => {
      await page.getByRole("button", { name: "New folder" }).click();
      await page.getByLabel("Name", { exact: true }).fill("folder");
      await page.keyboard.press("Enter");
      await page.locator(".toast.failed", { hasText: 'The name "folder" is taken' }).waitFor();
    });
    assertEquals(page.problems, []);
  },
});

Deno.test({
  name: "an upload can be paused, resumed after the end of the server or a visit, and cancelled",
  ...IN_BROWSER,
  async fn(t) {
    const content = noise(4_000_000);
    await using from = await tempTree({ "movie.bin": content, "other.bin": noise(24_000_000) });
    await using to = await tempTree();
    let server: RunningCommand = await start([to.path, "--upload"]);
    try {
      await using browser = await launch();
      const { port } = server;
      const base = `http://127.0.0.1:${port}`;
      const page = await newPage(browser, base);
      await openFolder(page, `${base}/`);
      let last: Page = page;
      const sent = async (text: RegExp) =>
        await page.locator(".uploads li .facts", { hasText: text }).first().waitFor();

      await t.step("the server is killed in the middle, and restarted", async () => {
        const unlimited = await slow(page, 1_000_000);
        await page.locator("input.files").setInputFiles(from.at("movie.bin"));
        await sent(/^\d+(?:\.\d+)? MiB of/);
        await page.locator(".uploads .facts", { hasText: /\/s · .* left/ }).first().waitFor();
        await server.stop("SIGKILL");
        await page.locator(".uploads li", { hasText: "retrying" }).waitFor();
        assertEquals(
          await Array.fromAsync(Deno.readDir(to.path), ({ name }) => name).then((names) => names.includes("movie.bin")),
          false,
        );
        server = await start([to.path, "--upload", String(port)]);
        await unlimited();
        await uploaded(page, "1 file uploaded");
        assertEquals(await Deno.readFile(to.at("movie.bin")), content);
        assertEquals(await partsIn(to.path), []);
        assert(/PATCH \/movie\.bin/.test(server.stderr()));
      });
      await t.step("it is paused and resumed", async () => {
        const unlimited = await slow(page, 1_000_000);
        await page.locator("input.files").setInputFiles(from.at("other.bin"));
        await sent(/^\d+(?:\.\d+)? MiB of/);
        await page.getByRole("button", { name: "Pause" }).click();
        await shows(page, "Paused");
        await page.locator(".uploads li", { hasText: "paused" }).waitFor();
        assertEquals((await partsIn(to.path)).length, 1);
        await page.getByRole("button", { name: "Resume" }).click();
        await shows(page, "Uploading");
        await unlimited();
      });
      await t.step("a later visit resumes it when it is given the same file", async () => {
        await uploaded(page, "uploaded");
        await Deno.remove(to.at("other.bin"));
        await openFolder(page, `${base}/`);
        await Deno.utime(from.at("other.bin"), 1_700_000_000, 1_700_000_000);
        await slow(page, 1_000_000);
        await page.locator("input.files").setInputFiles(from.at("other.bin"));
        await sent(/^\d+(?:\.\d+)? MiB of/);
        const next = await page.context().newPage();
        await page.close();
        await openFolder(next, `${base}/`);
        const offsets: number[] = [];
        next.on("request", (request) => {
          const offset = request.headers()["upload-offset"];
          if (offset !== undefined) offsets.push(Number(offset));
        });
        await next.locator("input.files").setInputFiles(from.at("other.bin"));
        await uploaded(next, "1 file uploaded");
        assertEquals(await Deno.readFile(to.at("other.bin")), await Deno.readFile(from.at("other.bin")));
        assert(offsets[0]! > 500_000, `it began at ${offsets}`);
        last = next;
      });
      await t.step("it is cancelled, and nothing is left", async () => {
        await openFolder(last, `${base}/`);
        await slow(last, 500_000);
        await last.locator("input.files").setInputFiles({
          name: "unwanted.bin",
          mimeType: "",
          buffer: Buffer.alloc(4_000_000),
        });
        await last.locator(".uploads li .facts", { hasText: /^\d{3} KiB of/ }).waitFor();
        const forgotten = last.waitForResponse((response) => response.request().method() === "DELETE");
        await last.getByRole("button", { name: "Cancel: unwanted.bin" }).click();
        assertEquals((await forgotten).status(), 204);
        assertEquals(await partsIn(to.path), []);
      });
    } finally {
      await server.stop("SIGKILL");
    }
  },
});

Deno.test({
  name: "without script a form uploads, and without the right there is no form",
  ...IN_BROWSER,
  async fn() {
    await using from = await tempTree({ "a.txt": "one", "b.txt": "two" });
    await using to = await tempTree();
    await using browser = await launch();
    {
      await using server = await start([to.path, "--quiet", "--upload"]);
      const base = `http://127.0.0.1:${server.port}`;
      const page = await newPage(browser, base, { javaScriptEnabled: false });
      await page.goto(`${base}/`);
      await page.getByLabel("Upload files").setInputFiles([from.at("a.txt"), from.at("b.txt")]);
      await page.getByRole("button", { name: "Upload", exact: true }).click();
      await page.getByRole("link", { name: "b.txt" }).waitFor();
      assertEquals(await Deno.readTextFile(to.at("a.txt")), "one");
      await page.getByLabel("Search here and below").fill("a.t");
      await page.getByRole("button", { name: "Search" }).click();
      await page.getByText("1 found.").waitFor();
      assertEquals(page.problems, []);
    }
    await using server = await start([to.path, "--quiet"]);
    const base = `http://127.0.0.1:${server.port}`;
    const page = await newPage(browser, base);
    await openFolder(page, `${base}/`);
    assertEquals(await page.getByRole("button", { name: /Upload|New folder/ }).count(), 0);
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Delete");
    await page.keyboard.press("F2");
    assertEquals(await page.locator("dialog[open]").count(), 0);
    assertEquals(page.problems, []);
  },
});
