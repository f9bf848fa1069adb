/**
 * What all kinds of password hashes have in common.
 *
 * @module
 */

/** A hash as read from a file of users. */
export interface PasswordHash {
  /** The text it was parsed from. */
  readonly text: string;
  /** The algorithm and its costs: hashes of the same kind take the same time. */
  readonly kind: string;
  /** The name of the algorithm, if passwords can be found from the hash cheaply; otherwise null. */
  readonly weak: string | null;
  /**
   * Whether a password is the right one; compares in constant time, and does the costly part in another thread: in the
   * background in one of the lowest priority, where the platform has those.
   */
  matches(password: string, inBackground: boolean): Promise<boolean>;
  /** A hash of the same kind that no password matches. */
  decoy(): PasswordHash;
}
