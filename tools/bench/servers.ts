/** Server instances: started on demand, restarted if they have died. */

import type { Answer, Installed, Peer, Place } from "./peers.ts";
import { run, start, stop } from "./processes.ts";
import type { Root } from "./site.ts";

/** Time limit for the first response; a server that scans its whole tree first needs some seconds. */
const START_MS = 15_000;

/** An installed peer. */
export interface Contestant extends Peer {
  readonly installed: Installed;
}

/** A running instance. */
export interface Server {
  readonly peer: Contestant;
  readonly child: Deno.ChildProcess;
  /** Without a trailing slash. */
  readonly url: string;
  readonly port: number;
  /** The directory served. */
  readonly root: string;
  /** From process start to the first response. */
  readonly startMs: number;
}

/** The parameters that distinguish instances of one peer. */
export interface Variant {
  readonly root: Root;
  readonly tls?: true | undefined;
  /** For ceilings, which know a single response. */
  readonly answer?: Partial<Answer>;
}

/** Starts instances in a temporary directory, which also contains the site. */
export class Servers {
  readonly #directory: string;
  readonly #kept = new Map<string, Server>();
  #count = 0;
  #certificate: Place["tls"] = null;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** The shared instance of a peer; null if it does not start. */
  async get(peer: Contestant, variant: Variant): Promise<Server | null> {
    const answer = peer.ceiling ? `${variant.answer?.status} ${variant.answer?.size}` : "";
    const key = `${peer.name} ${variant.root} ${variant.tls ?? false} ${answer}`;
    const kept = this.#kept.get(key);
    if (kept) return kept;
    const server = await this.fresh(peer, variant);
    if (server === null) return null;
    this.#kept.set(key, server);
    server.child.status.then(() => this.#kept.delete(key));
    return server;
  }

  /** A new instance, to be stopped by the caller; null if it does not start. */
  async fresh(peer: Contestant, variant: Variant): Promise<Server | null> {
    const { tls = false } = variant;
    const place = await this.#place(variant);
    if (place === null) return null;
    const command = peer.installed.command(place);
    const begin = performance.now();
    const child = start(command, peer.installed.env);
    if (!await answers(place.port, tls, child)) {
      await stop(child);
      return null;
    }
    const url = `${tls ? "https" : "http"}://127.0.0.1:${place.port}`;
    return { peer, child, url, port: place.port, root: place.root, startMs: performance.now() - begin };
  }

  async #place({ root, tls: secure, answer }: Variant): Promise<Place | null> {
    const temp = `${this.#directory}/${this.#count++}`;
    await Deno.mkdir(temp);
    const tls = secure ? this.#certificate ??= await makeCertificate(this.#directory) : null;
    if (secure && tls === null) return null;
    const { status = 200, size = 0 } = answer ?? {};
    return {
      root: `${this.#directory}/${root}`,
      port: freePort(),
      temp,
      tls,
      cgi: root === "cgi",
      answer: { status, size },
    };
  }
}

/** Waits for a first response or, with TLS, for the port to open. */
async function answers(port: number, tls: boolean, child: Deno.ChildProcess): Promise<boolean> {
  let ended = false;
  child.status.then(() => ended = true);
  for (const end = performance.now() + START_MS; performance.now() < end && !ended;) {
    try {
      using connection = await Deno.connect({ hostname: "127.0.0.1", port });
      if (tls) return true;
      await connection.write(new TextEncoder().encode("GET /1k.txt HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"));
      const late = new Promise<null>((resolve) => setTimeout(resolve, START_MS, null));
      return await Promise.race([connection.read(new Uint8Array(16)), late]) !== null;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }
  return false;
}

async function makeCertificate(directory: string): Promise<Place["tls"]> {
  const [cert, key] = [`${directory}/cert.pem`, `${directory}/key.pem`];
  const kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  const names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"];
  const made = await run(["openssl", "req", "-x509", ...kind, ...names, "-keyout", key, "-out", cert]);
  return made === null ? null : { cert, key };
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}
