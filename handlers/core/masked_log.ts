/**
 * Keeps the tokens of share links out of the log, wherever a request has put them: who can read the log must not be able
 * to use them.
 *
 * They are recognized by their form, because a line may be written before the token is looked at, and a header may have
 * one that this server has not made.
 *
 * @module
 */

import type { Logger } from "./types.ts";

/** The id of a share, which stays, and a first condition, which is a JSON object in base64url: `{"...`. */
const TOKEN = /([\w-]{12})\.eyJ[\w.-]*/g;

/** What may contain a percent-encoded token: at least an id, a condition and a code long. */
const RUN = /[\w.~%-]{60,}/g;

/** A slash that has been encoded any number of times. */
const SLASH = /(%(?:25)*2f)/i;

/** How often an encoded token is decoded: clients and proxies encode twice at most. */
const MAX_DECODINGS = 4;

/** A logger that writes no token. */
export function maskedLog(log: Logger): Logger {
  return {
    access: (line) => log.access(withoutTokens(line)),
    error: (message, cause) => log.error(withoutTokens(message), maskedCause(cause)),
  };
}

/** The cause of an error; a copy, with less detail, where it contains a token. */
function maskedCause(cause: unknown): unknown {
  if (cause === undefined) return cause;
  const text = typeof cause === "string" ? cause : Deno.inspect(cause);
  if (withoutTokens(text) === text) return cause;
  return cause instanceof Error ? maskedError(cause) : withoutTokens(text);
}

function maskedError({ name, message, stack, cause }: Error): Error {
  const copy = new Error(withoutTokens(message), { cause: maskedCause(cause) });
  return Object.assign(copy, { name, stack: stack && withoutTokens(stack) });
}

/** A text with the ids of shares in place of their tokens. */
export function withoutTokens(text: string): string {
  const masked = text.includes(".eyJ") ? text.replace(TOKEN, "$1...") : text;
  return masked.includes("%") ? masked.replace(RUN, maskRun) : masked;
}

function maskRun(run: string): string {
  return run.includes("%") ? run.split(SLASH).map(maskPiece).join("") : run;
}

function maskPiece(piece: string): string {
  let text = piece;
  for (let count = 0; count < MAX_DECODINGS && text.includes("%"); count++) {
    text = text.replace(/%([0-9a-f]{2})/gi, (_, code) => String.fromCharCode(parseInt(code, 16)));
  }
  // What was decoded may contain control characters: only the id is shown.
  const [, id] = text !== piece ? /([\w-]{12})\.eyJ/.exec(text) ?? [] : [];
  return id === undefined ? piece : `${id}...`;
}
