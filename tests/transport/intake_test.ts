/** Which clients are disconnected for sending unread data. Each test sets the traffic and the memory. */

import { assertEquals, assertRejects } from "@std/assert";
import { IntakeGuard } from "../../handlers/transport/intake.ts";
import { type AcceptedSocket, openSockets, type Sockets, type Traffic } from "../../handlers/system/sockets.ts";

const MIB = 2 ** 20;
const [FIRST, SECOND] = [40_001, 40_002];

/** A guard whose checks, memory and connections are controlled by a test. */
class Watch implements Disposable {
  readonly guard: IntakeGuard;
  readonly disconnected: number[] = [];
  memory = 0;
  readonly #traffic = new Map<number, Traffic>();
  readonly #memoryUsage = Deno.memoryUsage;
  #look = () => {};

  constructor() {
    for (const port of [FIRST, SECOND]) this.#traffic.set(port, { received: 1_000, read: 1_000, sent: 0 });
    const connections = (): AcceptedSocket[] =>
      [...this.#traffic.keys()].map((peerPort) => ({ descriptor: 9, peerPort }));
    const sockets: Sockets = {
      setOnListeners: () => true,
      connections,
      traffic: ({ peerPort }) => this.#traffic.get(peerPort) ?? null,
      reset: ({ peerPort }) => void this.disconnected.push(peerPort),
      [Symbol.dispose]() {},
    };
    Deno.memoryUsage = () => ({ rss: this.memory, heapTotal: 0, heapUsed: 0, external: 0 });
    this.guard = new IntakeGuard(sockets, 80, undefined, (_, look) => this.#look = look);
  }

  /** Checks with constant memory, then with more: from then on traffic is counted. */
  suspect(): void {
    this.#look();
    this.memory += 64 * MIB;
    this.#look();
  }

  /** Traffic on a connection until the next check. */
  pass(peerPort: number, received: number, sent = 0): void {
    const before = this.#traffic.get(peerPort)!;
    this.#traffic.set(peerPort, { ...before, received: before.received + received, sent: before.sent + sent });
    this.#look();
  }

  ask(peerPort: number, init: RequestInit = {}, answer: () => Response | Promise<Response> = () => new Response()) {
    const remoteAddr = { transport: "tcp", hostname: "127.0.0.1", port: peerPort } as const;
    return this.guard.answer(answer, new Request("http://localhost/", init), { remoteAddr });
  }

  [Symbol.dispose](): void {
    Deno.memoryUsage = this.#memoryUsage;
    this.guard[Symbol.dispose]();
  }
}

Deno.test("while memory grows, only a client that sends much without requests is disconnected", () => {
  using watch = new Watch();
  watch.ask(FIRST);
  watch.pass(FIRST, MIB); // there was no reason to count
  watch.suspect();
  watch.pass(SECOND, 200_000);
  watch.pass(FIRST, 300_000);
  assertEquals(watch.disconnected, [FIRST]);
});

Deno.test("a client is not disconnected for the bytes of its requests, nor for acknowledgements", () => {
  using watch = new Watch();
  watch.ask(FIRST);
  watch.suspect();
  for (let i = 0; i < 5; i++) {
    watch.ask(FIRST);
    watch.pass(FIRST, 300_000);
  }
  watch.pass(SECOND, 300_000, 100 * MIB);
  assertEquals(watch.disconnected, []);
});

Deno.test("a client may send the body that is being read, and not much more", async () => {
  using watch = new Watch();
  const { promise, resolve } = Promise.withResolvers<Response>();
  const headers = { "content-length": String(10 * MIB) };
  const answered = watch.ask(FIRST, { method: "PUT", body: "", headers }, () => promise);
  const endless = watch.ask(SECOND, { method: "PUT", body: "" }, () => promise);
  watch.suspect();
  watch.pass(FIRST, 9 * MIB);
  for (let i = 0; i < 10; i++) watch.pass(SECOND, 100 * MIB); // of unknown length
  assertEquals(watch.disconnected, []);
  watch.pass(FIRST, 2 * MIB);
  assertEquals(watch.disconnected, [FIRST]);
  resolve(new Response());
  await Promise.all([answered, endless]);
});

Deno.test("the bytes of a body that was read do not count as unread afterwards", async () => {
  using watch = new Watch();
  const { promise, resolve } = Promise.withResolvers<Response>();
  const headers = { "content-length": String(10 * MIB) };
  const answered = watch.ask(FIRST, { method: "PUT", body: "", headers }, () => promise);
  watch.suspect();
  watch.pass(FIRST, 10 * MIB);
  resolve(new Response());
  await answered;
  await Promise.resolve();
  watch.pass(SECOND, 0);
  watch.pass(FIRST, 200_000);
  assertEquals([watch.disconnected, watch.guard.uploading[FIRST]], [[], 0]);
});

Deno.test({
  name: "a connection that now belongs to another client is neither counted nor disconnected",
  ignore: Deno.build.os !== "linux",
  async fn() {
    using sockets = openSockets()!;
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    using client = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
    using accepted = await listener.accept();
    const [connection] = sockets.connections(listener.addr.port);
    const another = { ...connection!, peerPort: connection!.peerPort ^ 1 };
    assertEquals(sockets.traffic(another), null);
    sockets.reset(another);
    await client.write(new Uint8Array(10));
    assertEquals(await accepted.read(new Uint8Array(20)), 10);
    assertEquals(sockets.traffic(connection!)!.received, 10);
    sockets.reset(connection!);
    await assertRejects(() => client.read(new Uint8Array(1)), Deno.errors.ConnectionReset);
  },
});
