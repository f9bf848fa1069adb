/**
 * HTTPS, from the options of the command: certificates, the redirect from plain HTTP, Strict-Transport-Security.
 *
 * @module
 */

import { wrap } from "../handlers/core/chain.ts";
import { toFetch } from "../handlers/core/fetch.ts";
import type { Handler, Layer, Logger } from "../handlers/core/types.ts";
import { AUTHORITY_PATH, authorityFile, hsts, redirectToHttps } from "../handlers/layers/https.ts";
import type { Certificates, TlsPair } from "../handlers/transport/certificates.ts";
import { listen, type Serve, shownUrl } from "./listen.ts";
import { believed, type Settings } from "./settings.ts";

/** What HTTPS adds to a server. */
export interface Https {
  readonly certificates: Certificates;
  /** Layers around the file server, the first outermost: inside, each cached response would cost more. */
  readonly layers: readonly Layer[];
  /** Those of them that serve the authority's certificate. */
  readonly authority: readonly Layer[];
  /** Sentences to print at the start. */
  readonly notes: readonly string[];
  /** The SHA-256 fingerprint of the authority that clients install; null without one. */
  readonly fingerprint: (() => string) | null;
  /** Options for workers: the state directory, whose default they might not be able to find. */
  readonly forWorkers: readonly string[];
}

/** Parameters of {@linkcode openHttps}. */
export interface HttpsOptions {
  readonly env: Readonly<Record<string, string>>;
  /** Takes a line for each change of the certificate; null for none. */
  readonly log: Logger | null;
  /** Disposed of after the server has ended. */
  readonly resources: AsyncDisposableStack;
  /** The pair that the command uses, for a worker; null for the command. */
  readonly given: TlsPair | null;
}

/** Reads or makes the certificate. Throws `StartError`. */
export async function openHttps(settings: Settings, { env, log, resources, given }: HttpsOptions): Promise<Https> {
  const { endpoint, hosts, workers } = settings;
  const policy = settings.hsts === null ? [] : [hsts(settings.hsts)];
  const tls = settings.tls!;
  if ("cert" in tls) {
    const { CertificateFiles } = await import("./tls.ts");
    const { certificates } = resources.use(await CertificateFiles.open(tls, log, { given }));
    return { certificates, layers: policy, authority: [], notes: [], fingerprint: null, forWorkers: [] };
  }
  const { openLocalTls } = await import("./local_tls.ts");
  const { localNames } = await import("../handlers/transport/local_names.ts");
  const names = () => localNames(endpoint, hosts ?? []);
  const { local, notes, state } = await openLocalTls(tls, { env, log, workers, names });
  resources.use(local);
  const authority = [authorityFile(() => local.current.authority)];
  return {
    certificates: local.certificates,
    layers: [...policy, ...authority],
    authority,
    notes,
    fingerprint: () => local.current.fingerprint,
    forWorkers: state === null || tls.state !== null ? [] : [`--state=${state}`],
  };
}

/** Parameters of {@linkcode announce}. */
export interface RunningHttps {
  readonly settings: Settings;
  readonly https: Https;
  readonly transport: Serve;
  /** Where HTTPS is. */
  readonly address: Deno.NetAddr;
  readonly log: Logger;
  readonly resources: AsyncDisposableStack;
}

/** What to say at the start. */
export interface Announcement {
  /** Sentences. */
  readonly notes: readonly string[];
  /** Where the authority's certificate is; null without one. */
  readonly authorityUrl: string | null;
}

/** Starts the redirect from plain HTTP, if wanted, and tells how to reach and trust the server. Throws `StartError`. */
export async function announce(running: RunningHttps): Promise<Announcement> {
  const { settings, https, address } = running;
  const redirect = settings.redirect === null ? null : await startRedirect(running, settings.redirect);
  const redirected = redirect === null ? [] : [`plain HTTP on port ${redirect.port} is redirected`];
  const { notes, fingerprint } = https;
  if (fingerprint === null) return { notes: [...redirected, ...notes], authorityUrl: null };
  // Over plain HTTP, no browser warns of a certificate that it does not know yet.
  const url = new URL(AUTHORITY_PATH, shownUrl(redirect ?? address, redirect === null)!).href;
  const trust = `to trust this server, install ${url} on the device, if its SHA-256 fingerprint is`;
  return { notes: [...redirected, ...notes, trust, fingerprint()], authorityUrl: url };
}

/** Starts the server whose requests are redirected to HTTPS; its address. */
async function startRedirect(running: RunningHttps, port: number): Promise<Deno.NetAddr> {
  const { settings: { endpoint, hosts, server }, https, transport, address, log, resources } = running;
  const { X509Certificate } = await import("node:crypto");
  const hostname = endpoint.kind === "tcp" ? endpoint.hostname : address.hostname;
  const handler = wrap(noFile, ...https.authority, redirectToHttps({ port: address.port }));
  const fetchFor = ({ cert }: TlsPair) =>
    toFetch(handler, {
      log,
      accessLog: server.log ?? false,
      ...believed(running.settings),
      hosts: [...hosts ?? [], ...dnsNames(new X509Certificate(cert).subjectAltName)],
      localAddress: () => ({ hostname, port, name: hostname }),
    });
  // A redirect to a name that the certificate has not would lead to an error of the browser.
  let fetch = fetchFor(https.certificates.current());
  resources.defer(https.certificates.usedBy((pair) => void (fetch = fetchFor(pair))));
  const place = { kind: "tcp", hostname, port } as const;
  const redirect = listen(transport, (request, info) => fetch(request, info), { endpoint: place, log });
  resources.defer(() => redirect.abort());
  return redirect.address as Deno.NetAddr;
}

const noFile: Handler = () => null;

/** The host names in a certificate, as node:crypto writes them: `DNS:box, IP Address:127.0.0.1`. */
function dnsNames(alternatives: string | undefined): string[] {
  return (alternatives ?? "").split(", ").filter((name) => name.startsWith("DNS:")).map((name) => name.slice(4));
}
