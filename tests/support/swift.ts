/** A real object store that speaks S3 and enforces signatures: OpenStack Swift with s3api. */

import { join } from "@std/path/join";
import { StoreClient } from "../../handlers/sources/s3/client.ts";
import { missing } from "./programs.ts";
import { until } from "./wait.ts";

/** For `ignore` of tests. */
export const WITHOUT_SWIFT: boolean = Deno.build.os !== "linux" || missing("swift-proxy-server", "swift-object-server");

/** Its account. */
export const KEYS = { accessKeyId: "test:tester", secretAccessKey: "testing" };

/** A running store. */
export interface Swift extends AsyncDisposable {
  readonly endpoint: string;
  /** A client of a bucket, which is created. */
  bucket(name: string): Promise<StoreClient>;
}

const SERVERS = ["object", "container", "account"];

/** Starts a store in a directory of its own; it takes some seconds. */
export async function startSwift(): Promise<Swift> {
  const directory = await Deno.makeTempDir({ prefix: "pyserve-test-swift-" });
  await Deno.mkdir(join(directory, "srv/d1"), { recursive: true });
  const ports = freePorts(4);
  await configure(directory, ports);
  const processes = ["proxy", ...SERVERS].map((name) =>
    new Deno.Command(`swift-${name}-server`, {
      args: [join(directory, `${name}.conf`)],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn()
  );
  const endpoint = `http://127.0.0.1:${ports[0]}`;
  const swift: Swift = {
    endpoint,
    bucket: (name) => bucketOf(endpoint, name),
    async [Symbol.asyncDispose]() {
      for (const process of processes) process.kill("SIGKILL");
      await Promise.all(processes.map(({ status }) => status));
      await Deno.remove(directory, { recursive: true });
    },
  };
  await using starting = new AsyncDisposableStack();
  starting.use(swift);
  // A store whose parts are not there yet says 500.
  for (const port of ports) await until(() => listens(port), `port ${port} listens`, { deadline: 120_000, every: 50 });
  starting.move();
  return swift;
}

/** A client for the tests themselves. */
export function clientOf(endpoint: string, bucket: string): StoreClient {
  return new StoreClient({
    bucket,
    endpoint: new URL(endpoint),
    region: "us-east-1",
    pathStyle: true,
    keys: () => KEYS,
    timeoutMs: 20_000,
  });
}

/** Stores an object. */
export async function put(
  client: StoreClient,
  key: string,
  content: string | Uint8Array<ArrayBuffer>,
  headers: Readonly<Record<string, string>> = {},
): Promise<void> {
  const body = typeof content === "string" ? new TextEncoder().encode(content) : content;
  const response = await client.send({ method: "PUT", key, body, headers });
  await response.body?.cancel();
}

async function bucketOf(endpoint: string, name: string): Promise<StoreClient> {
  const client = clientOf(endpoint, name);
  const response = await client.send({ method: "PUT" });
  await response.body?.cancel();
  return client;
}

function freePorts(count: number): number[] {
  const listeners = Array.from({ length: count }, () => Deno.listen({ hostname: "127.0.0.1", port: 0 }));
  const ports = listeners.map(({ addr }) => addr.port);
  for (const listener of listeners) listener.close();
  return ports;
}

async function listens(port: number): Promise<boolean> {
  try {
    (await Deno.connect({ hostname: "127.0.0.1", port })).close();
    return true;
  } catch {
    return false;
  }
}

/** Three rings of one device each: one program for all of them, because each start takes a while. */
const RINGS = `
import sys
from swift.common.ring import RingBuilder
for name, port in zip(sys.argv[2::2], map(int, sys.argv[3::2])):
    ring = RingBuilder(2, 1, 1)
    ring.add_dev(dict(id=0, region=1, zone=1, ip="127.0.0.1", port=port, device="d1", weight=1.0, meta="",
        replication_ip="127.0.0.1", replication_port=port))
    ring.rebalance()
    ring.get_ring().save("%s/%s.ring.gz" % (sys.argv[1], name))
`;

async function configure(directory: string, [proxy, ...ports]: readonly number[]): Promise<void> {
  const rings = SERVERS.flatMap((name, index) => [name, String(ports[index])]);
  const python = new Deno.Command("/usr/bin/python3", { args: ["-c", RINGS, directory, ...rings], stderr: "piped" });
  const { success, stderr } = await python.output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  const write = (name: string, text: string) => Deno.writeTextFile(join(directory, name), text);
  const common = (port: number | undefined) =>
    `[DEFAULT]
bind_ip = 127.0.0.1
bind_port = ${port}
workers = 0
user = root
swift_dir = ${directory}
devices = ${directory}/srv
mount_check = false
`;
  await write(
    "swift.conf",
    "[swift-hash]\nswift_hash_path_suffix = x\nswift_hash_path_prefix = x\n[storage-policy:0]\nname = p\ndefault = yes\n",
  );
  for (const [index, name] of SERVERS.entries()) {
    const app = `[pipeline:main]\npipeline = ${name}-server\n[app:${name}-server]\nuse = egg:swift#${name}\n`;
    await write(`${name}.conf`, common(ports[index]) + app);
  }
  const filters = ["catch_errors", "gatekeeper", "listing_formats", "bulk", "copy", "slo", "dlo", "symlink"];
  await write(
    "proxy.conf",
    `${common(proxy)}[pipeline:main]
pipeline = catch_errors gatekeeper cache listing_formats bulk s3api tempauth copy slo dlo versioned_writes symlink proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:1
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = testing .admin
[filter:versioned_writes]
use = egg:swift#versioned_writes
allow_object_versioning = true
${filters.map((name) => `[filter:${name}]\nuse = egg:swift#${name}\n`).join("")}`,
  );
}
