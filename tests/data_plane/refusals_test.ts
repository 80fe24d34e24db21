/**
 * Bodies that two readers could understand differently never reach a server.
 *
 * @module
 */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { startRawServer } from "../fixtures/raw_server.ts";
import { startGateway } from "../support/gateway.ts";
import { proves, shared } from "../support/proves.ts";
import type { SendOptions } from "../support/raw_client.ts";

const setup = shared(async (stack) => {
  const prefixed = stack.use(startRawServer());
  const bare = stack.use(startRawServer({ pages: [[{ name: "bare" }]] }));
  const gateway = stack.use(
    await startGateway({
      servers: [
        { name: "prefixed", url: prefixed.url, prefix: "pre_" },
        { name: "bare", url: bare.url },
      ],
    }),
  );
  const client = await gateway.connect();
  // Sessions with the servers are open: nothing else need arrive there.
  await client.call("pre_echo");
  await client.call("bare");
  return { servers: [prefixed, bare], client };
});

const CALL =
  '{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"pre_echo","arguments":{}}}';
const CODE_PARSE = -32700;
const CODE_INVALID = -32600;

interface Refused {
  readonly what: string;
  readonly body: string | Uint8Array<ArrayBuffer>;
  readonly status: number;
  readonly codes: readonly number[];
  readonly options?: SendOptions;
}

function malformed(
  what: string,
  body: string | Uint8Array<ArrayBuffer>,
): Refused {
  return { what, body, status: 400, codes: [CODE_PARSE, CODE_INVALID] };
}

const refusals: readonly Refused[] = [
  malformed(
    "a second params.name",
    CALL.replace('"arguments"', '"name":"bare","arguments"'),
  ),
  malformed(
    "a second params.name with an escape",
    CALL.replace('"arguments"', '"\\u006eame":"bare","arguments"'),
  ),
  malformed(
    "a second key inside arguments",
    CALL.replace("{}", '{"a":{"b":1,"b":2}}'),
  ),
  malformed(
    "a second params",
    CALL.replace(/}$/, ',"params":{"name":"bare"}}'),
  ),
  malformed("a second method", CALL.replace(/}$/, ',"method":"ping"}')),
  malformed("a second id", CALL.replace(/}$/, ',"id":8}')),
  malformed(
    "a case variant of params.name",
    CALL.replace('"arguments"', '"Name":"bare","arguments"'),
  ),
  malformed("a case variant of method", CALL.replace("method", "Method")),
  malformed(
    "a case variant of params beside it",
    CALL.replace(/}$/, ',"PARAMS":{}}'),
  ),
  malformed("a byte order mark", `\ufeff${CALL}`),
  malformed("bad UTF-8", bytesOf(CALL.replace("{}", '{"a":"@"}'), 0xff)),
  malformed(
    "an overlong encoding",
    bytesOf(CALL.replace("{}", '{"a":"@"}'), 0xc0, 0xaf),
  ),
  malformed(
    "a lone surrogate in bytes",
    bytesOf(CALL.replace("{}", '{"a":"@"}'), 0xed, 0xa0, 0x80),
  ),
  malformed("data after the message", `${CALL}{}`),
  malformed("a NUL after the message", `${CALL}\0`),
  malformed(
    "nesting a million levels deep",
    CALL.replace("{}", "[".repeat(1_000_000) + "]".repeat(1_000_000)),
  ),
  malformed(
    "nesting a little over the limit",
    CALL.replace("{}", "[".repeat(63) + "]".repeat(63)),
  ),
  malformed("a comment", CALL.replace("{}", "{/**/}")),
  malformed("a trailing comma", CALL.replace("{}", '{"a":1,}')),
  malformed("NaN", CALL.replace("{}", '{"a":NaN}')),
  malformed("a body that ends early", CALL.slice(0, -2)),
  malformed("an empty body", ""),
  malformed("a batch in a revision without batches", `[${CALL}]`),
  malformed("an id that is an object", CALL.replace('"id":7', '"id":{}')),
  malformed("no jsonrpc member", CALL.replace('"jsonrpc":"2.0",', "")),
  {
    what: "a body over the limit",
    body: CALL.replace("{}", `{"text":"${"x".repeat(4 * 1024 * 1024)}"}`),
    status: 413,
    codes: [CODE_INVALID],
  },
  ...[
    "text/plain",
    "application/json-patch+json",
    "text/json",
    "application/json; charset=utf-16",
    "multipart/form-data; boundary=x",
    null,
  ].map((type): Refused => ({
    what: `content type ${type ?? "left out"}`,
    body: new TextEncoder().encode(CALL),
    status: 415,
    codes: [CODE_INVALID],
    options: { headers: { "content-type": type } },
  })),
  ...["gzip", "deflate, gzip", "br"].map((encoding): Refused => ({
    what: `content encoding ${encoding}`,
    body: CALL,
    status: 415,
    codes: [CODE_INVALID],
    options: { headers: { "content-encoding": encoding } },
  })),
];

/** Puts bytes in the place of `@`. */
function bytesOf(text: string, ...bytes: number[]): Uint8Array<ArrayBuffer> {
  const [before = "", after = ""] = text.split("@");
  const encoder = new TextEncoder();
  return new Uint8Array([
    ...encoder.encode(before),
    ...bytes,
    ...encoder.encode(after),
  ]);
}

for (const { what, body, status, codes, options } of refusals) {
  proves(
    `${what} is refused with ${status} and reaches no server`,
    async () => {
      const { servers, client } = setup();
      for (const server of servers) server.clear();
      const reply = await client.send(body, options);
      assertEquals(reply.status, status, reply.text.slice(0, 500));
      assertStringIncludes(
        reply.headers.get("content-type") ?? "",
        "application/json",
      );
      const message = JSON.parse(reply.text);
      assertEquals(message.jsonrpc, "2.0");
      assertEquals(codes.includes(message.error?.code), true, reply.text);
      const arrived = servers.flatMap((server) => server.of("tools/call"));
      assertEquals(arrived, []);
    },
  );
}

proves("Application/JSON; charset=UTF-8 is JSON, and is read", async () => {
  const { client } = setup();
  const reply = await client.send(CALL, {
    headers: { "content-type": "Application/JSON; charset=UTF-8" },
  });
  assertEquals(reply.status, 200, reply.text);
});

proves("nesting up to the limit is passed on", async () => {
  const { client } = setup();
  // The message, its params and the arguments are three levels.
  const args = "[".repeat(62) + "]".repeat(62);
  const reply = await client.send(CALL.replace("{}", args));
  assertEquals(reply.status, 200, reply.text);
});

proves(
  "an unknown tool is answered in band and reaches no server",
  async () => {
    const { servers, client } = setup();
    for (const server of servers) server.clear();
    const reply = await client.call("nobody_knows");
    assertEquals(reply.status, 200);
    assertEquals(reply.message?.error?.code, -32602);
    assertEquals(servers.flatMap((server) => server.of("tools/call")), []);
  },
);
