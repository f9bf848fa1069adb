/**
 * The network interfaces of this machine.
 *
 * @module
 */

/** Empty without the permission (--allow-sys), which is not requested: it is no reason to fail or to ask. */
export function interfaces(): Deno.NetworkInterfaceInfo[] {
  if (Deno.permissions.querySync({ name: "sys", kind: "networkInterfaces" }).state !== "granted") return [];
  try {
    return Deno.networkInterfaces();
  } catch {
    return [];
  }
}
