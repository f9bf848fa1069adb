/**
 * The files next to this module, for `deno serve` and for Deno Deploy.
 *
 *     deno serve --allow-read=examples/public examples/deploy.ts
 *
 * On Deno Deploy, this module is the entry point; it needs no port, no certificate, and no options.
 */

import { fileServer, toFetch } from "@x/pyserve";
import { compress } from "@x/pyserve/layers";

const site = fileServer(`${import.meta.dirname}/public`, { listing: false, cleanUrls: true, layers: [compress()] });

export default { fetch: toFetch(site) } satisfies Deno.ServeDefaultExport;
