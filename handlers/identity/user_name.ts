/**
 * The names of users.
 *
 * @module
 */

/** As in htpasswd. */
const MAX_BYTES = 255;

/** The words that mean several users in rules (`--access "users:read"`). */
const RESERVED = ["anyone", "users"];

/** Invisible characters: names that look alike must be alike. */
const FORBIDDEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;

/**
 * The form in which names are compared and stored: composed (NFC), so that "é" is the same name however it was typed.
 * Names are case-sensitive.
 */
export function normalizedName(name: string): string {
  return name.normalize("NFC");
}

/** Whether a text that a client sends is worth looking up as a name: it is bounded, and has no invisible characters. */
export function isPlausibleName(name: string): boolean {
  return name !== "" && !isTooLong(name) && !FORBIDDEN.test(name);
}

/** Why a text cannot be the name of a user in a file, to complete the sentence "The name ..."; null if it can. */
export function nameProblem(name: string): string | null {
  if (name === "") return "is empty";
  if (isTooLong(name)) return `is longer than ${MAX_BYTES} bytes`;
  if (FORBIDDEN.test(name)) return "has invisible characters";
  if (/[:/]/.test(name)) return 'has a ":" or a "/"';
  if (name.trim() !== name) return "begins or ends with a space";
  if (name.startsWith("#")) return 'begins with "#", which begins a comment';
  return RESERVED.includes(name.toLowerCase()) ? "is reserved: in rules it means several users" : null;
}

function isTooLong(name: string): boolean {
  if (name.length * 3 <= MAX_BYTES) return false; // no UTF-16 code unit takes more bytes
  return name.length > MAX_BYTES || new TextEncoder().encode(name).length > MAX_BYTES;
}
