/**
 * Directories that accept uploads while programs run; loaded on demand.
 *
 * @module
 */

import { join } from "@std/path/join";
import { overlap, sharedWithPrograms } from "../handlers/upstream/upload_places.ts";
import { rulePath } from "../handlers/upstream/find_script.ts";
import { uploadPath } from "../handlers/sources/writable_in.ts";
import type { Options } from "./options.ts";
import { programOptionsOf } from "./program_options.ts";
import { StartError } from "./start_error.ts";
import { UsageError } from "./usage_error.ts";

/** Resolves them on disk. Throws if one does not exist, or if it contains programs or lies in a program directory. */
export function findUploadPlaces(
  places: readonly string[],
  root: string,
  programs: Options | null,
): readonly string[] {
  const paths = places.map(uploadPath);
  const mounts = programs?.["cgi-mount"].map(({ key }) => key) ?? [];
  const directories = programs?.cgi ?? [];
  const shared = sharedWithPrograms(paths, [...directories, ...mounts].map(rulePath));
  if (shared !== null) throw new UsageError(shared);
  const repositories = programs === null ? undefined : programOptionsOf(programs).env["GIT_PROJECT_ROOT"];
  return paths.map((path) => {
    const name = join(root, ...path.segments);
    if (!isDirectory(name)) throw new StartError(`Cannot take uploads in "${path.text}": there is no such directory`);
    if (repositories === undefined || !overlap(name, repositories)) return name;
    throw new UsageError(
      `Cannot take uploads in "${path.text}": git would treat uploads there as repositories (GIT_PROJECT_ROOT)`,
    );
  });
}

function isDirectory(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    return false;
  }
}
