/** The ways in which requests reach handlers ("doors"), each with a handler, class or program that reports what it sees. */

import { ThreadingHTTPServer } from "@x/pyserve/python";
import { serveClassic } from "../../handlers/python/transport.ts";
import { serveNative } from "../../handlers/transport/native/serve_native.ts";
import { serve } from "../../handlers/transport/serve.ts";
import { makeCertificate } from "../support/certificate.ts";
import { start } from "../support/command.ts";
import { fromFileUrl, ROOT } from "../support/paths.ts";
import { tempTree } from "../support/tree.ts";
import { characters, Reporter, Reporter11, reporting, type Seen } from "./report.ts";
import type { Who } from "./requests.ts";
import { until } from "../support/wait.ts";
import { freePort } from "../support/port.ts";

/** A door. */
export interface Door extends AsyncDisposable {
  /** What it is, from the special to the general: the first exception of a row that names one of them counts. */
  readonly is: readonly Who[];
  /** Where its handler is. */
  readonly path: string;
  /** Programs see less of headers and bodies than handlers do. */
  readonly program: boolean;
  connect(): Promise<Deno.Conn>;
  /** The report in a response. */
  seen(field: string): Seen;
}

/** How to open each. */
export const DOORS: Readonly<Record<string, () => Promise<Door>>> = {
  "the default engine": () => {
    const server = serve(reporting, LOOPBACK);
    return Promise.resolve(handlers(["runtime"], server.address.port, () => server.abort()));
  },
  "the default engine over TLS": () => overTls(["TLS", "runtime"], serve),
  ...Deno.build.os === "linux" && {
    "the native engine": () => {
      const server = serveNative(reporting, LOOPBACK);
      return Promise.resolve(handlers(["native"], server.address.port, () => server.abort()));
    },
  },
  "deno serve with the library": denoServe,
  "the engine of -p HTTP/1.0": () => {
    const server = serveClassic(reporting, LOOPBACK);
    return Promise.resolve(handlers(["classic"], server.address.port, () => server.abort()));
  },
  "the engine of -p HTTP/1.0 over TLS": () => overTls(["classic"], serveClassic),
  "a class of Python": () => pythonClass("python 1.0", Reporter),
  "a class of Python that keeps connections": () => pythonClass("python 1.1", Reporter11),
  "programs": () => programs(["runtime"]),
  "programs of -p HTTP/1.0": () => programs(["classic"], "-p", "HTTP/1.0"),
  ...Deno.build.os === "linux" && { "programs of two workers": () => programs(["runtime"], "--workers", "2") },
};

const LOOPBACK = { hostname: "127.0.0.1", port: 0 } as const;

function handlers(is: readonly Who[], port: number, close: () => Promise<unknown>): Door {
  return {
    is,
    path: "/x",
    program: false,
    connect: () => Deno.connect({ hostname: "127.0.0.1", port }),
    seen: (field) => JSON.parse(decodeURIComponent(field)),
    [Symbol.asyncDispose]: async () => void await close(),
  };
}

async function overTls(is: readonly Who[], listen: typeof serve): Promise<Door> {
  const { cert, key } = await certificate();
  const server = listen(reporting, { ...LOOPBACK, tls: { cert, key } });
  const { port } = server.address;
  const connect = () => {
    return Deno.connectTls({ hostname: "127.0.0.1", port, caCerts: [cert], alpnProtocols: ["http/1.1"] });
  };
  return { ...handlers(is, port, () => server.abort()), connect };
}

/** A certificate for this machine and its key, PEM. */
export async function certificate(): Promise<{ cert: string; key: string }> {
  await using tree = await tempTree();
  const { cert, key } = await makeCertificate(tree.path);
  return { cert: await Deno.readTextFile(cert), key: await Deno.readTextFile(key) };
}

async function denoServe(): Promise<Door> {
  const port = freePort();
  const args = [
    "serve",
    "-A",
    "--no-lock",
    "--host",
    "127.0.0.1",
    "--port",
    String(port),
    fromFileUrl("../doors/report.ts"),
  ];
  const process = new Deno.Command(Deno.execPath(), { args, cwd: ROOT, stdout: "null", stderr: "null" }).spawn();
  const end = async () => {
    process.kill("SIGKILL");
    await process.status;
  };
  await until(
    () => Deno.connect({ hostname: "127.0.0.1", port }).then((conn) => (conn.close(), true), () => false),
    "it listens",
  );
  return handlers(["runtime"], port, end);
}

function pythonClass(is: Who, Handler: typeof Reporter): Promise<Door> {
  const server = new ThreadingHTTPServer(["127.0.0.1", 0], Handler);
  server.handle_error = () => {};
  const ended = server.serve_forever();
  const close = async () => {
    await server.server_close();
    await ended;
  };
  return Promise.resolve(handlers([is, "python"], server.server_port, close));
}

/** The command with a program that reports what it sees: its environment and its input. */
async function programs(is: readonly Who[], ...options: readonly string[]): Promise<Door> {
  const tree = await tempTree({
    "cgi-bin/see": `#!/bin/sh
body=$(base64 -w0)
seen="x-seen: $(env -0 | base64 -w0) $body"
content=seen
[ "$SERVER_PROTOCOL" != HTTP/0.9 ] || content=$seen
printf '%s\\nContent-Type: a/b\\nContent-Length: %s\\n\\n%s' "$seen" "\${#content}" "$content"
`,
  });
  await Deno.chmod(tree.at("cgi-bin/see"), 0o755);
  const command = await start([
    tree.path,
    "--cgi",
    "--quiet",
    ...["--allow-host", "a.test", "--allow-host", "b.test"],
    ...options,
  ]);
  const close = async () => {
    await command.stop("SIGKILL");
    await tree[Symbol.asyncDispose]();
  };
  return {
    ...handlers(["programs", ...is], command.port, close),
    path: "/cgi-bin/see",
    program: true,
    seen: seenByProgram,
  };
}

function seenByProgram(field: string): Seen {
  const [environment = "", body = ""] = field.split(" ");
  const variables = new TextDecoder().decode(Uint8Array.fromBase64(environment)).split("\0").filter(Boolean)
    .map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]);
  const { REQUEST_METHOD, REQUEST_URI, CONTENT_LENGTH, CONTENT_TYPE, ...others } = Object.fromEntries(variables);
  const http = Object.entries<string>(others).filter(([name]) => name.startsWith("HTTP_"))
    .map(([name, value]) => [name.slice(5).toLowerCase().replaceAll("_", "-"), value]);
  const input = characters(Uint8Array.fromBase64(body));
  if (CONTENT_LENGTH !== undefined && Number(CONTENT_LENGTH) !== input.length) {
    throw new Error(`Not ${CONTENT_LENGTH} bytes: ${input}`);
  }
  return {
    method: REQUEST_METHOD,
    target: REQUEST_URI,
    fields: { ...Object.fromEntries(http), ...(CONTENT_TYPE !== undefined && { "content-type": CONTENT_TYPE }) },
    body: CONTENT_LENGTH === undefined ? input === "" ? null : `without a length: ${input}` : input,
  };
}
