/** tus-js-client in its modes for the IETF drafts, an independent client, against the command. */

import { Buffer } from "node:buffer";
import { assert, assertEquals } from "@std/assert";
import { start } from "../support/command.ts";
import { tempTree } from "../support/tree.ts";
import { noise } from "../support/bytes.ts";
import { namesBelow, skipped } from "../support/upload.ts";
import { until, within } from "../support/wait.ts";

/** The part of tus-js-client that is used here. */
interface TusUpload {
  readonly url: string | null;
  start(): void;
  abort(shouldTerminate?: boolean): Promise<void>;
}

interface TusOptions {
  readonly endpoint: string;
  readonly protocol: string;
  readonly retryDelays: readonly number[] | null;
  readonly chunkSize?: number;
  readonly metadata?: Record<string, string>;
  readonly uploadDataDuringCreation?: boolean;
  readonly uploadLengthDeferred?: boolean;
  readonly onError: (error: Error) => void;
  readonly onSuccess: () => void;
  readonly uploadUrl?: string;
  readonly onProgress?: (sent: number) => void;
}

type Tus = { readonly Upload: new (file: Uint8Array, options: TusOptions) => TusUpload };

/** Loaded on demand; null, with the reason printed, if there is no network. */
const PACKAGE = "npm:tus-js-client@4.3.1"; // not a literal, which would be loaded before the tests
const tus = await import(PACKAGE).then((module: Tus) => module, (error) => {
  skipped(`tus-js-client cannot be loaded: ${error instanceof Error ? error.message : error}`);
  return null;
});

const CHUNK = 200_000;

for (const protocol of ["ietf-draft-03", "ietf-draft-05"]) {
  const name = `tus-js-client sends files by ${protocol}, without an error`;
  // Progress events use lodash.throttle, whose timers last 100 ms more, and node:http keeps connections alive.
  Deno.test(name, { ignore: tus === null, sanitizeOps: false, sanitizeResources: false }, async (t) => {
    await using tree = await tempTree({ "docs/": "" });
    await using command = await start([tree.path, "--quiet", "--upload"]);
    const base = `http://127.0.0.1:${command.port}`;
    const send = (file: Uint8Array, path: string, options: Partial<TusOptions> = {}) =>
      within(
        new Promise<void>((resolve, reject) => {
          const own = {
            endpoint: base + path,
            protocol,
            retryDelays: null,
            onError: reject,
            onSuccess: () => resolve(),
          };
          new tus!.Upload(Buffer.from(file), { ...own, ...options }).start();
        }),
        20_000,
      );
    const body = noise(1_000_000);
    await t.step("in one piece", async () => {
      await send(body, "/one.bin");
      assertEquals(await Deno.readFile(tree.at("one.bin")), body);
    });
    await t.step("in several, into a directory", async () => {
      await send(body, "/docs/", { chunkSize: CHUNK, metadata: { filename: "größe.bin" } });
      assertEquals(await Deno.readFile(tree.at("docs/größe.bin")), body);
    });
    await t.step("with the creation", async () => {
      await send(body, "/with.bin", { uploadDataDuringCreation: true });
      await send(body, "/pieces.bin", { uploadDataDuringCreation: true, chunkSize: CHUNK });
      for (const name of ["with.bin", "pieces.bin"]) assertEquals(await Deno.readFile(tree.at(name)), body);
    });
    await t.step("with a deferred length", async () => {
      await send(body, "/late.bin", { uploadLengthDeferred: true, chunkSize: CHUNK });
      assertEquals(await Deno.readFile(tree.at("late.bin")), body);
    });
    await t.step("an empty one", async () => {
      await send(new Uint8Array(), "/empty.bin");
      assertEquals((await Deno.stat(tree.at("empty.bin"))).size, 0);
    });
    await t.step("resumes after it was stopped in the middle, and knows afterwards that it is complete", async () => {
      const large = noise(4_000_000);
      await using network = slowNetwork(command.port, 1_500_000);
      const upload = new tus!.Upload(Buffer.from(large), {
        endpoint: `http://127.0.0.1:${network.port}/stopped.bin`,
        protocol,
        retryDelays: null,
        onError: network.fail,
        onSuccess: () => network.fail(new Error("It was not stopped")),
      });
      upload.start();
      await within(network.full, 20_000);
      await until(async () => {
        const { headers } = await fetch(upload.url!.replace(`:${network.port}`, `:${command.port}`), {
          method: "HEAD",
        });
        return Number(headers.get("upload-offset")) > 1_000_000;
      });
      await upload.abort();
      assertEquals((await namesBelow(tree.path)).includes("stopped.bin"), false);
      const uploadUrl = upload.url!.replace(/:\d+/, `:${command.port}`);
      const sent: number[] = [];
      await send(large, "/stopped.bin", { uploadUrl, retryDelays: [0, 100, 1_000], onProgress: (at) => sent.push(at) });
      assert(sent[0]! > 1_000_000, String(sent[0]));
      assertEquals(await Deno.readFile(tree.at("stopped.bin")), large);
      await send(large, "/stopped.bin", { uploadUrl, onProgress: (at) => assertEquals(at, large.length) });
    });
    assertEquals((await namesBelow(tree.path)).filter((name) => name.endsWith(".part")), []);
  });
}

/** A proxy that passes a limited number of bytes of a request. */
function slowNetwork(port: number, bytes: number) {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { promise: full, resolve, reject } = Promise.withResolvers<void>();
  full.catch(() => {}); // wakes waiting callers
  const pass = async (from: Deno.Conn, to: Deno.Conn, most: number) => {
    const buffer = new Uint8Array(65_536);
    for (let left = most; left > 0;) {
      const count = await from.read(buffer.subarray(0, Math.min(left, buffer.length)));
      if (count === null) return;
      left -= count;
      for (let at = 0; at < count;) at += await to.write(buffer.subarray(at, count));
    }
    resolve();
    await from.read(new Uint8Array(1)); // holds the connection for as long as the client does not close it, or sends
  };
  const join = async (client: Deno.Conn) => {
    using _client = client;
    using server = await Deno.connect({ hostname: "127.0.0.1", port });
    await Promise.race([pass(client, server, bytes), pass(server, client, Infinity)]).catch(() => {});
  };
  const joined = (async () => {
    const all: Promise<void>[] = [];
    for await (const client of listener) all.push(join(client));
    await Promise.all(all);
  })();
  return {
    port: (listener.addr as Deno.NetAddr).port,
    full,
    fail: reject,
    async [Symbol.asyncDispose]() {
      listener.close();
      await joined;
    },
  };
}
