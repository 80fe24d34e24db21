import { assert, assertEquals } from "@std/assert";
import { readAnswer } from "./read_answer.ts";
import { sessionError } from "./session_error.ts";

const translate = (error: string, method: string) => {
  const bytes = new TextEncoder().encode(
    `{"jsonrpc":"2.0","id":4,"error":${error}}`,
  );
  const answer = readAnswer(bytes, method, "4");
  assert(answer.kind === "error");
  const outcome = sessionError(answer, method);
  return outcome.kind === "error"
    ? new TextDecoder().decode(outcome.error)
    : outcome;
};

const CASES: readonly {
  readonly name: string;
  readonly error: string;
  readonly method?: string;
  readonly want: ReturnType<typeof translate>;
}[] = [
  {
    name: "makes a missing resource -32002, and keeps all else of it",
    method: "resources/read",
    error:
      '{"data":{"uri":"a","n":9007199254740993}, "code":-32602,"message":"é"}',
    want:
      '{"data":{"uri":"a","n":9007199254740993}, "code":-32002,"message":"é"}',
  },
  {
    name: "keeps -32602 that names no resource",
    method: "resources/read",
    error: '{"code":-32602,"message":"bad","data":{}}',
    want: '{"code":-32602,"message":"bad","data":{}}',
  },
  {
    name: "keeps -32602 of a tool, whatever its data",
    error: '{"code":-32602,"message":"bad","data":{"uri":"a"}}',
    want: '{"code":-32602,"message":"bad","data":{"uri":"a"}}',
  },
  {
    name: "keeps a method that is not found",
    error: '{"code":-32601,"message":"no"}',
    want: '{"code":-32601,"message":"no"}',
  },
  {
    name: "keeps a code of the server's own, in its own digits",
    error: '{"code":1e2,"message":"x","data":1e400}',
    want: '{"code":1e2,"message":"x","data":1e400}',
  },
  {
    name: "tells of a header mismatch",
    error: '{"code":-32020,"message":"x"}',
    want: { kind: "header mismatch" },
  },
  {
    name: "tells of a revision that is not spoken",
    error: '{"code":-32022,"message":"x","data":{"supported":[]}}',
    want: { kind: "unsupported revision" },
  },
  {
    name: "refuses plainly for want of a capability, and names it",
    error:
      '{"code":-32021,"message":"x","data":{"requiredCapabilities":{"sampling":{},"roots":{}}}}',
    want: {
      kind: "refused",
      refusal: { kind: "capability missing", detail: "sampling, roots" },
    },
  },
  {
    name: "refuses plainly for want of a capability that is not named",
    error: '{"code":-32021,"message":"x"}',
    want: { kind: "refused", refusal: { kind: "capability missing" } },
  },
];
for (const { name, error, method = "tools/call", want } of CASES) {
  Deno.test(`sessionError() ${name}`, () => {
    assertEquals(translate(error, method), want);
  });
}
