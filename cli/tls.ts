/**
 * The certificate and the private key: reads their files, and rereads them when they change.
 *
 * @module
 */

import type { Logger } from "../handlers/core/types.ts";
import { Certificates, type TlsPair } from "../handlers/transport/certificates.ts";
import { expiryOf } from "./certificate_expiry.ts";
import type { TlsFiles } from "./settings.ts";
import { StartError } from "./start_error.ts";

/** Polling interval of the files in milliseconds. */
const LOOK_MS = 1_000;

/**
 * A certificate that follows its files. It is replaced once they have been unchanged for {@linkcode LOOK_MS}, so that a
 * pair written one file after the other is read completely. While the new pair is invalid, the old one stays in use.
 */
export class CertificateFiles implements Disposable {
  /** The certificates passed to servers. */
  readonly certificates: Certificates;
  readonly #files: TlsFiles;
  readonly #log: Logger | null;
  #timer: ReturnType<typeof setInterval> | undefined;
  /** The state of the files in use, and at the last poll. */
  #used: string;
  #seen: string;

  /**
   * Reads the files.
   *
   * @param log Receives a line for each change; null for none.
   * @param interval The polling interval in milliseconds.
   * @throws {StartError} If they cannot be used.
   */
  static async open(files: TlsFiles, log: Logger | null, interval: number = LOOK_MS): Promise<CertificateFiles> {
    const state = stateOf(files);
    const watched = new CertificateFiles(files, log, new Certificates(await readTls(files)), state);
    watched.#timer = setInterval(() => watched.#look(), interval);
    Deno.unrefTimer(watched.#timer as unknown as number);
    return watched;
  }

  private constructor(files: TlsFiles, log: Logger | null, certificates: Certificates, state: string) {
    this.#files = files;
    this.#log = log;
    this.certificates = certificates;
    this.#used = this.#seen = state;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const state = stateOf(this.#files);
    const isStable = state === this.#seen;
    this.#seen = state;
    if (!isStable || state === this.#used) return;
    this.#used = state;
    this.#exchange();
  }

  async #exchange(): Promise<void> {
    try {
      const pair = await readTls(this.#files);
      await requireMatch(pair);
      this.certificates.replace(pair);
      this.#log?.error(`New certificate in use${validity(pair.cert)}`);
    } catch (error) {
      this.#log?.error(`The old certificate stays in use. ${problemOf(error)}`);
    }
  }
}

function problemOf(error: unknown): string {
  if (error instanceof StartError) return error.message;
  if (error instanceof Deno.errors.NotSupported || error instanceof Deno.errors.NotCapable) {
    return "Restart pyserve to use the new one: replacing it at run time needs Linux, --allow-ffi and --allow-net";
  }
  return `Cannot use the certificate or the key: ${StartError.reason(error)}`;
}

/** Changes with each of the files, also if a symlink is switched to another file. */
function stateOf({ cert, key, password }: TlsFiles): string {
  return [cert, key, password].map((path) => path === null ? "" : fileState(path)).join();
}

function fileState(path: string): string {
  try {
    const { dev, ino, size, mtime, ctime } = Deno.statSync(path);
    return [dev, ino, size, Number(mtime), Number(ctime)].join(" ");
  } catch {
    return "unreadable";
  }
}

/** Reads the TLS files and decrypts the key. Throws {@linkcode StartError}. */
export async function readTls(files: TlsFiles): Promise<TlsPair> {
  const certText = read(files.cert, "certificate");
  const keyText = files.key === null ? certText : read(files.key, "key");
  const cert = blocks(certText, "CERTIFICATE");
  if (cert === "") throw new StartError(`Cannot use "${files.cert}": it contains no PEM certificate`);
  const key = blocks(keyText, "(?:[A-Z]+ )?PRIVATE KEY");
  const keyFile = files.key ?? files.cert;
  if (key === "") {
    throw new StartError(`Cannot use "${keyFile}": it contains no PEM private key; give its file with --tls-key`);
  }
  requireValid(cert, files.cert);
  if (!/ENCRYPTED/.test(key)) return { cert, key };
  if (files.password === null) {
    throw new StartError(
      `Cannot use "${keyFile}": the key is encrypted; give its password in a file with --tls-password-file`,
    );
  }
  return { cert, key: await decrypt(key, read(files.password, "password").trim(), keyFile) };
}

function requireValid(cert: string, path: string): void {
  const expiry = expiryOf(cert);
  if (expiry === null || Number(expiry) > Date.now()) return;
  throw new StartError(`Cannot use "${path}": the certificate expired on ${dayOf(expiry)}`);
}

/** With workers, this process checks the pair; otherwise the server does. */
async function requireMatch({ cert, key }: TlsPair): Promise<void> {
  const { createPrivateKey, X509Certificate } = await import("node:crypto");
  if (!new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))) {
    throw new StartError("Cannot use the certificate: it does not match the private key");
  }
}

function validity(cert: string): string {
  const expiry = expiryOf(cert);
  return expiry === null ? "" : `, valid until ${dayOf(expiry)}`;
}

function dayOf(date: Date): string {
  return date.toISOString().slice(0, 10);
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
