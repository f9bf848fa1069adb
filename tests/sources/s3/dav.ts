/** WebDAV on an object store. */

import { start } from "../../support/command.ts";
import { LITMUS_GROUPS, passesLitmus } from "../../support/litmus.ts";
import { missing } from "../../support/programs.ts";
import { KEYS, WITHOUT_SWIFT } from "../../support/swift.ts";
import { tempTree } from "../../support/tree.ts";
import { store } from "./support.ts";

Deno.test({
  name: "litmus passes all of its tests on an object store",
  ignore: WITHOUT_SWIFT || missing("litmus"),
  async fn() {
    await using tree = await tempTree();
    await store.swift.bucket("litmus");
    const env = {
      AWS_ACCESS_KEY_ID: KEYS.accessKeyId,
      AWS_SECRET_ACCESS_KEY: KEYS.secretAccessKey,
      AWS_ENDPOINT_URL: store.swift.endpoint,
      AWS_REGION: "us-east-1",
    };
    const args = ["s3://litmus", "--dav", "--all", "--on-conflict", "overwrite"];
    await using server = await start(args, { env });
    await passesLitmus(server.port, LITMUS_GROUPS, tree.path);
  },
});
