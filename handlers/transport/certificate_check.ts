/**
 * Whether the certificates of a PEM text are well-formed and have not expired. `node:crypto` would know more, but takes
 * 17 ms to load.
 *
 * @module
 */

/** A value of DER (X.690): its tag and its contents. */
interface Value {
  readonly tag: number;
  readonly contents: Uint8Array;
  /** What follows it. */
  readonly rest: Uint8Array;
}

/** The explicit tag of the version, which is optional. */
const VERSION = 0xa0;
const SEQUENCE = 0x30;
const UTC_TIME = 0x17;

/** A certificate; one that is cut short has no text, and is invalid. */
const BLOCK = /-----BEGIN CERTIFICATE-----(?:([^-]*)-----END CERTIFICATE-----)?/g;

/**
 * Why a certificate, or one of the chain that follows it, cannot be used: it is not a certificate, or has expired. Null
 * if there is no such reason. Checks neither signatures nor names.
 */
export function certificateProblem(pem: string): string | null {
  const expiries = [...pem.matchAll(BLOCK)].map(([, base64 = ""]) => expiryOfBlock(base64));
  if (expiries.length === 0) return "it contains no PEM certificate";
  const bad = expiries.findIndex((expiry) => expiry === null || Number(expiry) <= Date.now());
  if (bad < 0) return null;
  const expiry = expiries[bad]!;
  const which = bad === 0 ? "the certificate" : "a certificate of the chain";
  return `${which} ${expiry ? `expired on ${expiry.toISOString().slice(0, 10)}` : "is invalid"}`;
}

/** When the first certificate of a PEM text expires (RFC 5280 section 4.1.2.5); null if it cannot be read. */
export function expiryOf(pem: string): Date | null {
  const [block] = pem.matchAll(BLOCK);
  return expiryOfBlock(block?.[1] ?? "");
}

function expiryOfBlock(base64: string): Date | null {
  try {
    const certificate = first(Uint8Array.fromBase64(base64));
    if (certificate.tag !== SEQUENCE || certificate.rest.length > 0) return null;
    let { contents: fields } = first(certificate.contents);
    if (first(fields).tag === VERSION) fields = first(fields).rest;
    for (const _field of ["serialNumber", "signature", "issuer"]) fields = first(fields).rest;
    const { tag, contents } = first(first(first(fields).contents).rest); // validity: notBefore, notAfter
    return dateOf(new TextDecoder().decode(contents), tag === UTC_TIME);
  } catch {
    return null;
  }
}

function first(bytes: Uint8Array): Value {
  const [tag, short] = [bytes[0]!, bytes[1]!];
  const lengthBytes = short < 0x80 ? 0 : short & 0x7f;
  const start = 2 + lengthBytes;
  const length = lengthBytes === 0 ? short : bytes.subarray(2, start).reduce((sum, byte) => sum * 256 + byte, 0);
  if (!(start + length <= bytes.length)) throw new RangeError("The value is cut short");
  return { tag, contents: bytes.subarray(start, start + length), rest: bytes.subarray(start + length) };
}

/** `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ`; two digits mean 1950 to 2049. */
function dateOf(text: string, isShort: boolean): Date | null {
  const century = isShort ? Number(text.slice(0, 2)) < 50 ? "20" : "19" : "";
  const [, year, month, day, ...time] = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(century + text) ?? [];
  return year === undefined ? null : new Date(`${year}-${month}-${day}T${time.join(":")}Z`);
}
