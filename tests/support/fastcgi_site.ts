/** A site of which some files are answered by a FastCGI application, on a real socket. */

import { fastCgiFeature, fileServer, type FileServerOptions, serve, toFetch } from "@x/pyserve";
import type { FastCgiOptions } from "@x/pyserve/handlers";
import { type TempTree, tempTree } from "./tree.ts";

/** The site. */
export interface FastCgiSite extends AsyncDisposable {
  readonly tree: TempTree;
  readonly port: number;
  readonly url: string;
  /** The error log of the server. */
  readonly errors: readonly string[];
  /** Waits until there is a line in the access log. */
  untilAccess(text: string): Promise<void>;
  /** Waits until the error log contains a text. */
  untilError(text: string): Promise<void>;
}

/** Serves files, `.php` by an application. */
export async function fastCgiSite(
  files: Readonly<Record<string, string | Uint8Array>>,
  options: Omit<FastCgiOptions, "extensions">,
  serving: FileServerOptions = {},
): Promise<FastCgiSite> {
  await using resources = new AsyncDisposableStack(); // what there is until something throws
  const tree = resources.use(await tempTree(files));
  const errors: string[] = [];
  const accesses: string[] = [];
  let changed = Promise.withResolvers<void>();
  const log = {
    access(line: string) {
      accesses.push(line);
      changed.resolve();
      changed = Promise.withResolvers();
    },
    error(message: string, cause?: unknown) {
      errors.push(cause === undefined ? message : `${message}: ${cause}`);
      changed.resolve();
      changed = Promise.withResolvers();
    },
  };
  const features = [fastCgiFeature({ extensions: [".php"], ...options })];
  let port = 0;
  const fetch = toFetch(fileServer(tree.path, { ...serving, features }), {
    log,
    localAddress: () => ({ hostname: "127.0.0.1", port }),
  });
  const server = serve(fetch, { hostname: "127.0.0.1", port: 0 });
  port = server.address.port;
  resources.defer(() => server.drain());
  const held = resources.move();
  return {
    ...{ tree, port, errors, url: `http://127.0.0.1:${port}` },
    async untilAccess(text) {
      while (!accesses.some((line) => line.includes(text))) await changed.promise;
    },
    async untilError(text) {
      while (!errors.some((line) => line.includes(text))) await changed.promise;
    },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}
