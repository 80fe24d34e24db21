import { assert, assertEquals } from "@std/assert";
import { scan } from "../jsonrpc/scanner.ts";
import { capabilitiesOf, clientInfoOf, eraOf } from "./envelope.ts";

const REVISION = "2026-07-28";
const CLAIM = `"io.modelcontextprotocol/protocolVersion":"${REVISION}"`;
const CAPABILITIES =
  `"io.modelcontextprotocol/clientCapabilities":{"roots":{}}`;
const INFO = `"io.modelcontextprotocol/clientInfo"`;

function outcomeOf(json: string, header?: string) {
  const bytes = new TextEncoder().encode(json);
  const message = scan(bytes);
  assert(message.kind !== "batch" && message.kind !== "malformed");
  return { bytes, outcome: eraOf(bytes, message, header) };
}

const request = (meta: string, method = "tools/list") =>
  `{"jsonrpc":"2.0","id":1,"method":"${method}","params":{"_meta":${meta}}}`;

const CASES = [
  {
    name: "a request without _meta and header: session",
    json: '{"jsonrpc":"2.0","id":1,"method":"tools/list"}',
    want: "session",
  },
  {
    name: "a request without a claim, with a header of sessions: session",
    json: request("{}"),
    header: "2025-11-25",
    want: "session",
  },
  {
    name: "a complete request: stateless",
    json: request(`{${CLAIM},${CAPABILITIES}}`),
    header: REVISION,
    want: "stateless",
  },
  {
    name: "the header without a claim",
    json: request("{}"),
    header: REVISION,
    want: "envelope incomplete",
  },
  {
    name: "the header without any params",
    json: '{"jsonrpc":"2.0","id":1,"method":"tools/list"}',
    header: REVISION,
    want: "envelope incomplete",
  },
  {
    name: "initialize with the header and no claim: session",
    json: request("{}", "initialize"),
    header: REVISION,
    want: "session",
  },
  {
    name: "initialize with a whole envelope: stateless",
    json: request(`{${CLAIM},${CAPABILITIES}}`, "initialize"),
    header: REVISION,
    want: "stateless",
  },
  {
    name: "a claim without the header",
    json: request(`{${CLAIM},${CAPABILITIES}}`),
    want: "header mismatch",
  },
  {
    name: "a claim and another header",
    json: request(`{${CLAIM},${CAPABILITIES}}`),
    header: "2025-11-25",
    want: "header mismatch",
  },
  {
    name: "a revision that is not spoken here",
    json: request(
      `{"io.modelcontextprotocol/protocolVersion":"2099-01-01",${CAPABILITIES}}`,
    ),
    header: "2099-01-01",
    want: "unsupported revision",
  },
  {
    name: "a claim that is no string",
    json: request(`{"io.modelcontextprotocol/protocolVersion":1}`),
    header: REVISION,
    want: "envelope incomplete",
  },
  {
    name: "no capabilities",
    json: request(`{${CLAIM}}`),
    header: REVISION,
    want: "envelope incomplete",
  },
  {
    name: "capabilities that are no object",
    json: request(
      `{${CLAIM},"io.modelcontextprotocol/clientCapabilities":[]}`,
    ),
    header: REVISION,
    want: "envelope incomplete",
  },
  {
    name: "client info that is no object",
    json: request(`{${CLAIM},${CAPABILITIES},${INFO}:"x"}`),
    header: REVISION,
    want: "envelope incomplete",
  },
  {
    name: "a response with the header",
    json: '{"jsonrpc":"2.0","id":1,"result":{}}',
    header: REVISION,
    want: "invalid request",
  },
  {
    name: "a response without it: session",
    json: '{"jsonrpc":"2.0","id":1,"result":{}}',
    want: "session",
  },
  {
    name: "a notification with the header: stateless",
    json: '{"jsonrpc":"2.0","method":"notifications/cancelled"}',
    header: REVISION,
    want: "stateless",
  },
  {
    name: "a notification without it: session",
    json: '{"jsonrpc":"2.0","method":"notifications/cancelled"}',
    want: "session",
  },
];
for (const { name, json, header, want } of CASES) {
  Deno.test(`eraOf() takes or refuses ${name}`, () => {
    const { outcome } = outcomeOf(json, header);
    assertEquals(
      outcome.kind === "refused" ? outcome.refusal.kind : outcome.kind,
      want,
    );
  });
}

Deno.test("eraOf() names what is spoken where a revision is not", () => {
  const { outcome } = outcomeOf(
    request(`{"io.modelcontextprotocol/protocolVersion":"1900-01-01"}`),
    "1900-01-01",
  );
  assert(outcome.kind === "refused");
  assertEquals(outcome.refusal.data, {
    supported: [REVISION],
    requested: "1900-01-01",
  });
});

Deno.test("an envelope keeps what the client declares, large numbers too", () => {
  const { bytes, outcome } = outcomeOf(
    request(
      `{${CLAIM},"io.modelcontextprotocol/clientCapabilities":{"x":9007199254740993},` +
        `${INFO}:{"name":"n","version":"1"},"progressToken":"t"}`,
    ),
    REVISION,
  );
  assert(outcome.kind === "stateless");
  assertEquals(
    JSON.stringify(capabilitiesOf(bytes, outcome.envelope)),
    '{"x":9007199254740993}',
  );
  assertEquals(clientInfoOf(bytes, outcome.envelope), {
    name: "n",
    version: "1",
  });
  assertEquals(outcome.envelope.progressToken?.text, '"t"');
});
