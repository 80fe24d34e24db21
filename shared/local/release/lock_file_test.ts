import { assertEquals, assertThrows } from "@std/assert";
import { readLockFile } from "./lock_file.ts";

Deno.test("readLockFile() tells packages, their hashes and what they need", () => {
  const text = JSON.stringify({
    version: "5",
    npm: {
      "@a/one@1.0.0_zod@4.6.7": {
        integrity: "sha512-AQID",
        dependencies: ["two", "@b/three@2.0.0", "four_x@1.0.0_zod@4.6.7"],
      },
      "two@0.1.0": { integrity: "sha512-BAU=" },
      "@b/three@2.0.0": {},
      "@b/three@1.0.0": {},
      "four_x@1.0.0_zod@4.6.7": {},
    },
  });
  const packages = readLockFile(text);
  assertEquals([...packages.keys()], [
    "@a/one@1.0.0",
    "two@0.1.0",
    "@b/three@2.0.0",
    "@b/three@1.0.0",
    "four_x@1.0.0",
  ]);
  assertEquals(packages.get("@a/one@1.0.0"), {
    name: "@a/one",
    version: "1.0.0",
    sha512: "010203",
    needs: ["two@0.1.0", "@b/three@2.0.0", "four_x@1.0.0"],
  });
});

for (const text of ["{}", '{"version":"4","npm":{}}', "[]", "null"]) {
  Deno.test(`readLockFile() refuses ${text}`, () => {
    assertThrows(() => readLockFile(text), Error, "it is not of version 5");
  });
}
