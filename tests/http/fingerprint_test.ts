import { assertEquals } from "@std/assert";
import { isFingerprinted } from "@x/pyserve/http";

const HASHED = [
  ...["index-B3xK9_aQ.js", "index-CkP2QzSd.css", "vendor-BqHN0c1Z.js.map", "logo-B_x-3fZa.svg"], // Vite
  ...["main.073c9b0a.js", "main.073c9b0a.chunk.css", "787.1a2b3c4d5e6f7a8b9c0d.js", "a.1a2b3c4d.min.css"], // webpack
  ...["app-5LRS2FJV.js", "chunk-ABCD2EFG.js", "styles-5LRS2FJV.css"], // esbuild, Angular
  ...["index.1a2b3c4d.js", "font.9f8e7d6c.woff2", "e3b0c44298fc1c149afbf4c8996fb924.png"], // Parcel, names that are hashes
];

const NOT_HASHED = [
  ...["index.html", "index-B3xK9_aQ.html", "app-5LRS2FJV.pdf", "backup.073c9b0a.zip", "app-5LRS2FJV"],
  ...[
    "jquery.js",
    "jquery-migrate.min.js",
    "react.development.js",
    "my-component.js",
    "page-MyButton2.js",
    "a-useState.js",
  ],
  ...[
    "photo-20240131.jpg",
    "photo-2024-01-31.jpg",
    "2024-01-31.png",
    "scan-20240131T120000Z.png",
    "1234567890123456.png",
  ],
  ...["IMG-20240131-WA001234.jpg", "x-P1010001.jpg", "DSC00123.jpg", "photo-DSC00123.jpg", "my-1st-page.png"],
  ...[
    "app-v2Release.js",
    "bootstrap.bundle.js",
    "lodash-4.17.21.js",
    "react@18.2.0.js",
    "README-DOWNLOAD.txt",
    "a-cafe1234.js",
  ],
  ...["facade12.js", "deadbeef.js", "", ".js", "-.js", "a.b.c.js", "service-worker.js", "manifest.json"],
];

Deno.test("names with a hash of the content, and names that look like one", () => {
  assertEquals(HASHED.filter((name) => !isFingerprinted(name)), []);
  assertEquals(NOT_HASHED.filter((name) => isFingerprinted(name)), []);
});
