/** A process that takes and releases locks over a file: `FILE NAME COUNT`. Prints how often it held the lock. */

import { SitePath } from "@x/pyserve";
import { locksIn } from "../../handlers/dav/lock_file.ts";
import { LockConflict, LockTable } from "../../handlers/dav/lock_table.ts";

const [file, name, count] = Deno.args as [string, string, string];
const table = new LockTable(locksIn(file));
const root = SitePath.root.child("a")!;
const counter = `${file}.counter`;
let held = 0;
while (held < Number(count)) {
  try {
    const lock = table.take({ root, isDeep: true, isShared: false, owner: "", by: name, address: "", seconds: 60 });
    // Not atomic on purpose: what another process did meanwhile would be lost.
    Deno.writeTextFileSync(counter, `${Number(Deno.readTextFileSync(counter)) + 1}`);
    held += 1;
    table.release(lock);
  } catch (error) {
    if (!(error instanceof LockConflict)) throw error;
  }
  await new Promise((resolve) => setTimeout(resolve, 1));
}
await Deno.stdout.write(new TextEncoder().encode(`${held}`));
