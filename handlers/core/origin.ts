/**
 * Identifies the handler or layer at fault, in errors at construction and in the log.
 *
 * @module
 */

import { HttpError } from "./errors.ts";
import type { Encoder, Handler } from "./types.ts";

/** The function that threw an error; `""` for one without a name. */
const origins = new WeakMap<object, string>();

/**
 * Records which function threw an error, unless one that it called is already recorded. An {@linkcode HttpError} is a
 * response rather than a fault, and is not recorded.
 *
 * @returns The error to throw in its place: the same one, or an Error for a value that is not an object.
 */
export function thrownBy(title: string, thrown: unknown): unknown {
  if (thrown instanceof HttpError) return thrown;
  const error = isObject(thrown) ? thrown : new Error(`${kindOf(thrown)} was thrown: ${String(thrown)}`);
  if (!origins.has(error)) origins.set(error, title);
  return error;
}

/** The function that threw an error, or `""`. */
export function originOf(error: unknown): string {
  return isObject(error) ? origins.get(error) ?? "" : "";
}

/** The name of a function in messages: its own, or its position, counted from 0. */
export function titleOf(role: string, value: unknown, position: number): string {
  return typeof value === "function" && value.name !== "" ? `${role} "${value.name}"` : `${role} ${position + 1}`;
}

/** The error for a value returned instead of a response; its message contains the title. */
export function notAnAnswer(title: string, answer: unknown): unknown {
  return thrownBy("", new TypeError(`${title} returned ${kindOf(answer)}, not a Response or null`));
}

/**
 * Encodes a stream. A failure of the encoder names it, and cancels nothing.
 *
 * @throws TypeError If it returns anything but a stream that can be read.
 */
export function encodedBy(encoder: Encoder, content: Parameters<Encoder["encode"]>[0]): ReturnType<Encoder["encode"]> {
  const title = `the encoder for ${encoder.coding}`;
  let stream: unknown;
  try {
    stream = encoder.encode(content);
  } catch (thrown) {
    throw thrownBy(title, thrown);
  }
  if (stream instanceof ReadableStream && !stream.locked) return stream;
  const kind = stream instanceof ReadableStream ? "a stream that is in use" : kindOf(stream);
  throw thrownBy("", new TypeError(`${title} returned ${kind}, not a stream`));
}

/** Wraps a handler so that its faults name it: errors it throws, and results that are neither a Response nor null. */
export function accountable(handler: Handler, title: string): Handler {
  const checked = (answer: unknown) => {
    if (answer === null || answer instanceof Response) return answer;
    throw notAnAnswer(title, answer);
  };
  const failed = (thrown: unknown): never => {
    throw thrownBy(title, thrown);
  };
  return (request, context) => {
    try {
      const answer = handler(request, context);
      return answer instanceof Promise ? answer.then(checked, failed) : checked(answer);
    } catch (thrown) {
      return failed(thrown);
    }
  };
}

/** Throws a TypeError for anything that is not a function. */
export function requireFunction(value: unknown, title: string): void {
  if (typeof value !== "function") throw new TypeError(`Cannot use ${title}: it is ${kindOf(value)}, not a function`);
}

/** Throws a TypeError for anything that is not an array; the title is in the plural. */
export function requireArray(value: unknown, title: string, of: string): void {
  if (!Array.isArray(value)) {
    throw new TypeError(`Cannot use ${title}: they are ${kindOf(value)}, not an array of ${of}`);
  }
}

/** Describes a value by its kind only, for messages: its content may be private. */
export function kindOf(value: unknown): string {
  if (value === undefined || value === null) return `${value}`;
  if (typeof value !== "object") return `a ${typeof value}`;
  return Array.isArray(value) ? "an array" : `an object (${value.constructor?.name ?? "without a class"})`;
}

function isObject(value: unknown): value is object {
  return (typeof value === "object" && value !== null) || typeof value === "function";
}
