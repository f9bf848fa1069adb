/**
 * The signals the command handles.
 *
 * @module
 */

/** The signals that stop the command. */
export type StopSignal = "SIGHUP" | "SIGINT" | "SIGTERM";

/** Signal numbers: added to 128 in an exit status, and sent to workers. */
export const SIGNAL_NUMBERS: Readonly<Record<StopSignal, number>> = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 };
