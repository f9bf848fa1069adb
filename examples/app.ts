/**
 * A single-page app, with an API behind it: `/api` and its WebSockets go to another server, everything else is the app.
 *
 *     deno serve --allow-read=dist --allow-net=127.0.0.1:3000 examples/app.ts dist http://127.0.0.1:3000
 */

import { fileServer, proxyFeature, toFetch } from "@x/pyserve";
import { cachePolicy } from "@x/pyserve/handlers";
import { compress } from "@x/pyserve/layers";

const [directory = "dist", upstream = "http://127.0.0.1:3000"] = Deno.args;

const site = fileServer(directory, {
  features: [proxyFeature({ path: "/api", upstream })],
  spa: true, // addresses such as /users/42 get index.html
  cacheControl: cachePolicy("auto"), // names such as app-5LRS2FJV.js are immutable
  layers: [compress()],
});

export default { fetch: toFetch(site) } satisfies Deno.ServeDefaultExport;
