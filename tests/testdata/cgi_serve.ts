/** What a user gives to `deno serve` for programs; the root comes from the environment. */

import { cgiFeature, fileServer, toFetch } from "@x/pyserve";

// deno-lint-ignore no-console
console.log("Serving HTTP on 127.0.0.1 port " + Deno.env.get("TEST_PORT") + "\n");

const { TEST_ROOT: root } = Deno.env.toObject();
export default { fetch: toFetch(fileServer(root!, { features: [cgiFeature()], log: false })) };
