import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { applyEdits, editMembers, type MemberChanges } from "./edit.ts";

const ENCODER = new TextEncoder();

function edited(json: string, changes: MemberChanges): string {
  const bytes = ENCODER.encode(json);
  const edits = editMembers(bytes, { start: 0, end: bytes.length }, changes);
  return new TextDecoder().decode(applyEdits(bytes, edits));
}

const CASES: readonly {
  readonly name: string;
  readonly json: string;
  readonly changes: Record<string, string | undefined>;
  readonly want: string;
}[] = [
  {
    name: "sets a member of an empty object",
    json: "{ }",
    changes: { a: "1" },
    want: '{"a":1 }',
  },
  {
    name: "adds behind the last member",
    json: '{"a": 1 }',
    changes: { b: "2", c: "3" },
    want: '{"a": 1,"b":2,"c":3 }',
  },
  {
    name: "replaces a value where it stands",
    json: '{"a":1, "b" : [1, 2] ,"c":3}',
    changes: { b: '"x"' },
    want: '{"a":1, "b" : "x" ,"c":3}',
  },
  {
    name: "removes the first member",
    json: '{"a":1, "b":2}',
    changes: { a: undefined },
    want: '{"b":2}',
  },
  {
    name: "removes the last member",
    json: '{"a":1, "b":2 }',
    changes: { b: undefined },
    want: '{"a":1 }',
  },
  {
    name: "removes all members",
    json: '{"a":1, "b":2 }',
    changes: { a: undefined, b: undefined },
    want: "{ }",
  },
  {
    name: "removes and adds at once",
    json: '{"a":1,"b":2,"c":3}',
    changes: { b: undefined, c: undefined, d: "4" },
    want: '{"a":1,"d":4}',
  },
  {
    name: "finds a key that is written with escapes",
    json: '{"\\u0061":1}',
    changes: { a: "2" },
    want: '{"\\u0061":2}',
  },
  {
    name: "leaves large numbers and other spellings alone",
    json: '{"n":9007199254740993,"e":1e400,"s":"\\u00fc"}',
    changes: { x: "1" },
    want: '{"n":9007199254740993,"e":1e400,"s":"\\u00fc","x":1}',
  },
  {
    name: "does nothing for members that are not there",
    json: '{"a":1}',
    changes: { b: undefined },
    want: '{"a":1}',
  },
];
for (const { name, json, changes, want } of CASES) {
  Deno.test(`editMembers() ${name}`, () => {
    assertEquals(edited(json, new Map(Object.entries(changes))), want);
  });
}

Deno.test("editMembers() does what an assignment to the object would do", () => {
  const key = fc.constantFrom("a", "b", "c", 'q"', "ü", "__proto__", "1");
  fc.assert(fc.property(
    fc.uniqueArray(fc.tuple(key, fc.jsonValue()), { selector: ([k]) => k }),
    fc.uniqueArray(fc.tuple(key, fc.option(fc.jsonValue())), {
      selector: ([k]) => k,
    }),
    fc.nat(3),
    (members, changes, indent) => {
      const json = `{${
        members.map(([k, v]) =>
          `${JSON.stringify(k)}: ${JSON.stringify(v, undefined, indent)}`
        ).join(" , ")
      }}`;
      const want = new Map(members.map(([k, v]) => [k, JSON.stringify(v)]));
      const asked = new Map<string, string | undefined>();
      for (const [k, v] of changes) {
        asked.set(k, v === null ? undefined : JSON.stringify(v));
        if (v === null) want.delete(k);
        else want.set(k, JSON.stringify(v));
      }
      const got = Object.entries(JSON.parse(edited(json, asked)) as object);
      assertEquals(
        new Map(got.map(([k, v]) => [k, JSON.stringify(v)])),
        new Map([...want].map(([k, v]) => [k, JSON.stringify(JSON.parse(v))])),
      );
    },
  ));
});

Deno.test("editMembers() throws at what is no object", () => {
  for (const json of ["[1]", '"a"', "", '{"a":1', '{"a":1,"a":2}']) {
    assertThrows(() => edited(json, new Map()), SyntaxError);
  }
});
