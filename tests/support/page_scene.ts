/** A directory, a server in this process, and a page of it in Chromium. */

import { archives, checksums, fileServer, searches, toFetch, uploadFeatures } from "@x/pyserve";
import { type Browser, newPage, openFolder, type Page } from "./browser.ts";
import { type TempTree, tempTree } from "./tree.ts";

/** What a test has at hand. */
export interface PageScene {
  readonly tree: TempTree;
  readonly page: Page & { readonly problems: string[] };
  /** The address of the server, without a slash at the end. */
  readonly base: string;
  /** Ends the server: its port refuses connections from then on. */
  stop(): Promise<void>;
  /** Starts it again, on the same port. */
  restart(): void;
  /** What `fetch` of the server is asked for, instead of the server, while it is set. */
  instead: ((request: Request) => Response | null | Promise<Response | null>) | null;
}

/** How to make it. */
export interface SceneOptions {
  /** Options of the browser's context. */
  readonly context?: Parameters<Browser["newPage"]>[0];
  /** The path to open; the root by default. */
  readonly path?: string;
  /** The limit of an upload in bytes. */
  readonly maxBytes?: number;
}

/** Serves files with everything allowed, opens the page, runs a test with it, and cleans up. */
export async function inScene(
  browser: Browser,
  files: Readonly<Record<string, string | Uint8Array>>,
  test: (scene: PageScene) => Promise<void>,
  { context = {}, path = "/", maxBytes = Infinity }: SceneOptions = {},
): Promise<void> {
  await using tree = await tempTree(files);
  const features = [
    archives(),
    checksums(),
    searches(),
    ...uploadFeatures({ rights: { create: true, change: true }, maxBytes }),
  ];
  const handler = toFetch(fileServer(tree.path, { features, log: false }));
  const fetch: Deno.ServeHandler = async (request, info) => {
    return await scene.instead?.(request) ?? await handler(request, info);
  };
  const serve = (port: number) => Deno.serve({ hostname: "127.0.0.1", port, onListen() {} }, fetch);
  let server = serve(0);
  const { port } = server.addr;
  const base = `http://127.0.0.1:${port}`;
  const page = await newPage(browser, base, context);
  const scene: PageScene = {
    tree,
    page,
    base,
    stop: () => server.shutdown(),
    restart: () => void (server = serve(port)),
    instead: null,
  };
  try {
    await openFolder(page, base + path);
    await test(scene);
  } finally {
    await page.context().close();
    await server.shutdown();
    for (const feature of features) await feature.end?.();
  }
}
