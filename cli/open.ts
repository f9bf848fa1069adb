/**
 * `--open`: opens a URL in a browser; loaded on demand.
 *
 * @module
 */

import type { Logger } from "../handlers/core/types.ts";

/** The program that opens a URL, and its first arguments. */
const OPENER: Readonly<Partial<Record<typeof Deno.build.os, readonly [program: string, ...args: string[]]>>> = {
  darwin: ["open"],
  windows: ["explorer.exe"],
};

/** Opens a URL in the user's browser. Never fails: the log tells why it could not be opened. */
export async function openInBrowser(url: string, log: Logger): Promise<void> {
  const [program, ...args] = OPENER[Deno.build.os] ?? ["xdg-open"];
  const failed = (reason: string) => log.error(`Cannot open ${url} in a browser: ${reason}`);
  // Never request the permission: the server has started, and a prompt would stop it.
  if (Deno.permissions.querySync({ name: "run", command: program! }).state !== "granted") {
    return failed(`it is not permitted (--allow-run=${program})`);
  }
  try {
    const child = new Deno.Command(program!, { args: [...args, url], stdin: "null", stdout: "null", stderr: "null" })
      .spawn();
    child.unref(); // some openers stay as long as the browser
    const { code } = await child.status;
    if (code !== 0 && Deno.build.os !== "windows") failed(`${program} ended with status ${code}`); // explorer's is 1
  } catch (error) {
    const isMissing = error instanceof Deno.errors.NotFound;
    failed(isMissing ? `there is no ${program}` : String(error instanceof Error ? error.message : error));
  }
}
