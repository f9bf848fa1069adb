/** Opening never blocks: a lease held by another process (fcntl(2)) would block open(2) for 45 s. */

import { assertEquals } from "@std/assert";
import { fileServer, SitePath, toFetch } from "@x/pyserve";
import { throughNode } from "../../handlers/system/path_descriptor.ts";
import { DESCRIPTORS } from "../../handlers/sources/disk_calls.ts";
import { DiskSource } from "../../handlers/sources/disk_source.ts";
import { missing } from "../support/programs.ts";
import { tempTree } from "../support/tree.ts";

const ignore = Deno.build.os !== "linux" || missing("python3");

/** Takes a write lease and does not release it on request. */
const HOLDER = `
import fcntl, os, signal, sys
signal.signal(signal.SIGIO, signal.SIG_IGN)
file = os.open(sys.argv[1], os.O_RDWR)
fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
print("leased", flush=True)
sys.stdin.read()`;

async function leased(path: string): Promise<AsyncDisposable> {
  const holder = new Deno.Command("python3", { args: ["-c", HOLDER, path], stdin: "piped", stdout: "piped" }).spawn();
  const reader = holder.stdout.getReader();
  assertEquals(new TextDecoder().decode((await reader.read()).value).trim(), "leased");
  return {
    async [Symbol.asyncDispose]() {
      holder.kill("SIGKILL");
      await holder.status;
      await Promise.all([reader.cancel(), holder.stdin.close().catch(() => {})]);
    },
  };
}

for (const holds of DESCRIPTORS ? [true, false] : [false]) {
  Deno.test({
    name: `a file with a lease on it is not waited for (${holds ? "held" : "by name"})`,
    ignore,
    async fn() {
      await using tree = await tempTree({ "a.txt": "a" });
      const source = new DiskSource(tree.path, { followLinks: false, holds });
      const path = SitePath.root.child("a.txt")!;
      const seen = (await source.stat(path))!;
      await using _lease = await leased(tree.at("a.txt"));
      const result = await Promise.try(() => source.open(path, seen)).then((file) => {
        file[Symbol.dispose]();
        return "opened";
      }, (error: Error) => error.name);
      assertEquals(result, "FileChanged");
    },
  });
}

Deno.test({
  name: "a file with a lease on it is 503, and blocks no other request",
  ignore: ignore || DESCRIPTORS === null,
  async fn() {
    await using tree = await tempTree({ "a.txt": "a" });
    const fetch = toFetch(fileServer(tree.path, { log: false }));
    const get = async () => {
      const response = await fetch(new Request("http://localhost/a.txt"));
      return [response.status, response.headers.get("retry-after"), (await response.text()).slice(0, 3)];
    };
    {
      await using _lease = await leased(tree.at("a.txt"));
      assertEquals(await get(), [503, "1", "503"]);
    }
    assertEquals(await get(), [200, null, "a"]);
  },
});

Deno.test({
  name: "leases are noticed without libc, too",
  ignore,
  async fn() {
    await using tree = await tempTree({ "a.txt": "a" });
    const calls = throughNode();
    {
      await using _lease = await leased(tree.at("a.txt"));
      assertEquals(calls.openAtOnce(tree.at("a.txt")), -3);
    }
    const descriptor = calls.openAtOnce(tree.at("a.txt"));
    assertEquals(descriptor >= 0, true);
    calls.close(descriptor);
    assertEquals(calls.openAtOnce(tree.at("absent")), -2);
  },
});
