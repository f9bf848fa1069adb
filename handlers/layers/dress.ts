/**
 * What all responses of a file server have in common: headers, and pages for errors.
 *
 * @module
 */

import type { Context, Layer } from "../types.ts";
import { withErrorPage } from "./error_pages.ts";

/**
 * A layer that gives each response its error page and its headers, once: one that the same file server has dressed further
 * in passes as it is. So the layer is put around the cache's handler, to be part of what is kept, and again around the
 * layers of the user, for what these answer themselves.
 *
 * @param put Puts the headers on a response, in place.
 */
export function dress(put: (response: Response) => Response): Layer {
  const dressed = (request: Request, context: Context, response: Response | null) => {
    const { notes } = context;
    if (response === null || response === notes.dressed) return response;
    return notes.dressed = put(withErrorPage(request, context, response));
  };
  return (next) => (request, context) => {
    const answer = next(request, context);
    if (answer instanceof Promise) return answer.then((late) => dressed(request, context, late));
    return dressed(request, context, answer);
  };
}
