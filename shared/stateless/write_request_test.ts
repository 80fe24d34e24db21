import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { scan } from "../jsonrpc/scanner.ts";
import { eraOf } from "./envelope.ts";
import { checkStandardHeaders } from "./standard_headers.ts";
import {
  newRequest,
  writeRequest,
  type WriteRequestOptions,
} from "./write_request.ts";

const ENCODER = new TextEncoder();
const REVISION = "2026-07-28";
const ENVELOPE = { revision: REVISION, capabilities: {} } as const;
const META =
  '"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}';

function written(json: string, options: Partial<WriteRequestOptions> = {}) {
  const bytes = ENCODER.encode(json);
  const scanned = scan(bytes);
  const message = scanned.kind === "batch" ? scanned.messages[0]! : scanned;
  assert(message.kind === "request");
  const { headers, body } = writeRequest({ bytes, message }, {
    envelope: ENVELOPE,
    ...options,
  });
  return {
    headers: Object.fromEntries(headers),
    body: new TextDecoder().decode(body),
  };
}

const CASES: readonly {
  readonly name: string;
  readonly json: string;
  readonly options?: Partial<WriteRequestOptions>;
  readonly want: string;
}[] = [
  {
    name: "gives params to a message without",
    json: '{"jsonrpc":"2.0", "id":1,"method":"tools/list"}',
    want:
      `{"jsonrpc":"2.0", "id":1,"method":"tools/list","params":{"_meta":{${META}}}}`,
  },
  {
    name: "gives _meta to params without, and keeps all other bytes",
    json:
      '{"id":"ü", "params":{"name":"n" ,"arguments":{"n":9007199254740993}}, "method":"tools/call","jsonrpc":"2.0"}',
    want:
      `{"id":"ü", "params":{"name":"n" ,"arguments":{"n":9007199254740993},"_meta":{${META}}}, "method":"tools/call","jsonrpc":"2.0"}`,
  },
  {
    name: "keeps unknown members of _meta and the progress token",
    json:
      '{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"progressToken":12345678901234567890 , "a/b":{"x":1e400}}}}',
    want:
      `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"progressToken":12345678901234567890 , "a/b":{"x":1e400},${META}}}}`,
  },
  {
    name: "replaces what a client says of itself in words of this era",
    json:
      '{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/clientCapabilities":{"sampling":{}},"io.modelcontextprotocol/logLevel":"debug","io.modelcontextprotocol/clientInfo":{},"io.modelcontextprotocol/subscriptionId":1}}}',
    want:
      '{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}',
  },
  {
    name: "replaces a _meta that is no object",
    json:
      '{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":null}}',
    want:
      `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{${META}}}}`,
  },
  {
    name: "writes another id, another token and other params",
    json:
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a_n","task":{},"_meta":{"progressToken":"t"}}}',
    options: {
      id: '"x"',
      progressToken: "7",
      params: new Map([
        ["name", '"n"'],
        ["task", undefined],
        ["requestState", '"s"'],
      ]),
    },
    want:
      `{"jsonrpc":"2.0","id":"x","method":"tools/call","params":{"name":"n","_meta":{"progressToken":7,${META}},"requestState":"s"}}`,
  },
  {
    name: "takes a progress token away",
    json:
      '{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"progressToken":"t"}}}',
    options: { progressToken: null },
    want:
      `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{${META}}}}`,
  },
  {
    name: "takes one message out of a batch",
    json:
      '[ {"jsonrpc":"2.0","id":1,"method":"a","params":{}} ,{"jsonrpc":"2.0","method":"b"}]',
    want: `{"jsonrpc":"2.0","id":1,"method":"a","params":{"_meta":{${META}}}}`,
  },
  {
    name: "says all that it is given to say",
    json: '{"jsonrpc":"2.0","id":1,"method":"tools/list"}',
    options: {
      envelope: {
        revision: REVISION,
        capabilities: { elicitation: {} },
        clientInfo: { name: "n", version: "1", title: "T" },
        logLevel: "warning",
      },
    },
    want:
      '{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"elicitation":{}},"io.modelcontextprotocol/clientInfo":{"name":"n","version":"1","title":"T"},"io.modelcontextprotocol/logLevel":"warning"}}}',
  },
];
for (const { name, json, options, want } of CASES) {
  Deno.test(`writeRequest() ${name}`, () => {
    assertEquals(written(json, options).body, want);
  });
}

Deno.test("writeRequest() mirrors method, name and arguments as they are sent", () => {
  const { headers } = written(
    '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"p_café","arguments":{"r":"eu"}}}',
    {
      params: new Map([["name", '"café"']]),
      paramHeaders: [{ header: "region", path: ["r"], type: "string" }],
    },
  );
  assertEquals(headers, {
    "mcp-protocol-version": REVISION,
    "mcp-method": "tools/call",
    "mcp-name": "=?base64?Y2Fmw6k=?=",
    "mcp-param-region": "eu",
  });
});

Deno.test("writeRequest() mirrors the URI of a read, and no name of other methods", () => {
  const read =
    '{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"a://b"}}';
  assertEquals(written(read).headers["mcp-name"], "a://b");
  const other =
    '{"jsonrpc":"2.0","id":1,"method":"other","params":{"name":"n","uri":"u"}}';
  assertEquals(written(other).headers["mcp-name"], undefined);
});

Deno.test("writeRequest() writes capabilities as deep as a client may declare them", () => {
  const depth = 62;
  const capabilities = JSON.parse(
    '{"a":'.repeat(depth) + "1" + "}".repeat(depth),
  );
  const { body } = written('{"jsonrpc":"2.0","id":1,"method":"m"}', {
    envelope: { revision: REVISION, capabilities },
  });
  assert(body.includes('{"a":1}'));
});

Deno.test("writeRequest() writes what is read as the stateless era, whatever the message", () => {
  fc.assert(fc.property(
    fc.option(fc.dictionary(fc.string(), fc.jsonValue()), { nil: undefined }),
    fc.option(fc.jsonValue(), { nil: undefined }),
    fc.constantFrom("tools/call", "resources/read", "tools/list", "x"),
    (params, meta, method) => {
      // The scanner takes variants of these for an attempt at confusion.
      fc.pre(
        !Object.keys(params ?? {}).some((key) =>
          /^(name|arguments|_meta|uri|ref|cursor|protocolVersion|requestId|progressToken|capabilities|clientInfo)$/i
            .test(key)
        ),
      );
      const all = meta === undefined ? params : { ...params, _meta: meta };
      const json = JSON.stringify({
        jsonrpc: "2.0",
        id: 1,
        method,
        params: all,
      });
      const { body, headers } = written(json);
      const bytes = ENCODER.encode(body);
      const message = scan(bytes);
      assert(message.kind === "request");
      assertEquals(
        eraOf(bytes, message, headers["mcp-protocol-version"]).kind,
        "stateless",
      );
      assertEquals(
        checkStandardHeaders(message, (name) => headers[name]),
        undefined,
      );
      const { _meta: _sent, ...sent } = JSON.parse(body).params;
      assertEquals(JSON.stringify(sent), JSON.stringify(params ?? {}));
    },
  ));
});

Deno.test("newRequest() makes a message that writeRequest() takes", () => {
  const { body } = writeRequest(newRequest("0", "server/discover"), {
    envelope: ENVELOPE,
  });
  assertEquals(
    new TextDecoder().decode(body),
    `{"jsonrpc":"2.0","id":0,"method":"server/discover","params":{"_meta":{${META}}}}`,
  );
});
