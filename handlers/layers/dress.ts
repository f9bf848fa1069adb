/**
 * Headers and error pages common to all responses of a file server.
 *
 * @module
 */

import { internalsOf } from "../core/internals.ts";
import type { Context, Layer } from "../core/types.ts";
import { withErrorPage } from "./error_pages.ts";

/**
 * A layer that adds error pages and headers. Idempotent per file server, because it wraps both the cached handler, so
 * that the result is cached, and the user's layers, for responses that these create themselves.
 *
 * @param put Sets the headers on a response, in place.
 */
export function dress(put: (response: Response) => Response): Layer {
  const dressed = (request: Request, context: Context, response: Response | null) => {
    const { notes } = internalsOf(context);
    if (response === null || response === notes.dressed) return response;
    return notes.dressed = put(withErrorPage(request, context, response));
  };
  return (next) => (request, context) => {
    const answer = next(request, context);
    if (answer instanceof Promise) return answer.then((late) => dressed(request, context, late));
    return dressed(request, context, answer);
  };
}
