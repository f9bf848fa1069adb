/**
 * What the fields of a request say about its connection and its content.
 *
 * @module
 */

import type { Body } from "../../http1/body.ts";
import { bodyOf } from "../../http1/decoder.ts";
import { bodyFraming } from "../../http1/framing.ts";
import type { Head } from "../../http1/head.ts";
import { Rejection } from "../../http1/rejection.ts";

/** What concerns the engine. */
export interface ConnectionOptions {
  readonly host: string | null;
  /** Whether the client wants to send more requests. */
  readonly isPersistent: boolean;
  /** Whether the client waits for permission to send the content. */
  readonly expectsContinue: boolean;
  /** The content; null if there is none. */
  readonly body: Body | null;
}

/** Reads the fields; or returns why the request is malformed. */
export function connectionOptions(head: Head): ConnectionOptions | Rejection {
  const { fields, minor } = head;
  let host: string | null = null;
  let connection = "";
  let expectsContinue = false;
  let isFramed = false; // or has several hosts
  for (const [name, value] of fields) {
    switch (name.length) { // most names are of another length
      case 4:
        if (name.toLowerCase() !== "host") break;
        isFramed ||= host !== null;
        host = value;
        break;
      case 6:
        if (name.toLowerCase() === "expect") expectsContinue = minor > 0 && /^100-continue$/i.test(value);
        break;
      case 10:
        if (name.toLowerCase() === "connection") connection += `,${value}`;
        break;
      case 14:
      case 17:
        isFramed ||= isFraming(name);
    }
  }
  const options = { host, isPersistent: isPersistent(minor, connection), expectsContinue };
  if (!isFramed) return { ...options, body: null };
  const framing = bodyFraming(fields, [1, minor]);
  if (framing instanceof Rejection) return framing;
  const isEmpty = framing.kind === "length" && framing.length === 0;
  return { ...options, body: isEmpty ? null : bodyOf(framing) };
}

/** Whether a request may have content. */
export function mayHaveContent({ fields }: Head): boolean {
  for (const [name] of fields) {
    if ((name.length === 14 || name.length === 17) && isFraming(name)) return true;
  }
  return false;
}

function isFraming(name: string): boolean {
  const lower = name.toLowerCase();
  return lower === "content-length" || lower === "transfer-encoding";
}

function isPersistent(minor: number, connection: string): boolean {
  if (connection === "") return minor > 0;
  const options = connection.toLowerCase().split(",").map((option) => option.trim());
  return !options.includes("close") && (minor > 0 || options.includes("keep-alive"));
}
