/**
 * One line for each request.
 *
 * @module
 */

import { accessLogWriter, type LogFormat } from "../access_line.ts";
import type { Layer } from "../types.ts";

export { LOG_FORMATS, type LogFormat } from "../access_line.ts";

/**
 * A layer that logs each response when its head is ready, to the context's log.
 *
 * `python` is http.server's line, `ADDRESS - - [22/Nov/2026 05:29:33] "GET / HTTP/1.1" 200 -` in local time, and the line
 * `code 404, message File not found` before that of an error. `common` and `combined` have the time with its zone and
 * the length of the content. `json` has one object a line: time, address, user, method, target, status, bytes,
 * milliseconds, referer, agent. Control characters are escaped in all of them. Deno.serve does not tell
 * the HTTP version: with it a request without Host is taken for HTTP/2. The length is the one announced, not what arrived.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { accessLog, settle, toFetch, wrap } from "@x/pyserve";
 *
 * const lines: string[] = [];
 * const log = { access: (line: string) => lines.push(line), error() {} };
 * const fetch = toFetch(wrap(settle(() => new Response(null)), accessLog("common")), { log });
 * await fetch(new Request("http://localhost/a"));
 * assert(lines[0]!.endsWith('"GET /a HTTP/2.0" 200 -'));
 * ```
 */
export function accessLog(format: LogFormat = "python"): Layer {
  const write = accessLogWriter(format);
  return (next) => (request, context) => {
    const start = performance.now();
    const answer = next(request, context);
    if (answer instanceof Promise) {
      return answer.then((response) => {
        if (response) write(request, context, response, performance.now() - start);
        return response;
      });
    }
    if (answer) write(request, context, answer, performance.now() - start);
    return answer;
  };
}
