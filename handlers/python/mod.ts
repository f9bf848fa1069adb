/**
 * Python's `http.server`, class by class, for porting scripts line by line.
 *
 * @module
 */

export { BaseHTTPRequestHandler } from "./base.ts";
export { CGIHTTPRequestHandler, type CgiInfo } from "./cgi.ts";
export type { ClientAddress, Connection } from "./connection.ts";
export type { SourceFile } from "./exchange.ts";
export { HTTPSServer, type HTTPSServerOptions, ThreadingHTTPSServer } from "./https.ts";
export { HTTPMessage } from "./message.ts";
export type { Field } from "../http1/header_fields.ts";
export { type Responses, responses } from "./responses.ts";
export type { RequestReader } from "./rfile.ts";
export { HTTPServer, type RequestHandlerClass, type ServerAddress, ThreadingHTTPServer } from "./server.ts";
export { type ContentRules, type HeaderPair, type SimpleHandlerOptions, SimpleHTTPRequestHandler } from "./simple.ts";
export { test, type TestOptions } from "./start.ts";
export type { ResponseWriter } from "./wfile.ts";
