import { assertEquals, assertThrows } from "@std/assert";
import { BuildError } from "./build_error.ts";
import { portableNames, stampCommit } from "./bundle.ts";

for (
  const { name, line, want } of [
    {
      name: "a comment",
      line: "// ../../home/me/.cache/deno/npm/registry.example/yaml/2.9.1/a.js",
      want: "// npm:yaml@2.9.1/a.js",
    },
    {
      name: "a scoped package",
      line: "// ../deno/npm/registry.example/@grpc/grpc-js/1.14.7/build/b.js",
      want: "// npm:@grpc/grpc-js@1.14.7/build/b.js",
    },
    {
      name: "a CommonJS module",
      line: '  "/var/deno/npm/registry.example/yaml/2.9.1/a.js"(exports) {',
      want: '  "npm:yaml@2.9.1/a.js"(exports) {',
    },
    {
      name: "no module of the project",
      line: "// shared/config/npm/one/two.ts",
      want: "// shared/config/npm/one/two.ts",
    },
    {
      name: "no text of the program",
      line: 'const url = "https://host/npm/registry.example/yaml/2.9.1/a.js";',
      want: 'const url = "https://host/npm/registry.example/yaml/2.9.1/a.js";',
    },
  ]
) {
  Deno.test(`portableNames() renames ${name}`, () => {
    assertEquals(portableNames(`x\n${line}\ny`), `x\n${want}\ny`);
  });
}

Deno.test("stampCommit() replaces the one place of the commit", () => {
  assertEquals(
    stampCommit('a\nvar COMMIT = "unknown";\nb', "4f2a91c"),
    'a\nvar COMMIT = "4f2a91c";\nb',
  );
});

for (
  const { name, bundle } of [
    { name: "no place", bundle: "a" },
    {
      name: "two places",
      bundle: 'var COMMIT = "unknown";\nvar COMMIT = "unknown";',
    },
  ]
) {
  Deno.test(`stampCommit() refuses a bundle with ${name} for it`, () => {
    assertThrows(() => stampCommit(bundle, "4f2a91c"), BuildError, "Remedy: ");
  });
}
