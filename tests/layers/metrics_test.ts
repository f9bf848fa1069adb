/** What is counted, and the text that shows it. */

import { assert, assertEquals } from "@std/assert";
import { cgi, chain, disk, fileServer, memory, settle, toFetch, uploadFeatures, wrap } from "@x/pyserve";
import { auth, environmentUser, volatileState } from "@x/pyserve/identity";
import { metrics, type Samples } from "@x/pyserve/layers";
import { countersOf, escapeLabel, exposition, sumOf } from "../../handlers/layers/exposition.ts";
import { oldTree, tempTree } from "../support/tree.ts";
import { until } from "../support/wait.ts";

/** The samples whose names begin with a text, without it. */
function some(samples: Samples, prefix: string): Record<string, number> {
  const found = Object.entries(samples).filter(([series, value]) => series.startsWith(prefix) && value !== 0);
  return Object.fromEntries(found.map(([series, value]) => [series.slice(prefix.length), value]));
}

const log = { access() {}, error() {} };
const REQUEST = { headers: { host: "localhost" } };

Deno.test("requests are counted by method and class of status, known methods only", async () => {
  const { layer, samples } = metrics();
  const fetch = toFetch(wrap(fileServer(memory({ "a.txt": "hello" }), { log: false }), layer), { log });
  const asked: [method: string, path: string][] = [
    ["GET", "/a.txt"],
    ["HEAD", "/a.txt"],
    ["GET", "/none"],
    ["PUT", "/a.txt"],
    ["BREW", "/a.txt"],
    ["X".repeat(1_000), "/a.txt"],
    ["GET", "/%00"],
  ];
  for (const [method, path] of asked) {
    await (await fetch(new Request(`http://localhost${path}`, { ...REQUEST, method }))).body?.cancel();
  }
  assertEquals(some(samples(), "pyserve_requests_total"), {
    '{method="GET",status="2xx"}': 1,
    '{method="GET",status="4xx"}': 2,
    '{method="HEAD",status="2xx"}': 1,
    '{method="PUT",status="4xx"}': 1,
    '{method="other",status="5xx"}': 2,
  });
});

Deno.test("the histogram is cumulative, and announced bytes are those of responses with content", async () => {
  const { layer, samples } = metrics();
  const fetch = toFetch(wrap(settle(() => new Response("x", { headers: { "content-length": "1" } })), layer), { log });
  for (const method of ["GET", "HEAD", "GET"]) {
    await (await fetch(new Request("http://localhost/", { method }))).body?.cancel();
  }
  const now = samples();
  assertEquals(now.pyserve_response_announced_bytes_total, 2);
  const buckets = Object.values(some(now, "pyserve_request_duration_seconds_bucket"));
  assertEquals(buckets, buckets.toSorted((a, b) => a - b));
  assertEquals(
    [now['pyserve_request_duration_seconds_bucket{le="+Inf"}'], now.pyserve_request_duration_seconds_count],
    [
      3,
      3,
    ],
  );
});

Deno.test("cache hits are counted", async () => {
  await using tree = await oldTree({ "a.txt": "a" });
  const { layer, samples } = metrics();
  const fetch = toFetch(wrap(fileServer(tree.path, { log: false }), layer), { log });
  for (let time = 0; time < 3; time++) await (await fetch(new Request("http://localhost/a.txt", REQUEST))).text();
  assertEquals(samples().pyserve_cache_hits_total, 2);
});

Deno.test("uploads are counted when they are stored: PUT, forms, resumed ones", async () => {
  await using tree = await tempTree();
  const { layer, samples } = metrics();
  const features = uploadFeatures();
  const fetch = toFetch(wrap(fileServer(tree.path, { features, log: false }), layer), { log });
  const send = async (path: string, init: RequestInit) => {
    const response = await fetch(new Request(`http://localhost${path}`, init));
    await response.body?.cancel();
    return response.status;
  };
  assertEquals(await send("/a.txt", { method: "PUT", body: "12345" }), 201);
  assertEquals(await send("/a.txt", { method: "PUT", body: "12345" }), 409);
  const form = new FormData();
  for (const name of ["b.txt", "c.txt"]) form.append("file", new File(["123"], name));
  assertEquals(await send("/", { method: "POST", body: form }), 201);
  const part = async (complete: string, offset: string, body: string) => {
    const headers = {
      "upload-complete": complete,
      "upload-offset": offset,
      "content-type": "application/partial-upload",
    };
    const status = await send("/d.txt?upload=0123456789abcdef", { method: "PATCH", body, headers });
    assert(status === 201 || status === 204, String(status));
  };
  await part("?0", "0", "12");
  assertEquals(samples().pyserve_uploads_total, 3);
  await part("?1", "2", "34");
  assertEquals([samples().pyserve_uploads_total, samples().pyserve_uploaded_bytes_total], [4, 15]);
  for (const feature of features) await feature.end?.();
});

Deno.test("rejected logins are counted: wrong passwords and tokens, and attempts that are too many", async () => {
  const { layer, samples } = metrics();
  const users = await environmentUser("ann:right password");
  const site = fileServer(memory({ "a.txt": "a" }), {
    log: false,
    layers: [auth({ users, state: volatileState(), site: "", log })],
  });
  const fetch = toFetch(wrap(site, layer), { log });
  const as = async (authorization: string) => {
    const response = await fetch(
      new Request("http://localhost/a.txt", { headers: { host: "localhost", authorization } }),
    );
    await response.body?.cancel();
    return response.status;
  };
  assertEquals(await as(`Basic ${btoa("ann:right password")}`), 200);
  assertEquals(samples().pyserve_rejected_logins_total, 0);
  assertEquals(await as("Bearer nonsense"), 401);
  let attempts = 1;
  for (let status = 0; status !== 429; attempts++) status = await as(`Basic ${btoa("ann:wrong")}`);
  assertEquals(samples().pyserve_rejected_logins_total, attempts);
});

Deno.test("runs of programs and their failures are counted", { ignore: Deno.build.os === "windows" }, async () => {
  await using tree = await tempTree();
  const scripts = {
    good: "printf 'Content-Type: text/plain\\n\\ngood'",
    silent: "exit 0",
    late: "printf 'Content-Type: text/plain\\n\\nlate'; exit 3",
  };
  await Deno.mkdir(tree.at("cgi-bin"));
  for (const [name, code] of Object.entries(scripts)) {
    await Deno.writeTextFile(tree.at(`cgi-bin/${name}`), `#!/bin/sh\n${code}\n`, { mode: 0o755 });
  }
  await Deno.writeTextFile(tree.at("cgi-bin/broken"), "#!/nowhere/sh\n", { mode: 0o755 });
  const { layer, samples } = metrics();
  const fetch = toFetch(wrap(settle(chain(cgi(disk(tree.path), { directories: ["/cgi-bin"] }))), layer), { log });
  for (const name of [...Object.keys(scripts), "broken"]) {
    await (await fetch(new Request(`http://localhost/cgi-bin/${name}`, REQUEST))).text();
  }
  assertEquals(samples().pyserve_cgi_runs_total, 3);
  await until(() => samples().pyserve_cgi_failures_total === 3);
});

Deno.test("the handler answers at its two paths and declines all else", async () => {
  const { handler } = metrics();
  const fetch = toFetch(handler);
  const statusOf = async (path: string, method = "GET") => {
    const response = await fetch(new Request(`http://localhost${path}`, { method }));
    await response.body?.cancel();
    return response.status;
  };
  for (const path of ["/-/metrics", "/metrics", "/metrics?x=1"]) assertEquals(await statusOf(path), 200);
  for (const path of ["/", "/metrics/", "/a/metrics", "/metrics2"]) assertEquals(await statusOf(path), 404);
  assertEquals(await statusOf("/metrics", "POST"), 404);
});

Deno.test("sums keep the counters of processes that have ended, and drop their gauges", () => {
  const ended = { 'pyserve_requests_total{method="GET",status="2xx"}': 2, process_open_fds: 7, pyserve_processes: 1 };
  assertEquals(countersOf(ended), { 'pyserve_requests_total{method="GET",status="2xx"}': 2 });
  assertEquals(countersOf({ 'pyserve_request_duration_seconds_bucket{le="1"}': 2 }), {
    'pyserve_request_duration_seconds_bucket{le="1"}': 2,
  });
  assertEquals(sumOf([ended, { process_open_fds: 1 }]).process_open_fds, 8);
});

/** Debian's python3-prometheus-client is for the system's Python. */
const PYTHON = "/usr/bin/python3";
const hasParser = (() => {
  try {
    return new Deno.Command(PYTHON, { args: ["-c", "import prometheus_client"], stderr: "null" }).outputSync().success;
  } catch {
    return false;
  }
})();
// deno-lint-ignore no-console
if (!hasParser) console.log("skipped: python3-prometheus-client is not installed");

Deno.test("the official client of Prometheus parses the text", { ignore: !hasParser }, async () => {
  const { layer, samples } = metrics();
  const fetch = toFetch(wrap(fileServer(memory({ "a.txt": "hello" }), { log: false }), layer), { log });
  await (await fetch(new Request("http://localhost/a.txt", REQUEST))).text();
  const hostile = 'a"b\\c\nd';
  const text = exposition({ ...samples(), [`pyserve_build_info{version="${escapeLabel(hostile)}"}`]: 1 });
  const program = `
import json, sys
from prometheus_client.parser import text_string_to_metric_families as parse
print(json.dumps([[f.name, f.type, [[s.name, s.labels, s.value] for s in f.samples]] for f in parse(sys.stdin.read())]))`;
  const python = new Deno.Command(PYTHON, { args: ["-c", program], stdin: "piped", stdout: "piped" }).spawn();
  const writer = python.stdin.getWriter();
  await writer.write(new TextEncoder().encode(text));
  await writer.close();
  const families: [name: string, type: string, samples: [string, object, number][]][] = JSON.parse(
    new TextDecoder().decode((await python.output()).stdout),
  );
  const byName = new Map(families.map(([name, type, samples]) => [name, { type, samples }]));
  assertEquals(byName.get("pyserve_requests")?.type, "counter");
  assertEquals(byName.get("pyserve_requests")?.samples, [
    ["pyserve_requests_total", { method: "GET", status: "2xx" }, 1],
  ]);
  assertEquals(byName.get("pyserve_request_duration_seconds")?.type, "histogram");
  assertEquals(byName.get("pyserve_build_info")?.samples[0]?.[1], { version: hostile });
  assert(byName.get("process_resident_memory_bytes")!.samples[0]![2] > 1_000_000);
  assertEquals(families.filter(([, type]) => type === "untyped" || type === "unknown"), []);
});
