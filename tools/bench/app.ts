/**
 * Compares what visitors of a single-page app load, in Chromium: `deno task bench:app` writes RESULTS-APP.md.
 *
 * The app and the other servers are installed from npm into a temporary directory. Needs Chromium and Node.
 */

import { type Browser, launch, type Page } from "../../tests/support/browser.ts";
import { recordVisits, type Visit } from "../../tests/support/visits.ts";
import { until } from "../../tests/support/wait.ts";
import { buildApp, type ViteApp } from "../../tests/support/vite_app.ts";
import { onInterrupt, start, stop } from "./processes.ts";

/** The other servers, with their options for single-page apps. */
const OTHERS = { "serve": "14.2.7", "http-server": "14.1.1" };

const CLI = decodeURIComponent(new URL("../../cli.ts", import.meta.url).pathname);

interface Server {
  readonly name: string;
  readonly command: (app: ViteApp, port: number) => readonly string[];
}

const SERVERS: readonly Server[] = [
  {
    name: "pyserve --spa --compress --cache auto",
    command: ({ dist }, port) => {
      const options = ["--spa", "--compress", "--cache", "auto", "--quiet", "-b", "127.0.0.1"];
      return [Deno.execPath(), "run", "-A", CLI, dist, String(port), ...options];
    },
  },
  {
    name: `serve ${OTHERS.serve} -s`,
    command: (app, port) => {
      const script = app.at("node_modules/serve/build/main.js");
      return ["node", script, "-s", app.dist, "-l", `tcp://127.0.0.1:${port}`, "-L", "-n"];
    },
  },
  {
    name: `http-server ${OTHERS["http-server"]}`,
    command: (app, port) => {
      return [
        "node",
        app.at("node_modules/http-server/bin/http-server"),
        app.dist,
        "-p",
        String(port),
        "-a",
        "127.0.0.1",
      ];
    },
  },
];

/** What a server makes its visitors load. */
interface Result {
  readonly first: Visit;
  readonly second: Visit;
  /** The status of a deep link, and whether the app shows its page. */
  readonly deepLink: string;
  /** Whether the next visit shows a new version of the app. */
  readonly isCurrent: boolean;
}

async function measure(server: Server, app: ViteApp, browser: Browser): Promise<Result> {
  const port = freePort();
  const child = start(server.command(app, port), { NO_UPDATE_CHECK: "1" });
  const index = `${app.dist}/index.html`;
  const page = await Deno.readTextFile(index);
  try {
    const base = `http://127.0.0.1:${port}`;
    await until(
      () => fetch(base).then((response) => response.body?.cancel()).then(() => true, () => false),
      server.name,
    );
    const context = await browser.newContext();
    const visit = async (): Promise<Visit & { title: string }> => {
      const tab = await context.newPage();
      const taken = await recordVisits(tab);
      await tab.goto(base, { waitUntil: "networkidle" });
      return { ...await taken(), title: await tab.title() };
    };
    const [first, second] = [await visit(), await visit()];
    const deepLink = await openDeepLink(await context.newPage(), base);
    await Deno.writeTextFile(index, page.replace("Shop", "New shop"));
    return { first, second, deepLink, isCurrent: (await visit()).title === "New shop" };
  } finally {
    await Deno.writeTextFile(index, page);
    await stop(child);
  }
}

async function openDeepLink(page: Page, base: string): Promise<string> {
  const { status, body } = await fetch(`${base}/items/42`, { headers: { accept: "text/html" } });
  await body?.cancel();
  await page.goto(`${base}/items/42`, { waitUntil: "networkidle" }).catch(() => {}); // an error without content
  const isShown = await page.locator("h1", { hasText: "Item 42" }).count() === 1;
  return `${status}, ${isShown ? "shown" : "not shown"}`;
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

function tableOf(results: readonly (readonly [Server, Result])[]): string {
  const shown = ({ requests, bytes }: Visit) => `${requests.length}, ${(bytes / 1000).toFixed(1)} kB`;
  return [
    "| Server | First visit: requests, bytes | Second visit | Deep link | A new version shows at the next visit |",
    "| --- | --- | --- | --- | --- |",
    ...results.map(([{ name }, { first, second, deepLink, isCurrent }]) => {
      return `| ${name} | ${shown(first)} | ${shown(second)} | ${deepLink} | ${isCurrent ? "yes" : "no"} |`;
    }),
  ].join("\n");
}

onInterrupt();
const app = await buildApp(OTHERS);
if (typeof app === "string") throw new Error(app);
await using _app = app;
await using browser = await launch();
const results: (readonly [Server, Result])[] = [];
for (const server of SERVERS) results.push([server, await measure(server, app, browser)]);
const report = `# Visits to a single-page app

Written by \`deno task bench:app\`: do not edit. An app of React and React Router, built by Vite, in Chromium
${browser.version()}, on ${new Date().toISOString().slice(0, 10)}. Bytes include the heads of responses.

${tableOf(results)}
`;
const path = decodeURIComponent(new URL("./RESULTS-APP.md", import.meta.url).pathname);
await Deno.writeTextFile(path, report);
await new Deno.Command(Deno.execPath(), { args: ["fmt", "--quiet", path] }).output();
// deno-lint-ignore no-console
console.log(await Deno.readTextFile(path));
