/**
 * A certificate authority of this machine, and the certificates of its servers: HTTPS without certificate files.
 *
 * The authority is constrained to names of this machine and to addresses of local networks. Even if its key leaked, no
 * certificate for any other site could be made with it, so installing it in a browser is safe.
 *
 * @module
 */

import { join } from "@std/path/join";
import { addressBytes, isIn, LOCAL_RANGES } from "./addresses.ts";
import { fromPem, pem } from "./der.ts";
import {
  alternativeNames,
  authorityExtensions,
  certificate,
  type CertificateTerms,
  KEY_ALGORITHM,
  keyIdentifiers,
  nameConstraints,
  serverExtensions,
} from "./x509.ts";

/** What a server is reached by. */
export interface ServerNames {
  /** Host names; those of this machine only. */
  readonly names: readonly string[];
  /** IPv4 and IPv6 addresses. */
  readonly addresses: readonly string[];
}

/** A certificate with its key, and the authority that has signed it. */
export interface LocalCertificate {
  /** The certificates of server and authority, PEM. */
  readonly cert: string;
  /** The private key, PEM. */
  readonly key: string;
  /** The certificate of the authority, PEM: what clients install. */
  readonly authority: string;
  /** SHA-256 of the authority's certificate in the usual form (`AB:CD:...`), to compare when installing it. */
  readonly fingerprint: string;
  /** When it expires, in milliseconds since 1970. */
  readonly expires: number;
}

const DAY_MS = 24 * 60 * 60 * 1000;

/** Browsers accept at most 398 days; short, because it is renewed without anyone noticing. */
const SERVER_DAYS = 90;
/** Renewed when fewer days are left. */
const RENEW_DAYS = 30;
const AUTHORITY_DAYS = 3_650;

/** Tolerance for clients whose clock is slow. */
const SLACK_MS = DAY_MS;

/** What a file holds: a certificate, its key, and what it was made for. */
interface Stored {
  /** The common name. */
  readonly name: string;
  readonly names: ServerNames;
  readonly expires: number;
  readonly cert: string;
  readonly key: string;
}

/**
 * The certificate of a server, from the files in a directory, which are created and renewed as needed (mode 0600). `ca.crt`
 * is the certificate of the authority. Processes that start at the same time agree.
 *
 * Addresses outside of local networks are left out, because the authority cannot sign for them. If a host name is new, there
 * is a new authority.
 *
 * @param directory An existing directory that only its owner can write to.
 * @throws Deno.errors.PermissionDenied and others if the files cannot be read or written.
 */
export async function localCertificate(
  directory: string,
  { names, addresses }: ServerNames,
  now: number = Date.now(),
): Promise<LocalCertificate> {
  using lock = await Deno.open(join(directory, "ca.lock"), { write: true, create: true, mode: 0o600 });
  await lock.lock(true);
  const authority = await authorityIn(directory, names, now);
  const permitted = { names, addresses: addresses.filter(isLocal) };
  const { cert, key, expires } = await serverIn(directory, authority, permitted, now);
  const fingerprint = new Uint8Array(await crypto.subtle.digest("SHA-256", fromPem("CERTIFICATE", authority.cert)!));
  return {
    cert: cert + authority.cert,
    key,
    expires,
    authority: authority.cert,
    fingerprint: fingerprint.toHex().toUpperCase().replace(/..(?!$)/g, "$&:"),
  };
}

function isLocal(address: string): boolean {
  const bytes = addressBytes(address);
  return bytes !== null && LOCAL_RANGES.some((range) => isIn(bytes, range));
}

async function authorityIn(directory: string, names: readonly string[], now: number): Promise<Stored> {
  const path = join(directory, "ca.json");
  const known = await read(path);
  if (known && known.expires - now > SERVER_DAYS * DAY_MS && names.every((name) => known.names.names.includes(name))) {
    return known;
  }
  const made = await makeAuthority(names, now);
  await replace(path, JSON.stringify(made));
  await replace(join(directory, "ca.crt"), made.cert);
  return made;
}

async function makeAuthority(names: readonly string[], now: number): Promise<Stored> {
  const keys = await crypto.subtle.generateKey(KEY_ALGORITHM, true, ["sign", "verify"]);
  // Clients look issuers up by name, so that of a new authority differs.
  const name = `pyserve on ${names[0] ?? "this machine"} (${crypto.getRandomValues(new Uint8Array(4)).toHex()})`;
  const terms = {
    subject: name,
    issuer: name,
    ...validity(now, AUTHORITY_DAYS),
    extensions: [
      ...authorityExtensions(),
      nameConstraints(names, LOCAL_RANGES),
      ...await keyIdentifiers(keys.publicKey, keys.publicKey),
    ],
  };
  return await stored(terms, { names, addresses: [] }, keys, keys.privateKey);
}

async function serverIn(directory: string, authority: Stored, names: ServerNames, now: number): Promise<Stored> {
  const id = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(JSON.stringify([authority.cert, names])));
  const path = join(directory, `server-${new Uint8Array(id, 0, 8).toHex()}.json`);
  const known = await read(path);
  if (known && known.expires - now > RENEW_DAYS * DAY_MS) return known;
  const made = await makeServer(authority, names, now);
  await replace(path, JSON.stringify(made));
  return made;
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
  return await stored(terms, names, keys, issuer.privateKey);
}

function validity(now: number, days: number): { readonly notBefore: Date; readonly notAfter: Date } {
  return { notBefore: new Date(now - SLACK_MS), notAfter: new Date(now + days * DAY_MS) };
}

async function stored(
  terms: CertificateTerms,
  names: ServerNames,
  { publicKey, privateKey }: CryptoKeyPair,
  signer: CryptoKey,
): Promise<Stored> {
  const key = new Uint8Array(await crypto.subtle.exportKey("pkcs8", privateKey));
  return {
    name: terms.subject,
    names,
    expires: terms.notAfter.getTime(),
    cert: pem("CERTIFICATE", await certificate(terms, publicKey, signer)),
    key: pem("PRIVATE KEY", key),
  };
}

/** A private key with its public one, which WebCrypto only derives by way of a JWK. */
async function readKey(text: string): Promise<CryptoKeyPair> {
  const privateKey = await crypto.subtle.importKey("pkcs8", fromPem("PRIVATE KEY", text)!, KEY_ALGORITHM, true, [
    "sign",
  ]);
  const { kty, crv, x, y } = await crypto.subtle.exportKey("jwk", privateKey);
  const publicKey = await crypto.subtle.importKey("jwk", { kty, crv, x, y } as JsonWebKey, KEY_ALGORITHM, true, [
    "verify",
  ]);
  return { privateKey, publicKey };
}

/** What a file holds; null if there is none. One that is damaged is replaced. */
async function read(path: string): Promise<Stored | null> {
  try {
    return JSON.parse(await Deno.readTextFile(path));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof SyntaxError) return null;
    throw error;
  }
}

async function replace(path: string, text: string): Promise<void> {
  const own = `${path}.${crypto.randomUUID()}`;
  await Deno.writeTextFile(own, text, { createNew: true, mode: 0o600 });
  await Deno.rename(own, path);
}
