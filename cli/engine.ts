/**
 * The native transport: `--engine`.
 *
 * @module
 */

import { serve } from "../handlers/transport/serve.ts";
import { isNativePossible, serveNative } from "../handlers/transport/native/serve_native.ts";
import type { Serve } from "./listen.ts";
import { StartError } from "./start_error.ts";

/** The native transport; for `auto`, another one where it is not possible. Throws {@linkcode StartError}. */
export function native(engine: "native" | "auto"): Serve {
  if (isNativePossible()) return (fetch, { tls: _tls, ...options }) => serveNative(fetch, options);
  if (engine === "auto") return serve;
  throw new StartError("Cannot use --engine native: it needs Linux and --allow-ffi");
}
