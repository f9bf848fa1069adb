/**
 * A box for files: anyone can put files in at `/drop`; only the owner sees them, at `/`.
 *
 *     OWNER=ann:PASSWORD deno serve --allow-env=OWNER --allow-read=box --allow-write=box examples/upload_box.ts box
 *
 * `/drop` redirects to an upload link: its page shows the progress of each file, and resumes what was interrupted. For
 * programs: `curl -L -F file=@a.txt http://localhost:8000/drop`.
 */

import { fileServer, type Layer, SitePath, toFetch, uploadFeatures } from "@x/pyserve";
import { locationFor } from "@x/pyserve/handlers";
import { auth, environmentUser, sharePath, shares, volatileState } from "@x/pyserve/identity";

const [directory = "box"] = Deno.args;
Deno.mkdirSync(directory, { recursive: true });

const owner = environmentUser(Deno.env.get("OWNER") ?? "");
const state = volatileState(); // openState("/var/lib/box") keeps sessions and links across restarts
const { token } = shares(state).make({ paths: [SitePath.root], rights: new Set(["create"]), expires: Infinity }, null);

/** Outside of the layer that identifies users, so that it is open to all. */
const drop: Layer = (next) => (request, context) => {
  if (context.target.path.text !== "/drop") return next(request, context);
  const location = locationFor(context, sharePath(token), { slash: true });
  return new Response(null, { status: 307, headers: { location } }); // 307: a form is sent again
};

const site = fileServer(directory, {
  features: uploadFeatures({ rights: { create: true, change: true }, maxBytes: 100 * 1024 * 1024 }),
  layers: [drop, auth({ users: owner, state })],
});

export default { fetch: toFetch(site) } satisfies Deno.ServeDefaultExport;
