/**
 * The signals that the command listens to.
 *
 * @module
 */

/** The signals that end the command. */
export type StopSignal = "SIGHUP" | "SIGINT" | "SIGTERM";

/** Their numbers: what a shell adds to 128 for a command that one of them ended, and what goes to a worker. */
export const SIGNAL_NUMBERS: Readonly<Record<StopSignal, number>> = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 };
