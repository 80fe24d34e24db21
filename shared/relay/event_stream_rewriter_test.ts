import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import fc from "fast-check";
import { joinBytes } from "../bytes.ts";
import { readEvents, type ServerEvent } from "../sse/read_events.ts";
import { EventStreamRewriter } from "./event_stream_rewriter.ts";
import { rewriteServerMessage } from "./rewrite_message.ts";
import { writeRoutedEventId } from "./routed_id.ts";

const SOURCE = { server: "weather", tag: "aBcDeF12" };
const R = "mcpgw:aBcDeF12:weather:";
const OPTIONS = {
  source: SOURCE,
  batches: true,
  primes: true,
  maxEventBytes: 1 << 20,
};

const encode = (text: string) => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array) =>
  new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);

/** Pushes chunks and joins what comes out, the caller's buffers spoilt. */
function rewritten(
  chunks: readonly Uint8Array[],
  options: Partial<typeof OPTIONS> = {},
): Uint8Array {
  const rewriter = new EventStreamRewriter({ ...OPTIONS, ...options });
  const out = chunks.map((chunk, i) =>
    rewriter.push(chunk, i === chunks.length - 1)
  );
  return joinBytes(out);
}

/** Cuts bytes before these offsets. */
function cutAt(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const sorted = [...cuts, bytes.length].map((cut) => cut % (bytes.length + 1))
    .concat(bytes.length).toSorted((a, b) => a - b);
  return sorted.map((cut, i) => bytes.slice(sorted[i - 1] ?? 0, cut));
}

const PING = (id: string) => `{"jsonrpc":"2.0","id":${id},"method":"ping"}`;
const TOLD = '{"jsonrpc":"2.0","method":"notifications/message"}';

const STREAMS: readonly {
  readonly name: string;
  readonly text: string;
  readonly want?: string;
  readonly options?: Partial<typeof OPTIONS>;
}[] = [
  { name: "nothing", text: "" },
  { name: "a comment without an event", text: ": a\n" },
  { name: "a notification", text: `event: message\ndata: ${TOLD}\n\n` },
  { name: "what is no JSON", text: "data: {\n\ndata: [1,\n\ndata:[]\n\n" },
  { name: "fields of no concern", text: "identity: 7\ndatum: x\nDATA: y\n\n" },
  { name: "an id that is empty, which says there is none", text: "id:\n\n" },
  { name: "an id with a NUL, which is none", text: "id: a\0b\ndata: x\n\n" },
  {
    name: "an event's id",
    text: "id: 7\ndata: x\n\nid:8\n\nid:  9 \r\rid\n\n",
    want: `id: ${R}7\ndata: x\n\nid:${R}8\n\nid: ${R}%209%20\r\rid\n\n`,
  },
  {
    name: "an id that begins as a byte order mark does",
    text: "id: \ufeffa\n\n",
    want: `id: ${R}%EF%BB%BFa\n\n`,
  },
  {
    name: "the last of an event's ids, which is what counts",
    text: "id: 7\nid: 8\nid: \0\ndata: x\n\n",
    want: `id: 7\nid: ${R}8\nid: \0\ndata: x\n\n`,
  },
  {
    name: "a priming event",
    text: "id: 7\nretry: 100\ndata:\n\n",
    want: `id: ${R}7\nretry: 100\ndata:\n\n`,
  },
  {
    name: "a request, whatever the line ends and spaces",
    text: `data:${PING("1")}\n\ndata: ${PING("2")}\r\r` +
      `data: ${PING("3")}\r\n\r\ndata:  ${PING("4")}\n\r\ndata:${
        PING("5")
      }\r\n\n`,
    want: `data:${PING(`"${R}1"`)}\n\ndata: ${PING(`"${R}2"`)}\r\r` +
      `data: ${PING(`"${R}3"`)}\r\n\r\ndata:  ${PING(`"${R}4"`)}\n\r\n` +
      `data:${PING(`"${R}5"`)}\r\n\n`,
  },
  {
    name: "a request behind a byte order mark",
    text: `\ufeffdata: ${PING("1")}\n\n`,
    want: `\ufeffdata: ${PING(`"${R}1"`)}\n\n`,
  },
  {
    name: "nothing but the first byte order mark as one",
    text: `data: x\n\n\ufeffdata: ${PING("1")}\n\n`,
  },
  {
    name: "a pretty-printed request, line by line",
    text: [
      "data: {",
      'data:   "jsonrpc": "2.0",\r',
      "id: 5",
      'data:"id": 1, "n": 9007199254740993,',
      ": a comment",
      "data",
      'data: "method": "ping" ',
      "data: }",
      "",
      "",
    ].join("\n"),
    want: [
      "data: {",
      'data:   "jsonrpc": "2.0",\r',
      `id: ${R}5`,
      `data:"id": "${R}1", "n": 9007199254740993,`,
      ": a comment",
      "data",
      'data: "method": "ping" ',
      "data: }",
      "",
      "",
    ].join("\n"),
  },
  {
    name: "an event that is cut off as one that is whole",
    text: `id: 7\ndata: ${PING("1")}`,
    want: `id: ${R}7\ndata: ${PING(`"${R}1"`)}`,
  },
  {
    name: "a batch in its place",
    text: `id: 1\ndata: [${PING("1")},\ndata:  ${TOLD} , ${PING("2")}]\n\n`,
    want: `id: ${R}1\ndata: [${PING(`"${R}1"`)},\n` +
      `data:  ${TOLD} , ${PING(`"${R}2"`)}]\n\n`,
  },
  {
    name: "a batch as single events where the client knows none",
    options: { batches: false },
    text: `event: message\r\nid: 1\r\ndata: [${PING("1")},\r\n: c\r\n` +
      `data: {\r\ndata: "a":1} , ${
        PING("2")
      }]\r\nretry: 1\r\n\r\n${`data: ${TOLD}\n\n`}`,
    want: `data: ${PING(`"${R}1"`)}\r\n\r\n` +
      'data: {\r\ndata: "a":1}\r\n\r\n' +
      `event: message\r\nid: ${R}1\r\ndata: ${PING(`"${R}2"`)}\r\n` +
      `: c\r\nretry: 1\r\n\r\ndata: ${TOLD}\n\n`,
  },
  {
    name: "a batch of one, cut off, where the client knows none",
    options: { batches: false },
    text: `data:[\ndata:${TOLD}\ndata:]`,
    want: `data: ${TOLD}\n`,
  },
  {
    name: "an array without messages as it is",
    options: { batches: false },
    text: "id: 1\ndata: []\n\ndata: [1\n\ndata: [1,{}]\n\n",
    want: `id: ${R}1\ndata: []\n\ndata: [1\n\ndata: [1,{}]\n\n`,
  },
  {
    name: "only the id of an event that is too large, and all of the next",
    options: { maxEventBytes: 60 },
    text: `id: 1\ndata: ${PING("1")}${" ".repeat(60)}\nid: 2\n\n` +
      `id: 3\ndata: ${PING("3")}\n\n`,
    want: `id: ${R}1\ndata: ${PING("1")}${" ".repeat(60)}\nid: 2\n\n` +
      `id: ${R}3\ndata: ${PING(`"${R}3"`)}\n\n`,
  },
  {
    name: "an event of just the bound",
    options: { maxEventBytes: 47 },
    text: `data: ${PING("1")}\n\n`,
    want: `data: ${PING(`"${R}1"`)}\n\n`,
  },
  {
    name: "an event a byte above the bound as it is",
    options: { maxEventBytes: 46 },
    text: `data: ${PING("1")}\n\n`,
  },
  {
    name: "an id that reaches beyond the bound as it is",
    options: { maxEventBytes: 6 },
    text: "id: 12\n\nid: 123\n\ndata:\r\n\r\n",
    want: "id: 12\n\nid: 123\n\ndata:\r\n\r\n",
  },
];
for (const { name, text, want = text, options } of STREAMS) {
  Deno.test(`EventStreamRewriter passes ${name}`, () => {
    const bytes = encode(text);
    const whole = decode(rewritten([bytes], options));
    assertEquals(whole, want);
    const single = [...bytes].map((byte) => Uint8Array.of(byte));
    assertEquals(
      decode(rewritten([...single, encode("")], options)),
      want,
      "byte by byte",
    );
    for (let at = 0; at <= bytes.length; at++) {
      const cut = rewritten([bytes.slice(0, at), bytes.slice(at)], options);
      assertEquals(decode(cut), want, `cut at ${at}`);
    }
  });
}

/** A message of a server, one that is rewritten or one that is not. */
function message(rewritten: boolean): fc.Arbitrary<string> {
  const id = fc.oneof(
    fc.bigInt().map(String),
    fc.string({ unit: "binary" }).map((text) => JSON.stringify(text)),
  );
  const value = fc.oneof(fc.json(), fc.bigInt().map(String));
  const parts = fc.tuple(id, value, fc.constantFrom("", " ", "\n", "\n  "));
  return parts.chain(([id, value, gap]) => {
    const wrap = (members: readonly string[]) =>
      `{${gap}${
        ['"jsonrpc":"2.0"', ...members, `"more":${value}`].join(`,${gap}`)
      }${gap}}`;
    const told = (method: string, params: string) =>
      wrap([`"method":"${method}"`, `"params":{${params}}`]);
    return rewritten
      ? fc.constantFrom(
        wrap([`"id":${gap}${id}`, '"method":"roots/list"']),
        wrap([
          `"params":{"_meta":{"a":1,"progressToken":${id}},"b":${value}}`,
          '"method":"elicitation/create"',
          `"id":${id}`,
        ]),
        told("notifications/cancelled", `"requestId":${gap}${id}`),
      )
      : fc.constantFrom(
        wrap([`"id":${id}`, `"result":{"id":1,"id":2,"a":${value}}`]),
        wrap([`"id":${id}`, `"error":{"code":1,"message":"m"}`]),
        told("notifications/progress", `"progressToken":${id},"n":${value}`),
        told("notifications/message", `"data":${gap}${value}`),
        value,
        '{"jsonrpc":"2.0","id":1,"method":"ping"',
        "not JSON",
      );
  });
}

const lineEnd = fc.constantFrom("\n", "\r\n", "\r");
const oneLine = fc.string().map((text) => text.replace(/[\r\n]/g, ""));

/** The lines of one event, those of its data in their order. */
function event(
  data: fc.Arbitrary<string>,
  others: fc.Arbitrary<string>,
): fc.Arbitrary<string> {
  return fc.tuple(
    fc.option(data, { nil: undefined }),
    fc.array(others, { maxLength: 3 }),
    fc.infiniteStream(fc.tuple(lineEnd, fc.constantFrom("", " "), fc.nat(3))),
  ).map(([data, others, ways]) => {
    const way = () => ways.next().value!;
    const lines = (data?.split("\n") ?? []).map((line) =>
      // A space at its front would be taken for the format's.
      `data:${line.startsWith(" ") ? " " : way()[1]}${line}`
    );
    for (const line of others) lines.splice(way()[2], 0, line);
    return [...lines, ""].map((line) => line + way()[0]).join("");
  });
}

const plain = fc.oneof(
  oneLine.map((text) => `: ${text}`),
  oneLine.map((text) => `event: ${text}`),
  oneLine.map((text) => `x${text}`),
  fc.constantFrom("retry: 10", "id:", "id", "id: \0", "retry", ":"),
);
const id = oneLine.map((text) => `id: ${text}`);

/** A stream of such events, where it is cut, and whether its end is missing. */
function stream(one: fc.Arbitrary<string>): fc.Arbitrary<{
  readonly bytes: Uint8Array;
  readonly chunks: readonly Uint8Array[];
}> {
  return fc.tuple(
    fc.constantFrom("", "\ufeff"),
    fc.array(one, { maxLength: 6 }),
    fc.nat(12),
    fc.array(fc.nat(), { maxLength: 12 }),
  ).map(([mark, events, missing, cuts]) => {
    const all = encode(mark + events.join(""));
    const bytes = all.slice(
      0,
      Math.max(0, all.length - Math.max(0, missing - 8)),
    );
    return { bytes, chunks: cutAt(bytes, cuts) };
  });
}

const anyMessage = fc.oneof(message(true), message(false));
const anything = stream(event(anyMessage, fc.oneof(plain, id)));

Deno.test("EventStreamRewriter passes a stream without requests, cancellations and ids byte for byte, however it is cut", () => {
  fc.assert(
    fc.property(
      stream(event(message(false), plain)),
      fc.boolean(),
      ({ bytes, chunks }, batches) => {
        assertEquals(decode(rewritten(chunks, { batches })), decode(bytes));
      },
    ),
    { numRuns: 500 },
  );
});

Deno.test("EventStreamRewriter gives the same for a stream however it is cut, whatever the bound", () => {
  const batch = fc.array(anyMessage, { maxLength: 3 })
    .map((all) => `[${all.join(",\n")}]`);
  const all = stream(
    event(fc.oneof(anyMessage, batch), fc.oneof(plain, id)),
  );
  fc.assert(
    fc.property(
      all,
      fc.boolean(),
      fc.oneof(fc.nat(200), fc.constant(1 << 20)),
      ({ bytes, chunks }, batches, maxEventBytes) => {
        const options = { batches, maxEventBytes };
        const want = decode(rewritten([bytes], options));
        assertEquals(decode(rewritten(chunks, options)), want);
        const single = [...bytes].map((byte) => Uint8Array.of(byte));
        assertEquals(decode(rewritten([...single, encode("")], options)), want);
      },
    ),
    { numRuns: 500 },
  );
});

async function eventsOf(bytes: Uint8Array): Promise<ServerEvent[]> {
  const limits = { eventBytes: 1 << 20 };
  // A carriage return at the very end leaves its reader waiting.
  const whole = ReadableStream.from([bytes, encode(": end")]);
  return await Array.fromAsync(readEvents(whole, limits));
}

Deno.test("EventStreamRewriter changes of each event its id and its message", async () => {
  let changed = 0;
  await fc.assert(
    fc.asyncProperty(anything, async ({ bytes, chunks }) => {
      const want = (await eventsOf(bytes)).map((event) => {
        const { id, data } = event;
        const message = rewriteServerMessage(encode(data), SOURCE);
        if (decode(message.bytes) !== data) changed++;
        return {
          ...event,
          data: decode(message.bytes),
          ...(id ? { id: writeRoutedEventId(SOURCE, id) } : {}),
        };
      });
      assertEquals(await eventsOf(rewritten(chunks)), want);
    }),
    { numRuns: 500 },
  );
  assert(changed > 50, `only ${changed} messages were changed`);
});

Deno.test("EventStreamRewriter gives a client that knows no batches each message of one", async () => {
  const batch = fc.array(anyMessage.filter(isJson), { maxLength: 4 })
    .map((messages) => [...messages, TOLD]);
  await fc.assert(fc.asyncProperty(
    batch,
    fc.array(fc.oneof(plain, id), { maxLength: 3 }),
    lineEnd,
    async (messages, others, end) => {
      const lines = `[${messages.join(",\n")}]`.split("\n");
      const event = [...others, ...lines.map((line) => `data: ${line}`), "", ""]
        .join(end);
      const out = await eventsOf(
        rewritten([encode(event)], { batches: false }),
      );
      const want = messages.map((json) =>
        decode(rewriteServerMessage(encode(json), SOURCE).bytes)
      );
      assertEquals(out.map(({ data }) => data), want);
      assertEquals(out.slice(0, -1).some(({ id }) => id !== undefined), false);
    },
  ));
});

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

Deno.test("EventStreamRewriter gives the very chunk where it has nothing to change", () => {
  const rewriter = new EventStreamRewriter(OPTIONS);
  const chunk = encode(`event: message\ndata: ${TOLD}\n\n: comment\n`);
  assertStrictEquals(rewriter.push(chunk, false), chunk);
  assertStrictEquals(rewriter.push(chunk, false), chunk);
});

Deno.test("EventStreamRewriter holds back nothing but an event that is not at its end", () => {
  const rewriter = new EventStreamRewriter(OPTIONS);
  const push = (text: string) => decode(rewriter.push(encode(text), false));
  assertEquals(push("data: 1\n"), "");
  assertEquals(push("\ndata: 2\n"), "data: 1\n\n");
  assertEquals(push("\r"), "data: 2\n\r");
  assertEquals(push("\n: keep-alive\n"), "\n: keep-alive\n");
  assertEquals(push(": keep-alive\r"), ": keep-alive\r");
  assertEquals(push("\ndata: 3"), "\n");
  assertEquals(push("\n: within it\n"), "");
  assertEquals(push("\n"), "data: 3\n: within it\n\n");
  assertEquals(push("data: 4\r\n"), "");
  assertEquals(push("\n"), "data: 4\r\n\n");
  assertEquals(push("data: 5\r"), "");
  assertEquals(push("\n"), "");
  assertEquals(push("\r"), "data: 5\r\n\r");
});

Deno.test("EventStreamRewriter gives what it holds once an event is above the bound, and all of it from there on", () => {
  const rewriter = new EventStreamRewriter({ ...OPTIONS, maxEventBytes: 10 });
  const push = (text: string) => decode(rewriter.push(encode(text), false));
  assertEquals(push("data: 6789"), "");
  assertEquals(push("a"), "data: 6789a");
  assertEquals(push("bcd"), "bcd");
  assertEquals(push("\nid: 1\n"), "\nid: 1\n");
  assertEquals(push("\nid: 2\n"), "\n");
  assertEquals(push("\n"), `id: ${R}2\n\n`);
});

Deno.test("EventStreamRewriter gives bytes that nobody writes to again", () => {
  const rewriter = new EventStreamRewriter(OPTIONS);
  rewriter.push(encode("data: 1"), false);
  const first = rewriter.push(encode("2\n\ndata: 3"), false);
  rewriter.push(encode("4".repeat(9)), false);
  rewriter.push(encode("\n\n"), false);
  assertEquals(decode(first), "data: 12\n\n");
});

for (const end of ["\n", "\r", "\r\n"]) {
  Deno.test(`EventStreamRewriter takes the data out of events without a message for a client that chokes on it, lines ending in ${JSON.stringify(end)}`, () => {
    const stream = [
      "id: 0\nretry: 5\ndata: \n\n",
      ": comment\n\n",
      `id: 1\ndata: ${TOLD}\n\n`,
      "data\nid: 2\n\n",
      "id: 3\n\n",
      "data:\ndata:\n\n",
    ].map((event) => event.replaceAll("\n", end));
    const want = [
      `id: ${R}0\nretry: 5\n\n`,
      ": comment\n\n",
      `id: ${R}1\ndata: ${TOLD}\n\n`,
      `id: ${R}2\n\n`,
      `id: ${R}3\n\n`,
    ].join("").replaceAll("\n", end);
    const bytes = encode(stream.join(""));
    assertEquals(decode(rewritten([bytes], { primes: false })), want);
    // A line end of two bytes that is cut in half leaves one of them.
    if (end.length > 1) return;
    for (let at = 0; at < bytes.length; at++) {
      const cut = cutAt(bytes, [at]);
      assertEquals(decode(rewritten(cut, { primes: false })), want);
    }
  });
}

Deno.test("EventStreamRewriter says what it saw", () => {
  const rewriter = new EventStreamRewriter(OPTIONS);
  const seen = () => ({
    event: rewriter.sawEvent,
    id: rewriter.sawEventId,
    request: rewriter.sawRequest,
  });
  const push = (text: string) => rewriter.push(encode(text), false);
  push(": comment\n\nretry: 1\n\nid:\n\n");
  assertEquals(seen(), { event: false, id: false, request: false });
  push(`data: ${TOLD}\n\n`);
  assertEquals(seen(), { event: true, id: false, request: false });
  push("id: 1\ndata: ");
  assertEquals(seen(), { event: true, id: false, request: false });
  push("\n\n");
  assertEquals(seen(), { event: true, id: true, request: false });
  push(`data: [${PING("1")}]\n\n`);
  assertEquals(seen(), { event: true, id: true, request: true });
});

Deno.test("EventStreamRewriter remembers which requests were answered", () => {
  const rewriter = new EventStreamRewriter(OPTIONS);
  const long = `"${"x".repeat(1000)}"`;
  const ids = ["1", '"1"', '"\\u0061"', "9007199254740993", "2.0", long];
  const responses = ids.map((id) => `{"jsonrpc":"2.0","id":${id},"result":{}}`);
  rewriter.push(encode(`data: ${PING("7")}\n\n`), false);
  rewriter.push(encode(`data: ${responses[0]}\n\n`), false);
  rewriter.push(encode(`data: [${responses.slice(1)}]\n\n`), false);
  for (const id of [...ids, '"a"', "2", " 1 ".trim()]) {
    assertEquals(rewriter.answered(id), true, id);
  }
  for (const id of ["7", "3", '"2"', "9007199254740992", "null"]) {
    assertEquals(rewriter.answered(id), false, id);
  }
});

Deno.test("EventStreamRewriter reads a large event once, however small its pieces", () => {
  const rewriter = new EventStreamRewriter({
    ...OPTIONS,
    maxEventBytes: 1 << 24,
  });
  const piece = new Uint8Array(16).fill(0x20);
  let given = rewriter.push(encode("data: "), false).length;
  for (let i = 0; i < 200_000; i++) {
    given += rewriter.push(piece, false).length;
  }
  assertEquals(given, 0);
  const all = rewriter.push(encode(`${PING("1")}\n\n`), false);
  assert(decode(all).trimEnd().endsWith(PING(`"${R}1"`)));
});
