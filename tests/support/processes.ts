/** Processes, as Linux shows them. */

/** The running children of a process. */
export function childrenOf(parent: number): number[] {
  const pids = [...Deno.readDirSync("/proc")].map(({ name }) => name).filter((name) => /^\d+$/.test(name));
  return pids.map(Number).filter((pid) => statusOf(pid)?.parent === parent);
}

/** Whether a process runs. */
export function isAlive(pid: number): boolean {
  return statusOf(pid) !== null;
}

function statusOf(pid: number): { parent: number } | null {
  try {
    const [state, parent] = Deno.readTextFileSync(`/proc/${pid}/stat`).replace(/^.*\) /s, "").split(" ");
    return state === "Z" ? null : { parent: Number(parent) };
  } catch {
    return null;
  }
}
