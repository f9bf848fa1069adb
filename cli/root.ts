/**
 * What is served: checks it, and makes the handler.
 *
 * @module
 */

import type { Handler } from "../handlers/core/types.ts";
import { fileServer, type FileServerOptions } from "../handlers/site/file_server.ts";
import type { Settings } from "./settings.ts";
import { StartError } from "./start_error.ts";

/** What the options load for the file server. */
export type ServerParts = FileServerOptions & Required<Pick<FileServerOptions, "features" | "layers">>;

/** Makes the handler. Throws {@linkcode StartError} for what cannot be served. */
export async function handlerFor(settings: Settings, parts: ServerParts): Promise<Handler> {
  const { root, isDirectory, mounts, base } = settings;
  checkRoot(root);
  const isSeveral = mounts.length > 0 || isDirectory && Deno.statSync(root).isFile;
  const source = isSeveral ? await (await import("./mounts.ts")).sourceOf(settings) : root;
  const options = { ...settings.server, ...parts };
  const site = fileServer(source, options);
  return base === null ? site : (await import("./base.ts")).below(base, site, options);
}

function checkRoot(root: string): void {
  try {
    const info = Deno.statSync(root);
    if (info.isFile || info.isDirectory) {
      // Fail now rather than at each request. Windows cannot open a directory this way and reports it like a permission
      // error.
      if (info.isFile || Deno.build.os !== "windows") Deno.openSync(root).close();
      return;
    }
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    throw new StartError(`Cannot serve "${root}": ${StartError.reason(error)}${hintFor(root, error)}`);
  }
  throw new StartError(`Cannot serve "${root}": it is neither a directory nor a file`);
}

/** A hint on a root that does not exist. */
function hintFor(root: string, error: unknown): string {
  if (!(error instanceof Deno.errors.NotFound)) return "";
  if (root.startsWith("~")) {
    return `; the shell does not expand "~" in quotes: use "$HOME"`;
  }
  // The runtime replaces the bytes of a name that is not UTF-8 with U+FFFD, which names another file.
  if (root.includes("\uFFFD")) return "; a name that is not UTF-8 cannot be served: rename it";
  if (isHost(root)) return `; to listen on this address, use --bind ${root}`;
  return "";
}

/** Whether it can only be an address: a host name might as well be the name of a directory. */
function isHost(word: string): boolean {
  return word === "localhost" || /^\d{1,3}(\.\d{1,3}){3}$/.test(word) || /^[0-9a-f]*:[0-9a-f:]+$/i.test(word);
}
