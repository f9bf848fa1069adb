/**
 * Chooses the decoder of a request body.
 *
 * @module
 */

import { type Body, LengthBody } from "./body.ts";
import { ChunkedBody } from "./chunked.ts";
import type { Framing } from "./framing.ts";

/** The decoder for a framing. */
export function bodyOf(framing: Framing): Body {
  return framing.kind === "chunked" ? new ChunkedBody() : new LengthBody(framing.length);
}
