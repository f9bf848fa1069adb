/**
 * Serves a site below a path; loaded if there is one.
 *
 * @module
 */

import { chain } from "../handlers/core/chain.ts";
import { mount } from "../handlers/core/mount.ts";
import { markRepeatable } from "../handlers/core/shortcuts.ts";
import type { Handler, Layer } from "../handlers/core/types.ts";
import { isPair } from "../handlers/layers/headers.ts";
import { fileServer, type FileServerOptions } from "../handlers/site/file_server.ts";
import { memory } from "../handlers/sources/memory.ts";

/** The site below the base, and 404 elsewhere, with the same log and headers; the root redirects to it. */
export function below(base: string, site: Handler, { headers, log }: FileServerOptions): Handler {
  const elsewhere = fileServer(memory({}), {
    listing: false,
    layers: [redirecting(base)],
    ...(headers && { headers: headers.filter(isPair) }),
    ...(log !== undefined && { log }),
  });
  return chain(mount(base, site), elsewhere);
}

function redirecting(base: string): Layer {
  return markRepeatable((next) => (request, context) => {
    const isRoot = context.target.path.parent === null && !context.refusal;
    if (!isRoot || (request.method !== "GET" && request.method !== "HEAD")) return next(request, context);
    return new Response(null, { status: 302, headers: { location: `.${base}/` } }); // a proxy may have removed more
  });
}
