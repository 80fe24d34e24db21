/**
 * What a client wrote reaches the server byte for byte, but for the prefix.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { startRawServer } from "../fixtures/raw_server.ts";
import { startGateway } from "../support/gateway.ts";
import { proves, shared } from "../support/proves.ts";

const setup = shared(async (stack) => {
  const prefixed = stack.use(startRawServer({ name: "prefixed" }));
  const bare = stack.use(startRawServer({ pages: [[{ name: "bare" }]] }));
  const gateway = stack.use(
    await startGateway({
      servers: [
        { name: "prefixed", url: prefixed.url, prefix: "pre_" },
        { name: "bare", url: bare.url },
      ],
    }),
  );
  return { prefixed, bare, client: await gateway.connect() };
});

/** `NAME` stands for the tool's name, quotes included. */
const bodies: readonly { what: string; body: string }[] = [
  {
    what: "an integer beyond 2^53",
    body: call('{"n":9007199254740993}'),
  },
  {
    what: "numbers that no double holds",
    body: call(
      '{"big":1e400,"small":1E-400,"zero":-0.0,"long":1.00000000000000000001}',
    ),
  },
  {
    what: 'an inner key written "\\u006eame"',
    body: call('{"\\u006eame":"not the tool","Name":1,"deep":{"method":"x"}}'),
  },
  {
    what: "escapes that could be written shorter",
    body: call('{"a":"\\u0061\\/\\ud83d\\ude00 \u{1F600} \\u2028"}'),
  },
  {
    what: "odd whitespace",
    body:
      ' \t\r\n{ "jsonrpc" :\t"2.0" ,\n"id":\r\n 1, "method" : "tools/call",' +
      '"params" :{ "arguments" : { "a" :  [ 1 ,\t2 ] } ,\n\n "name" :\t NAME \r\n} }\n \t',
  },
  {
    what: "members in an unusual order, with unknown ones among them",
    body:
      '{"x-extra":[{}],"params":{"_meta":{"progressToken":7},"arguments":{},' +
      '"name":NAME,"task":null},"method":"tools/call","id":"a\\"b","jsonrpc":"2.0"}',
  },
  {
    what: "the tool's name in other places",
    body: call('{"again":NAME,"text":"name: pre_echo, tools/call"}'),
  },
  {
    what: "1 MiB of text",
    body: call(`{"text":"${"0123456789abcdef ü\\n".repeat(55_000)}"}`),
  },
];

function call(args: string): string {
  return `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":NAME,"arguments":${args}}}`;
}

for (const { what, body } of bodies) {
  proves(`${what} arrives byte for byte`, async () => {
    const { prefixed, bare, client } = setup();
    const tools = [
      { server: prefixed, exposed: '"pre_echo"', own: '"echo"' },
      { server: bare, exposed: '"bare"', own: '"bare"' },
    ];
    for (const { server, exposed, own } of tools) {
      server.clear();
      // Only the name itself is cut; where it stands elsewhere it stays.
      const sent = body.replace(/("name"\s*:\s*)NAME/, `$1${exposed}`)
        .replaceAll("NAME", exposed);
      const want = body.replace(/("name"\s*:\s*)NAME/, `$1${own}`)
        .replaceAll("NAME", exposed);
      const reply = await client.send(sent);
      assertEquals(reply.status, 200, reply.text.slice(0, 500));
      const [arrived] = server.of("tools/call");
      assert(arrived !== undefined, "the call did not arrive");
      // Compared without a diff: that of two megabytes takes minutes.
      const text = new TextDecoder("utf-8", { ignoreBOM: true })
        .decode(arrived.body);
      assert(text === want, `arrived as ${text.slice(0, 500)}`);
      const length = arrived.headers.find(([name]) =>
        name === "content-length"
      );
      if (length !== undefined) {
        assertEquals(Number(length[1]), arrived.body.length);
      }
    }
  });
}

proves(
  "a name whose prefix is written with escapes loses exactly its prefix",
  async () => {
    const { prefixed, client } = setup();
    prefixed.clear();
    const sent = call('{"a":1}').replace(
      "NAME",
      '"\\u0070re\\u005fec\\u0068o"',
    );
    const reply = await client.send(sent);
    assertEquals(reply.status, 200, reply.text);
    const [arrived] = prefixed.of("tools/call");
    const message = JSON.parse(new TextDecoder().decode(arrived?.body));
    assertEquals(message.params.name, "echo");
  },
);

proves("ids come back as they were written", async () => {
  const { client } = setup();
  for (const id of ["9007199254740993", '"\\u0061"', '"a b"', "-1", '""']) {
    const body = call("{}").replace('"id":1', `"id":${id}`)
      .replace("NAME", '"pre_echo"');
    const reply = await client.send(body);
    assertEquals(reply.status, 200, reply.text);
    const [, raw] = /"id":("(?:[^"\\]|\\.)*"|[^,}]+)/.exec(reply.text) ?? [];
    const want = id.startsWith('"') ? JSON.stringify(JSON.parse(id)) : id;
    assertEquals(raw, want);
  }
});
