import { assert, assertEquals } from "@std/assert";
import { scan } from "../../../shared/jsonrpc/scanner.ts";
import type {
  ClientCapabilities,
  SessionRevision,
} from "../../../shared/mcp.ts";
import { readQuestionAnswer, whyNotAsked, writeQuestion } from "./questions.ts";
import type { Question } from "./read_answer.ts";

const question = (method: string, params?: string): Question => ({
  key: "k",
  method,
  params,
});
const FORM = question("elicitation/create", '{"mode":"form","message":"?"}');
const BARE = question("elicitation/create", '{"message":"?"}');
const URL_MODE = question(
  "elicitation/create",
  '{"url":"u","mode":"\\u0075rl"}',
);
const SAMPLING = question("sampling/createMessage", '{"messages":[]}');
const WITH_TOOLS = question("sampling/createMessage", '{"tools":[]}');
const ROOTS = question("roots/list");

const ASKED: readonly {
  readonly one: Question;
  readonly declared: ClientCapabilities;
  readonly why?: string;
}[] = [
  { one: FORM, declared: { elicitation: {} } },
  { one: BARE, declared: { elicitation: { form: {} } } },
  { one: FORM, declared: { elicitation: { form: {}, url: {} } } },
  {
    one: FORM,
    declared: { elicitation: { url: {} } },
    why: "elicitation.form, which the client did not declare",
  },
  { one: URL_MODE, declared: { elicitation: { url: {} } } },
  {
    one: URL_MODE,
    declared: { elicitation: {} },
    why: "elicitation.url, which the client did not declare",
  },
  {
    one: BARE,
    declared: {},
    why: "elicitation, which the client did not declare",
  },
  { one: SAMPLING, declared: { sampling: {} } },
  {
    one: SAMPLING,
    declared: { elicitation: {} },
    why: "sampling, which the client did not declare",
  },
  { one: WITH_TOOLS, declared: { sampling: { tools: {} } } },
  {
    one: WITH_TOOLS,
    declared: { sampling: {} },
    why: "sampling.tools, which the client did not declare",
  },
  { one: ROOTS, declared: { roots: {} } },
  {
    one: ROOTS,
    declared: {},
    why: "roots, which the client did not declare",
  },
  {
    one: question("tools/call"),
    declared: { sampling: {} },
    why: "tools/call, which no client can be asked",
  },
];
for (const { one, declared, why } of ASKED) {
  const { method, params = "" } = one;
  Deno.test(`whyNotAsked() ${why === undefined ? "lets" : "keeps"} ${method} ${params} ${why === undefined ? "be asked of" : "from"} a client with ${JSON.stringify(declared)}`, () => {
    assertEquals(whyNotAsked(one, declared), why);
  });
}

const MANY =
  '{"messages":[{"content":[{"text":"a","n":1e400}, {"text":"b"}],"role":"user"},{"role":"assistant","content":{"text":"c"}},{"role":"user","content":[]},7],"maxTokens":9007199254740993}';

const WRITTEN: readonly (readonly [
  one: Question,
  want: string,
  revision?: SessionRevision,
])[] = [
  [
    FORM,
    '{"jsonrpc":"2.0","id":"x","method":"elicitation/create","params":{"message":"?"}}',
    "2025-06-18",
  ],
  [
    question("sampling/createMessage", MANY),
    `{"jsonrpc":"2.0","id":"x","method":"sampling/createMessage","params":${MANY}}`,
  ],
  [
    question("sampling/createMessage", MANY),
    '{"jsonrpc":"2.0","id":"x","method":"sampling/createMessage","params":{"messages":[{"content":{"text":"a","n":1e400},"role":"user"},{"content":{"text":"b"},"role":"user"},{"role":"assistant","content":{"text":"c"}},{"role":"user","content":{"type":"text","text":""}},7],"maxTokens":9007199254740993}}',
    "2025-03-26",
  ],
  [
    question(
      "sampling/createMessage",
      '{"maxTokens":9007199254740993, "a":1e400}',
    ),
    '{"jsonrpc":"2.0","id":"x","method":"sampling/createMessage","params":{"maxTokens":9007199254740993, "a":1e400}}',
  ],
  [ROOTS, '{"jsonrpc":"2.0","id":"x","method":"roots/list"}'],
  [
    FORM,
    '{"jsonrpc":"2.0","id":"x","method":"elicitation/create","params":{"mode":"form","message":"?"}}',
  ],
  [
    URL_MODE,
    '{"jsonrpc":"2.0","id":"x","method":"elicitation/create","params":{"url":"u","mode":"\\u0075rl","elicitationId":"e"}}',
  ],
  [
    question("elicitation/create", '{"mode":"url","elicitationId":"own"}'),
    '{"jsonrpc":"2.0","id":"x","method":"elicitation/create","params":{"mode":"url","elicitationId":"own"}}',
  ],
];
for (const [one, want, revision = "2025-11-25"] of WRITTEN) {
  const { method, params = "" } = one;
  Deno.test(`writeQuestion() writes ${method} ${params} for ${revision}`, () => {
    const how = { id: '"x"', elicitationId: "e", revision };
    assertEquals(writeQuestion(one, how), want);
  });
}

const ANSWERS: readonly {
  readonly method: string;
  readonly response: string;
  readonly want: ReturnType<typeof readQuestionAnswer>;
}[] = [
  {
    method: "sampling/createMessage",
    response: '"result":{"n":9007199254740993, "role":"assistant"}',
    want: {
      kind: "result",
      result: '{"n":9007199254740993, "role":"assistant"}',
    },
  },
  {
    method: "elicitation/create",
    response: '"error":{"code":-1,"message":"no"}',
    want: { kind: "result", result: '{"action":"cancel"}' },
  },
  {
    method: "sampling/createMessage",
    response: '"error":{"code":-1,"message":"User rejected"}',
    want: {
      kind: "failed",
      why: "the client did not answer sampling/createMessage: User rejected",
    },
  },
  {
    method: "roots/list",
    response: '"error":{"code":-32601}',
    want: { kind: "failed", why: "the client did not answer roots/list" },
  },
  {
    method: "roots/list",
    response: '"result":[]',
    want: { kind: "failed", why: "the client did not answer roots/list" },
  },
];
for (const { method, response, want } of ANSWERS) {
  Deno.test(`readQuestionAnswer() reads ${response} to ${method}`, () => {
    const body = new TextEncoder().encode(
      `{"jsonrpc":"2.0","id":"x",${response}}`,
    );
    const message = scan(body);
    assert(message.kind === "response");
    assertEquals(readQuestionAnswer({ method }, body, message), want);
  });
}
