/**
 * The command with additional memory in use: `heavy.ts MEBIBYTES WORD...`. Starting a program must not cost more in a
 * large process.
 */

import { main } from "../../cli.ts";

const [mebibytes, ...args] = Deno.args;
// Filled, so that every page is resident, and global, so that it is not collected.
Object.assign(globalThis, { ballast: new Uint8Array(Number(mebibytes) * 1024 * 1024).fill(1) });
Deno.exit(await main(args));
