/**
 * Formats access log lines.
 *
 * @module
 */

import { failureOf } from "./errors.ts";
import { escapeJson, escapeLog, escapeLogQuoted } from "../http/escape.ts";
import { internalsOf } from "./internals.ts";
import type { RepeatedLog } from "./shortcuts.ts";
import type { Context } from "./types.ts";

/**
 * The line format: Python's, Common Log Format, Combined Log Format (with Referer and User-Agent), or a JSON object.
 */
export type LogFormat = "python" | "common" | "combined" | "json";

/** The names of the formats. */
export const LOG_FORMATS: readonly LogFormat[] = ["python", "common", "combined", "json"];

/** The clock for {@linkcode accessLogWriter}, in milliseconds; constant for formats that contain no durations. */
export function logClock(format: LogFormat): () => number {
  return format === "json" ? () => performance.now() : () => 0;
}

/** Writes one line per exchange; Python's format has a second one for errors. */
export function accessLogWriter(
  format: LogFormat,
): (request: Request, context: Context, response: Response, milliseconds: number) => void {
  if (!LOG_FORMATS.includes(format)) {
    throw new TypeError(
      `Cannot use the log format ${JSON.stringify(format)}: use python, common, combined or json, or false for no log`,
    );
  }
  const write = WRITERS[format];
  return (request, context, response, milliseconds) => {
    const { notes, repeat, transfer } = internalsOf(context);
    notes.logged = true;
    const exchange = { request, context, response, milliseconds, bytes: lengthOf(response) };
    if (format === "python") {
      write(exchange);
      if (repeat !== null) repeat.log = repeatedPython(exchange);
      return;
    }
    if (repeat !== null) repeat.log = repeated(write, exchange);
    if (transfer === null) return write(exchange);
    const ready = performance.now();
    transfer.whenSent((bytes) => {
      write({ ...exchange, bytes, milliseconds: milliseconds + performance.now() - ready });
    });
  };
}

/** Logs the same exchange with another client. */
function repeated(write: (exchange: Exchange) => void, { context, ...exchange }: Exchange): RepeatedLog {
  return (address, bytes, milliseconds) => {
    write({ ...exchange, context: Object.create(context, { remoteAddress: { value: address } }), bytes, milliseconds });
  };
}

/** The same, with everything but address and time prepared. */
function repeatedPython({ request, context, response }: Exchange): RepeatedLog {
  const { log } = context;
  const failure = failureOf(response);
  const first = failure && `code ${failure.status}, message ${escapeLog(failure.message)}`;
  const second = `"${escapedLine(request, context)}" ${response.status} -`;
  return (address) => {
    const prefix = `${address || "-"} - - [${localTime(Date.now())}] `;
    if (first !== null) log.access(prefix + first);
    log.access(prefix + second);
  };
}

interface Exchange {
  readonly request: Request;
  readonly context: Context;
  readonly response: Response;
  readonly milliseconds: number;
  /** The bytes of the body that have been sent, or the announced length; null if unknown. */
  readonly bytes: number | null;
}

const WRITERS: Readonly<Record<LogFormat, (exchange: Exchange) => void>> = {
  python: writePython,
  common: (exchange) => exchange.context.log.access(commonLine(exchange)),
  combined: (exchange) => exchange.context.log.access(`${commonLine(exchange)} ${referrerAndAgent(exchange)}`),
  json: (exchange) => exchange.context.log.access(jsonLine(exchange)),
};

function writePython({ request, context, response }: Exchange): void {
  const prefix = `${context.remoteAddress || "-"} - - [${localTime(Date.now())}]`;
  const failure = failureOf(response);
  if (failure) context.log.access(`${prefix} code ${failure.status}, message ${escapeLog(failure.message)}`);
  context.log.access(`${prefix} "${escapedLine(request, context)}" ${response.status} -`);
}

function commonLine({ request, context, response, bytes }: Exchange): string {
  const now = new Date();
  const name = userOf(context);
  const user = name === null ? "-" : escapeLog(name).replaceAll(" ", "\\x20");
  const line = escapeLogQuoted(requestLine(request, context));
  const time = localTime(now.getTime()).replace(" ", ":");
  return `${context.remoteAddress || "-"} - ${user} [${time} ${zone(now)}] "${line}" ${response.status} ${
    bytes ?? "-"
  }`;
}

/** The user that a layer has named, which may be inside of the log. */
function userOf(context: Context): string | null {
  const { notes } = internalsOf(context);
  return notes.user === undefined ? context.user : notes.user;
}

function referrerAndAgent({ request }: Exchange): string {
  const quoted = (name: string) => `"${escapeLogQuoted(request.headers.get(name) ?? "-")}"`;
  return `${quoted("referer")} ${quoted("user-agent")}`;
}

function jsonLine({ request, context, response, milliseconds, bytes }: Exchange): string {
  return escapeJson(JSON.stringify({
    time: new Date().toISOString(),
    address: context.remoteAddress || null,
    user: userOf(context),
    method: request.method,
    target: internalsOf(context).targetOf(request),
    status: response.status,
    bytes,
    milliseconds: Math.round(milliseconds * 1000) / 1000,
    referer: request.headers.get("referer"),
    agent: request.headers.get("user-agent"),
  }));
}

/** Escaped request lines by URL, of GET over HTTP/1.1: most requests are for what has been requested before. */
const escaped = new Map<string, string>();
const MAX_ESCAPED = 1_000;
const MAX_URL_LENGTH = 512;

function escapedLine(request: Request, context: Context): string {
  const url = internalsOf(context).urlOf(request);
  if (request.method !== "GET" || url.length > MAX_URL_LENGTH || versionOf(request, context) !== "HTTP/1.1") {
    return escapeLog(requestLine(request, context));
  }
  const known = escaped.get(url);
  if (known !== undefined) return known;
  const line = escapeLog(requestLine(request, context));
  if (escaped.size >= MAX_ESCAPED) escaped.clear();
  escaped.set(url, line);
  return line;
}

/** The target is cut from the URL here, because the context would have to parse it. */
function requestLine(request: Request, context: Context): string {
  const version = versionOf(request, context);
  const target = internalsOf(context).targetOf(request);
  return `${request.method} ${target}${version === "HTTP/0.9" ? "" : ` ${version}`}`;
}

function versionOf(request: Request, context: Context): string {
  return context.protocol ?? (internalsOf(context).headOf(request).host === null ? "HTTP/2.0" : "HTTP/1.1");
}

function lengthOf(response: Response): number | null {
  const length = response.headers.get("content-length");
  return length === null ? null : Number(length);
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

let lastSecond = NaN;
let lastTime = "";

/** The local time in whole seconds, cached because many lines share it. */
function localTime(milliseconds: number): string {
  const second = Math.floor(milliseconds / 1000);
  if (second !== lastSecond) [lastSecond, lastTime] = [second, formatTime(new Date(milliseconds))];
  return lastTime;
}

function formatTime(date: Date): string {
  const day = `${two(date.getDate())}/${MONTHS[date.getMonth()]}/${date.getFullYear()}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

function zone(date: Date): string {
  const minutes = -date.getTimezoneOffset();
  const absolute = Math.abs(minutes);
  return (minutes < 0 ? "-" : "+") + two(Math.trunc(absolute / 60)) + two(absolute % 60);
}

function two(number: number): string {
  return String(number).padStart(2, "0");
}
