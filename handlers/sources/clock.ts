/**
 * The clock with which the timestamps of files are compared.
 *
 * @module
 */

/**
 * Reads the time of day in milliseconds. An object, so that tests can set it ahead: the `ctime` of a file cannot be set,
 * so its age can only be advanced by the clock.
 */
export const clock: { now: () => number } = { now: () => Date.now() };
