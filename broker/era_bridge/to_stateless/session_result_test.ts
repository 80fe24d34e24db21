import { assertEquals } from "@std/assert";
import type { SessionRevision } from "../../../shared/mcp.ts";
import { sessionResult } from "./session_result.ts";

const INFO = '"io.modelcontextprotocol/serverInfo":{"name":"s","version":"1"}';
const LINK =
  '{"uri":"note://1","type":"resource_link","name":"one","title":"One","description":"A note","annotations":{"priority":1e400}}';

const CASES: readonly {
  readonly name: string;
  readonly method?: string;
  readonly revision?: SessionRevision;
  readonly result: string;
  readonly want: string;
}[] = [
  {
    name: "keeps order, white space, big integers and repeated keys",
    result:
      '{ "b" : 9007199254740993 ,"resultType":"complete", "a":[ 1e400 ],"b":0}',
    want: '{ "b" : 9007199254740993 ,"a":[ 1e400 ],"b":0}',
  },
  {
    name: "takes serverInfo out of _meta, and leaves the rest",
    result: `{"_meta":{"x":9007199254740993,${INFO}},"content":[]}`,
    want: '{"_meta":{"x":9007199254740993},"content":[]}',
  },
  {
    name: "takes out a _meta with nothing else in it",
    result: `{"resultType":"complete","_meta":{${INFO}},"content":[]}`,
    want: '{"content":[]}',
  },
  {
    name: "leaves a _meta that has nothing to do with it",
    result: '{"_meta":{},"content":[]}',
    want: '{"_meta":{},"content":[]}',
  },
  {
    name: "takes caching hints off a resource",
    method: "resources/read",
    result:
      '{"contents":[{"uri":"a","text":"b","ttlMs":1}],"ttlMs":5,"cacheScope":"public"}',
    want: '{"contents":[{"uri":"a","text":"b","ttlMs":1}]}',
  },
  {
    name: "leaves what only looks like hints elsewhere",
    result: '{"content":[],"ttlMs":5}',
    want: '{"content":[],"ttlMs":5}',
  },
  {
    name: "leaves structured content that is an object",
    result: '{"content":[],"structuredContent":{"result":1e400}}',
    want: '{"content":[],"structuredContent":{"result":1e400}}',
  },
  {
    name: "wraps structured content that is a list",
    result:
      '{"structuredContent":[9007199254740993, 2],"resultType":"complete","content":[]}',
    want: '{"structuredContent":{"result":[9007199254740993, 2]},"content":[]}',
  },
  {
    name: "wraps structured content that is null",
    result: '{"content":[],"structuredContent":null}',
    want: '{"content":[],"structuredContent":{"result":null}}',
  },
  {
    name: "leaves links to a client of 2025-06-18",
    revision: "2025-06-18",
    result: `{"content":[${LINK}]}`,
    want: `{"content":[${LINK}]}`,
  },
  {
    name: "writes links as text for a client of 2025-03-26",
    revision: "2025-03-26",
    result:
      `{"content":[{"type":"text","text":"a"},${LINK},{"type":"resource_link","uri":"b"},7],"resultType":"complete"}`,
    want:
      '{"content":[{"type":"text","text":"a"},{"type":"text","text":"One: note://1\\nA note","annotations":{"priority":1e400}},{"type":"text","text":"Resource: b"},7]}',
  },
  {
    name: "writes links in prompts as text for a client of 2025-03-26",
    method: "prompts/get",
    revision: "2025-03-26",
    result:
      `{"messages":[{"role":"user","content":${LINK}},{"role":"user"},"x"]}`,
    want:
      '{"messages":[{"role":"user","content":{"type":"text","text":"One: note://1\\nA note","annotations":{"priority":1e400}}},{"role":"user"},"x"]}',
  },
  {
    name: "leaves content that is none",
    revision: "2025-03-26",
    result: '{"content":{"a":1}}',
    want: '{"content":{"a":1}}',
  },
];
for (
  const {
    name,
    method = "tools/call",
    revision = "2025-11-25",
    result,
    want,
  } of CASES
) {
  Deno.test(`sessionResult() ${name}`, () => {
    const bytes = new TextEncoder().encode(`{"result":${result}}`);
    const span = { start: 10, end: bytes.length - 1 };
    const written = sessionResult(bytes, span, { method, revision });
    assertEquals(new TextDecoder().decode(written), want);
  });
}
