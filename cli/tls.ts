/**
 * Reads the certificate and the private key.
 *
 * @module
 */

import type { TlsFiles } from "./settings.ts";
import { StartError } from "./start_error.ts";

/** Reads the TLS files and decrypts the key. Throws {@linkcode StartError}. */
export async function readTls(files: TlsFiles): Promise<{ cert: string; key: string }> {
  const certText = read(files.cert, "certificate");
  const keyText = files.key === null ? certText : read(files.key, "key");
  const cert = blocks(certText, "CERTIFICATE");
  if (cert === "") throw new StartError(`Cannot use "${files.cert}": it contains no PEM certificate`);
  const key = blocks(keyText, "(?:[A-Z]+ )?PRIVATE KEY");
  const keyFile = files.key ?? files.cert;
  if (key === "") {
    throw new StartError(`Cannot use "${keyFile}": it contains no PEM private key; give its file with --tls-key`);
  }
  if (!/ENCRYPTED/.test(key)) return { cert, key };
  if (files.password === null) {
    throw new StartError(
      `Cannot use "${keyFile}": the key is encrypted; give its password in a file with --tls-password-file`,
    );
  }
  return { cert, key: await decrypt(key, read(files.password, "password").trim(), keyFile) };
}

function read(path: string, what: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    throw new StartError(`Cannot read the ${what} file "${path}": ${StartError.reason(error)}`);
  }
}

function blocks(text: string, label: string): string {
  const pattern = new RegExp(`-----BEGIN (${label})-----[\\s\\S]*?-----END \\1-----`, "g");
  return (text.match(pattern) ?? []).map((block) => block + "\n").join("");
}

/** The runtime's TLS accepts no password, but node:crypto does; it is loaded only for this. */
async function decrypt(key: string, passphrase: string, path: string): Promise<string> {
  const { createPrivateKey } = await import("node:crypto");
  try {
    return createPrivateKey({ key, passphrase }).export({ type: "pkcs8", format: "pem" }) as string;
  } catch {
    throw new StartError(`Cannot decrypt the key in "${path}": the password is wrong or the cipher is not supported`);
  }
}
