/** When a certificate expires. */

import { assertEquals } from "@std/assert";
import { X509Certificate } from "node:crypto";
import { expiryOf } from "../../handlers/transport/certificate_check.ts";
import { makeNamedCertificate, setValidity } from "../support/named_certificate.ts";
import { missing } from "../support/programs.ts";
import { tempTree } from "../support/tree.ts";

Deno.test({
  name: "the expiry of a certificate is what node:crypto reads, in this century and the next",
  ignore: missing("openssl"),
  async fn() {
    await using tree = await tempTree();
    const { cert } = await makeNamedCertificate(tree.path, "a");
    const certificates = [cert];
    for (const days of [-1, 36_500]) certificates.push(await setValidity(tree.path, "a", days));
    for (const each of certificates) assertEquals(expiryOf(each), new X509Certificate(each).validToDate);
    assertEquals(expiryOf("text\n" + cert + certificates[1]), expiryOf(cert));
  },
});

Deno.test("what is no certificate has no expiry", () => {
  for (const text of ["", "x", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"]) {
    assertEquals(expiryOf(text), null);
  }
});
