import { assertEquals, assertNotEquals } from "@std/assert";
import { type ShippedProgram, writeSbom } from "./sbom.ts";

const PROGRAM: ShippedProgram = {
  name: "mcp-gateway-router",
  version: "1.2.3",
  commit: "0123456789ab",
  target: "x86_64-unknown-linux-gnu",
  sha256: "00ff",
  deno: "2.9.6",
  packages: [
    {
      name: "@a/one",
      version: "1.0.0",
      sha512: "0102",
      license: "Apache-2.0 AND BSD-3-Clause",
      needs: ["two@2.0.0", "elsewhere@3.0.0"],
    },
    { name: "two", version: "2.0.0", sha512: "03", license: "ISC", needs: [] },
  ],
  time: new Date("2026-07-01T10:00:00.500Z"),
};

Deno.test("writeSbom() names the program, the runtime and each package with its licence and hash", () => {
  const { metadata, components } = JSON.parse(writeSbom(PROGRAM));
  assertEquals(metadata.timestamp, "2026-07-01T10:00:00Z");
  assertEquals(metadata.component.hashes, [
    { alg: "SHA-256", content: "00ff" },
  ]);
  const [deno, one, two] = components;
  assertEquals(deno.purl, "pkg:github/denoland/deno@v2.9.6");
  assertEquals(one, {
    "bom-ref": "@a/one@1.0.0",
    type: "library",
    group: "@a",
    name: "one",
    version: "1.0.0",
    licenses: [{ expression: "Apache-2.0 AND BSD-3-Clause" }],
    hashes: [{ alg: "SHA-512", content: "0102" }],
    purl: "pkg:npm/%40a/one@1.0.0",
  });
  assertEquals(two.name, "two");
  assertEquals(two.licenses, [{ license: { id: "ISC" } }]);
});

Deno.test("writeSbom() tells what needs what, of what is there", () => {
  const { dependencies } = JSON.parse(writeSbom(PROGRAM));
  assertEquals(dependencies, [
    {
      ref: "mcp-gateway-router@1.2.3",
      dependsOn: ["deno@2.9.6", "@a/one@1.0.0", "two@2.0.0"],
    },
    { ref: "deno@2.9.6" },
    { ref: "@a/one@1.0.0", dependsOn: ["two@2.0.0"] },
    { ref: "two@2.0.0" },
  ]);
});

Deno.test("writeSbom() numbers a bill by what is in it", () => {
  const number = (program: ShippedProgram) =>
    JSON.parse(writeSbom(program)).serialNumber;
  assertEquals(number(PROGRAM), number({ ...PROGRAM }));
  assertNotEquals(number(PROGRAM), number({ ...PROGRAM, sha256: "00fe" }));
});
