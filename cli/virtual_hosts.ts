/**
 * Virtual hosts; loaded if there are any.
 *
 * @module
 */

import { chain } from "../handlers/core/chain.ts";
import { hosts } from "../handlers/core/hosts.ts";
import type { Handler } from "../handlers/core/types.ts";
import { handlerFor, type OpenSite } from "./root.ts";

/** A virtual host that has been loaded. */
export interface OpenHost {
  /** In lower case; `*.NAME` for all subdomains. */
  readonly name: string;
  readonly site: OpenSite;
}

/** The sites by host name, and the main one for all other names that are accepted. */
export async function byHost(main: Handler, others: readonly OpenHost[], base: string | null): Promise<Handler> {
  const sites: Record<string, Handler> = {};
  for (const { name, site } of others) sites[name] = await handlerFor(site, base);
  return chain(hosts(sites), main);
}
