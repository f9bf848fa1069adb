/** What a user gives to `deno serve`; the root comes from the environment. */

import { fileServer, toFetch } from "@x/pyserve";

// deno-lint-ignore no-console
console.log("Serving HTTP on 127.0.0.1 port " + Deno.env.get("TEST_PORT") + "\n");

export default { fetch: toFetch(fileServer(Deno.env.get("TEST_ROOT")!, { log: false })) };
