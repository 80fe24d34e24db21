import { assertEquals } from "@std/assert";
import { members } from "../../shared/jsonrpc/values.ts";
import { type ListHints, readListHints, strictestOf } from "./list_hints.ts";

const READ: readonly {
  name: string;
  result: string;
  want: ListHints | undefined;
}[] = [
  { name: "neither", result: '{"tools":[]}', want: undefined },
  {
    name: "both",
    result: '{"ttlMs":300000,"cacheScope":"public"}',
    want: { ttlMs: 300_000, cacheScope: "public" },
  },
  {
    name: "a time only",
    result: '{"ttlMs":5}',
    want: { ttlMs: 5, cacheScope: "private" },
  },
  {
    name: "a scope only",
    result: '{"cacheScope":"public"}',
    want: { ttlMs: 0, cacheScope: "public" },
  },
  {
    name: "a scope that there is not",
    result: '{"ttlMs":1.9,"cacheScope":"all"}',
    want: { ttlMs: 1, cacheScope: "private" },
  },
  {
    name: "a time before now",
    result: '{"ttlMs":-5,"cacheScope":"public"}',
    want: { ttlMs: 0, cacheScope: "public" },
  },
  {
    name: "a time beyond numbers",
    result: '{"ttlMs":1e999}',
    want: { ttlMs: 0, cacheScope: "private" },
  },
  {
    name: "a time that is text",
    result: '{"ttlMs":"5"}',
    want: { ttlMs: 0, cacheScope: "private" },
  },
];
for (const { name, result, want } of READ) {
  Deno.test(`readListHints() of a result with ${name}`, () => {
    const bytes = new TextEncoder().encode(result);
    const found = members(bytes, { start: 0, end: bytes.byteLength });
    assertEquals(readListHints(bytes, found), want);
  });
}

const PUBLIC: ListHints = { ttlMs: 7, cacheScope: "public" };
const PRIVATE: ListHints = { ttlMs: 9, cacheScope: "private" };
const STRICTEST_OF: readonly {
  name: string;
  all: readonly (ListHints | undefined)[];
  want: ListHints | undefined;
}[] = [
  { name: "nobody", all: [], want: undefined },
  { name: "who says nothing", all: [undefined, undefined], want: undefined },
  { name: "one", all: [undefined, PUBLIC], want: PUBLIC },
  {
    name: "two",
    all: [PUBLIC, PRIVATE],
    want: { ttlMs: 7, cacheScope: "private" },
  },
  {
    name: "two, the other way round",
    all: [PRIVATE, undefined, PUBLIC],
    want: { ttlMs: 7, cacheScope: "private" },
  },
];
for (const { name, all, want } of STRICTEST_OF) {
  Deno.test(`strictestOf() ${name}`, () => {
    assertEquals(strictestOf(all), want);
  });
}
