import { assertEquals } from "@std/assert";
import type { HeaderEntry } from "./answer.ts";
import { decideHead, readHead } from "./request_head.ts";

const settings = {
  path: "/mcp",
  maxBodyBytes: 100,
  allowedOrigins: ["https://app.example"],
  allowedHosts: ["gateway.example"],
  identityHeader: "x-user",
};
const JSON_TYPE: HeaderEntry = ["content-type", "application/json"];

function decide(
  method: string,
  path: string,
  headers: readonly HeaderEntry[] = [],
  endOfStream = false,
) {
  const head = readHead({
    headers: [
      [":method", method],
      [":path", path],
      [":authority", "gateway.example:8888"],
      ...headers,
    ],
    endOfStream,
  });
  return decideHead(
    head,
    endOfStream,
    settings,
    (host) => host === "weather.mcp.local",
  );
}

/** A decision in short: kind, or kind of refusal. */
function short(decision: ReturnType<typeof decide>): string {
  return decision.kind === "refuse" ? decision.refusal.kind : decision.kind;
}

interface HeadCase {
  name: string;
  input: Parameters<typeof decide>;
  want: string;
}

const heads: readonly HeadCase[] = [
  { name: "passes other paths", input: ["GET", "/healthz"], want: "pass" },
  {
    name: "passes a path that only starts like ours",
    input: ["POST", "/mcpx"],
    want: "pass",
  },
  { name: "sends GET to the broker", input: ["GET", "/mcp"], want: "broker" },
  {
    name: "sends DELETE to the broker",
    input: ["DELETE", "/mcp?x=/y"],
    want: "broker",
  },
  {
    name: "takes a stream up again at the server that has it",
    input: [
      "GET",
      "/mcp",
      [["last-event-id", "mcpgw:aBcDeF12:weather:7"]],
      true,
    ],
    want: "resume",
  },
  {
    name: "lets no body go with that",
    input: ["GET", "/mcp", [["last-event-id", "mcpgw:aBcDeF12:w:7"]], false],
    want: "invalid request",
  },
  ...["7", "", "mcpgw:short:weather:7"].map((id): HeadCase => ({
    name: `sends GET after the event "${id}" to the broker`,
    input: ["GET", "/mcp", [["last-event-id", id]]],
    want: "broker",
  })),
  {
    name: "sends DELETE to the broker, whatever event it names",
    input: ["DELETE", "/mcp", [["last-event-id", "mcpgw:aBcDeF12:w:7"]]],
    want: "broker",
  },
  { name: "refuses PUT", input: ["PUT", "/mcp"], want: "method not allowed" },
  {
    name: "reads the body of a POST of JSON",
    input: ["POST", "/mcp", [JSON_TYPE]],
    want: "read body",
  },
  {
    name: "reads JSON with a charset",
    input: ["POST", "/mcp", [[
      "content-type",
      'Application/JSON; charset="UTF-8"',
    ]]],
    want: "read body",
  },
  ...["text/plain", "application/json; charset=utf-16", "application/jsonx", ""]
    .map((type): HeadCase => ({
      name: `refuses the content type "${type}"`,
      input: ["POST", "/mcp", [["content-type", type]]],
      want: "unsupported media type",
    })),
  {
    name: "refuses a body without a content type",
    input: ["POST", "/mcp"],
    want: "unsupported media type",
  },
  {
    name: "refuses a compressed body, which nobody would parse",
    input: ["POST", "/mcp", [JSON_TYPE, ["content-encoding", "gzip"]]],
    want: "unsupported media type",
  },
  {
    name: "reads the body of who takes both kinds of answers, in two headers",
    input: ["POST", "/mcp", [
      JSON_TYPE,
      ["accept", "application/json"],
      ["accept", "text/event-stream"],
    ]],
    want: "read body",
  },
  ...["application/json", "text/event-stream", "text/html"]
    .map((type): HeadCase => ({
      name: `refuses a call that takes ${type} only`,
      input: ["POST", "/mcp", [JSON_TYPE, ["accept", type]]],
      want: "not acceptable",
    })),
  {
    name: "refuses to take up a stream for who takes none",
    input: ["GET", "/mcp", [
      ["last-event-id", "mcpgw:aBcDeF12:weather:7"],
      ["accept", "application/json"],
    ], true],
    want: "not acceptable",
  },
  {
    name: "refuses a body announced above the limit",
    input: ["POST", "/mcp", [JSON_TYPE, ["content-length", "101"]]],
    want: "body too large",
  },
  {
    name: "reads a body of exactly the limit",
    input: ["POST", "/mcp", [JSON_TYPE, ["content-length", "100"]]],
    want: "read body",
  },
  {
    name: "refuses an empty body",
    input: ["POST", "/mcp", [JSON_TYPE], true],
    want: "parse error",
  },
  {
    name: "refuses a page that is not allowed, also on a call",
    input: ["POST", "/mcp", [JSON_TYPE, ["origin", "https://evil.example"]]],
    want: "forbidden origin",
  },
  {
    name: "lets an allowed page call",
    input: ["POST", "/mcp", [JSON_TYPE, ["origin", "https://app.example"]]],
    want: "read body",
  },
  {
    name: "leaves the origins of other traffic alone",
    input: ["POST", "/other", [["origin", "https://evil.example"]]],
    want: "pass",
  },
  ...[
    "mcp-session-id",
    "mcp-protocol-version",
    "last-event-id",
    "authorization",
    "origin",
    "x-user",
  ].map(
    (name): HeadCase => ({
      name: `refuses two values of ${name}`,
      input: ["GET", "/mcp", [[name, "a"], [name, "2025-11-25"]]],
      want: "invalid request",
    }),
  ),
  ...["GET", "DELETE"].map((method): HeadCase => ({
    name: `refuses a ${method} of a revision that nobody speaks`,
    input: [method, "/mcp", [["mcp-protocol-version", "1.0"]]],
    want: "unsupported revision",
  })),
  ...["1.0", "2026-07-28", "2025-06-18"].map((revision): HeadCase => ({
    name: `reads a POST of revision ${revision}: it has an id to answer with`,
    input: ["POST", "/mcp", [JSON_TYPE, ["mcp-protocol-version", revision]]],
    want: "read body",
  })),
];

for (const { name, input, want } of heads) {
  Deno.test(`decideHead() ${name}`, () => {
    assertEquals(short(decide(...input)), want);
  });
}

for (
  const authority of [
    "weather.mcp.local",
    "WEATHER.mcp.local:80",
    "weather.mcp.local.",
  ]
) {
  Deno.test(`decideHead() refuses the server's own host ${authority}`, () => {
    const head = readHead({
      headers: [[":method", "GET"], [":path", "/x"], [":authority", authority]],
      endOfStream: true,
    });
    const decision = decideHead(
      head,
      true,
      settings,
      (host) => host === "weather.mcp.local",
    );
    assertEquals(short(decision), "misdirected request");
  });
}

for (const method of ["GET", "DELETE", "PUT"]) {
  Deno.test(`decideHead() refuses a ${method} of the stateless era, in its words`, () => {
    const decision = decide(method, "/mcp", [
      ["mcp-protocol-version", "2026-07-28"],
      ["last-event-id", "mcpgw:aBcDeF12:weather:7"],
    ], true);
    assertEquals(decision, {
      kind: "refuse",
      refusal: { kind: "method not allowed" },
      era: "stateless",
    });
  });
}

const watched: readonly {
  name: string;
  headers: HeaderEntry[];
  want: boolean;
}[] = [
  { name: "that may be initialize", headers: [], want: false },
  {
    name: "in a session",
    headers: [["mcp-session-id", "s"]],
    want: true,
  },
  {
    name: "of the stateless era",
    headers: [["mcp-protocol-version", "2026-07-28"]],
    want: true,
  },
];

for (const { name, headers, want } of watched) {
  Deno.test(`decideHead() ${want ? "asks" : "does not ask"} for the response to a POST ${name}`, () => {
    const decision = decide("POST", "/mcp", [JSON_TYPE, ...headers]);
    assertEquals(decision, { kind: "read body", watchResponse: want });
  });
}

const selections: readonly {
  name: string;
  path: string;
  header?: string;
  want: string | undefined;
}[] = [
  { name: "none", path: "/mcp", want: undefined },
  {
    name: "by path with a slash at its end",
    path: "/mcp/team/travel/",
    want: "team/travel",
  },
  { name: "by path", path: "/mcp/team/travel?q", want: "team/travel" },
  {
    name: "by header",
    path: "/mcp/",
    header: "team/travel",
    want: "team/travel",
  },
  {
    name: "by path, whatever the header says",
    path: "/mcp/team/travel",
    header: "other",
    want: "team/travel",
  },
];

for (const { name, path, header, want } of selections) {
  Deno.test(`decideHead() chooses the virtual server: ${name}`, () => {
    const decision = decide(
      "GET",
      path,
      header === undefined ? [] : [["x-mcp-virtualserver", header]],
    );
    assertEquals(
      decision.kind === "broker" ? decision.virtualServer : "not for broker",
      want,
    );
  });
}

Deno.test("readHead() finds every internal header, in any spelling", () => {
  const { internal } = readHead({
    headers: [
      ["x-destination-mcp", "a"],
      ["x_destination_mcp", "a"],
      ["x-destination_mcp", "a"],
      ["x-mcp-tool", "a"],
      ["x-mcp-tool", "b"],
      ["x_mcp_anything", "a"],
      ["x-mcp-caller", "a"],
      ["x-forwarded-for", "a"],
      ["x-mcpish", "a"],
      ["mcp_session_id", "a"],
      ["mcp-session_id", "a"],
      ["mcp-session-id", "a"],
    ],
    endOfStream: true,
  });
  assertEquals(internal, [
    "x-destination-mcp",
    "x_destination_mcp",
    "x-destination_mcp",
    "x-mcp-tool",
    "x_mcp_anything",
    "x-mcp-caller",
    "mcp_session_id",
    "mcp-session_id",
  ]);
});
