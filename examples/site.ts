/**
 * A static site with an API: the files of a directory, and notes at `/api/notes`.
 *
 *     deno run --allow-net=127.0.0.1:8000 --allow-read=examples/public examples/site.ts examples/public 8000
 *     curl --json '{"text": "Hello"}' http://localhost:8000/api/notes
 *
 * The arguments are the directory and the port. On SIGTERM and Ctrl-C, it answers the requests in progress before it ends.
 */

import { chain, fileServer, type Handler, HttpError, mount, serve, settle, toFetch } from "@x/pyserve";
import { allow } from "@x/pyserve/handlers";

/** Maximum size of a note in bytes. */
const MAX_BYTES = 65_536;

/** Maximum number of notes; the oldest are dropped. */
const MAX_NOTES = 1_000;

const notes: string[] = [];

const listNotes: Handler = (request, { target }) => {
  if (request.method !== "GET" || target.path.text !== "/notes") return null;
  return Response.json(notes);
};

const addNote: Handler = async (request, { target }) => {
  if (request.method !== "POST" || target.path.text !== "/notes") return null;
  // Pages of any site can send some other types without asking.
  const type = request.headers.get("content-type")?.split(";")[0];
  if (type !== "application/json") throw new HttpError(415, "Send a note as JSON");
  const length = request.headers.get("content-length");
  if (length === null) throw new HttpError(411, "Send Content-Length");
  if (Number(length) > MAX_BYTES) throw new HttpError(413, `A note has at most ${MAX_BYTES} bytes`);
  const { text } = await request.json().catch(() => ({})) ?? {};
  if (typeof text !== "string") throw new HttpError(400, 'A note is {"text": "..."}');
  notes.push(text);
  notes.splice(0, notes.length - MAX_NOTES);
  return new Response(null, { status: 201 });
};

const [directory = "examples/public", port = "8000"] = Deno.args;

// Settled, so that paths of the API are not looked for in the directory.
const api = mount("/api", settle(chain(listNotes, addNote, allow(["GET", "POST"]))));
const site = fileServer(directory, { layers: [(next) => chain(api, next)] });
const server = serve(toFetch(site), { hostname: "127.0.0.1", port: Number(port) });
// deno-lint-ignore no-console
console.log(`Listening on http://127.0.0.1:${server.address.port}/`);

for (const signal of ["SIGTERM", "SIGINT"] as const) Deno.addSignalListener(signal, () => void server.drain());
await server.finished;
Deno.exit();
