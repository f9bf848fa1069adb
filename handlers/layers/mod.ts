/**
 * Layers: what wraps a handler.
 *
 * @module
 */

export { type Metrics, metrics, type Samples } from "./metrics.ts";
export { accessLog, type LogFormat } from "./access_log.ts";
export { compress, type CompressOptions } from "./compress.ts";
export { cors, type CorsOptions } from "./cors.ts";
export { errorPages, type ErrorPagesOptions } from "./error_pages.ts";
export { type HeaderField, type HeaderRule, headers } from "./headers.ts";
export { headersFor } from "./headers_for.ts";
export { authorityFile, hsts, type RedirectOptions, redirectToHttps } from "./https.ts";
export { isolated, type IsolatedOptions } from "./isolated.ts";
export { health, type HealthOptions } from "./health.ts";
export type { Encoder, Rewriter } from "../core/types.ts";
