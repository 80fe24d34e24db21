import { assertEquals } from "@std/assert";
import { AnswerStream } from "./answer_stream.ts";

const utf8 = new TextEncoder();
const TOLD = '{"jsonrpc":"2.0","method":"notifications/progress"}';
const ASKED = '{"jsonrpc":"2.0","id":1,"method":"ping"}';
const ANSWERED = '{"jsonrpc":"2.0","id":9,"result":{}}';

/** What comes of chunks: all the text, and after which chunk it was let go. */
function send(
  chunks: readonly string[],
  { capabilities = {}, callId = "9", budget = 1 }: {
    capabilities?: Record<string, unknown>;
    callId?: string;
    budget?: number;
  } = {},
): { text: string; letGoAfter: number | undefined } {
  const stream = new AnswerStream({
    source: { server: "s", tag: "aBcDeF12" },
    callId,
    batches: false,
    primes: true,
    capabilities,
    mayLetGo: () => budget-- > 0,
  });
  let text = "";
  for (const [i, chunk] of chunks.entries()) {
    const { bytes, letGo } = stream.push(utf8.encode(chunk), false);
    text += new TextDecoder().decode(bytes);
    if (letGo) return { text, letGoAfter: i + 1 };
  }
  return { text, letGoAfter: undefined };
}

const streams: readonly {
  name: string;
  chunks: readonly string[];
  given?: Parameters<typeof send>[1];
  letGoAfter: number | undefined;
}[] = [
  {
    name: "is let go with the first event, where that has no id",
    chunks: [": open\n\n", "retry: 9\n\n", `data: ${TOLD}\n\n`],
    letGoAfter: 3,
  },
  {
    name: "is kept where events have ids",
    chunks: ["id: 1\ndata: \n\n", `data: ${TOLD}\n\n`],
    letGoAfter: undefined,
  },
  {
    name: "is kept where the server asks all the same",
    chunks: [`data: ${ASKED}\n\n`, `data: ${TOLD}\n\n`],
    letGoAfter: undefined,
  },
  {
    name: "is kept where the call is answered: it ends by itself",
    chunks: [`data: ${ANSWERED}\n\n`],
    letGoAfter: undefined,
  },
  {
    name: "is let go where another call is answered",
    chunks: [`data: ${ANSWERED}\n\n`],
    given: { callId: "8" },
    letGoAfter: 1,
  },
  {
    name: "is kept until there is room",
    chunks: [`data: ${TOLD}\n\n`, `data: ${TOLD}\n\n`],
    given: { budget: 0 },
    letGoAfter: undefined,
  },
  ...["sampling", "elicitation", "roots"].map((name) => ({
    name: `is kept for a client that declared ${name}`,
    chunks: [`data: ${TOLD}\n\n`],
    given: { capabilities: { [name]: {} } },
    letGoAfter: undefined,
  })),
  {
    name: "is let go for a client that cannot be asked anything",
    chunks: [`data: ${TOLD}\n\n`],
    given: { capabilities: { experimental: {} } },
    letGoAfter: 1,
  },
];

for (const { name, chunks, given, letGoAfter } of streams) {
  Deno.test(`AnswerStream: a stream ${name}`, () => {
    assertEquals(send(chunks, given).letGoAfter, letGoAfter);
  });
}

Deno.test("AnswerStream keeps nothing back of a stream that it lets go", () => {
  assertEquals(send([`data: ${TOLD}\n\ndata: {"js`]), {
    text: `data: ${TOLD}\n\ndata: {"js`,
    letGoAfter: 1,
  });
});
