/**
 * Checks on several sites of one server.
 *
 * @module
 */

import { join } from "@std/path/join";
import { overlap } from "../handlers/upstream/upload_places.ts";
import { uploadPath } from "../handlers/sources/writable_in.ts";
import type { SiteSettings } from "./settings.ts";
import { StartError } from "./start_error.ts";

/**
 * Refuses uploads into a directory of which another site runs programs: clients could run what they have uploaded.
 * Within one site, the options are refused together.
 *
 * @throws {StartError} If directories of such sites contain one another.
 */
export function refuseUploadsIntoPrograms(sites: readonly SiteSettings[]): void {
  for (const site of sites.filter(({ features: { upload } }) => upload !== null)) {
    for (const other of sites.filter(({ features: { cgi, fastcgi } }) => cgi !== null || fastcgi !== null)) {
      if (other === site) continue;
      const [place, programs] = writtenIn(site).flatMap((place) => {
        return runFrom(other).filter((programs) => overlap(place, programs)).map((programs) => [place, programs]);
      })[0] ?? [];
      if (place === undefined) continue;
      throw new StartError(`Cannot take uploads in "${place}": another site runs programs in "${programs}"`);
    }
  }
}

function writtenIn({ root, features: { uploadPlaces } }: SiteSettings): string[] {
  return uploadPlaces?.map((place) => join(root, ...uploadPath(place).segments)) ?? [root];
}

/** Programs of a site are run in its mounts as well, unless these have settings of their own. */
function runFrom({ root, mounts }: SiteSettings): string[] {
  return [root, ...mounts.filter(({ site }) => site === null).map(({ path }) => path)];
}
