/**
 * Users of the system, for programs that run as another one.
 *
 * @module
 */

import type { SystemUser } from "./process_group.ts";

/** Names accepted by useradd(8); in particular, nothing that id(1) would take for an option. */
const NAME = /^[A-Za-z0-9_][A-Za-z0-9_.@-]*\$?$/;

/** The largest 32-bit number is not a user id: to the kernel, it means "leave unchanged". */
const MOST_ID = 2 ** 32 - 2;

/**
 * Finds a user and their primary group by name, or parses both as numbers: `uid:gid`.
 *
 * Uses id(1), which also knows users from directory services.
 *
 * @throws Error If there is no such user.
 */
export async function findUser(name: string): Promise<SystemUser> {
  const numbers = /^(\d+):(\d+)$/.exec(name);
  if (numbers && numbers.slice(1).every((id) => Number(id) <= MOST_ID)) {
    return { uid: Number(numbers[1]), gid: Number(numbers[2]) };
  }
  if (!NAME.test(name)) throw new Error(`No such user: ${JSON.stringify(name)}`);
  return { uid: await askId("-u", name), gid: await askId("-g", name) };
}

async function askId(what: string, name: string): Promise<number> {
  const { success, stdout } = await new Deno.Command("id", { args: [what, name], stderr: "null" }).output();
  if (!success) throw new Error(`No such user: ${JSON.stringify(name)}`);
  return Number(new TextDecoder().decode(stdout));
}
