/** Firefox, driven by WebDriver BiDi. */

import { join } from "@std/path/join";
import { hasProgram } from "./programs.ts";

/** The program, if there is one. */
export const FIREFOX = ["firefox-esr", "firefox"].find(hasProgram);

/** A running Firefox. */
export interface Firefox extends AsyncDisposable {
  /** Goes to a page; the text that it shows, or `error: ...` with the code that is shown instead. */
  open(url: string): Promise<string>;
  /** Runs the body of an async function in the page; what it returns, a string. */
  run(code: string): Promise<string>;
}

interface Reply {
  readonly id: number;
  readonly type: string;
  readonly result: {
    readonly contexts: readonly { readonly context: string }[];
    readonly result: { readonly value: string };
    readonly exceptionDetails?: { readonly text: string };
  };
  readonly message?: string;
}

/**
 * Starts it.
 *
 * @param profile An existing directory.
 * @param names Host names that lead to this machine.
 */
export async function launchFirefox(profile: string, names: readonly string[] = []): Promise<Firefox> {
  await Deno.writeTextFile(
    join(profile, "user.js"),
    `user_pref("network.dns.localDomains", "${names.join()}");\nuser_pref("network.stricttransportsecurity.preloadlist", false);\n`,
  );
  const process = new Deno.Command(FIREFOX!, {
    args: ["--headless", "--no-remote", "--profile", profile, "--remote-debugging-port", "0"],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
    env: { HOME: profile },
  }).spawn();
  const socket = new WebSocket(`${await addressIn(process.stderr)}/session`);
  const opened = Promise.withResolvers<void>();
  const waiting = new Map<number, (reply: Reply) => void>();
  socket.onopen = () => opened.resolve();
  socket.onerror = () => opened.reject(new Error("Firefox accepts no connection"));
  socket.onmessage = ({ data }) => {
    const reply: Reply = JSON.parse(data);
    waiting.get(reply.id)?.(reply);
  };
  await opened.promise;
  const call = (method: string, params: object) => {
    const { promise, resolve } = Promise.withResolvers<Reply>();
    const id = waiting.size + 1;
    waiting.set(id, resolve);
    socket.send(JSON.stringify({ id, method, params }));
    return promise;
  };
  await call("session.new", { capabilities: {} });
  const context = (await call("browsingContext.getTree", {})).result.contexts[0]!.context;
  return {
    async open(url) {
      const { type, message = "" } = await call("browsingContext.navigate", { context, url, wait: "complete" });
      if (type === "error") return `error: ${message}`;
      const expression = "document.body.innerText";
      const shown = await call("script.evaluate", { target: { context }, expression, awaitPromise: false });
      return shown.result.result.value;
    },
    async run(code) {
      const expression = `(async () => {${code}})()`;
      const { result, message } = await call("script.evaluate", {
        target: { context },
        expression,
        awaitPromise: true,
      });
      if (result?.exceptionDetails) throw new Error(result.exceptionDetails.text);
      if (!result) throw new Error(message);
      return result.result.value;
    },
    async [Symbol.asyncDispose]() {
      const closed = Promise.withResolvers<void>();
      socket.onclose = () => closed.resolve();
      process.kill("SIGKILL");
      await Promise.all([process.status, closed.promise]);
    },
  };
}

/** The address of the WebSocket that it prints; the rest of its output is discarded. */
async function addressIn(stderr: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<string> {
  const reader = stderr.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`Firefox did not start: ${text}`);
    text += value;
    const address = /listening on (ws:\S+)/.exec(text)?.[1];
    if (address === undefined) continue;
    const discard = async () => {
      while (!(await reader.read()).done);
    };
    discard().catch(() => {});
    return address;
  }
}
