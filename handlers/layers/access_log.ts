/**
 * The access log.
 *
 * @module
 */

import { then } from "../core/awaitable.ts";
import { accessLogWriter, logClock, type LogFormat } from "../core/access_line.ts";
import { makesLayers, passedByErrors } from "../core/chain.ts";
import type { Layer } from "../core/types.ts";

export { LOG_FORMATS, type LogFormat } from "../core/access_line.ts";

/**
 * A layer that logs each response to the context's log as soon as its head is ready.
 *
 * `python`: the line of http.server, `ADDRESS - - [22/Nov/2026 05:29:33] "GET / HTTP/1.1" 200 -` in local time,
 * preceded by `code 404, message File not found` for errors. `common` and `combined`: with time zone and content
 * length. `json`: one object per line with time, address, user, method, target, status, bytes, milliseconds, referer
 * and agent. All formats escape control characters. Deno.serve does not report the HTTP version, so a request without
 * Host is logged as HTTP/2. The length is the announced one, not the number of bytes delivered.
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
 *
 * @category Layers
 */
export function accessLog(format: LogFormat = "python"): Layer {
  const write = accessLogWriter(format);
  const now = logClock(format);
  return passedByErrors("accessLog", (next) => (request, context) => {
    const start = now();
    return then(next(request, context), (response) => {
      if (response) write(request, context, response, now() - start);
      return response;
    });
  });
}
makesLayers(accessLog);
