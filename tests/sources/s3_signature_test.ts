/** Signatures of requests to object stores: the example of the documentation, and those of another client. */

import { assertEquals } from "@std/assert";
import { EMPTY_HASH, queryText, Signer } from "../../handlers/sources/s3/sign.ts";

Deno.test("the example of Amazon's documentation gets its signature", () => {
  const keys = {
    accessKeyId: "AKIAIOSFODNN7EXAMPLE",
    secretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
  };
  const { authorization } = new Signer(keys, "us-east-1").sign({
    method: "GET",
    host: "examplebucket.s3.amazonaws.com",
    path: "/test.txt",
    query: {},
    headers: { range: "bytes=0-9" },
    bodyHash: EMPTY_HASH,
  }, Date.parse("2013-05-24T00:00:00Z"));
  assertEquals(
    authorization,
    "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, " +
      "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, " +
      "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
  );
});

Deno.test("signatures are the same as those of aws4fetch", async () => {
  const { AwsV4Signer } = await import("npm:aws4fetch@1.0.20");
  const keys = { accessKeyId: "test:tester", secretAccessKey: "s/e+c ret", sessionToken: "token/+=" };
  const signer = new Signer(keys, "eu-central-1");
  const paths = ["/bucket/a%20b%2B%C3%BC%27%28%29%2A%21", "/bucket/a//b", "/bucket/", "/bucket/%2541"];
  const queries: Record<string, string>[] = [
    {},
    { "list-type": "2", prefix: "a b/ü+&=~*'", delimiter: "/" },
    { uploads: "", partNumber: "12", uploadId: "x/y+z==" },
  ];
  const time = Date.parse("2026-11-28T23:59:59Z");
  for (const path of paths) {
    for (const query of queries) {
      for (const headers of [{}, { "x-amz-copy-source": "/bucket/a%20b", "x-amz-meta-a": "b  c" }]) {
        const bodyHash = EMPTY_HASH;
        const own = signer.sign({ method: "PUT", host: "127.0.0.1:9000", path, query, headers, bodyHash }, time);
        const other = await new AwsV4Signer({
          ...keys,
          method: "PUT",
          url: `http://127.0.0.1:9000${path}?${queryText(query)}`,
          headers: { ...headers, "x-amz-content-sha256": bodyHash },
          service: "s3",
          region: "eu-central-1",
          datetime: "20261128T235959Z",
        }).sign();
        assertEquals(own.authorization, other.headers.get("authorization"), `${path} ${JSON.stringify(query)}`);
      }
    }
  }
});
