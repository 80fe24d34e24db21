/**
 * What holds for every body, tried on random ones.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import type { Message, Scanned, Span, StringSpan } from "./message.ts";
import { scan } from "./scanner.ts";
import { removePrefix, replaceString } from "./splice.ts";
import {
  elements,
  members,
  parseValue,
  stringValue,
  text,
  validate,
} from "./values.ts";

const ENCODER = new TextEncoder();
const STRICT = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const LENIENT = new TextDecoder("utf-8", { ignoreBOM: true });

/** What `JSON.parse` makes of bytes; undefined where it refuses them. */
function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(STRICT.decode(bytes));
  } catch {
    return undefined;
  }
}

function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** White space that may stand between tokens. */
const space = fc.string({
  unit: fc.constantFrom(" ", "\t", "\n", "\r"),
  maxLength: 2,
});

/** A JSON string, its characters written in one of the ways there are. */
const jsonString = fc.array(
  fc.tuple(fc.string({ unit: "binary", maxLength: 1 }), fc.nat(2)),
  { maxLength: 8 },
).map((parts) =>
  `"${
    parts.map(([unit, way]) =>
      way === 0
        ? unit.replace(
          /[^]/g,
          (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`,
        )
        : JSON.stringify(unit).slice(1, -1)
    ).join("")
  }"`
);

const jsonNumber = fc.stringMatching(
  /^-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,4})?$/,
);

/** Decodes a JSON string that this test has written. */
function valueOf(json: string): string {
  return JSON.parse(json);
}

/** Random JSON text with random white space and no duplicate keys. */
const { json } = fc.letrec<{ json: string }>((tie) => ({
  json: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.constantFrom("null", "true", "false"),
    jsonNumber,
    jsonString,
    fc.tuple(space, fc.array(fc.tuple(tie("json"), space, space))).map(
      ([empty, items]) =>
        items.length === 0
          ? `[${empty}]`
          : `[${items.map(([item, a, b]) => a + item + b).join(",")}]`,
    ),
    fc.tuple(
      space,
      fc.uniqueArray(fc.tuple(jsonString, tie("json"), space, space, space), {
        selector: ([key]) => valueOf(key),
        maxLength: 20,
      }),
    ).map(([empty, items]) =>
      items.length === 0
        ? `{${empty}}`
        : `{${
          items.map(([key, item, a, b, c]) => `${a}${key}${b}:${c}${item}`)
            .join(",")
        }}`
    ),
  ),
}));

/** A request whose members stand in any order among unknown ones. */
const request = fc.tuple(
  fc.record({
    id: fc.oneof(fc.bigInt().map(String), fc.string().map(stringify)),
    method: jsonString,
    name: jsonString,
    uri: jsonString,
    args: json,
  }),
  space,
  fc.shuffledSubarray([0, 1, 2, 3, 4], { minLength: 5 }),
  fc.shuffledSubarray([0, 1, 2], { minLength: 3 }),
).map(([{ id, method, name, uri, args }, gap, order, inner]) => {
  const inside = [`"name":${name}`, `"uri":${uri}`, `"arguments":${args}`];
  const params = inner.map((i) => inside[i]).join(`,${gap}`);
  const outside = [
    '"jsonrpc":"2.0"',
    `"id":${gap}${id}`,
    `"method"${gap}:${method}`,
    `"params":{${params}}`,
    `"more":${args}`,
  ];
  return `{${gap}${order.map((i) => outside[i]).join(`${gap},`)}}`;
});

function stringify(value: string): string {
  return JSON.stringify(value);
}

/** Changes a few of a body's bytes: to any byte, or to one that JSON uses. */
function mutated(body: fc.Arbitrary<string>): fc.Arbitrary<Uint8Array> {
  const byte = fc.oneof(
    fc.nat(255),
    fc.constantFrom(...ENCODER.encode('"\\{}[],: u0e.-\n')),
  );
  const change = fc.tuple(fc.nat(), byte, fc.constantFrom("set", "cut", "add"));
  return fc.tuple(body, fc.array(change, { minLength: 1, maxLength: 3 }))
    .map(([text, changes]) => {
      const bytes = [...ENCODER.encode(text)];
      for (const [place, value, how] of changes) {
        const at = place % (bytes.length + 1);
        if (how === "cut") bytes.splice(at, 1);
        else bytes.splice(at, how === "set" ? 1 : 0, value);
      }
      return Uint8Array.from(bytes);
    });
}

function messagesOf(scanned: Scanned): readonly Message[] {
  if (scanned.kind === "malformed") return [];
  return scanned.kind === "batch" ? scanned.messages : [scanned];
}

/** Checks an accepted body against what `JSON.parse` reads in it. */
function assertAgrees(bytes: Uint8Array, scanned: Scanned): void {
  const root = parsed(bytes);
  assert(root !== undefined, "JSON.parse refuses what was accepted");
  const values = scanned.kind === "batch" ? root as unknown[] : [root];
  const messages = messagesOf(scanned);
  assertEquals(messages.length, values.length);
  messages.forEach((message, i) => {
    assertMessageAgrees(bytes, message, values[i] as Record<string, unknown>);
  });
}

function assertMessageAgrees(
  bytes: Uint8Array,
  message: Message,
  value: Record<string, unknown>,
): void {
  assertEquals(value["jsonrpc"], "2.0");
  assertEquals(
    parsed(bytes.subarray(message.span.start, message.span.end)),
    value,
  );
  const id = message.kind === "notification" ? null : message.id;
  assertEquals(id === null ? null : JSON.parse(id), value["id"] ?? null);
  if (message.kind === "response") return;
  assertEquals(message.method, value["method"]);
  assertEquals(message.params !== undefined, "params" in value);
  if (message.params === undefined) return;
  const params = value["params"] as Record<string, unknown>;
  assertStringAgrees(bytes, message.params.name, params["name"]);
  assertStringAgrees(bytes, message.params.uri, params["uri"]);
  const { arguments: args } = message.params;
  assertEquals(
    args && parsed(bytes.subarray(args.start, args.end)),
    params["arguments"],
  );
}

function assertStringAgrees(
  bytes: Uint8Array,
  span: StringSpan | undefined,
  value: unknown,
): void {
  assertEquals(span?.value, typeof value === "string" ? value : undefined);
  if (span !== undefined) assertEquals(stringValue(bytes, span), value);
}

Deno.test("validate() accepts every JSON text without duplicate keys", () => {
  fc.assert(
    fc.property(space, json, space, (before, text, behind) => {
      const bytes = ENCODER.encode(before + text + behind);
      assertEquals(validate(bytes), {
        kind: "valid",
        start: before.length,
        end: bytes.length - behind.length,
      });
    }),
    { numRuns: 1000 },
  );
});

Deno.test("validate() never throws and accepts nothing that JSON.parse refuses", () => {
  const bytes = fc.oneof(mutated(json), fc.uint8Array({ maxLength: 12 }));
  fc.assert(
    fc.property(bytes, (bytes) => {
      if (validate(bytes).kind === "valid") {
        assert(parsed(bytes) !== undefined);
      } else if (parsed(bytes) !== undefined) {
        // JSON.parse takes duplicate keys and any depth; nothing else differs.
        const refused = validate(bytes, { maxDepth: Infinity });
        assert(
          refused.kind === "malformed" && refused.reason === "duplicate key",
        );
      }
    }),
    { numRuns: 5000 },
  );
});

Deno.test("validate() agrees with JSON.parse on everything where it is lenient", () => {
  const bytes = fc.oneof(mutated(json), fc.uint8Array({ maxLength: 12 }));
  const limits = { maxDepth: Infinity, lenient: true };
  let accepted = 0;
  fc.assert(
    fc.property(bytes, (bytes) => {
      const { kind } = validate(bytes, limits);
      assertEquals(kind === "valid", parses(LENIENT.decode(bytes)));
      if (kind === "valid") accepted++;
    }),
    { numRuns: 5000 },
  );
  assert(accepted > 100, `only ${accepted} mutations were accepted`);
});

Deno.test("members() finds what JSON.parse finds where keys are repeated", () => {
  const object = fc.array(
    fc.tuple(fc.constantFrom('"a"', '"\\u0061"', '"b"', '"1"'), json, space),
    { maxLength: 20 },
  ).map((all) => `{${all.map(([k, v, s]) => `${s}${k}:${s}${v}${s}`)}}`);
  const limits = { maxDepth: Infinity, lenient: true };
  fc.assert(
    fc.property(object, (json) => {
      const bytes = ENCODER.encode(json);
      const found = members(bytes, { start: 0, end: bytes.length }, limits);
      assertEquals(
        Object.fromEntries(
          [...found].map(([key, span]) => [key, parseValue(bytes, span)]),
        ),
        JSON.parse(json),
      );
    }),
    { numRuns: 500 },
  );
});

Deno.test("scan() and JSON.parse agree on every request", () => {
  fc.assert(
    fc.property(request, (body) => {
      const bytes = ENCODER.encode(body);
      const scanned = scan(bytes);
      assertEquals(scanned.kind, "request");
      assertAgrees(bytes, scanned);
    }),
    { numRuns: 1000 },
  );
});

Deno.test("scan() never throws, and agrees with JSON.parse on what it accepts", () => {
  const batch = fc.array(request, { maxLength: 3 }).map((all) => `[${all}]`);
  const bodies = mutated(fc.oneof({ arbitrary: request, weight: 4 }, batch));
  let accepted = 0;
  fc.assert(
    fc.property(bodies, (bytes) => {
      const scanned = scan(bytes);
      if (scanned.kind === "malformed") return;
      accepted++;
      assertAgrees(bytes, scanned);
    }),
    { numRuns: 5000 },
  );
  assert(accepted > 100, `only ${accepted} mutations were accepted`);
});

Deno.test("members() and elements() find what JSON.parse finds", () => {
  const check = (bytes: Uint8Array, span: Span, value: unknown): void => {
    if (typeof value === "string") {
      assertEquals(stringValue(bytes, span), value);
    } else if (Array.isArray(value)) {
      const spans = elements(bytes, span);
      assertEquals(spans.length, value.length);
      spans.forEach((item, i) => check(bytes, item, value[i]));
    } else if (typeof value === "object" && value !== null) {
      const found = members(bytes, span);
      assertEquals([...found.keys()].sort(), Object.keys(value).sort());
      for (const [key, member] of Object.entries(value)) {
        check(bytes, found.get(key)!, member);
      }
    } else assertEquals(JSON.parse(text(bytes, span)), value);
  };
  fc.assert(
    fc.property(json, (text) => {
      const bytes = ENCODER.encode(text);
      check(bytes, { start: 0, end: bytes.length }, JSON.parse(text));
    }),
    { numRuns: 500 },
  );
});

Deno.test("splicing a name leaves every other byte, and the new name scans", () => {
  const name = fc.string({ unit: "grapheme" });
  fc.assert(
    fc.property(request, name, (body, name) => {
      const bytes = ENCODER.encode(body);
      const found = scan(bytes);
      assert(found.kind === "request" && found.params?.name !== undefined);
      const { name: span } = found.params;
      const cut = [...span.value].slice(0, 2).join("");
      for (
        const [body, want] of [
          [replaceString(bytes, span, name), name],
          [removePrefix(bytes, span, cut), span.value.slice(cut.length)],
        ] as const
      ) {
        const again = scan(body);
        assert(again.kind === "request" && again.params?.name !== undefined);
        assertEquals(again.params.name.value, want);
        const { end } = again.params.name;
        assertEquals(again.params.name.start, span.start);
        assertEquals(
          body.subarray(0, span.start),
          bytes.subarray(0, span.start),
        );
        assertEquals(body.subarray(end), bytes.subarray(span.end));
      }
    }),
    { numRuns: 1000 },
  );
});
