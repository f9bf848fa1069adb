/**
 * Combines handlers: in sequence, and as layers.
 *
 * @module
 */

import { accountable, notAnAnswer, requireArray, requireFunction, thrownBy, titleOf } from "./origin.ts";
import { repeatableLike } from "./shortcuts.ts";
import { isSettled, settle } from "./settle.ts";
import { isRepeatable, markRepeatable } from "./shortcuts.ts";
import type { Handler, Layer } from "./types.ts";

/**
 * Tries handlers in order until one responds; declines if none does.
 *
 * Synchronous responses are returned synchronously: nothing is awaited needlessly.
 *
 * @throws {TypeError} For a handler after one that never declines, such as a `fileServer`: it would never be tried.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { chain, files, listing, memory, toFetch } from "@x/pyserve";
 *
 * const source = memory({ "docs/a.txt": "a" });
 * const response = await toFetch(chain(files(source), listing(source)))(new Request("http://localhost/docs/"));
 * assert((await response.text()).includes("a.txt"));
 * ```
 *
 * @category Composition
 */
export function chain(...handlers: readonly Handler[]): Handler {
  const title = (position: number) => titleOf("handler", handlers[position], position);
  for (const [i, handler] of handlers.entries()) requireFunction(handler, `${title(i)} of the chain`);
  const last = handlers.findIndex(isSettled);
  if (last >= 0 && last < handlers.length - 1) {
    throw new TypeError(`Cannot chain ${title(last + 1)}: ${title(last)} before it never declines; put that one last`);
  }
  return repeatableLike(handlers, inTurn(handlers, title));
}

/** A chain whose handlers are named by their titles in the log; `""` for one without a title. */
export function inTurn(handlers: readonly Handler[], title: (position: number) => string): Handler {
  const ask = (from: number): Handler => (request, context) => {
    let i = from;
    try {
      for (; i < handlers.length; i++) {
        const answer = handlers[i]!(request, context);
        if (answer === null) continue;
        if (answer instanceof Response) return answer;
        if (!(answer instanceof Promise)) throw notAnAnswer(title(i), answer);
        return answer.then((late) => {
          if (late === null) return ask(i + 1)(request, context);
          if (late instanceof Response) return late;
          throw notAnAnswer(title(i), late);
        }, (thrown) => {
          throw thrownBy(title(i), thrown);
        });
      }
      return null;
    } catch (thrown) {
      throw thrownBy(title(i), thrown);
    }
  };
  return ask(0);
}

/**
 * Wraps a handler in layers; the first is outermost and sees the request first.
 *
 * If a layer fails, or returns something other than a Response or null, the response is a 500, and the log names the
 * layer: by its function's name, or else by its position.
 *
 * @throws {TypeError} For anything that is not a layer, and for `settle` outside of a layer that error responses have
 * to pass through (`accessLog`, `errorPages`, `headers`).
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { errorPages, files, headers, memory, settle, toFetch, wrap } from "@x/pyserve";
 *
 * const site = wrap(settle(files(memory({}))), headers([["x-site", "mine"]]), errorPages());
 * const response = await toFetch(site)(new Request("http://localhost/nothing"));
 * assert(response.status === 404 && response.headers.get("x-site") === "mine");
 * await response.body?.cancel();
 * ```
 *
 * @category Composition
 */
export function wrap(handler: Handler, ...layers: readonly Layer[]): Handler {
  requireFunction(handler, "the handler of wrap");
  requireErrorsInside(handler, layers);
  if (layers.length === 0) return handler;
  const { name } = handler;
  return layered(isSettled(handler) ? handler : accountable(handler, name && `handler "${name}"`), layers);
}

/** The layers around a handler that is settled or reports its own faults. */
export function layered(handler: Handler, layers: readonly Layer[]): Handler {
  requireArray(layers, "the layers", "layers");
  return layers.reduceRight((inner, layer, position) => {
    const title = titleOf("layer", layer, position);
    requireFunction(layer, title);
    if (makers.has(layer)) throw new TypeError(`Cannot use ${title}: it makes a layer; call it: ${layer.name}()`);
    const outer = layer(inner);
    requireFunction(outer, `what ${title} returned for its handler`);
    const made = dressing.has(layer) ? outer : accountable(outer, title);
    return isRepeatable(inner) && isRepeatable(layer) ? markRepeatable(made) : made;
  }, handler);
}

/** Functions of this package that make layers: one that is not called yet is a mistake, which is reported. */
const makers = new WeakSet<object>();

/** Marks a function that makes layers. */
export function makesLayers(maker: (...options: never[]) => Layer): void {
  makers.add(maker);
}

/** Layers of this package that also process error responses. */
const dressing = new WeakMap<Layer, string>();

/** Marks a layer of this package that error responses have to pass through; it does not report faults of its own. */
export function passedByErrors(name: string, layer: Layer): Layer {
  dressing.set(layer, name);
  return layer;
}

/** Errors become responses in `settle`, so a layer for these needs one inside. */
function requireErrorsInside(handler: Handler, layers: readonly Layer[]): void {
  if (isSettled(handler)) return;
  const outermost = layers.indexOf(settle);
  const blind = layers.find((layer, i) => {
    return dressing.has(layer) && i > outermost && !layers.includes(settle, i);
  });
  if (outermost < 0 || blind === undefined) return;
  const name = dressing.get(blind);
  throw new TypeError(
    `Cannot wrap: settle is outside of the layer "${name}", which gets no errors so; put settle last`,
  );
}
