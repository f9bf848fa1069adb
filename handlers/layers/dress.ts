/**
 * Headers and error pages common to all responses of a file server.
 *
 * @module
 */

import { then } from "../core/awaitable.ts";
import { internalsOf, isForUser, keepPrivate } from "../core/internals.ts";
import type { SettledHandler } from "../core/settle.ts";
import type { Context, Handler } from "../core/types.ts";
import { withErrorPage } from "./error_pages.ts";
import type { Put } from "./headers.ts";

/**
 * A layer that adds error pages and headers. Idempotent per file server, because it wraps both the cached handler, so
 * that the result is cached, and the user's layers, for responses that these create themselves. What users get who have
 * logged in is private.
 *
 * @param put Sets the headers on a response, in place.
 * @param notFound As for `errorPages`.
 */
export function dress(
  put: Put,
  notFound?: Handler,
): (next: SettledHandler) => SettledHandler {
  const finished = (context: Context, response: Response) => {
    const dressed = put(response, context);
    if (isForUser(context)) keepPrivate(dressed.headers);
    return internalsOf(context).notes.dressed = dressed;
  };
  return (next) => (request, context) => {
    return then(next(request, context), (response) => {
      if (response === internalsOf(context).notes.dressed) return response;
      const page = withErrorPage(request, context, response, notFound);
      return then(page, (response) => finished(context, response));
    });
  };
}
