import { assertEquals, assertNotEquals } from "@std/assert";
import type { RequestMessage } from "../../../shared/jsonrpc/message.ts";
import { scan } from "../../../shared/jsonrpc/scanner.ts";
import { callDigest } from "./call_digest.ts";

function digest(
  params: string,
  { method = "tools/call", server = "notes", name = "add" } = {},
): string {
  const body = new TextEncoder().encode(
    `{"jsonrpc":"2.0","id":1,"method":"${method}","params":${params}}`,
  );
  return callDigest(body, scan(body) as RequestMessage, server, name);
}

const SAME: readonly (readonly [string, string, string])[] = [
  [
    "members in another order",
    '{"arguments":{"a":1,"b":{"c":[1,2],"d":null}}}',
    '{"arguments":{ "b": {"d":null, "c":[1, 2]}, "a":1.0}}',
  ],
  [
    "whatever else is in params",
    '{"arguments":{}}',
    '{"arguments":{},"requestState":"s","_meta":{"progressToken":1}}',
  ],
  ["no arguments and empty ones", "{}", '{"arguments":{}}'],
];
for (const [name, one, other] of SAME) {
  Deno.test(`callDigest() does not look at ${name}`, () => {
    assertEquals(digest(one), digest(other));
  });
}

const BASE = '{"arguments":{"a":1}}';
const OTHER: readonly {
  readonly name: string;
  readonly params?: string;
  readonly to?: Parameters<typeof digest>[1];
}[] = [
  { name: "arguments", params: '{"arguments":{"a":2}}' },
  { name: "types", params: '{"arguments":{"a":"1"}}' },
  { name: "method", to: { method: "prompts/get" } },
  { name: "server", to: { server: "clock" } },
  { name: "name", to: { name: "remove" } },
];
for (const { name, params = BASE, to = {} } of OTHER) {
  Deno.test(`callDigest() tells calls apart by their ${name}`, () => {
    assertNotEquals(digest(params, to), digest(BASE));
  });
}

Deno.test("callDigest() tells integers apart that no double holds", () => {
  assertNotEquals(
    digest('{"arguments":{"a":9007199254740993}}'),
    digest('{"arguments":{"a":9007199254740992}}'),
  );
});

Deno.test("callDigest() tells an array from an object that looks like it", () => {
  assertNotEquals(
    digest('{"arguments":{"a":["{",["b",1]]}}'),
    digest('{"arguments":{"a":{"b":1}}}'),
  );
});
