/** What a user gives to `deno serve`; the root comes from the environment. */

import { fileServer, toFetch, uploadFeatures } from "@x/pyserve";

// deno-lint-ignore no-console
console.log("Serving HTTP on 127.0.0.1 port " + Deno.env.get("TEST_PORT") + "\n");

const rights = { create: true, change: true };
const features = Deno.env.get("TEST_FEATURES") === "upload" ? uploadFeatures({ rights }) : [];
const hosts = Deno.env.get("TEST_HOSTS")?.split(",");

export default {
  fetch: toFetch(fileServer(Deno.env.get("TEST_ROOT")!, { features, log: false }), { ...(hosts && { hosts }) }),
};
