import { assertEquals } from "@std/assert";
import { packagesOf, portableNames } from "./module_names.ts";

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

Deno.test("packagesOf() tells each package once, whatever of it is there", () => {
  assertEquals(
    packagesOf([
      "// npm:yaml@2.9.1/a.js\n  // npm:no@1.0.0/comment.js\n// npm:yaml@2.9.1/b.js",
      "// shared/log.ts\n// npm:@grpc/grpc-js@1.14.7/build/c.js\n",
    ]),
    [
      { name: "@grpc/grpc-js", version: "1.14.7" },
      { name: "yaml", version: "2.9.1" },
    ],
  );
});
