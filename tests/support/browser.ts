/** Chromium, where there is one. */

import { hasProgram, missing } from "./programs.ts";

const NAME = ["chromium", "chromium-browser", "google-chrome"].find(hasProgram);

/** Options of tests with a browser: Playwright keeps timers and pipes until its process has ended. */
export const IN_BROWSER = {
  ignore: NAME === undefined && missing("chromium"),
  sanitizeOps: false,
  sanitizeResources: false,
};

const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--autoplay-policy=no-user-gesture-required",
];

/** How to start it. */
export interface LaunchOptions {
  /** More flags. */
  readonly args?: readonly string[];
  readonly env?: Record<string, string>;
  /** Whether pages that are left stay in memory for going back, as they do for users: Playwright switches that off. */
  readonly keepsPages?: boolean;
}

/** Starts it; `await using` ends it. */
export async function launch({ args = [], env, keepsPages = false }: LaunchOptions = {}) {
  const { chromium } = await import("npm:playwright-core@1.65.1");
  const executablePath = `/usr/bin/${NAME}`;
  const browser = await chromium.launch({
    executablePath,
    args: [...FLAGS, ...args],
    ...(env && { env }),
    ...(keepsPages && { ignoreDefaultArgs: ["--disable-back-forward-cache"] }),
  });
  return Object.assign(browser, { [Symbol.asyncDispose]: () => browser.close() });
}

/** A browser that runs. */
export type Browser = Awaited<ReturnType<typeof launch>>;

/** A page of it. */
export type Page = Awaited<ReturnType<Browser["newPage"]>>;

/** A page that records problems: errors, violations of its policy, dialogs, requests to other hosts. */
export async function newPage(browser: Browser, base: string, options: Parameters<Browser["newPage"]>[0] = {}) {
  const page = await (await browser.newContext(options)).newPage();
  page.setDefaultTimeout(15_000); // nothing here takes that long, so a test that fails says so soon
  const problems: string[] = [];
  page.on("console", (message) => {
    // The browser also reports unsuccessful responses; each test knows which are expected.
    if (!message.text().startsWith("Failed to load resource")) problems.push(message.text());
  });
  page.on("pageerror", (error) => problems.push(String(error.stack)));
  page.on("dialog", (dialog) => {
    problems.push(dialog.message());
    dialog.dismiss().catch(() => {});
  });
  page.on("request", (request) => {
    const url = request.url();
    if (!url.startsWith(base) && !/^(?:data|blob|chrome|chrome-extension):/.test(url)) problems.push(url);
  });
  return Object.assign(page, { problems });
}

/** Goes to a directory and waits until its page has all entries. */
export async function openFolder(page: Page, url: string): Promise<void> {
  await page.goto(url);
  await page.locator("html.on").waitFor();
  await page.locator("table[aria-rowcount]:not([aria-rowcount='-1'])").waitFor({ state: "attached" });
}

/** The names that are shown, in order. */
export async function shownNames(page: Page): Promise<string[]> {
  return await page.locator("tbody .name bdi").allTextContents();
}
