/**
 * What a client of the stateless era wrote reaches a server of that era byte
 * for byte, but for the prefix and the header that mirrors it.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { encodeHeaderValue } from "../../shared/headers.ts";
import {
  startStatelessRawServer,
  type StatelessRawServer,
} from "../fixtures/stateless_raw_server.ts";
import { startGateway } from "../support/gateway.ts";
import { proves, shared } from "../support/proves.ts";
import { mirrors, StatelessClient } from "../support/stateless_client.ts";

const setup = shared(async (stack) => {
  const server = stack.use(startStatelessRawServer({ name: "new" }));
  const open = stack.use(startStatelessRawServer({ name: "open" }));
  const gateway = stack.use(
    await startGateway({
      servers: [
        { name: "new", url: server.url, prefix: "new_", era: "stateless" },
        {
          name: "open",
          url: open.url,
          prefix: "open_",
          era: "stateless",
          passthrough: true,
        },
      ],
    }),
  );
  return { server, open, gateway, client: new StatelessClient(gateway.url) };
});

/** `NAME` stands for the tool's name, quotes included, `META` for `_meta`. */
const bodies: readonly { what: string; body: string }[] = [
  {
    what: "an integer beyond 2^53",
    body: call('{"n":9007199254740993}'),
  },
  {
    what: "numbers that no double holds",
    body: call('{"big":1e400,"small":1E-400,"zero":-0.0}'),
  },
  {
    what: "escapes that could be written shorter",
    body: call('{"a":"\\u0061\\/\\ud83d\\ude00 \u{1F600} \\u2028"}'),
  },
  {
    what: "odd whitespace and an unusual order of members",
    body: ' \t\r\n{ "params" :{ META ,\t"arguments" : { "b" : [ 1 ,\t2 ] } ,' +
      '\n\n "name" :\t NAME \r\n} ,"method" : "tools/call",' +
      '"id":\r\n "a\\"b", "jsonrpc" :\t"2.0" }\n \t',
  },
  {
    what: "the name in other places, unknown members, answers to questions",
    body:
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"x-extra":[{}],' +
      '"inputResponses":{"q":{"action":"accept","content":{"n":1e400}}},' +
      '"requestState":"opaque new_echo","name":NAME,"arguments":{"again":NAME},META}}',
  },
  {
    what: "1 MiB of text",
    body: call(`{"text":"${"0123456789abcdef ü\\n".repeat(55_000)}"}`),
  },
];

function call(args: string): string {
  return `{"jsonrpc":"2.0","id":9007199254740993,"method":"tools/call","params":{"name":NAME,"arguments":${args},META}}`;
}

/** The one request that a server got. */
function arrived({ calls }: StatelessRawServer) {
  assertEquals(calls.length, 1);
  const [request] = calls;
  assert(request !== undefined);
  return {
    ...request,
    text: new TextDecoder("utf-8", { ignoreBOM: true }).decode(request.body),
  };
}

for (const { what, body } of bodies) {
  proves(`${what} arrives byte for byte, without a session`, async () => {
    const { server, client } = setup();
    server.clear();
    const full = body.replace("META", `"_meta":{${client.meta}}`);
    // Only the name itself is cut; where it stands elsewhere it stays.
    const sent = full.replaceAll("NAME", '"new_echo"');
    const want = full.replace(/("name"\s*:\s*)NAME/, `$1"echo"`)
      .replaceAll("NAME", '"new_echo"');
    const headers = mirrors("tools/call", { name: "new_echo" });
    const reply = await client.send(sent, { headers });
    assertEquals(reply.status, 200, reply.text.slice(0, 500));
    const request = arrived(server);
    // Compared without a diff: that of two megabytes takes minutes.
    assert(request.text === want, `arrived: ${request.text.slice(0, 500)}`);
    assertEquals(
      request.headers.get("content-length"),
      String(request.body.length),
    );
    assertEquals(request.headers.get("mcp-name"), "echo");
  });
}

const NAMES: readonly {
  what: string;
  name: string;
  header: string;
  want: string;
}[] = [
  {
    what: "a name beyond ASCII",
    name: "new_naïve ☕",
    header: encodeHeaderValue("new_naïve ☕"),
    want: encodeHeaderValue("naïve ☕"),
  },
  {
    what: "a plain name in Base64",
    name: "new_echo",
    header: "=?base64?bmV3X2VjaG8=?=",
    want: "echo",
  },
  {
    what: "a name that looks like Base64 once its prefix is gone",
    name: "new_=?base64?ZWNobw==?=",
    header: "new_=?base64?ZWNobw==?=",
    want: encodeHeaderValue("=?base64?ZWNobw==?="),
  },
  {
    what: "a literal =?BASE64?…?=",
    name: "new_=?BASE64?ZWNobw==?=",
    header: "new_=?BASE64?ZWNobw==?=",
    want: "=?BASE64?ZWNobw==?=",
  },
  {
    what: "a name with white space at its ends",
    name: "new_ x ",
    header: encodeHeaderValue("new_ x "),
    want: encodeHeaderValue(" x "),
  },
];

for (const { what, name, header, want } of NAMES) {
  proves(`${what} is routed, and mirrored without its prefix`, async () => {
    const { server, client } = setup();
    server.clear();
    const reply = await client.call(name, {}, {
      headers: { "mcp-name": header },
    });
    assertEquals(reply.status, 200, reply.text);
    const request = arrived(server);
    assertEquals(JSON.parse(request.text).params.name, name.slice(4));
    assertEquals(request.headers.get("mcp-name"), want);
  });
}

proves("a server gets what is its own, and nothing else", async () => {
  const { server, client } = setup();
  server.clear();
  const reply = await client.call("new_echo", { region: "é" }, {
    headers: {
      "authorization": "Bearer client",
      "cookie": "a=b",
      "mcp-session-id": "forged",
      "last-event-id": "mcpgw:aBcDeF12:new:7",
      "mcp-param-region": "=?base64?w6k=?=",
      "mcp-param-unknown": "=?BASE64?as it is",
      "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
      "x-mcp-tool": "forged",
      "x_mcp_tool": "forged",
      "mcp_name": "forged",
    },
  });
  assertEquals(reply.status, 200, reply.text);
  const { headers } = arrived(server);
  const got = (name: string) => headers.get(name);
  assertEquals(got("mcp-protocol-version"), "2026-07-28");
  assertEquals(got("mcp-method"), "tools/call");
  assertEquals(got("mcp-name"), "echo");
  assertEquals(got("mcp-param-region"), "=?base64?w6k=?=");
  assertEquals(got("mcp-param-unknown"), "=?BASE64?as it is");
  assertEquals(
    got("traceparent"),
    "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
  );
  assertEquals(got("host"), new URL(server.url).host);
  for (
    const name of [
      "authorization",
      "cookie",
      "mcp-session-id",
      "last-event-id",
      "x-mcp-caller",
      "x_mcp_tool",
      "mcp_name",
    ]
  ) assertEquals(got(name), null, name);
  assertEquals(got("x-mcp-tool"), "echo");
});

proves("a client's token reaches who is to have it", async () => {
  const { open, client } = setup();
  open.clear();
  const reply = await client.call("open_echo", {}, {
    headers: { authorization: "Bearer client" },
  });
  assertEquals(reply.status, 200, reply.text);
  assertEquals(arrived(open).headers.get("authorization"), "Bearer client");
});

proves("a prompt's name and its mirror lose the prefix", async () => {
  const { server, client } = setup();
  server.clear();
  const reply = await client.request("prompts/get", { name: "new_greet" });
  assertEquals(reply.status, 200, reply.text);
  const request = arrived(server);
  assertEquals(JSON.parse(request.text).params.name, "greet");
  assertEquals(request.headers.get("mcp-name"), "greet");
});

proves("a completion's reference loses the prefix", async () => {
  const { server, client } = setup();
  server.clear();
  const reply = await client.request("completion/complete", {
    ref: { type: "ref/prompt", name: "new_greet" },
    argument: { name: "a", value: "b" },
  }, { headers: { "mcp-name": "mirrors nothing" } });
  assertEquals(reply.status, 200, reply.text);
  const request = arrived(server);
  assertEquals(JSON.parse(request.text).params.ref.name, "greet");
  assertEquals(request.headers.get("mcp-name"), null);
});
