/** Programs that the kernel refuses some system calls, as the profile of a container runtime may. */

/** Installs the filter, which the program that it becomes inherits: seccomp(2). */
const SCRIPT = `
import ctypes, os, struct, sys
errno, numbers, command = int(sys.argv[1]), sys.argv[2].split(","), sys.argv[3:]
filter = [(0x20, 0, 0, 0)] # load the number of the call
for number in numbers: filter += [(0x15, 0, 1, int(number)), (0x06, 0, 0, 0x00050000 | errno)]
filter += [(0x06, 0, 0, 0x7FFF0000)] # allow
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in filter))
program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(filter), ctypes.addressof(code)))
libc = ctypes.CDLL(None, use_errno=True)
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program, 0, 0):
  raise OSError(ctypes.get_errno(), "prctl")
os.execvp(command[0], command)
`;

/** What to put before a command line, so that system calls, given by number, fail with `errno`. Needs python3. */
export function refusing(errno: number, ...calls: readonly number[]): string[] {
  return ["python3", "-c", SCRIPT, String(errno), calls.join()];
}
