/**
 * The event stream that answers a call, from the server's socket to the
 * client's: nothing gets lost, held up or out of order, and nothing changes
 * but ids that must.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { EventStreamRewriter } from "../../shared/relay/event_stream_rewriter.ts";
import { ByteServer } from "../fixtures/byte_server.ts";
import { startGateway } from "../support/gateway.ts";
import { proves, shared } from "../support/proves.ts";
import type { RawClientOptions } from "../support/raw_client.ts";

const setup = shared(async (stack) => {
  const server = stack.use(new ByteServer());
  const gateway = stack.use(
    await startGateway({ servers: [{ name: "bytes", url: server.url }] }),
  );
  return { server, gateway };
});

const encode = (text: string) => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** An event; its line ends are part of what must stay. */
function event(message: object, fields = "", end = "\n"): string {
  return `${fields}data: ${JSON.stringify(message)}${end}${end}`;
}

const progress = (n: number, message = "") => ({
  jsonrpc: "2.0",
  method: "notifications/progress",
  params: { progressToken: 1, progress: n, message },
});
const result = (text: string) => ({
  jsonrpc: "2.0",
  id: 1,
  result: { content: [{ type: "text", text }] },
});
const ask = (id: number) => ({
  jsonrpc: "2.0",
  id,
  method: "elicitation/create",
  params: { message: "?", requestedSchema: { type: "object" } },
});
const count = (length: number) => Array.from({ length }, (_, i) => i);

const STREAMS: readonly { readonly name: string; readonly text: string }[] = [
  { name: "one result", text: event(result("done")) },
  {
    name: "hundreds of small events",
    text: count(300).map((n) => event(progress(n))).join("") +
      event(result("done")),
  },
  {
    name: "a large result",
    text: event(progress(1)) + event(result("é".repeat(1_500_000))),
  },
  {
    name: "a result larger than any request",
    text: event(result("x".repeat(6_000_000))),
  },
  {
    name: "comments, other line ends, unknown fields and no JSON",
    text: `: hi\n\n${event(progress(1), "event: message\r\n", "\r\n")}` +
      `retry: 5\nx: y\n\ndata: {no\ndata: JSON\n\n: keep-alive\n` +
      event(result("done"), "", "\r"),
  },
  {
    name: "an end that is cut off",
    text: `${event(progress(1))}data: {"jsonrpc":"2.0"`,
  },
  { name: "nothing", text: "" },
  {
    name: "events with ids, and requests among them",
    text: `id: 0\ndata:\n\n` +
      count(100).map((n) =>
        event(n % 3 === 0 ? ask(n) : progress(n), `id: ${n}\n`)
      ).join("") + event(result("done"), "id: last\n"),
  },
];

const CLIENTS: readonly {
  readonly name: string;
  readonly options: RawClientOptions;
}[] = [
  { name: "who cannot be asked", options: {} },
  { name: "who can be asked", options: { capabilities: { elicitation: {} } } },
];

/** What the gateway makes of a stream, by the tag that stands in its answer. */
function expected(sent: Uint8Array, got: Uint8Array): string {
  const tag = /mcpgw:(.{8}):/.exec(decode(got))?.[1] ?? "no tag";
  const rewriter = new EventStreamRewriter({
    source: { server: "bytes", tag },
    batches: false,
    maxEventBytes: Infinity,
  });
  return decode(rewriter.push(sent, true));
}

/** Chunks of different sizes, as they come. */
function cut(bytes: Uint8Array, size: number): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < bytes.length;) {
    const next = at + 1 + (size * (chunks.length + 1)) % (2 * size);
    chunks.push(bytes.slice(at, next));
    at = next;
  }
  return chunks;
}

for (const { name, text } of STREAMS) {
  for (const client of CLIENTS) {
    proves(
      `${name}: every byte reaches a client ${client.name}, but for ids`,
      async () => {
        const { server, gateway } = setup();
        const { url } = gateway;
        const { session } = await gateway.connect(client.options);
        const sent = encode(text);
        const sizes = sent.length > 100_000
          ? [30_000, sent.length]
          : [90, 700, 5_000];
        for (const size of sizes) {
          server.streams.set(name, cut(sent, size));
          const response = await fetch(url, {
            method: "POST",
            headers: {
              accept: "application/json, text/event-stream",
              "content-type": "application/json",
              "mcp-session-id": session!,
              "mcp-protocol-version": "2025-11-25",
            },
            body: JSON.stringify({
              jsonrpc: "2.0",
              id: 1,
              method: "tools/call",
              params: { name: "bytes", arguments: { key: name } },
            }),
          });
          assertEquals(response.status, 200);
          const got = await response.bytes();
          const want = expected(sent, got);
          assert(decode(got) === want, `${size}: ${diff(decode(got), want)}`);
        }
      },
    );
  }
}

/** Where two texts differ. */
function diff(got: string, want: string): string {
  let at = 0;
  while (at < got.length && got[at] === want[at]) at++;
  return `${got.length} for ${want.length}, at ${at}: ` +
    `${got.slice(at, at + 50)} for ${want.slice(at, at + 50)}`;
}

proves(
  "Two hundred streams at once: every byte reaches every client",
  async () => {
    const { server, gateway } = setup();
    const client = await gateway.connect();
    const texts = count(200).map((n) =>
      count(60).map((m) => event(progress(m, `${n} ${"x".repeat(m * 17)}`)))
        .join("") + event(result(String(n)))
    );
    const chunk = 30;
    for (let from = 0; from < texts.length; from += chunk) {
      const replies = texts.slice(from, from + chunk).map(async (text, i) => {
        const key = `one of many ${from + i}`;
        server.streams.set(key, cut(encode(text), 900));
        const reply = await client.call("bytes", { key });
        assert(reply.text === text, diff(reply.text, text));
      });
      await Promise.all(replies);
    }
  },
);
