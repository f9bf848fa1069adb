/**
 * Finds the configuration file, and loads what reads it only if there is one.
 *
 * @module
 */

import type { ConfigReader } from "./parse.ts";

/** The name of the file that is used without being named. */
export const CONFIG_NAME = "pyserve.json";

/** Reads the configuration file: the one that is named, or the one in the current directory, if it exists. */
export async function configReader(
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
): Promise<ConfigReader> {
  const isFound = isThere(CONFIG_NAME);
  const isNamed = "PYSERVE_CONFIG" in environment || args.some((arg) => arg.startsWith("--co"));
  if (!isFound && !isNamed) return () => null;
  const { readConfig } = await import("./config_file.ts");
  return (path, given) => path !== null || isFound ? readConfig(path, given) : null;
}

/** False without the permission to look, which is not requested. */
function isThere(path: string): boolean {
  if (Deno.permissions.querySync({ name: "read", path }).state !== "granted") return false;
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
