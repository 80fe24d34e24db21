import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { BuildError } from "./build_error.ts";
import { nameByContent, stampCommit } from "./bundle.ts";

Deno.test("nameByContent() names files the same wherever the bundler did, and says so in each", () => {
  const named = (store: string, common: string) =>
    nameByContent(
      new Map([
        ["main.js", `import "./${common}"; import("./${store}");`],
        [store, `import "./${common}"; // 2`],
        [common, "3"],
      ]),
    );
  const files = named("store-AAAAAAAA.js", "chunk-BBBBBBBB.js");
  assertEquals(files, named("store-CCCCCCCC.js", "chunk-DDDDDDDD.js"));
  const [main, store, common] = [...files.keys()];
  assertEquals(main, "main.js");
  assertMatch(store!, /^store-[0-9a-f]{8}\.js$/);
  assertMatch(common!, /^chunk-[0-9a-f]{8}\.js$/);
  assertEquals(
    files.get("main.js"),
    `import "./${common}"; import("./${store}");`,
  );
  assertEquals(files.get(store!), `import "./${common}"; // 2`);
});

Deno.test("nameByContent() tells files of one name apart", () => {
  const files = nameByContent(
    new Map([["chunk-AAAAAAAA.js", "1"], ["chunk-BBBBBBBB.js", "2"]]),
  );
  assertEquals([...files.values()].sort(), ["1", "2"]);
});

Deno.test("stampCommit() replaces the one place of the commit, in whichever file", () => {
  assertEquals(
    stampCommit(
      new Map([["a.js", "1"], ["b.js", 'a\nvar COMMIT = "unknown";\nb']]),
      "4f2a91c",
    ),
    new Map([["a.js", "1"], ["b.js", 'a\nvar COMMIT = "4f2a91c";\nb']]),
  );
});

for (
  const { name, files } of [
    { name: "no place", files: [["a.js", "a"]] },
    {
      name: "two places",
      files: [
        ["a.js", 'var COMMIT = "unknown";'],
        ["b.js", 'var COMMIT = "unknown";'],
      ],
    },
  ] as const
) {
  Deno.test(`stampCommit() refuses a bundle with ${name} for it`, () => {
    assertThrows(
      () => stampCommit(new Map(files), "4f2a91c"),
      BuildError,
      "Remedy: ",
    );
  });
}
