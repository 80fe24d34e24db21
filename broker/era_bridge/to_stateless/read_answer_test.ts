import { assert, assertEquals } from "@std/assert";
import { text } from "../../../shared/jsonrpc/values.ts";
import { readAnswer } from "./read_answer.ts";

const read = (json: string, method = "tools/call") =>
  readAnswer(new TextEncoder().encode(json), method, "4");
const answer = (result: string) =>
  `{"jsonrpc":"2.0","id":4,"result":${result}}`;

const COMPLETE = [
  '{"resultType":"complete","n":9007199254740993}',
  '{"content":[]}',
  '{"resultType":"compl\\u0065te"}',
];
for (const result of COMPLETE) {
  Deno.test(`readAnswer() takes ${result} for complete`, () => {
    const read_ = read(answer(result));
    assert(read_.kind === "complete");
    assertEquals(text(read_.bytes, read_.result), result);
  });
}

Deno.test("readAnswer() finds questions, in order, and the state as it is written", () => {
  const result =
    '{"resultType":"input_required","requestState":"\\u0041\\/","inputRequests":{"b":{"method":"roots/list"},"a\\"":{"params":{"n":9007199254740993},"method":"elicitation/create","id":7}}}';
  assertEquals(read(answer(result), "prompts/get"), {
    kind: "input required",
    questions: [
      { key: "b", method: "roots/list", params: undefined },
      {
        key: 'a"',
        method: "elicitation/create",
        params: '{"n":9007199254740993}',
      },
    ],
    state: '"\\u0041\\/"',
  });
});

Deno.test("readAnswer() takes a state without questions, and questions without a state", () => {
  assertEquals(
    read(answer('{"resultType":"input_required","requestState":""}')),
    { kind: "input required", questions: [], state: '""' },
  );
  assertEquals(
    read(
      answer(
        '{"resultType":"input_required","inputRequests":{"a":{"method":"x"}}}',
      ),
      "resources/read",
    ),
    {
      kind: "input required",
      questions: [{ key: "a", method: "x", params: undefined }],
      state: undefined,
    },
  );
});

const ERRORS = [
  { json: '{"jsonrpc":"2.0","id":4,"error":{"code":-32602}}', code: -32602 },
  { json: '{"jsonrpc":"2.0","error":{"code":-32700}}', code: -32700 },
  { json: '\ufeff{"jsonrpc":"2.0","id":4,"error":{"code":"1"}}', code: 0 },
];
for (const { json, code } of ERRORS) {
  Deno.test(`readAnswer() finds the error ${code}`, () => {
    const found = read(json);
    assert(found.kind === "error");
    assertEquals(found.code, code);
    assertEquals(
      text(found.bytes, found.error),
      json.slice(json.indexOf('{"code'), -1),
    );
  });
}

const asks = (rest: string) => answer(`{"resultType":"input_required"${rest}}`);
const many = Array.from({ length: 33 }, (_, i) => `"${i}":{"method":"x"}`);
const INVALID: readonly {
  readonly json: string;
  readonly why: string;
  readonly method?: string;
}[] = [
  { json: answer("[]"), why: "its result is no object" },
  { json: answer('{"resultType":"task"}'), why: "its resultType is unknown" },
  { json: answer('{"resultType":1}'), why: "its resultType is unknown" },
  {
    json: asks(',"requestState":"s"'),
    why: "completion/complete cannot ask for anything",
    method: "completion/complete",
  },
  { json: asks(""), why: "it asks for input and does not say which" },
  {
    json: asks(',"inputRequests":{}'),
    why: "it asks for input and does not say which",
  },
  { json: asks(',"requestState":1'), why: "its requestState is no string" },
  { json: asks(',"inputRequests":[]'), why: "its inputRequests are no object" },
  {
    json: asks(',"inputRequests":{"a":{}}'),
    why: "one of its inputRequests is no request",
  },
  {
    json: asks(',"inputRequests":{"a":1}'),
    why: "one of its inputRequests is no request",
  },
  {
    json: asks(',"inputRequests":{"a":{"method":"x","params":[]}}'),
    why: "one of its inputRequests is no request",
  },
  {
    json: asks(`,"inputRequests":{${many}}`),
    why: "it asks more than 32 questions at once",
  },
  {
    json: '{"jsonrpc":"2.0","id":"4","result":{}}',
    why: "it is the answer to another request",
  },
  {
    json: '{"jsonrpc":"2.0","id":5,"error":{}}',
    why: "it is an error of another request",
  },
  { json: '{"jsonrpc":"2.0","method":"x"}', why: "it is no response" },
  { json: '{"jsonrpc":"1.0"}', why: 'jsonrpc is not "2.0"' },
];
for (const { json, why, method } of INVALID) {
  Deno.test(`readAnswer() refuses an answer: ${why} (${json.slice(0, 70)})`, () => {
    assertEquals(read(json, method), { kind: "invalid", why });
  });
}
