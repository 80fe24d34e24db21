import {
  assert,
  assertEquals,
  assertMatch,
  assertNotEquals,
} from "@std/assert";
import fc from "fast-check";
import {
  backendTag,
  readRoutedEventId,
  readRoutedId,
  writeRoutedEventId,
  writeRoutedId,
} from "./routed_id.ts";

const SOURCE = { server: "team/weather:a.b", tag: "aBc-eF_2" };

for (
  const id of [
    "0",
    "7",
    "-3",
    '"7"',
    '"a:b"',
    '"quote \\" and \\u00e9"',
    "9007199254740993",
  ]
) {
  Deno.test(`readRoutedId() gives the server's own id ${id} back as it was`, () => {
    assertEquals(readRoutedId(writeRoutedId(SOURCE, id)), { ...SOURCE, id });
  });
}

Deno.test("readRoutedEventId() reads what writeRoutedEventId() wrote, whatever it is, and that is visible ASCII", () => {
  fc.assert(fc.property(
    fc.string({ unit: "grapheme" }),
    fc.string({ unit: "grapheme" }),
    (server, id) => {
      const written = writeRoutedEventId({ ...SOURCE, server }, id);
      assertMatch(written, /^[\x21-\x7e]+$/);
      assertEquals(readRoutedEventId(written), { ...SOURCE, server, id });
    },
  ));
});

const OTHERS = [
  "7",
  "null",
  '"7"',
  '"mcpgw"',
  '"mcpgw:short:weather:7"',
  '"mcpgw:aBcDeF12:weather:"',
  '"mcpgw:aBcDeF12:weather:{}"',
  '"mcpgw:aBcDeF12:%:7"',
  '"mcpgw:aBcDeF12:weather:null"',
  '"cut',
];
for (const id of OTHERS) {
  Deno.test(`readRoutedId() does not take ${id} for one of ours`, () => {
    assertEquals(readRoutedId(id), undefined);
  });
}

Deno.test("readRoutedEventId() does not take a server's own event id for one of ours", () => {
  for (
    const id of [
      "",
      "7",
      "mcpgw:x",
      "mcpgw:aBcDeF12:%E0:7",
      "mcpgw:aBcDeF12:a:%",
    ]
  ) {
    assertEquals(readRoutedEventId(id), undefined, id);
  }
});

Deno.test("backendTag() differs between sessions, configurations, and with no session", () => {
  const tags = [
    backendTag("f1", "s1"),
    backendTag("f1", "s2"),
    backendTag("f2", "s1"),
    backendTag("f1", undefined),
    backendTag("f1", "null"),
  ];
  assertEquals(new Set(tags).size, tags.length);
  assertEquals(backendTag("f1", "s1"), tags[0]);
  assertNotEquals(tags[0], tags[1]);
  assert(tags.every((tag) => /^[A-Za-z0-9_-]{8}$/.test(tag)));
});
