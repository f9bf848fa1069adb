/**
 * Certificates of this machine's own authority, renewed while servers use them.
 *
 * @module
 */

import type { Keeping } from "../certificates/keeping.ts";
import {
  type LocalCertificate,
  localCertificate,
  type Reason,
  type WantedNames,
} from "../certificates/local_authority.ts";
import type { Logger } from "../core/types.ts";
import { Certificates } from "./certificates.ts";

/** How often the names, the addresses and the clock are looked at, in milliseconds. */
const LOOK_MS = 30_000;

/** Parameters of {@linkcode LocalCertificates.open}. */
export interface LocalCertificatesOptions {
  /** Where the authority is kept. */
  readonly keeping: Keeping;
  /** The current names and addresses of the server. */
  readonly names: () => WantedNames;
  /** Takes a line for each change; null for none. */
  readonly log: Logger | null;
  /** The interval of looking for changes in milliseconds; defaults to 30,000. */
  readonly interval?: number;
  /** The clock; defaults to the system's. */
  readonly now?: () => number;
}

/**
 * A certificate that follows the names and addresses of the machine, and is renewed in time. While that fails, the old one
 * stays in use.
 */
export class LocalCertificates implements Disposable {
  /** The certificates passed to servers. */
  readonly certificates: Certificates;
  readonly #options: LocalCertificatesOptions;
  readonly #timer: ReturnType<typeof setInterval>;
  #current: LocalCertificate;
  /** What the current certificate was made for. */
  #wanted: string;
  #looking = false;
  /** The last failure that was logged; not again until something else happens. */
  #complaint = "";

  /** Makes the certificate, or takes the one that is kept. Throws what {@linkcode localCertificate} throws. */
  static async open(options: LocalCertificatesOptions): Promise<LocalCertificates> {
    const wanted = options.names();
    const current = await localCertificate(options.keeping, wanted, options.now?.());
    return new LocalCertificates(options, current, JSON.stringify(wanted));
  }

  private constructor(options: LocalCertificatesOptions, current: LocalCertificate, wanted: string) {
    this.#options = options;
    this.#current = current;
    this.#wanted = wanted;
    this.certificates = new Certificates(current);
    this.#timer = setInterval(() => this.#look(), options.interval ?? LOOK_MS);
    Deno.unrefTimer(this.#timer as unknown as number);
  }

  /** The current certificate and its authority. */
  get current(): LocalCertificate {
    return this.#current;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  async #look(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    try {
      await this.#renew();
    } catch (error) {
      this.#complain(error);
    } finally {
      this.#looking = false;
    }
  }

  async #renew(): Promise<void> {
    const now = this.#options.now?.() ?? Date.now();
    const names = this.#options.names();
    const wanted = JSON.stringify(names);
    const { begins, renewal } = this.#current;
    if (begins <= now && now < renewal && (wanted === this.#wanted || this.#covers(names))) return;
    const next = await localCertificate(this.#options.keeping, names, now);
    if (next.cert !== this.#current.cert) this.#use(next);
    this.#wanted = wanted;
    this.#complaint = "";
  }

  /** Addresses that have gone need no other certificate: they may come back. */
  #covers({ names, addresses }: WantedNames): boolean {
    const { names: own, left } = this.#current;
    return [...names, ...addresses].every((each) => [...own.names, ...own.addresses, ...left].includes(each));
  }

  #use(next: LocalCertificate): void {
    this.certificates.replace(next);
    const isNew = next.authority !== this.#current.authority;
    this.#current = next;
    const { log } = this.#options;
    log?.error(`New certificate in use for ${[...next.names.names, ...next.names.addresses].join(", ")}`);
    if (isNew) {
      log?.error(
        `It is signed by a new authority, SHA-256 ${next.fingerprint}${reasonOf(next.reason)}: install it again`,
      );
    }
  }

  #complain(error: unknown): void {
    const reason = error instanceof Deno.errors.NotSupported || error instanceof Deno.errors.NotCapable
      ? "Restart pyserve to use a new one: replacing it at run time needs Linux, --allow-ffi and --allow-net"
      : error instanceof Error
      ? error.message
      : String(error);
    if (reason === this.#complaint) return;
    this.#complaint = reason;
    this.#options.log?.error(`The old certificate stays in use. ${reason}`);
  }
}

const REASONS: Readonly<Record<Reason, string>> = {
  "first": "",
  "damaged": "the file of the old one was damaged",
  "expired": "the old one was about to expire",
  "not valid yet": "the old one was made while the clock was ahead",
  "new name": "the old one cannot sign for all names",
};

/** Why the authority is new, in parentheses; `""` if it is the first one, or not new. */
export function reasonOf(reason: Reason | null): string {
  const text = reason === null ? "" : REASONS[reason];
  return text === "" ? "" : ` (${text})`;
}
