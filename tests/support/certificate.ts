/** A certificate, made by openssl. */

import { join } from "@std/path/join";

/** The files of a certificate and its key, and the options with which the command uses them. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
  readonly options: readonly string[];
}

/** Makes a self-signed certificate for localhost and 127.0.0.1 in a directory: `cert.pem` and `key.pem`. */
export async function makeCertificate(directory: string): Promise<Certificate> {
  const [cert, key] = [join(directory, "cert.pem"), join(directory, "key.pem")];
  await openssl(
    "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost " +
      "-addext subjectAltName=DNS:localhost,IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE " +
      "-keyout key.pem -out cert.pem",
    directory,
  );
  return { cert, key, options: ["--tls-cert", cert, "--tls-key", key] };
}

/** Runs openssl with arguments that have no blanks in them. */
export async function openssl(args: string, cwd: string): Promise<void> {
  const { success, stderr } = await new Deno.Command("openssl", { args: args.split(" "), cwd }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
}
