/**
 * The worker thread of `turn_guard.ts`.
 *
 * @module
 */

import { type AcceptedSocket, openSockets, type Sockets } from "../system/sockets.ts";

/** The state shared with the worker thread. */
export interface Watched {
  /** The port whose connections are monitored. */
  readonly port: number;
  /** The heartbeat: changes as long as timers run. */
  readonly beats: Int32Array<SharedArrayBuffer>;
  /** Requests whose bodies are being read, by client port. */
  readonly uploading: Uint8Array<SharedArrayBuffer>;
}

/** Polling interval in milliseconds. */
const LOOK_MS = 50;

/** Polls without a heartbeat before traffic is counted. */
const LOOKS = 6;

/**
 * Bytes that may be read from one client, in several portions, while all others are starved; and from one that is
 * uploading.
 */
const MOST_BYTES = 131_072;
const MOST_UPLOADED = 32 * 1024 * 1024;
const TIMES = 3;

/** Bytes read from a connection when counting began and now, and how often that has grown. */
interface Mark {
  readonly first: number;
  last: number;
  times: number;
}

type Marks = Map<string, Mark>;

/** The worker scope: its types would conflict with those of the main program. */
const scope = self as unknown as {
  onmessage: (event: MessageEvent<Watched>) => void;
  postMessage(message: string): void;
};

scope.onmessage = ({ data }) => {
  const sockets = openSockets();
  if (sockets === null) return;
  let last = 0;
  let silent = 0;
  let marks: Marks = new Map();
  setInterval(() => {
    const beat = Atomics.load(data.beats, 0);
    silent = beat === last ? silent + 1 : 0;
    last = beat;
    if (silent === LOOKS) marks = marksOf(sockets, data.port);
    else if (silent > LOOKS) disconnectHogs(sockets, data, marks);
  }, LOOK_MS);
};

function marksOf(sockets: Sockets, port: number): Marks {
  const marks: Marks = new Map();
  for (const connection of sockets.connections(port)) {
    const first = sockets.traffic(connection)?.read ?? 0;
    marks.set(keyOf(connection), { first, last: first, times: 0 });
  }
  return marks;
}

function disconnectHogs(sockets: Sockets, { port, uploading }: Watched, marks: Marks): void {
  for (const connection of sockets.connections(port)) {
    const mark = marks.get(keyOf(connection));
    const read = sockets.traffic(connection)?.read ?? 0;
    if (mark === undefined || read <= mark.last) continue;
    mark.last = read;
    mark.times += 1;
    const most = uploading[connection.peerPort] === 0 ? MOST_BYTES : MOST_UPLOADED;
    if (mark.times < TIMES || read - mark.first < most) continue;
    sockets.reset(connection);
    scope.postMessage(`Disconnected a client that sent ${read - mark.first} bytes while all other clients had to wait`);
  }
}

function keyOf({ descriptor, peerPort }: AcceptedSocket): string {
  return `${descriptor} ${peerPort}`;
}
