/**
 * Sessions: signed, stateless values for a cookie, so that restarts and worker processes agree on them.
 *
 * @module
 */

import { randomBytes, sameText } from "./bytes.ts";
import type { User } from "./users.ts";
import { decodePart, encodePart, keyFor, macOf } from "./signer.ts";

/** A verified session. */
export interface Session {
  /** Random; for revocation after logout. */
  readonly id: string;
  /** The user's name. */
  readonly user: string;
  /** Stands for the user's epoch at login, without disclosing it: {@linkcode Sessions.belongsTo}. */
  readonly seal: string;
  /** When it expires, in milliseconds since 1970. */
  readonly expires: number;
}

/** Options of {@linkcode Sessions}. */
export interface SessionOptions {
  /** The secret, at least 32 random bytes; shared by all processes of a server. */
  readonly key: Uint8Array;
  /** How long a session lasts, in milliseconds; defaults to seven days. */
  readonly lifetime?: number;
  /** The clock; defaults to `Date.now`. */
  readonly now?: () => number;
}

const WEEK_MS = 7 * 24 * 60 * 60 * 1000;

/** Longer values are not worth verifying: no name is that long. */
const MAX_LENGTH = 2_048;

/** Number of verified sessions kept, so that a request costs a lookup in place of a computation. */
const MAX_KNOWN = 1_000;

/** Issues and verifies sessions. Knows nothing of logout: the caller checks revocation. */
export class Sessions {
  readonly #key: Uint8Array;
  readonly #lifetime: number;
  readonly #now: () => number;
  readonly #known = new Map<string, Session>();
  /** Epochs by seal. */
  readonly #epochs = new Map<string, string>();

  /** Does no I/O. */
  constructor({ key, lifetime = WEEK_MS, now = Date.now }: SessionOptions) {
    if (key.length < 32) throw new RangeError("The key of sessions needs at least 32 bytes");
    this.#key = keyFor("session", key);
    this.#lifetime = lifetime;
    this.#now = now;
  }

  /** A new session, as the value of a cookie. */
  issue({ name: user, epoch }: User): { readonly text: string; readonly session: Session } {
    const id = randomBytes(9).toBase64({ alphabet: "base64url" });
    const session = { id, user, seal: this.#sealOf(epoch), expires: this.#now() + this.#lifetime };
    const part = encodePart([id, user, session.seal, session.expires]);
    return { text: `${part}.${macOf(this.#key, part)}`, session };
  }

  /** The session of a value; null if it is forged, malformed or expired. */
  verify(text: string): Session | null {
    const session = this.#known.get(text) ?? this.#decode(text);
    return session !== null && session.expires > this.#now() ? session : null;
  }

  /** Whether nothing has ended the session since the login: the user's epoch is the same. */
  belongsTo({ seal }: Session, { epoch }: User): boolean {
    if (this.#epochs.get(seal) === epoch) return true;
    if (!sameText(this.#sealOf(epoch), seal)) return false;
    if (this.#epochs.size >= MAX_KNOWN) this.#epochs.clear();
    this.#epochs.set(seal, epoch);
    return true;
  }

  #sealOf(epoch: string): string {
    return macOf(this.#key, `epoch ${epoch}`);
  }

  #decode(text: string): Session | null {
    const dot = text.indexOf(".");
    if (dot < 0 || text.length > MAX_LENGTH) return null;
    const part = text.slice(0, dot);
    if (!sameText(macOf(this.#key, part), text.slice(dot + 1))) return null;
    const [id, user, seal, expires] = decodePart(part) as [string, string, string, number];
    const session = { id, user, seal, expires };
    if (this.#known.size >= MAX_KNOWN) this.#known.delete(this.#known.keys().next().value!);
    this.#known.set(text, session);
    return session;
  }
}
