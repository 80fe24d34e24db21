import { assertEquals } from "@std/assert";
import { SILENT } from "../../shared/_testing.ts";
import { writeEvent } from "../../shared/sse/write_event.ts";
import { waitOnTimer } from "../../shared/wait_on_timer.ts";
import {
  ANSWER_PATIENCE,
  answerEvents,
  type AnswerSettings,
} from "./call_answer.ts";

const SETTINGS: AnswerSettings = {
  ...ANSWER_PATIENCE,
  answerBytes: 300,
  lingerMs: 20,
  resumeMs: 0,
  wait: waitOnTimer,
  log: SILENT,
};
const NEVER = new AbortController().signal;

function json(text: string, status = 200): Response {
  const headers = { "content-type": "application/json" };
  return new Response(text, { status, headers });
}

function sse(...chunks: string[]): Response {
  const headers = { "content-type": "text/event-stream" };
  return new Response(chunks.join(""), { headers });
}

/** A stream that fails behind its text, or goes on for ever. */
function openSse(text: string, end: "fails" | "hangs"): Response {
  let given = false;
  const body = new ReadableStream({
    pull(controller) {
      if (!given) {
        given = true;
        controller.enqueue(new TextEncoder().encode(text));
        return;
      }
      if (end === "fails") controller.error(new Error("broken off"));
      else return new Promise(() => {});
    },
  }, { highWaterMark: 0 });
  return new Response(body, {
    headers: { "content-type": "text/event-stream" },
  });
}

function reply(id: string, result = "{}"): string {
  return `{"jsonrpc":"2.0","id":${id},"result":${result}}`;
}

function error(id: string, message: string, data?: string): string {
  return `{"jsonrpc":"2.0","id":${id},"error":{"code":-32603,"message":${
    JSON.stringify(message)
  }${data === undefined ? "" : `,"data":${data}`}}}`;
}

const ASK =
  '{"jsonrpc":"2.0","id":"mcpgw:a:b:1","method":"elicitation/create","params":{"n":1e400}}';
const NOTE = '{"jsonrpc":"2.0","method":"notifications/message"}';
const LOST = error(
  '"c"',
  "MCP server broke the connection; the call may have run",
);
const NOTHING = error(
  '"c"',
  "Internal error: no answer came back through the gateway; the call may have run",
);
const LARGE = error(
  '"c"',
  "Internal error: the answer is larger than the 300 bytes that one in a batch may have; the call may have run. Send it as a single message",
);
const noAnswer = (status: number) =>
  error(
    '"c"',
    `Internal error: the gateway answered HTTP ${status}, which is no answer`,
    `{"status":${status}}`,
  );

interface Case {
  readonly name: string;
  /** Answers, in order; an Error is thrown. */
  readonly answers: () => readonly (Response | Error)[];
  readonly id?: string;
  readonly want: string;
  /** Ids of the events after which the stream was taken up again. */
  readonly resumed?: readonly string[];
}

const CASES: readonly Case[] = [
  {
    name: "gives a response in JSON as it is",
    answers: () => [json(reply('"c"', '{"n":1e400, "b":[9007199254740993]}'))],
    want: `data: ${reply('"c"', '{"n":1e400, "b":[9007199254740993]}')}\n\n`,
  },
  {
    name: "gives an error under an error status as it is",
    answers: () => [json(error('"c"', "no"), 502)],
    want: `data: ${error('"c"', "no")}\n\n`,
  },
  {
    name: "keeps JSON in several lines whole",
    answers: () => [json(`{"jsonrpc":"2.0",\n"id":"c",\r\n"result":{}}`)],
    want: 'data: {"jsonrpc":"2.0",\ndata: "id":"c",\ndata: "result":{}}\n\n',
  },
  {
    name: "knows an id in another spelling",
    id: '"\\u0063"',
    answers: () => [json(reply('"c"'))],
    want: `data: ${reply('"c"')}\n\n`,
  },
  {
    name: "tells large integers apart",
    id: "9007199254740993",
    answers: () => [json(reply("9007199254740992"))],
    want: `data: ${noAnswer(200).replace('"c"', "9007199254740993")}\n\n`,
  },
  {
    name: "gives an error without an id the request's",
    answers: () => [
      json(
        `\ufeff{"error":{"code":-1, "message":"m"},"jsonrpc":"2.0","id":null}`,
        429,
      ),
    ],
    want:
      'data: {"jsonrpc":"2.0","id":"c","error":{"code":-1, "message":"m"}}\n\n',
  },
  {
    name: "gives a batch of a server message by message",
    answers: () => [json(`[${NOTE},${reply('"c"')}]`)],
    want: `data: ${NOTE}\n\ndata: ${reply('"c"')}\n\n`,
  },
  {
    name: "makes an error of JSON that is none of JSON-RPC's",
    answers: () => [json('{"message":"denied"}', 403)],
    want: `data: ${noAnswer(403)}\n\n`,
  },
  {
    name: "makes an error of text",
    answers: () => [new Response("RBAC: access denied", { status: 403 })],
    want: `data: ${noAnswer(403)}\n\n`,
  },
  {
    name: "makes an error of nothing",
    answers: () => [new Response(null, { status: 202 })],
    want: `data: ${noAnswer(202)}\n\n`,
  },
  {
    name: "makes an error of a redirect",
    answers: () => [
      new Response(null, { status: 307, headers: { location: "http://x/" } }),
    ],
    want: `data: ${noAnswer(307)}\n\n`,
  },
  {
    name: "makes an error of an event stream under an error status",
    answers: () => [
      new Response("data: x\n\n", {
        status: 500,
        headers: { "content-type": "text/event-stream" },
      }),
    ],
    want: `data: ${noAnswer(500)}\n\n`,
  },
  {
    name: "makes an error of a connection that fails",
    answers: () => [new TypeError("connection refused")],
    want: `data: ${NOTHING}\n\n`,
  },
  {
    name: "makes an error of too large an answer",
    answers: () => [json(reply('"c"', `"${"x".repeat(300)}"`))],
    want: `data: ${LARGE}\n\n`,
  },
  {
    name: "gives events as they are, with ids and times",
    answers: () => [
      sse(
        ": hello\n\nid: 1\ndata: \n\nretry: 7\n\n",
        `id: 2\ndata: ${ASK}\n\nevent: message\ndata: ${NOTE}\n\n`,
        `event: own\nid: 3\ndata: ${reply('"c"')}\n\n`,
        `data: nonsense\n\nid: 4\ndata: ${reply('"c"')}\n\n`,
      ),
    ],
    want: `id: 1\ndata: \n\nretry: 7\n\nid: 2\ndata: ${ASK}\n\n` +
      `data: ${NOTE}\n\nid: 3\nevent: own\ndata: ${reply('"c"')}\n\n` +
      `data: nonsense\n\nid: 4\ndata: ${reply('"c"')}\n\n`,
  },
  {
    name: "gives no second response, and none of another request",
    answers: () => [
      sse(
        `id: 1\ndata: ${reply('"d"', "666")}\n\n`,
        `data: [${reply('"d"', "666")},${NOTE},${reply('"c"')}]\n\n`,
        `data: ${reply('"c"', "2")}\n\ndata: ${NOTE}\n\n`,
      ),
    ],
    want: `id: 1\ndata: \n\ndata: ${NOTE}\n\ndata: ${reply('"c"')}\n\n` +
      `data: ${NOTE}\n\n`,
  },
  {
    name: "gives an error without an id in a stream the request's",
    answers: () => [sse(`data: ${error("null", "what?")}\n\n`)],
    want: `data: ${error('"c"', "what?")}\n\n`,
  },
  {
    name: "makes an error of a stream without the response",
    answers: () => [sse(`data: ${NOTE}\n\n`)],
    want: `data: ${NOTE}\n\ndata: ${LOST}\n\n`,
  },
  {
    name: "makes an error of a stream that breaks",
    answers: () => [openSse(`data: ${NOTE}\n\ndata: {`, "fails")],
    want: `data: ${NOTE}\n\ndata: ${LOST}\n\n`,
  },
  {
    name: "makes an error of too large an event, and does not ask for it again",
    answers: () => [sse(`id: 1\ndata: \n\nid: 2\ndata: ${"x".repeat(301)}`)],
    want: `id: 1\ndata: \n\ndata: ${LARGE}\n\n`,
  },
  {
    name: "waits no longer for the end of a stream than it has to",
    answers: () => [openSse(`data: ${reply('"c"')}\n\n`, "hangs")],
    want: `data: ${reply('"c"')}\n\n`,
  },
  {
    name: "takes up a stream with ids again that ends or breaks",
    answers: () => [
      sse("id: 1\ndata: \n\n"),
      openSse(`id: 2\ndata: ${NOTE}\n\n`, "fails"),
      sse(`id: 3\ndata: ${reply('"c"')}\n\n`),
    ],
    want: `id: 1\ndata: \n\nid: 2\ndata: ${NOTE}\n\n` +
      `id: 3\ndata: ${reply('"c"')}\n\n`,
    resumed: ["1", "2"],
  },
  {
    name: "takes up a stream as often as it says something",
    answers: () => [
      ...["1", "2", "3", "4", "5"].map((id) => sse(`id: ${id}\ndata: \n\n`)),
      sse(`data: ${reply('"c"')}\n\n`),
    ],
    want: `${
      ["1", "2", "3", "4", "5"].map((id) => `id: ${id}\ndata: \n\n`).join("")
    }data: ${reply('"c"')}\n\n`,
    resumed: ["1", "2", "3", "4", "5"],
  },
  {
    name: "takes up a stream no more that says nothing any more",
    answers: () => [sse("id: 1\ndata: \n\n"), sse(), sse(), sse()],
    want: `id: 1\ndata: \n\ndata: ${LOST}\n\n`,
    resumed: ["1", "1", "1"],
  },
  {
    name: "makes an error of a stream that cannot be taken up again",
    answers: () => [sse("id: 1\ndata: \n\n"), json(reply('"c"'), 400)],
    want: `id: 1\ndata: \n\ndata: ${LOST}\n\n`,
    resumed: ["1"],
  },
];

for (const { name, answers, id = '"c"', want, resumed = [] } of CASES) {
  Deno.test(`answerEvents() ${name}`, async () => {
    const left = [...answers()];
    const opened: (string | undefined)[] = [];
    const call = {
      id,
      open: (after: string | undefined) => {
        opened.push(after);
        const next = left.shift();
        return next instanceof Response
          ? Promise.resolve(next)
          : Promise.reject(next);
      },
    };
    let text = "";
    for await (const event of answerEvents(call, SETTINGS, NEVER)) {
      text += new TextDecoder().decode(writeEvent(event));
    }
    assertEquals(text, want);
    assertEquals(opened, [undefined, ...resumed]);
  });
}

Deno.test("answerEvents() waits as long as a server says, but not for ever", async () => {
  const waited: number[] = [];
  const answers = [
    sse("id: 1\ndata: \n\n"),
    sse("id: 2\nretry: 25\ndata: \n\n"),
    sse("id: 3\nretry: 90000\ndata: \n\n"),
    json("", 400),
  ];
  const settings: AnswerSettings = {
    ...SETTINGS,
    resumeMs: 1_000,
    wait: (ms) => Promise.resolve(void waited.push(ms)),
  };
  const call = { id: "1", open: () => Promise.resolve(answers.shift()!) };
  for await (const _ of answerEvents(call, settings, NEVER)) { /* all */ }
  assertEquals(waited, [1_000, 25, 60_000]);
});

Deno.test("answerEvents() says nothing to a client that left before anything came, and ends the request", async () => {
  const leaving = new AbortController();
  let signal: AbortSignal | undefined;
  const call = {
    id: "1",
    open: (_: unknown, given: AbortSignal) => {
      signal = given;
      return new Promise<Response>((_, reject) =>
        given.addEventListener("abort", () => reject(given.reason))
      );
    },
  };
  const first = answerEvents(call, SETTINGS, leaving.signal).next();
  leaving.abort();
  assertEquals(await first, { done: true, value: undefined });
  assertEquals(signal?.aborted, true);
});

Deno.test("answerEvents() says nothing to a client that left in the middle, and ends the request", async () => {
  const leaving = new AbortController();
  let signal: AbortSignal | undefined;
  const call = {
    id: "1",
    open: (_: unknown, given: AbortSignal) => {
      signal = given;
      const body = new ReadableStream({
        start(controller) {
          const text = `id: 1\ndata: ${NOTE}\n\n`;
          controller.enqueue(new TextEncoder().encode(text));
          given.addEventListener(
            "abort",
            () => controller.error(given.reason),
          );
        },
      });
      const headers = { "content-type": "text/event-stream" };
      return Promise.resolve(new Response(body, { headers }));
    },
  };
  const events = answerEvents(call, SETTINGS, leaving.signal);
  assertEquals(await events.next(), {
    done: false,
    value: { id: "1", data: NOTE },
  });
  const second = events.next();
  leaving.abort();
  assertEquals(await second, { done: true, value: undefined });
  assertEquals(signal?.aborted, true);
});

Deno.test("answerEvents() ends a request whose stream goes on behind the response", async () => {
  let signal: AbortSignal | undefined;
  const call = {
    id: "1",
    open: (_: unknown, given: AbortSignal) => {
      signal = given;
      return Promise.resolve(openSse(`data: ${reply("1")}\n\n`, "hangs"));
    },
  };
  for await (const _ of answerEvents(call, SETTINGS, NEVER)) { /* all */ }
  assertEquals(signal?.aborted, true);
});
