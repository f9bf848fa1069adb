/**
 * The files of a bucket of an object store, for `deno serve` and for Deno Deploy.
 *
 *     BUCKET=name deno serve --allow-net --allow-env examples/bucket.ts
 *
 * `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_REGION` and `AWS_ENDPOINT_URL` say where it is. Nothing is read from
 * disk.
 */

import { archives, fileServer, searches, toFetch } from "@x/pyserve";
import { s3 } from "@x/pyserve/sources";

const source = s3({ bucket: Deno.env.get("BUCKET") ?? "public" });
const site = fileServer(source, { features: [archives(), searches()] });

export default { fetch: toFetch(site) } satisfies Deno.ServeDefaultExport;
