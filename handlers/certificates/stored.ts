/**
 * A certificate with its key as a text, and whether such a text can be trusted to be complete.
 *
 * @module
 */

import { type Der, fromPem, pem } from "./der.ts";
import { certificate, type CertificateTerms, KEY_ALGORITHM, spkiOf } from "./x509.ts";

/** What a server is reached by. */
export interface ServerNames {
  /** Host names. */
  readonly names: readonly string[];
  /** IPv4 and IPv6 addresses. */
  readonly addresses: readonly string[];
}

/** A certificate, its key, and what it was made for. */
export interface Stored {
  /** The common name. */
  readonly name: string;
  readonly names: ServerNames;
  /** When it becomes valid and when it expires, in milliseconds since 1970. */
  readonly begins: number;
  readonly expires: number;
  /** PEM. */
  readonly cert: string;
  readonly key: string;
}

/** Makes a certificate for a new pair of keys. */
export async function makeStored(
  terms: CertificateTerms,
  names: ServerNames,
  { publicKey, privateKey }: CryptoKeyPair,
  signer: CryptoKey,
): Promise<Stored> {
  const key = new Uint8Array(await crypto.subtle.exportKey("pkcs8", privateKey));
  return {
    name: terms.subject,
    names,
    begins: terms.notBefore.getTime(),
    expires: terms.notAfter.getTime(),
    cert: pem("CERTIFICATE", await certificate(terms, publicKey, signer)),
    key: pem("PRIVATE KEY", key),
  };
}

/** Reads a text; null if it is damaged. */
export async function parseStored(text: string): Promise<Stored | null> {
  try {
    const stored: Stored = JSON.parse(text);
    const { name, names, begins, expires } = stored;
    const isWhole = typeof name === "string" && Number.isFinite(begins) && Number.isFinite(expires) &&
      [...names.names, ...names.addresses].every((each) => typeof each === "string");
    const { publicKey } = await readKey(stored.key);
    return isWhole && contains(fromPem("CERTIFICATE", stored.cert)!, await spkiOf(publicKey)) ? stored : null;
  } catch {
    return null;
  }
}

/** A private key with its public one, which WebCrypto only derives by way of a JWK. */
export async function readKey(text: string): Promise<CryptoKeyPair> {
  const bytes = fromPem("PRIVATE KEY", text)!;
  const privateKey = await crypto.subtle.importKey("pkcs8", bytes, KEY_ALGORITHM, true, ["sign"]);
  const { kty, crv, x, y } = await crypto.subtle.exportKey("jwk", privateKey);
  const jwk = { kty, crv, x, y } as JsonWebKey;
  const publicKey = await crypto.subtle.importKey("jwk", jwk, KEY_ALGORITHM, true, ["verify"]);
  return { privateKey, publicKey };
}

function contains(whole: Der, part: Der): boolean {
  return whole.toHex().includes(part.toHex());
}
