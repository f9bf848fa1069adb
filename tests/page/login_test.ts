/** Logging in and out in Chromium: the page, going back, what each user may do, and the end of a session in the middle of work. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { hashPassword } from "../../handlers/identity/password.ts";
import { ALL, axeSource, COLOURS, violations } from "../support/axe.ts";
import { type Browser, IN_BROWSER, launch, newPage, openFolder, type Page, shownNames } from "../support/browser.ts";
import { noise } from "../support/bytes.ts";
import { type RunningCommand, start } from "../support/command.ts";
import { nginx } from "../support/nginx.ts";
import { missing } from "../support/programs.ts";
import { type TempTree, tempTree } from "../support/tree.ts";

const PASSWORD = "correct horse";
const FILES = {
  "site/team/plan.txt": "plan",
  "site/team/note.txt": "note",
  "site/team/sub/deep.txt": "deep",
  "site/pub/open.txt": "open",
  "site/team/photo.svg": `<svg xmlns="http://www.w3.org/2000/svg" width="90" height="90"><path d="M0 0h90v90z"/></svg>`,
};

/** An address in a network, of which browsers know that it is not trustworthy; it leads here. */
const NETWORK = "192.0.2.7";

/** ann may do everything, bob may read, and anyone may read `/pub`. */
const RULES = ["ann:all", "bob:read", "anyone:read@/pub", "ann:all@/pub"].flatMap((rule) => ["--access", rule]);

type PageOptions = Parameters<Browser["newPage"]>[0];

/** A server and a browser's window to it. */
interface Site {
  readonly tree: TempTree;
  readonly base: string;
  readonly server: RunningCommand;
  open(options?: PageOptions): ReturnType<typeof newPage>;
}

async function logIn(page: Page, name = "ann", password = PASSWORD) {
  await page.getByLabel("Name", { exact: true }).fill(name);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Log in" }).click();
}

/** A page of a user, with all entries. */
async function pageOf(site: Site, name: string, path = "/team/", options: PageOptions = {}) {
  const page = await site.open(options);
  await page.goto(site.base + path);
  await logIn(page, name);
  await page.waitForURL(site.base + path);
  await openFolder(page, site.base + path);
  return page;
}

/** Whether a page has the focus on an element with this name. */
async function focused(page: Page): Promise<unknown> {
  return await page.evaluate("document.activeElement?.name");
}

/** The user logs out elsewhere in the browser: the session of the open page has ended, here and on the server. */
async function endSession(site: Site, page: Page): Promise<void> {
  const other = await page.context().newPage();
  await other.goto(`${site.base}/.pyserve/login`);
  await other.getByRole("button", { name: "Log out" }).click();
  await other.getByRole("button", { name: "Log in" }).waitFor();
  await other.close();
}

/** What is wrong; Chromium reports each Clear-Site-Data. */
function problemsOf({ problems }: { problems: readonly string[] }): string[] {
  return problems.filter((problem) => !problem.startsWith("Clear-Site-Data"));
}

const dialogOf = (page: Page) => page.getByRole("dialog", { name: "Log in" });

/** Steps with one server over HTTP, and one browser. */
async function sites(t: Deno.TestContext, steps: Readonly<Record<string, (site: Site) => Promise<void>>>) {
  await using stack = new AsyncDisposableStack();
  const browser = stack.use(
    await launch({ keepsPages: true, args: [`--host-resolver-rules=MAP ${NETWORK} 127.0.0.1`] }),
  );
  const hash = await hashPassword(PASSWORD);
  for (const [name, step] of Object.entries(steps)) {
    await t.step(name, async () => {
      await using tree = await tempTree({ ...FILES, "users": `ann:${hash}\nbob:${hash}\n` });
      await Deno.chmod(tree.at("users"), 0o600);
      const args = [tree.at("site"), "--quiet", "--auth", tree.at("users"), "--upload", "--delete", ...RULES];
      const tls = name.includes("HTTPS") ? ["--tls"] : [];
      await using server = await start([...args, ...tls], { env: { XDG_STATE_HOME: tree.at("state") } });
      const host = name.includes("network") ? NETWORK : "localhost";
      const base = `http${tls.length > 0 ? "s" : ""}://${host}:${server.port}`;
      const open = (options: PageOptions = {}) => newPage(browser, base, { ignoreHTTPSErrors: true, ...options });
      try {
        await step({ tree, base, server, open });
      } finally {
        for (const context of browser.contexts()) await context.close();
      }
    });
  }
}

/** After logout, neither the page with the button, nor a page that was seen before, is shown by going back. */
async function goesBackToNothing(site: Site) {
  const page = await pageOf(site, "ann");
  await page.goto(`${site.base}/team/plan.txt`);
  assertEquals(await page.textContent("body"), "plan");
  await openFolder(page, `${site.base}/team/`);
  await page.getByRole("button", { name: "Log out" }).click();
  await page.getByLabel("Password").waitFor();
  for (const to of ["%2Fteam%2F", "%2Fteam%2Fplan.txt"]) {
    await page.goBack();
    assertEquals(page.url(), `${site.base}/.pyserve/login?to=${to}`);
    assert(!/plan|note/.test(await page.locator("body").innerText()));
  }
}

Deno.test({
  name: "logging in and out",
  ...IN_BROWSER,
  async fn(t) {
    await sites(t, {
      "a deep link leads back, and the attributes are those that password managers look for": async (site) => {
        const page = await site.open();
        await page.goto(`${site.base}/team/plan.txt?a=b%20c`);
        const attributes = await page.locator("form input:not([type=hidden])").evaluateAll((inputs) =>
          inputs.map((input) => [input.name, input.type, input.autocomplete])
        );
        assertEquals(attributes, [["username", "text", "username"], ["password", "password", "current-password"]]);
        await logIn(page);
        await page.waitForURL(`${site.base}/team/plan.txt?a=b%20c`);
        assertEquals(await page.textContent("body"), "plan");
      },
      "a wrong password: an alert, the name is kept, and the focus is where to type": async (site) => {
        const page = await site.open();
        await page.goto(`${site.base}/team/`);
        assertEquals(await focused(page), "username");
        await logIn(page, "ann", "wrong");
        await page.getByRole("alert").filter({ hasText: "The name or the password is wrong." }).waitFor();
        assertEquals(await page.getByLabel("Name", { exact: true }).inputValue(), "ann");
        assertEquals(await page.getByLabel("Password").inputValue(), "");
        assertEquals(await focused(page), "password");
        assertEquals(await page.getByLabel("Password").getAttribute("aria-describedby"), "problem");
        await page.keyboard.type(PASSWORD);
        await page.keyboard.press("Enter");
        await page.waitForURL(`${site.base}/team/`);
      },
      "after many failures, it says how long to wait": async (site) => {
        const page = await site.open();
        await page.goto(`${site.base}/team/`);
        for (let i = 0; i < 20; i++) {
          await logIn(page, "ann", `wrong ${i}`);
          await page.getByRole("alert").waitFor();
          if (/Too many/.test(await page.getByRole("alert").innerText())) break;
        }
        assertMatch(await page.getByRole("alert").innerText(), /^Too many failed logins\. Try again in [\w ]+\.$/);
        assertEquals(await page.getByLabel("Name", { exact: true }).inputValue(), "ann");
      },
      "by keyboard alone": async (site) => {
        const page = await site.open();
        await page.goto(`${site.base}/team/`);
        for (const key of ["ann", "Tab", PASSWORD, "Tab"]) {
          await (key === "Tab" ? page.keyboard.press(key) : page.keyboard.type(key));
        }
        assertEquals(await page.evaluate("document.activeElement.textContent"), "Log in");
        await page.keyboard.press("Space");
        await page.waitForURL(`${site.base}/team/`);
        await openFolder(page, page.url());
        await page.getByRole("button", { name: "Log out" }).focus();
        await page.keyboard.press("Enter");
        await page.getByLabel("Password").waitFor();
        assertEquals(await page.context().cookies(), []);
      },
      "without JavaScript": async (site) => {
        const page = await site.open({ javaScriptEnabled: false });
        await page.goto(`${site.base}/team/`);
        await logIn(page, "ann", "wrong");
        await page.getByRole("alert").waitFor();
        await logIn(page);
        await page.getByRole("link", { name: "plan.txt" }).waitFor();
        await page.getByRole("button", { name: "Log out" }).click();
        await page.getByLabel("Password").waitFor();
        await page.goto(`${site.base}/team/`);
        assertMatch(page.url(), /login\?to=%2Fteam%2F$/);
      },
      "controls follow the rights": async (site) => {
        const controls = async (page: Page) => {
          const names = ["Upload", "New folder", "Share …", "Log out"];
          const shown = names.map((name) => page.locator("header").getByRole("button", { name, exact: true }).count());
          const entry = page.getByRole("button", { name: /^Actions for \w+\.txt/ }).first();
          await entry.click();
          const items = await page.getByRole("menuitem").allTextContents();
          return [await Promise.all(shown), ["Rename", "Delete", "Share …"].map((name) => items.includes(name))];
        };
        assertEquals(await controls(await pageOf(site, "ann")), [[1, 1, 1, 1], [true, true, true]]);
        assertEquals(await controls(await pageOf(site, "bob")), [[0, 0, 0, 1], [false, false, false]]);
        const page = await site.open();
        await openFolder(page, `${site.base}/pub/`);
        assertEquals(await controls(page), [[0, 0, 0, 0], [false, false, false]]);
        await page.keyboard.press("Escape");
        await page.getByRole("link", { name: "Log in" }).click();
        await logIn(page);
        await page.waitForURL(`${site.base}/pub/`);
        await page.getByRole("button", { name: "Upload" }).waitFor();
      },
      "a link on another site keeps the session, a form there has none": async (site) => {
        const page = await pageOf(site, "ann");
        const [, port] = /:(\d+)$/.exec(site.base)!;
        await page.route("http://other.example/", (route) =>
          route.fulfill({
            contentType: "text/html",
            body: `<a href="${site.base}/team/">there</a>
              <form method="post" action="http://localhost:${port}/.pyserve/logout"><button>out</button></form>`,
          }));
        await page.goto("http://other.example/");
        await page.getByRole("link").click();
        await page.waitForURL(`${site.base}/team/`);
        await page.getByRole("button", { name: "Log out" }).waitFor();
        await page.goto("http://other.example/");
        await page.getByRole("button").click();
        await page.getByText("Forms of other sites cannot log in or out").waitFor();
        await openFolder(page, `${site.base}/team/`);
      },
      "settings of the page outlast the logout": async (site) => {
        const page = await pageOf(site, "ann");
        await page.getByRole("button", { name: "Tiles" }).click();
        await page.getByRole("button", { name: "Log out" }).click();
        await page.getByLabel("Password").waitFor();
        assertEquals(await page.evaluate("localStorage.getItem('pyserve.view')"), "tiles");
      },
      "going back after logout shows nothing": goesBackToNothing,
      "going back after logout shows nothing, over HTTPS": goesBackToNothing,
      "going back after logout shows nothing, over plain HTTP on a network": goesBackToNothing,
    });
  },
});

Deno.test({
  name: "the login page below the prefix of a proxy",
  ...IN_BROWSER,
  ignore: IN_BROWSER.ignore || missing("nginx"),
  async fn() {
    await using tree = await tempTree(FILES);
    await using server = await start([tree.at("site"), "--quiet", "--auth-env", "U"], {
      env: { U: `ann:${PASSWORD}` },
    });
    await using scratch = await tempTree({});
    await using proxy = await nginx(scratch.path, server.port);
    await using browser = await launch();
    const page = await newPage(browser, proxy.url);
    await page.goto(`${proxy.url}/team/sub/`);
    await logIn(page, "ann", "wrong");
    await page.getByRole("alert").waitFor();
    await logIn(page);
    await page.waitForURL(`${proxy.url}/team/sub/`);
    await openFolder(page, page.url());
    assertEquals(await shownNames(page), ["deep.txt"]);
    await page.context().clearCookies();
    await page.keyboard.press("/");
    await page.keyboard.type("deep");
    await page.keyboard.press("Enter");
    await logIn(page);
    await page.locator(".notice", { hasText: "1 match for “deep” here and below." }).waitFor();
    await page.getByRole("button", { name: "Log out" }).click();
    await page.waitForURL(`${proxy.url}/.pyserve/login`);
    assertEquals(problemsOf(page), []);
  },
});

/** Throttles the page, so that there is time to act during an upload. */
async function slow(page: Page, bytesPerSecond: number) {
  const session = await page.context().newCDPSession(page);
  const conditions = { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: bytesPerSecond };
  await session.send("Network.emulateNetworkConditions", conditions);
  return () => session.send("Network.emulateNetworkConditions", { ...conditions, uploadThroughput: -1 });
}

const uploadsOf = (page: Page) => page.locator(".uploads");

/** The session ends in the middle of a large upload; nothing is lost. */
async function uploadsGoOn(site: Site) {
  const large = noise(40_000_000);
  await using from = await tempTree({ "large.bin": large, "a.txt": "a", "b.txt": "b", "c.txt": "c" });
  const page = await pageOf(site, "ann");
  const offsets: string[] = [];
  page.on("request", (request) => {
    const offset = request.headers()["upload-offset"];
    if (offset !== undefined) offsets.push(offset);
  });
  const unlimited = await slow(page, 20_000_000);
  await page.locator("input.files").setInputFiles(from.at("large.bin"));
  await uploadsOf(page).locator("li .facts", { hasText: /^\d+(?:\.\d+)? MiB of/ }).first().waitFor();
  await endSession(site, page);
  await page.locator("input.files").setInputFiles(["a.txt", "b.txt", "c.txt"].map((name) => from.at(name)));
  await dialogOf(page).waitFor();
  assertEquals(await dialogOf(page).count(), 1, "one dialog for all files");
  assertEquals(await page.getByLabel("Name", { exact: true }).inputValue(), "ann");
  assertEquals(await focused(page), "password");

  await page.keyboard.press("Escape");
  await uploadsOf(page).locator("h2", { hasText: /^Paused: [34] files to go/ }).waitFor();
  await uploadsOf(page).locator("li .facts", { hasText: "log in to continue" }).first().waitFor();
  await uploadsOf(page).getByRole("button", { name: "Resume" }).click();
  await dialogOf(page).waitFor();

  await logIn(page, "ann", "wrong");
  await page.getByRole("alert").filter({ hasText: "The name or the password is wrong" }).waitFor();
  assertEquals(await focused(page), "password");
  await unlimited();
  await page.keyboard.type(PASSWORD);
  await page.keyboard.press("Enter");
  await uploadsOf(page).locator("h2", { hasText: "4 files uploaded" }).waitFor();
  assertEquals(await Deno.readFile(site.tree.at("site/team/large.bin")), large);
  for (const name of ["a", "b", "c"]) {
    assertEquals(await Deno.readTextFile(site.tree.at(`site/team/${name}.txt`)), name);
  }
  assert(offsets.length > 1 && offsets.slice(1).every((offset) => offset !== "0"), `it starts again: ${offsets}`);
  assertEquals(await dialogOf(page).count(), 0);
  await page.locator("tbody .name", { hasText: "large.bin" }).waitFor();
  assertEquals(problemsOf(page), []);
}

/** The session ends, then the user acts and logs in, and the action is done. */
async function repeats(site: Site, page: Page, act: () => Promise<unknown>) {
  await page.context().clearCookies();
  await act();
  await dialogOf(page).waitFor();
  await logIn(page);
  await dialogOf(page).waitFor({ state: "detached" });
  assertEquals((await page.context().cookies(site.base)).length, 1);
}

Deno.test({
  name: "the session ends in the middle of work",
  ...IN_BROWSER,
  async fn(t) {
    await sites(t, {
      "uploads go on after a new login": uploadsGoOn,
      "uploads go on after a new login, over plain HTTP on a network": uploadsGoOn,
      "every action is repeated": async (site) => {
        const page = await pageOf(site, "ann");
        const entry = (name: string) => page.locator("tbody .name", { hasText: name });
        await repeats(site, page, async () => {
          await page.getByRole("button", { name: "New folder" }).click();
          await page.getByLabel("Name", { exact: true }).fill("made here");
          await page.keyboard.press("Enter");
        });
        await entry("made here").waitFor();
        await repeats(site, page, async () => {
          await page.getByRole("button", { name: "Actions for note.txt" }).click();
          await page.getByRole("menuitem", { name: "Rename" }).click();
          await page.getByLabel("New name").fill("renamed.txt");
          await page.keyboard.press("Enter");
        });
        await entry("renamed.txt").waitFor();
        await repeats(site, page, async () => {
          await page.getByRole("button", { name: "Actions for renamed.txt" }).click();
          await page.getByRole("menuitem", { name: "Delete" }).click();
          await page.getByRole("button", { name: "Delete", exact: true }).click();
        });
        await entry("renamed.txt").waitFor({ state: "detached" });
        await repeats(site, page, async () => {
          await page.getByRole("button", { name: "Actions for plan.txt" }).click();
          await page.getByRole("menuitem", { name: "Checksum" }).click();
        });
        await page.getByText(/^[0-9a-f]{64}$/).waitFor();
        await page.keyboard.press("Escape");
        await repeats(site, page, () => page.getByRole("button", { name: "Share …" }).first().click());
        await page.getByRole("button", { name: "Make a link" }).click();
        await page.getByText("The link is ready.").waitFor();
        await page.keyboard.press("Escape");
        await repeats(site, page, () => entry("plan.txt").getByRole("link").click());
        await page.locator(".source", { hasText: "plan" }).waitFor();
        await page.keyboard.press("Escape");
        await page.waitForURL((url) => url.hash === "");
        const shown = page.waitForResponse((response) =>
          response.request().resourceType() === "image" && response.status() === 200
        );
        await repeats(site, page, () => entry("photo.svg").getByRole("link").click());
        await shown;
        await page.locator(".stage img").evaluate((image) => image.decode());
        await page.keyboard.press("Escape");
        await page.waitForURL((url) => url.hash === "");
        await repeats(site, page, async () => {
          await page.getByRole("searchbox").fill("deep");
          await page.getByRole("searchbox").press("Enter");
        });
        await page.locator(".notice", { hasText: "1 match for “deep” here and below." }).waitFor();
        assertEquals(page.problems, []);
      },
      "without a login, the action fails with a sentence, and the list stays": async (site) => {
        const page = await pageOf(site, "ann");
        await page.context().clearCookies();
        await page.getByRole("button", { name: "New folder" }).click();
        await page.getByLabel("Name", { exact: true }).fill("made here");
        await page.keyboard.press("Enter");
        await dialogOf(page).getByRole("button", { name: "Close" }).click();
        await page.locator(".toast.failed", { hasText: "You are not logged in" }).waitFor();
        for (const name of ["note.txt", "plan.txt"]) await page.getByLabel(`Select ${name}`).check();
        await page.locator(".selected").getByRole("button", { name: "Delete" }).click();
        await page.getByRole("button", { name: "Delete", exact: true }).last().click();
        await dialogOf(page).getByRole("button", { name: "Close" }).click();
        await page.locator("[role=status]", { hasText: "Nothing was deleted" }).waitFor({ state: "attached" });
        assertEquals(await dialogOf(page).count(), 0, "it asks once for all");
        assertEquals(await shownNames(page), ["sub", "note.txt", "photo.svg", "plan.txt"]);
      },
      "another user who logs in has other rights": async (site) => {
        const page = await pageOf(site, "ann");
        await page.context().clearCookies();
        await page.getByRole("button", { name: "New folder" }).click();
        await page.getByLabel("Name", { exact: true }).fill("made here");
        await page.keyboard.press("Enter");
        await dialogOf(page).waitFor();
        await logIn(page, "bob");
        await page.locator(".toast", { hasText: "You are now logged in as bob. Reload the page" }).waitFor();
        await page.locator(".toast.failed", { hasText: "Uploading is not allowed here" }).waitFor();
        assertEquals(await page.locator(".account bdi").textContent(), "bob");
      },
      "a download begins after a new login": async (site) => {
        const page = await pageOf(site, "ann");
        for (const isZip of [false, true]) {
          const download = page.waitForEvent("download");
          await repeats(site, page, async () => {
            if (isZip) {
              for (const name of ["note.txt", "plan.txt"]) await page.getByLabel(`Select ${name}`).check();
              return await page.locator(".selected").getByRole("button", { name: "Download" }).click();
            }
            await page.getByRole("button", { name: "Actions for plan.txt" }).click();
            await page.getByRole("menuitem", { name: "Download" }).click();
          });
          const saved = await download;
          assertEquals(await saved.failure(), null);
          const bytes = await Deno.readFile(await saved.path());
          assertEquals(new TextDecoder().decode(bytes.subarray(0, 2)), isZip ? "PK" : "pl");
        }
        const again = page.waitForEvent("download"); // without a dialog
        await page.locator("header").getByRole("link", { name: /zip/ }).click();
        assertEquals(await (await again).failure(), null);
      },
      "a download without a new login fails with a sentence": async (site) => {
        const page = await pageOf(site, "ann");
        await page.context().clearCookies();
        await page.getByRole("button", { name: "Actions for plan.txt" }).click();
        await page.getByRole("menuitem", { name: "Download" }).click();
        await dialogOf(page).getByRole("button", { name: "Close" }).click();
        await page.locator(".toast.failed", { hasText: "You are not logged in" }).waitFor();
      },
      "a deletion announces what was deleted": async (site) => {
        const page = await pageOf(site, "ann");
        const remove = async (...names: string[]) => {
          for (const name of names) await page.getByLabel(`Select ${name}`).check();
          await page.locator(".selected").getByRole("button", { name: "Delete" }).click();
          await page.getByRole("button", { name: "Delete", exact: true }).last().click();
        };
        await page.route(
          "**/note.txt",
          (route) =>
            route.request().method() === "DELETE"
              ? route.fulfill({
                status: 409,
                contentType: "application/problem+json",
                body: '{"detail":"It is in use"}',
              })
              : route.continue(),
        );
        await remove("note.txt", "plan.txt");
        await page.getByText("1 of 2 items deleted").waitFor({ state: "attached" });
        await remove("note.txt");
        await page.getByText("Nothing was deleted").waitFor({ state: "attached" });
        await page.unroute("**/note.txt");
        await remove("note.txt");
        await page.getByText("1 item deleted").waitFor({ state: "attached" });
      },
    });
  },
});

Deno.test({
  name: "axe-core finds nothing on the login page and in the dialog, in light and in dark, on a phone",
  ...IN_BROWSER,
  async fn(t) {
    const source = await axeSource();
    await sites(t, {
      "all states": async (site) => {
        for (const colorScheme of ["light", "dark"] as const) {
          const phone = { viewport: { width: 360, height: 640 }, hasTouch: true, isMobile: true };
          const page = await site.open({ ...phone, colorScheme, bypassCSP: true, reducedMotion: "reduce" });
          const check = async (state: string) => {
            if (await page.evaluate("typeof axe") === "undefined") await page.evaluate(source);
            const found = await violations(page, colorScheme === "light" ? ALL : COLOURS);
            assertEquals(found, [], `${colorScheme}: ${state}`);
            assert(await page.evaluate("document.documentElement.scrollWidth <= 360"), `${state} scrolls sideways`);
            const low = await page.evaluate(`[...document.querySelectorAll("form button, form input:not([type=radio])")]
              .filter((each) => each.checkVisibility() && each.getBoundingClientRect().height < 36).length`);
            if (state !== "page") assertEquals(low, 0, `${state} has small controls`);
            const shots = Deno.env.get("SCREENSHOTS");
            if (shots) await page.screenshot({ path: `${shots}/${colorScheme} ${state}.png` });
          };
          await page.goto(`${site.base}/team/`);
          await check("login");
          await logIn(page, "ann", "wrong");
          await page.getByRole("alert").waitFor();
          await check("wrong password");
          await logIn(page);
          await page.waitForURL(`${site.base}/team/`);
          await openFolder(page, `${site.base}/team/`);
          await check("page");
          await page.context().clearCookies();
          await page.getByRole("button", { name: "Share …" }).first().tap();
          await dialogOf(page).waitFor();
          await check("dialog");
          await logIn(page, "ann", "wrong");
          await page.getByRole("alert").filter({ hasText: "wrong" }).waitFor();
          await check("dialog after a wrong password");
          await logIn(page);
          await dialogOf(page).waitFor({ state: "detached" });
          await page.goto(`${site.base}/.pyserve/login`);
          await check("account");
        }
      },
    });
  },
});
