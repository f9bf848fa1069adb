/** Runs suites through the native engine: those given as arguments, or a selection that takes less than a minute. */

import { fromFileUrl, ROOT } from "../support/paths.ts";

const SUITES = [
  "tests/advisories",
  "tests/cli/command_test.ts",
  "tests/cli/metrics_test.ts",
  "tests/cli/mounts_test.ts",
  "tests/cli/sites_test.ts",
  "tests/files",
  "tests/identity/matrix_test.ts",
  "tests/site/behaviour_test.ts",
  "tests/upload/doors_test.ts",
  "tests/upstream/cgi/doors_test.ts",
  "tests/upstream/cgi/python_cases_test.ts",
  "tests/upstream/proxy/command_test.ts",
  "tests/upstream/proxy/kept_test.ts",
];

const suites = Deno.args.length > 0 ? Deno.args : SUITES;
const door = fromFileUrl(import.meta.resolve("./native_door.ts"));
const { code } = await new Deno.Command(Deno.execPath(), {
  args: ["test", "-A", "--parallel", "--preload", door, ...suites],
  cwd: ROOT,
}).spawn().status;
Deno.exit(code);
