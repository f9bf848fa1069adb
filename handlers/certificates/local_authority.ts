/**
 * A certificate authority of this machine, and the certificates of its servers: HTTPS without certificate files.
 *
 * The authority is constrained to names and addresses of this machine and to addresses of local networks. Even if its key
 * leaked, no certificate for any other site could be made with it, so installing it in a browser is safe.
 *
 * @module
 */

import { addressBytes, isLocalAddress, LOCAL_RANGES, onlyAddress } from "./addresses.ts";
import { fromPem } from "./der.ts";
import type { Keeping } from "./keeping.ts";
import { makeStored, parseStored, readKey, type ServerNames, type Stored } from "./stored.ts";
import {
  alternativeNames,
  authorityExtensions,
  KEY_ALGORITHM,
  keyIdentifiers,
  nameConstraints,
  serverExtensions,
} from "./x509.ts";

export type { ServerNames };

/** What a server is to be reached by. */
export interface WantedNames extends ServerNames {
  /** Those of them for which a new authority is made if the present one cannot sign for them. */
  readonly given: readonly string[];
}

/** Why there is a new authority, which clients have to install. */
export type Reason = "first" | "damaged" | "expired" | "not valid yet" | "new name";

/** A certificate with its key, and the authority that has signed it. */
export interface LocalCertificate {
  /** The certificates of server and authority, PEM. */
  readonly cert: string;
  /** The private key, PEM. */
  readonly key: string;
  /** The names and addresses that it is valid for. */
  readonly names: ServerNames;
  /** Names and addresses that were wanted, but that the authority cannot sign for. */
  readonly left: readonly string[];
  /** When it becomes valid and when it is to be renewed, in milliseconds since 1970. */
  readonly begins: number;
  readonly renewal: number;
  /** The certificate of the authority, PEM: what clients install. */
  readonly authority: string;
  /** SHA-256 of the authority's certificate in the usual form (`AB:CD:...`), to compare when installing it. */
  readonly fingerprint: string;
  /** Why the authority was made just now; null if it existed before. */
  readonly reason: Reason | null;
}

const DAY_MS = 24 * 60 * 60 * 1000;

/** Browsers accept at most 398 days; short, because it is renewed without anyone noticing. */
const SERVER_DAYS = 90;
/** Renewed when fewer days are left. */
const RENEW_DAYS = 30;
const AUTHORITY_DAYS = 3_650;

/** Tolerance for clients whose clock is slow. */
const SLACK_MS = DAY_MS;

const AUTHORITY = "ca.json";
/** For clients on this machine. */
const SHOWN = "ca.crt";
const SERVER = /^server-\w+\.json$/;

/**
 * The certificate of a server, from what is kept, which is created and renewed as needed. `ca.crt` is the certificate of
 * the authority. Processes that start at the same time agree.
 *
 * Names, and addresses outside of local networks, for which the authority cannot sign are left out, except those given: for
 * these there is a new authority.
 *
 * @throws What {@linkcode Keeping} throws.
 */
export async function localCertificate(
  keeping: Keeping,
  wanted: WantedNames,
  now: number = Date.now(),
): Promise<LocalCertificate> {
  using _lock = await keeping.lock();
  const { authority, reason } = await authorityIn(keeping, wanted, now);
  const permitted = {
    names: wanted.names.filter((name) => canSign(authority, name)),
    addresses: wanted.addresses.filter((address) => canSign(authority, address)),
  };
  const { cert, key, begins, expires } = await serverIn(keeping, authority, permitted, now);
  return {
    cert: cert + authority.cert,
    key,
    names: permitted,
    left: [...without(wanted.names, permitted.names), ...without(wanted.addresses, permitted.addresses)],
    begins,
    renewal: expires - RENEW_DAYS * DAY_MS,
    authority: authority.cert,
    fingerprint: await fingerprintOf(authority.cert),
    reason,
  };
}

function without(all: readonly string[], some: readonly string[]): string[] {
  return all.filter((each) => !some.includes(each));
}

async function fingerprintOf(cert: string): Promise<string> {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", fromPem("CERTIFICATE", cert)!));
  return hash.toHex().toUpperCase().replace(/..(?!$)/g, "$&:");
}

function canSign({ names: { names, addresses } }: Stored, place: string): boolean {
  return names.includes(place) || addresses.includes(place) || isLocalAddress(place);
}

async function authorityIn(
  keeping: Keeping,
  { names, addresses, given }: WantedNames,
  now: number,
): Promise<{ readonly authority: Stored; readonly reason: Reason | null }> {
  const text = await keeping.read(AUTHORITY);
  const known = text === null ? null : await parseStored(text);
  const reason = text === null ? "first" : known === null ? "damaged" : staleness(known, given, now);
  if (reason === null) {
    if (await keeping.read(SHOWN) !== known!.cert) await keeping.write(SHOWN, known!.cert);
    return { authority: known!, reason };
  }
  // With the names of the one it replaces, so that two sets of names used in turn need one authority only.
  const authority = await makeAuthority({
    names: [...new Set([...names, ...known?.names.names ?? []])],
    addresses: [...new Set([...addresses, ...known?.names.addresses ?? []])].filter((each) => !isLocalAddress(each)),
  }, now);
  await keeping.write(AUTHORITY, JSON.stringify(authority));
  await keeping.write(SHOWN, authority.cert);
  return { authority, reason };
}

/** Why an authority has to be replaced; null if it need not. */
function staleness(authority: Stored, given: readonly string[], now: number): Reason | null {
  if (authority.begins > now) return "not valid yet";
  if (authority.expires - now <= SERVER_DAYS * DAY_MS) return "expired";
  return given.every((place) => canSign(authority, place)) ? null : "new name";
}

async function makeAuthority({ names, addresses }: ServerNames, now: number): Promise<Stored> {
  const keys = await crypto.subtle.generateKey(KEY_ALGORITHM, true, ["sign", "verify"]);
  // Clients look issuers up by name, so that of a new authority differs.
  const name = `pyserve on ${names[0] ?? "this machine"} (${crypto.getRandomValues(new Uint8Array(4)).toHex()})`;
  const terms = {
    subject: name,
    issuer: name,
    ...validity(now, AUTHORITY_DAYS),
    extensions: [
      ...authorityExtensions(),
      nameConstraints(names, [...LOCAL_RANGES, ...addresses.map(onlyAddress)]),
      ...await keyIdentifiers(keys.publicKey, keys.publicKey),
    ],
  };
  return await makeStored(terms, { names, addresses }, keys, keys.privateKey);
}

async function serverIn(keeping: Keeping, authority: Stored, names: ServerNames, now: number): Promise<Stored> {
  const id = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(JSON.stringify([authority.cert, names])));
  const file = `server-${new Uint8Array(id, 0, 8).toHex()}.json`;
  const text = await keeping.read(file);
  const known = text === null ? null : await parseStored(text);
  if (known && known.begins <= now && known.expires - now > RENEW_DAYS * DAY_MS) return known;
  const made = await makeServer(authority, names, now);
  await keeping.write(file, JSON.stringify(made));
  await keeping.prune((name) => isUseless(keeping, name, now));
  return made;
}

/** Whether a file is a server's certificate that has expired, or is damaged: addresses come and go. */
async function isUseless(keeping: Keeping, name: string, now: number): Promise<boolean> {
  if (!SERVER.test(name)) return false;
  const text = await keeping.read(name);
  const stored = text === null ? null : await parseStored(text);
  return stored === null || stored.expires <= now;
}

async function makeServer(authority: Stored, names: ServerNames, now: number): Promise<Stored> {
  const keys = await crypto.subtle.generateKey(KEY_ALGORITHM, true, ["sign", "verify"]);
  const issuer = await readKey(authority.key);
  const terms = {
    subject: names.names[0] ?? names.addresses[0] ?? "pyserve",
    issuer: authority.name,
    ...validity(now, SERVER_DAYS),
    extensions: [
      ...serverExtensions(),
      alternativeNames(names.names, names.addresses.map((address) => addressBytes(address)!)),
      ...await keyIdentifiers(keys.publicKey, issuer.publicKey),
    ],
  };
  return await makeStored(terms, names, keys, issuer.privateKey);
}

function validity(now: number, days: number): { readonly notBefore: Date; readonly notAfter: Date } {
  return { notBefore: new Date(now - SLACK_MS), notAfter: new Date(now + days * DAY_MS) };
}
