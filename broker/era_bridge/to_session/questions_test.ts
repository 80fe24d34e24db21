import { assertEquals } from "@std/assert";
import { canOpenUrls, decideRequest, elicitUrl } from "./questions.ts";

const CASES: readonly {
  readonly name: string;
  readonly method: string;
  readonly params?: string;
  readonly declared: Record<string, unknown>;
  /** The question, or the code of the error, or that it is answered. */
  readonly want: string | number;
}[] = [
  { name: "answers a ping", method: "ping", declared: {}, want: "answered" },
  {
    name: "asks for a form",
    method: "elicitation/create",
    params: '{"mode":"form","message":"\\u0041","requestedSchema":{"n":1e400}}',
    declared: { elicitation: { form: {} } },
    want: '{"method":"elicitation/create","params":' +
      '{"mode":"form","message":"\\u0041","requestedSchema":{"n":1e400}}}',
  },
  {
    name: "takes bare elicitation for forms",
    method: "elicitation/create",
    params: '{"message":"?"}',
    declared: { elicitation: {} },
    want: '{"method":"elicitation/create","params":{"message":"?"}}',
  },
  {
    name: "does not ask to open a URL who declared bare elicitation",
    method: "elicitation/create",
    params: '{"mode":"url","url":"https://a.test"}',
    declared: { elicitation: {} },
    want: -32602,
  },
  {
    name: "does not ask for a form who declared URLs alone",
    method: "elicitation/create",
    params: '{"message":"?"}',
    declared: { elicitation: { url: {} } },
    want: -32602,
  },
  {
    name: "asks to open a URL, without the id that the stateless era lacks",
    method: "elicitation/create",
    params: '{"mode":"url","elicitationId":"e","url":"https://a.test"}',
    declared: { elicitation: { url: {}, form: {} } },
    want:
      '{"method":"elicitation/create","params":{"mode":"url","url":"https://a.test"}}',
  },
  {
    name: "does not elicit without the capability",
    method: "elicitation/create",
    params: "{}",
    declared: { sampling: {} },
    want: -32601,
  },
  {
    name: "asks for a sample",
    method: "sampling/createMessage",
    params: '{"maxTokens":1.0}',
    declared: { sampling: {} },
    want: '{"method":"sampling/createMessage","params":{"maxTokens":1.0}}',
  },
  {
    name: "asks for a sample with tools",
    method: "sampling/createMessage",
    params: '{"tools":[]}',
    declared: { sampling: { tools: {} } },
    want: '{"method":"sampling/createMessage","params":{"tools":[]}}',
  },
  {
    name: "does not ask for a sample with tools without that capability",
    method: "sampling/createMessage",
    params: '{"tools":[]}',
    declared: { sampling: {} },
    want: -32602,
  },
  {
    name: "does not ask for a sample without the capability",
    method: "sampling/createMessage",
    declared: { roots: {} },
    want: -32601,
  },
  {
    name: "asks for roots",
    method: "roots/list",
    declared: { roots: {} },
    want: '{"method":"roots/list"}',
  },
  {
    name: "does not ask for roots without the capability",
    method: "roots/list",
    declared: {},
    want: -32601,
  },
  {
    name: "refuses what the stateless era does not have",
    method: "tasks/get",
    declared: { roots: {}, sampling: {}, elicitation: {}, tasks: {} },
    want: -32601,
  },
];
for (const { name, method, params, declared, want } of CASES) {
  Deno.test(`decideRequest() ${name}`, () => {
    const outcome = decideRequest({ id: "1", method, params }, declared);
    assertEquals(
      outcome.kind === "question"
        ? outcome.request
        : outcome.kind === "refused"
        ? outcome.code
        : outcome.kind,
      want,
    );
  });
}

Deno.test("canOpenUrls() wants the client to have said so", () => {
  assertEquals(
    [{}, { elicitation: {} }, { elicitation: { url: {} } }].map(canOpenUrls),
    [false, false, true],
  );
});

Deno.test("elicitUrl() makes a request of what a server's error names", () => {
  assertEquals(
    elicitUrl('{"mode":"url","elicitationId":"1","message":"m","url":"u"}'),
    '{"method":"elicitation/create","params":{"mode":"url","message":"m","url":"u"}}',
  );
});
