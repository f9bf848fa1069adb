/**
 * The command with memory in use that is none of its own: `heavy.ts MEBIBYTES WORD...`. Starting a program must not cost more
 * in a process that has much.
 */

import { main } from "../cli.ts";

const [mebibytes, ...args] = Deno.args;
// Every page written to, so that it is there; and where it can be reached, so that it stays.
Object.assign(globalThis, { ballast: new Uint8Array(Number(mebibytes) * 1024 * 1024).fill(1) });
Deno.exit(await main(args));
