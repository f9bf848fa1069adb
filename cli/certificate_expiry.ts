/**
 * The expiry date of a certificate. `node:crypto` would know it, but takes 17 ms to load.
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
const UTC_TIME = 0x17;

/** When the first certificate of a PEM text expires (RFC 5280 section 4.1.2.5); null if it cannot be read. */
export function expiryOf(pem: string): Date | null {
  try {
    const base64 = /-----BEGIN CERTIFICATE-----([\s\S]*?)-----END CERTIFICATE-----/.exec(pem)?.[1] ?? "";
    let { contents: fields } = first(first(Uint8Array.fromBase64(base64)).contents);
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
  return { tag, contents: bytes.subarray(start, start + length), rest: bytes.subarray(start + length) };
}

/** `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ`; two digits mean 1950 to 2049. */
function dateOf(text: string, isShort: boolean): Date | null {
  const century = isShort ? Number(text.slice(0, 2)) < 50 ? "20" : "19" : "";
  const [, year, month, day, ...time] = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(century + text) ?? [];
  return year === undefined ? null : new Date(`${year}-${month}-${day}T${time.join(":")}Z`);
}
