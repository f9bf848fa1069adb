/** Loaded by `--preload` into a server that a test starts: its clock is ahead, so that files written just now are stable. */

import { clockAhead } from "./clock.ts";

clockAhead();
