/**
 * The certificate and the private key: reads their files, and rereads them when they change.
 *
 * @module
 */

import type { Logger } from "../handlers/core/types.ts";
import { Certificates, type TlsPair } from "../handlers/transport/certificates.ts";
import { certificateProblem, expiryOf } from "../handlers/transport/certificate_check.ts";
import type { TlsFiles } from "./settings.ts";
import { StartError } from "./start_error.ts";

/** Polling interval of the files in milliseconds. */
const LOOK_MS = 1_000;

/** The state of files that have not been read: any other differs. */
const NOT_READ = "";

/** Options of {@linkcode CertificateFiles.open}. */
interface OpenOptions {
  readonly interval?: number;
  readonly given?: TlsPair | null;
}

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
  /** Whether the files cannot be used, which has been logged. */
  #isFailing = false;
  /** The state of the files in use, and at the last poll. */
  #used: string;
  #seen: string;

  /**
   * Reads the files, unless there is a pair already.
   *
   * @param log Receives a line for each change; null for none.
   * @param options.interval The polling interval in milliseconds.
   * @param options.given The pair of the command, for a worker: the files may be unusable by now.
   * @throws {StartError} If they cannot be used.
   */
  static async open(files: TlsFiles, log: Logger | null, options: OpenOptions = {}): Promise<CertificateFiles> {
    const { interval = LOOK_MS, given = null } = options;
    const state = given ? NOT_READ : stateOf(files);
    const watched = new CertificateFiles(files, log, new Certificates(given ?? await readTls(files)), state);
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
      if (!this.#isFailing && isSame(pair, this.certificates.current())) return;
      await requireMatch(pair);
      this.certificates.replace(pair);
      this.#isFailing = false;
      this.#log?.error(`New certificate in use${validity(pair.cert)}`);
    } catch (error) {
      this.#isFailing = true;
      this.#log?.error(`The old certificate stays in use. ${problemOf(error)}`);
    }
  }
}

function isSame(a: TlsPair, b: TlsPair): boolean {
  return a.cert === b.cert && a.key === b.key;
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
  const problem = certificateProblem(certText);
  if (problem !== null) throw new StartError(`Cannot use "${files.cert}": ${problem}`);
  const cert = blocks(certText, "CERTIFICATE");
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

/** Checks the pair more thoroughly than the server, and with sentences for the log. */
async function requireMatch({ cert, key }: TlsPair): Promise<void> {
  const { createPrivateKey, X509Certificate } = await import("node:crypto");
  const [first] = blocksOf(cert, "CERTIFICATE").map((block) => new X509Certificate(block));
  if (!first!.checkPrivateKey(createPrivateKey(key))) {
    throw new StartError("Cannot use the certificate: it does not match the private key");
  }
}

function validity(cert: string): string {
  const expiry = expiryOf(cert);
  return expiry === null ? "" : `, valid until ${expiry.toISOString().slice(0, 10)}`;
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
  return blocksOf(text, label).map((block) => block + "\n").join("");
}

function blocksOf(text: string, label: string): readonly string[] {
  return text.match(new RegExp(`-----BEGIN (${label})-----[\\s\\S]*?-----END \\1-----`, "g")) ?? [];
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
