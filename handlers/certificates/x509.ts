/**
 * Makes X.509 certificates (RFC 5280) with ECDSA on P-256, by WebCrypto.
 *
 * @module
 */

import {
  bits,
  type Der,
  encoded,
  explicit,
  implicit,
  integer,
  octets,
  oid,
  sequence,
  setOf,
  text,
  time,
  TRUE,
} from "./der.ts";

/** The algorithm of all keys and signatures. */
export const KEY_ALGORITHM: EcKeyGenParams = { name: "ECDSA", namedCurve: "P-256" };
const SIGNATURE: EcdsaParams = { name: "ECDSA", hash: "SHA-256" };

const ECDSA_WITH_SHA256: Der = sequence(oid("1.2.840.10045.4.3.2"));

/** An address range: an address and a mask, 4 or 16 bytes each. */
export interface AddressRange {
  readonly address: Uint8Array;
  readonly mask: Uint8Array;
}

/** What a certificate states. */
export interface CertificateTerms {
  /** The common names of the owner and of the issuer. */
  readonly subject: string;
  readonly issuer: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly extensions: readonly Der[];
}

/** A signed certificate, in DER. */
export async function certificate(terms: CertificateTerms, publicKey: CryptoKey, signer: CryptoKey): Promise<Der> {
  const serial = crypto.getRandomValues(new Uint8Array(16));
  const content = sequence(
    explicit(0, integer(Uint8Array.of(2))), // version 3
    integer(serial),
    ECDSA_WITH_SHA256,
    nameOf(terms.issuer),
    sequence(time(terms.notBefore), time(terms.notAfter)),
    nameOf(terms.subject),
    await spkiOf(publicKey),
    explicit(3, sequence(...terms.extensions)),
  );
  const signature = new Uint8Array(await crypto.subtle.sign(SIGNATURE, signer, content));
  return sequence(content, ECDSA_WITH_SHA256, bits(derSignature(signature)));
}

/** WebCrypto returns r and s side by side; certificates have two integers. */
function derSignature(signature: Uint8Array): Der {
  const half = signature.length / 2;
  return sequence(integer(signature.subarray(0, half)), integer(signature.subarray(half)));
}

/** A public key as certificates contain it. */
export async function spkiOf(key: CryptoKey): Promise<Der> {
  return new Uint8Array(await crypto.subtle.exportKey("spki", key));
}

function nameOf(common: string): Der {
  return sequence(setOf(sequence(oid("2.5.4.3"), text(common))));
}

function extension(id: string, value: Der, critical: boolean): Der {
  return sequence(oid(id), ...(critical ? [TRUE] : []), octets(value));
}

/** Basic constraints and key usage of an authority that signs leaves only. */
export function authorityExtensions(): Der[] {
  return [
    extension("2.5.29.19", sequence(TRUE, integer(Uint8Array.of(0))), true), // basicConstraints: CA, pathLen 0
    extension("2.5.29.15", bits(Uint8Array.of(0b0000_0110), 1), true), // keyUsage: keyCertSign, cRLSign
  ];
}

/** Basic constraints and key usage of a server. */
export function serverExtensions(): Der[] {
  return [
    extension("2.5.29.19", sequence(), true),
    extension("2.5.29.15", bits(Uint8Array.of(0b1000_0000), 7), true), // keyUsage: digitalSignature
    extension("2.5.29.37", sequence(oid("1.3.6.1.5.5.7.3.1")), false), // extKeyUsage: serverAuth
  ];
}

/** The names and addresses of a server. */
export function alternativeNames(names: readonly string[], addresses: readonly Uint8Array[]): Der {
  const all = [...names.map(dnsName), ...addresses.map((address) => implicit(7, address))];
  return extension("2.5.29.17", sequence(...all), false);
}

/**
 * The names and address ranges for which an authority can sign; all others are invalid, no matter who has its key.
 *
 * A name includes its subdomains (RFC 5280 section 4.2.1.10). Those of a name without a dot are excluded, because it can
 * be a top-level domain: a machine may be called `dev`.
 */
export function nameConstraints(names: readonly string[], ranges: readonly AddressRange[]): Der {
  const permitted = [
    ...names.map(dnsName),
    ...ranges.map(({ address, mask }) => implicit(7, Uint8Array.from([...address, ...mask]))),
  ];
  const excluded = names.filter((name) => !name.includes(".") && name !== "localhost").map((name) =>
    dnsName(`.${name}`)
  );
  const subtrees = (names: readonly Der[]) => names.map((name) => sequence(name));
  const parts = [
    explicit(0, ...subtrees(permitted)),
    ...(excluded.length > 0 ? [explicit(1, ...subtrees(excluded))] : []),
  ];
  return extension("2.5.29.30", sequence(...parts), true);
}

/** The identifiers by which verifiers find the issuer's key. */
export async function keyIdentifiers(own: CryptoKey, issuer: CryptoKey): Promise<Der[]> {
  const [subject, authority] = await Promise.all([own, issuer].map(keyIdentifier)) as [Der, Der];
  return [
    extension("2.5.29.14", octets(subject), false),
    extension("2.5.29.35", sequence(implicit(0, authority)), false),
  ];
}

async function keyIdentifier(key: CryptoKey): Promise<Der> {
  return new Uint8Array(await crypto.subtle.digest("SHA-1", await spkiOf(key)));
}

function dnsName(name: string): Der {
  return encoded(0x82, new TextEncoder().encode(name));
}
