/**
 * Headers and error pages common to all responses of a file server.
 *
 * @module
 */

import { then } from "../core/awaitable.ts";
import { internalsOf, isForUser, keepPrivate } from "../core/internals.ts";
import type { SettledHandler } from "../core/settle.ts";
import type { Context } from "../core/types.ts";
import { withErrorPage } from "./error_pages.ts";

/**
 * A layer that adds error pages and headers. Idempotent per file server, because it wraps both the cached handler, so
 * that the result is cached, and the user's layers, for responses that these create themselves. What users get who have
 * logged in is private.
 *
 * @param put Sets the headers on a response, in place.
 */
export function dress(put: (response: Response) => Response): (next: SettledHandler) => SettledHandler {
  const dressed = (request: Request, context: Context, response: Response) => {
    const { notes } = internalsOf(context);
    if (response === notes.dressed) return response;
    const dressed = put(withErrorPage(request, context, response));
    if (isForUser(context)) keepPrivate(dressed.headers);
    return notes.dressed = dressed;
  };
  return (next) => (request, context) => {
    return then(next(request, context), (response) => dressed(request, context, response));
  };
}
