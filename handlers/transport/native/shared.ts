/**
 * What the connections of one server share.
 *
 * @module
 */

import type { FetchFunction } from "../../core/fetch.ts";
import type { Repeat } from "../../core/shortcuts.ts";
import type { Logger } from "../../core/types.ts";
import type { InputBuffer } from "../../http1/input_buffer.ts";
import type { Block } from "../../system/block.ts";
import type { EventLoop } from "./event_loop.ts";
import type { Outbox, Sent, Stage } from "./outbox.ts";
import type { Repeats } from "./repeats.ts";

/**
 * Limits of `serveNative`.
 *
 * @category Server
 */
export interface NativeLimits {
  /** How long the head of a request may take to arrive, in milliseconds; defaults to 10,000. */
  readonly headMs: number;
  /** How long a handler waits for more of a body, in milliseconds; defaults to 60,000. */
  readonly bodyMs: number;
  /** How long a connection may be idle between two requests, in milliseconds; defaults to 60,000. */
  readonly idleMs: number;
  /** How long a client may read nothing of a response, in milliseconds; defaults to 60,000. */
  readonly stallMs: number;
  /** The most connections; defaults to unlimited. Others wait to be accepted. */
  readonly connections: number;
  /** The most connections of one address; defaults to unlimited. Others are closed at once. */
  readonly connectionsPerAddress: number;
}

/** What the connections of one server share. */
export interface Shared {
  readonly loop: EventLoop;
  readonly fetch: FetchFunction;
  readonly limits: NativeLimits;
  readonly log: Logger | undefined;
  /** The buffer that all of them receive into. */
  readonly received: Block;
  /** The buffer in which all of them put heads together. */
  readonly stage: Stage;
  /** Responses that are sent again. */
  readonly repeats: Repeats;
  /** Filled in while a handler is called; null if nothing must be sent again. */
  readonly repeat: Repeat | null;
  /** The local port; 0 for a Unix socket. */
  readonly port: number;
  /** Whether the server accepts no more requests. */
  readonly isStopping: boolean;
  /** Called when a connection has been closed. */
  closed(connection: ServedConnection): void;
}

/** A connection, as far as its requests and responses are concerned. */
export interface ServedConnection {
  readonly shared: Shared;
  readonly remoteAddr: Deno.NetAddr | Deno.UnixAddr;
  /** The address of the client as text. */
  readonly address: string;
  /** What has arrived and has not been taken. */
  readonly input: InputBuffer;
  /** What is being sent. */
  readonly outbox: Outbox;
  /** Whether nothing more will arrive. */
  readonly hasEnded: boolean;
  /** Continues after something was sent, perhaps not completely. */
  settle(sent: Sent): void;
  /** Listens for what it waits for. */
  listen(): void;
  /** Begins to count time again. */
  touch(): void;
  /** The response has been sent, and the content of the request has been read. */
  finish(exchange: { readonly isPersistent: boolean; readonly hasUnread: boolean }): void;
  /** The client has left. */
  lose(): void;
  /** Closes it immediately; a request in progress is aborted. */
  abort(reason: Error): void;
  /** Closes it. */
  close(): void;
  /** Closes it because of a mistake in this program. */
  failed(error: unknown): void;
}
