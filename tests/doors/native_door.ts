/**
 * The suites of the project through the native engine: loaded by `--preload`, with `deno task test:native`.
 *
 * The command gets `--engine native`, unless its options exclude that, and what tests serve with `Deno.serve` over
 * plain HTTP is served natively. A test listed in `native_differences.ts` has to fail: then the table is right.
 */

import type { FetchFunction } from "../../handlers/core/fetch.ts";
import { serveNative } from "../../handlers/transport/native/serve_native.ts";
import { TESTED } from "../support/command.ts";
import { DIFFERENCES } from "./native_differences.ts";

TESTED.engine = "native";

type Options = Deno.ServeTcpOptions & Deno.ServeUnixOptions & { readonly cert?: string };

const denoServe = Deno.serve;
Deno.serve = ((...words: [Options, FetchFunction]) => {
  const [options, fetch] = words;
  // Its own servers, and applications behind a proxy.
  const isOwn = /\/handlers\/transport\/|\/proxy_site\.ts|\/upstream\/proxy\//.test(new Error().stack!);
  if (isOwn || typeof fetch !== "function" || options.cert !== undefined) return Reflect.apply(denoServe, Deno, words);
  const { path, hostname = "0.0.0.0", port = 8000 } = options;
  const server = serveNative(fetch, {
    endpoint: path === undefined ? { kind: "tcp", hostname, port } : { kind: "unix", path },
  });
  return {
    addr: server.address,
    finished: server.finished,
    shutdown: () => server.drain(),
    ref() {},
    unref() {},
    [Symbol.asyncDispose]: () => server.abort(),
  };
}) as unknown as typeof Deno.serve;

type Body = Deno.TestDefinition["fn"];
type Words = (string | Body | Partial<Deno.TestDefinition>)[];

/** A test or a step; what passes although the table says that it cannot is an error in the table. */
function judged(definition: Deno.TestDefinition, name = definition.name): Deno.TestDefinition {
  const fn: Body = (context) => definition.fn(withJudgedSteps(context, name));
  if (!(name in DIFFERENCES)) return { ...definition, fn };
  return {
    ...definition,
    sanitizeOps: false,
    sanitizeResources: false,
    fn: async (context) => {
      const failure = await Promise.try(fn, context).then(() => null, (error) => error);
      if (failure === null) throw new Error("It passes: tests/doors/native_differences.ts must not list it");
    },
  };
}

function withJudgedSteps(context: Deno.TestContext, name: string): Deno.TestContext {
  const step = (...words: Words) => {
    const definition = definitionOf(...words);
    return context.step(judged(definition, `${name} ... ${definition.name}`) as Deno.TestStepDefinition);
  };
  return { ...context, step: step as Deno.TestContext["step"] };
}

/** `Deno.test` and `step` also take the name, the options and the function apart. */
function definitionOf(...words: Words): Deno.TestDefinition {
  const fn = words.find((word) => typeof word === "function");
  const name = words.find((word) => typeof word === "string") ?? fn?.name;
  const options = words.find((word) => typeof word === "object");
  return { ...name && { name }, ...fn && { fn }, ...options } as Deno.TestDefinition;
}

const test = Deno.test;
Object.assign(Deno, {
  test: new Proxy(test, {
    apply: (_test, _this, words) => test(judged(definitionOf(...words as Words))),
  }),
});
