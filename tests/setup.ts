/**
 * Installs what the tests need: on Debian as root, the missing packages; elsewhere nothing, and the tests that need
 * a missing program say so and are counted as skipped.
 */

import { FIREFOX } from "./support/firefox.ts";
import { findPhpFpm } from "./support/php_fpm.ts";
import { hasProgram } from "./support/programs.ts";

/** Debian's packages, and how to tell whether each is installed. */
const PACKAGES: Readonly<Record<string, () => boolean>> = {
  "apache2-utils": () => hasProgram("htpasswd"),
  "argon2": () => hasProgram("argon2"),
  "busybox": () => hasProgram("busybox"),
  "cadaver": () => hasProgram("cadaver"),
  "cgit": () => hasFile("/usr/lib/cgit/cgit.cgi"),
  "chromium": () => hasProgram("chromium"),
  "curl": () => hasProgram("curl"),
  "expect": () => hasProgram("expect"),
  "fish": () => hasProgram("fish"),
  "firefox-esr": () => FIREFOX !== undefined,
  "gcc": () => hasProgram("gcc"),
  "git": () => hasProgram("git"),
  "gitweb": () => hasFile("/usr/share/gitweb/gitweb.cgi"),
  "haproxy": () => hasProgram("haproxy"),
  "libarchive-tools": () => hasProgram("bsdtar"),
  "libnss3-tools": () => hasProgram("certutil"),
  "libc6-dev": () => hasFile("/usr/include/stdio.h"),
  "libcgi-pm-perl": () => succeeds("perl", "-MCGI", "-e1"),
  "litmus": () => hasProgram("litmus"),
  "logrotate": () => hasProgram("logrotate"),
  "nginx-light": () => hasProgram("nginx"),
  "openssl": () => hasProgram("openssl"),
  "php-cgi": () => hasProgram("php-cgi"),
  "php-fpm": () => findPhpFpm() !== null,
  "python3": () => hasProgram("python3"),
  "python3-prometheus-client": () => hasFile("/usr/lib/python3/dist-packages/prometheus_client/parser.py"),
  "rclone": () => hasProgram("rclone"),
  "strace": () => hasProgram("strace"),
  "swift-account": () => hasProgram("swift-account-server"),
  "swift-container": () => hasProgram("swift-container-server"),
  "swift-object": () => hasProgram("swift-object-server"),
  "swift-proxy": () => hasProgram("swift-proxy-server"),
  "unzip": () => hasProgram("unzip"),
  "wget": () => hasProgram("wget"),
  "zip": () => hasProgram("zip"),
  "zsh": () => hasProgram("zsh"),
  "zsync": () => hasProgram("zsync"),
};

const packages = Object.entries(PACKAGES).filter(([, isThere]) => !isThere()).map(([name]) => name);

if (packages.length > 0 && hasProgram("apt-get") && Deno.uid() === 0) {
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  await run("apt-get", ["update", "-qq"], env);
  await run("apt-get", ["install", "-y", "-qq", "--no-install-recommends", ...packages], env);
} else if (packages.length > 0) {
  // deno-lint-ignore no-console
  console.log(`Not installed, some tests will be skipped: ${packages.join(", ")}`);
}

if (Deno.build.os === "windows") {
  // deno-lint-ignore no-console
  console.log("On Windows, tests of POSIX names, links, signals, permissions and FIFOs are skipped");
}
if (Deno.build.os !== "linux") {
  // deno-lint-ignore no-console
  console.log("Tests of --workers, /proc and names that are not UTF-8 are for Linux only, and skipped");
}

function hasFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

function succeeds(program: string, ...args: string[]): boolean {
  return hasProgram(program) &&
    new Deno.Command(program, { args, stdout: "null", stderr: "null" }).outputSync().success;
}

async function run(program: string, args: string[], env: Record<string, string>): Promise<void> {
  const { success } = await new Deno.Command(program, { args, env, stdout: "null" }).spawn().status;
  // deno-lint-ignore no-console
  if (!success) console.log(`${program} ${args[0]} failed; tests that need what is missing will be skipped`);
}
