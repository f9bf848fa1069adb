/**
 * Rules of `--access` that grant nothing, most likely by mistake.
 *
 * @module
 */

import { join } from "@std/path/join";
import { type AccessRule, RIGHTS } from "../handlers/identity/rules.ts";
import type { UserRight } from "../handlers/identity/user_rights.ts";
import type { Users } from "../handlers/identity/users.ts";
import type { Right } from "../handlers/core/types.ts";
import type { SitePath } from "../handlers/http/target.ts";
import type { FeatureSettings, MountSettings } from "./settings.ts";
import { isStoreUrl } from "./values.ts";

/** What the rules are compared with. */
export interface Site {
  readonly users: Users;
  /** The directory or file that is served. */
  readonly root: string;
  /** What else is served. */
  readonly mounts: readonly MountSettings[];
  readonly features: FeatureSettings;
}

/** The options that enable a right; reading and sharing need none. */
const ENABLED_BY: Readonly<Partial<Record<UserRight, string>>> = {
  upload: "--upload",
  delete: "--delete",
  run: "--cgi, --fastcgi or --proxy",
};

/** One sentence for each name that no user has, path that does not exist, and right that no option enables. */
export async function accessWarnings(rules: readonly AccessRule[], site: Site): Promise<string[]> {
  const warnings: string[] = [];
  for (const rule of rules) {
    const { who, prefix } = rule;
    if (who.kind === "user" && await site.users.find(who.name) === null) {
      warnings.push(`--access names "${who.name}", who is not among the users`);
    }
    if (isMissing(prefix, site)) warnings.push(`--access names ${prefix.text}, which does not exist`);
    for (const right of disabledRights(rule, site)) {
      warnings.push(`--access grants "${right}", which nothing enables: that takes ${ENABLED_BY[right]}`);
    }
  }
  return [...new Set(warnings)];
}

/** `all` means what the options enable. */
function disabledRights({ rights }: AccessRule, { features, mounts }: Site): UserRight[] {
  if (rights.size === Object.keys(RIGHTS).length) return [];
  const all = [features, ...mounts.flatMap(({ site }) => site?.features ?? [])];
  const isEnabled: Partial<Record<Right, boolean>> = {
    create: all.some(({ upload }) => upload?.rights?.create ?? false),
    change: all.some(({ upload }) => upload?.rights?.change ?? false),
    run: all.some(({ cgi, fastcgi, proxy }) => cgi !== null || fastcgi !== null || proxy !== null),
  };
  const names = Object.keys(ENABLED_BY) as UserRight[];
  return names.filter((name) => rights.has(RIGHTS[name]) && !isEnabled[RIGHTS[name]]);
}

/** Whether a path does not exist. With programs and proxies, paths can be more than files: those of mounts, and PATH_INFO. */
function isMissing({ segments, href }: SitePath, { root, mounts, features: { cgi, fastcgi, proxy } }: Site): boolean {
  if (segments.length === 0 || isStoreUrl(root) || cgi !== null || fastcgi !== null || proxy !== null) return false;
  if (mounts.some(({ prefix }) => `${prefix}/`.startsWith(`${href}/`) || `${href}/`.startsWith(`${prefix}/`))) {
    return false;
  }
  try {
    if (Deno.statSync(root).isDirectory) Deno.lstatSync(join(root, ...segments));
    return false;
  } catch (error) {
    return error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory;
  }
}
