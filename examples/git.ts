/**
 * A git server (smart HTTP, by `git http-backend`): anyone can clone and fetch, the user can push.
 *
 *     git init --bare repositories/project.git
 *     GIT_USER=ann:PASSWORD deno serve --allow-env=GIT_USER --allow-run=/usr/bin/git \
 *       --allow-read=/usr/bin,repositories,/tmp --allow-write=/tmp examples/git.ts repositories
 *     git clone http://localhost:8000/git/project.git
 *
 * Pushes of more than 1 MiB are kept in a temporary file while they arrive.
 */

import { cgiFeature, fileServer, HttpError, type Layer, memory, toFetch } from "@x/pyserve";
import { auth, environmentUser } from "@x/pyserve/identity";

const [directory = "repositories"] = Deno.args;

const backend = cgiFeature({
  mounts: { "/git": ["/usr/bin/git", "http-backend"] },
  env: { GIT_PROJECT_ROOT: Deno.realPathSync(directory), GIT_HTTP_EXPORT_ALL: "1" },
});

/** git asks for a password only after a 401; the backend refuses a push without a user with 403. */
const usersPush: Layer = (next) => (request, context) => {
  const { path, query } = context.target;
  const isPush = path.name === "git-receive-pack" || query === "service=git-receive-pack";
  if (!isPush || context.user !== null) return next(request, context);
  throw new HttpError(401, "Log in to push", { headers: { "www-authenticate": 'Basic realm="git"' } });
};

const users = environmentUser(Deno.env.get("GIT_USER") ?? "");
const site = fileServer(memory({}), {
  features: [backend],
  layers: [auth({ users, rules: ["anyone:run@/git", "users:run@/git"] }), usersPush],
  listing: false,
});

export default { fetch: toFetch(site) } satisfies Deno.ServeDefaultExport;
