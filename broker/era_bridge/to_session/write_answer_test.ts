import { assertEquals } from "@std/assert";
import { writeError, writeInputRequired, writeResult } from "./write_answer.ts";

const SERVER = { name: "notes", version: "1.0" };
const INFO =
  '"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"notes","version":"1.0"}}';

const RESULTS: readonly {
  readonly name: string;
  readonly method?: string;
  readonly server?: typeof SERVER;
  readonly result: string;
  readonly want: string;
}[] = [
  {
    name: "adds what the stateless era has, and keeps the rest as written",
    result: '{"content":[ {"type":"text","text":"\\u0041"} ],"n":1e400}',
    want:
      `{"content":[ {"type":"text","text":"\\u0041"} ],"n":1e400,"resultType":"complete",${INFO}}`,
  },
  {
    name: "gives hints to what may be cached",
    method: "resources/read",
    result: '{"contents":[]}',
    want:
      `{"contents":[],"resultType":"complete","ttlMs":0,"cacheScope":"private",${INFO}}`,
  },
  {
    name: "keeps what stands in _meta, where it stands",
    result: '{"_meta":{"x/y":1},"content":[]}',
    want: `{"_meta":{"x/y":1,${
      INFO.slice(9)
    },"content":[],"resultType":"complete"}`,
  },
  {
    name: "introduces nobody without a name",
    server: { name: "", version: "" },
    result: "{}",
    want: '{"resultType":"complete"}',
  },
  {
    name: "lets a server not say that something is missing",
    server: { name: "", version: "" },
    result: '{"resultType":"input_required"}',
    want: '{"resultType":"complete"}',
  },
];
for (const { name, method, server, result, want } of RESULTS) {
  Deno.test(`writeResult() ${name}`, () => {
    assertEquals(
      writeResult("7", method ?? "tools/call", result, server ?? SERVER),
      { status: 200, text: `{"jsonrpc":"2.0","id":7,"result":${want}}` },
    );
  });
}

Deno.test("writeInputRequired() writes the requests and what leads back", () => {
  const requests = new Map([
    ["roots-1", '{"method":"roots/list"}'],
    ["sampling-2", '{"method":"sampling/createMessage","params":{}}'],
  ]);
  assertEquals(
    writeInputRequired('"a"', { requests, state: 's"' }, SERVER).text,
    '{"jsonrpc":"2.0","id":"a","result":{"resultType":"input_required",' +
      '"inputRequests":{"roots-1":{"method":"roots/list"},' +
      '"sampling-2":{"method":"sampling/createMessage","params":{}}},' +
      `"requestState":"s\\"",${INFO}}}`,
  );
});

const ERRORS: readonly {
  readonly name: string;
  readonly error: string;
  readonly uri?: string;
  readonly want: string;
  readonly status?: number;
}[] = [
  {
    name: "keeps an error as it is",
    error: '{"code":-32602,"message":"Unknown tool","data":{"n":1e400}}',
    want: '{"code":-32602,"message":"Unknown tool","data":{"n":1e400}}',
  },
  {
    name: "answers a method that is not there with its status",
    error: '{"code":-32601,"message":"no"}',
    want: '{"code":-32601,"message":"no"}',
    status: 404,
  },
  {
    name: "names the resource that is not there",
    error: '{"code":-32002,"message":"no"}',
    uri: "a://b",
    want: '{"code":-32602,"message":"no","data":{"uri":"a://b"}}',
  },
  {
    name: "keeps the name that the server gives a resource that is not there",
    error: '{"code":-32002,"message":"no","data":{"uri":"a://c","x":1}}',
    uri: "a://b",
    want: '{"code":-32602,"message":"no","data":{"uri":"a://c","x":1}}',
  },
  {
    name: "lets no server use a code that means something else now",
    error: '{"code":-32042,"message":"no"}',
    want: '{"code":-32603,"message":"no"}',
  },
  {
    name: "lets a server use codes of its own",
    error: '{"code":-32001,"message":"no"}',
    want: '{"code":-32001,"message":"no"}',
  },
];
for (const { name, error, uri, want, status } of ERRORS) {
  Deno.test(`writeError() ${name}`, () => {
    assertEquals(writeError("7", error, uri), {
      status: status ?? 200,
      text: `{"jsonrpc":"2.0","id":7,"error":${want}}`,
    });
  });
}
