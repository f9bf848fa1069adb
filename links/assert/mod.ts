import nodeAssert from "node:assert/strict";

/** Fails unless the expression is truthy. */
export function assert(expression: unknown, message = ""): asserts expression {
  nodeAssert.ok(expression, message);
}

/** Fails unless both are deeply equal. */
export function assertEquals<T>(actual: T, expected: T, message?: string): void {
  nodeAssert.deepEqual(actual, expected, message);
}

/** Fails unless the text contains the expected text. */
export function assertStringIncludes(actual: string, expected: string, message?: string): void {
  if (actual.includes(expected)) return;
  nodeAssert.fail(`Expected actual: "${actual}" to contain: "${expected}"${message ? `: ${message}` : "."}`);
}

/** Fails unless the text matches. */
export function assertMatch(actual: string, expected: RegExp, message?: string): void {
  nodeAssert.match(actual, expected, message);
}

// deno-lint-ignore no-explicit-any
type ErrorClass<E extends Error> = new (...args: any[]) => E;

/** Fails unless the function throws an error of that class whose message contains that text; returns the error. */
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  errorClass: ErrorClass<E>,
  messageIncludes = "",
): E {
  try {
    fn();
  } catch (error) {
    return checked(error, errorClass, messageIncludes);
  }
  return nodeAssert.fail("Expected function to throw.");
}

/** The same for a function whose promise rejects. */
export async function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  errorClass: ErrorClass<E>,
  messageIncludes = "",
): Promise<E> {
  try {
    await fn();
  } catch (error) {
    return checked(error, errorClass, messageIncludes);
  }
  return nodeAssert.fail("Expected function to reject.");
}

function checked<E extends Error>(error: unknown, errorClass: ErrorClass<E>, messageIncludes: string): E {
  nodeAssert.ok(
    error instanceof errorClass,
    `Expected error to be instance of "${errorClass.name}", but was "${error}"`,
  );
  assertStringIncludes(error.message, messageIncludes);
  return error;
}

/** Fails if both are deeply equal. */
export function assertNotEquals<T>(actual: T, expected: T, message?: string): void {
  nodeAssert.notDeepEqual(actual, expected, message);
}
