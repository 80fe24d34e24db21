import { assertEquals } from "@std/assert";
import type { HeaderEntry } from "./answer.ts";
import {
  decideBrokerResponse,
  decideRelayResponse,
  decideResponse,
  decideResumeResponse,
  decideStatelessResponse,
} from "./decide_response.ts";

const UPSTREAM: HeaderEntry = ["x-envoy-upstream-service-time", "3"];
const JSON_BODY: HeaderEntry = ["content-type", "application/json"];
const TEXT: HeaderEntry = ["content-type", "text/plain"];
const EVENTS: HeaderEntry = ["content-type", "text/event-stream"];
const BROKERS: HeaderEntry = ["x-mcp-answered-by", "broker"];

function head(
  status: number,
  headers: readonly HeaderEntry[],
  codeDetails?: string,
) {
  return {
    headers: [[":status", String(status)] as const, ...headers],
    ...(codeDetails === undefined ? {} : { codeDetails }),
  };
}

type Decision = ReturnType<
  | typeof decideResponse
  | typeof decideRelayResponse
  | typeof decideResumeResponse
  | typeof decideStatelessResponse
>;

function short(decision: Decision): string {
  if (decision.kind === "session doubtful") {
    return `session doubtful, else ${short(decision.otherwise)}`;
  }
  return decision.kind === "refuse"
    ? `${decision.refusal.kind} ${decision.status ?? ""}`.trim()
    : decision.kind;
}

const cases: readonly {
  name: string;
  head: ReturnType<typeof head>;
  session?: boolean;
  want: string;
}[] = [
  {
    name: "a success passes",
    head: head(200, [UPSTREAM, JSON_BODY]),
    want: "pass",
  },
  {
    name: "a route that Istio has not made ready is a server not reached yet",
    head: head(
      403,
      [TEXT],
      "rbac_access_denied_matched_policy[mcp_gateway_route_not_ready]",
    ),
    want: "server unreachable",
  },
  {
    name: "another policy's refusal is not",
    head: head(403, [TEXT], "rbac_access_denied_matched_policy[theirs]"),
    want: "server refused 403",
  },
  {
    name: "the broker's 404 to a call is nobody's lost session",
    head: head(
      404,
      [JSON_BODY, ["x-mcp-answered-by", "broker"]],
      "via_upstream",
    ),
    want: "misrouted",
  },
  {
    name: "a 404 of the server in a session means the session is lost",
    head: head(404, [UPSTREAM, JSON_BODY]),
    want: "session lost",
  },
  {
    name: "so does a 404 whose origin Envoy does not tell",
    head: head(404, [TEXT]),
    want: "session lost",
  },
  {
    name: "Envoy's own 404 does not",
    head: head(404, [TEXT], "route_not_found"),
    want: "server unreachable",
  },
  {
    name: "a 404 without a session is the server's refusal",
    head: head(404, [UPSTREAM, TEXT]),
    session: false,
    want: "server refused",
  },
  {
    name: "a 400 of the server in a session leaves the session in doubt",
    head: head(400, [UPSTREAM, JSON_BODY]),
    want: "session doubtful, else pass",
  },
  {
    name: "a 400 without a session, with a JSON body, passes",
    head: head(400, [UPSTREAM, JSON_BODY]),
    session: false,
    want: "pass",
  },
  {
    name: "Envoy's own 400 leaves nothing in doubt",
    head: head(400, [TEXT], "http1.codec_error"),
    want: "connection lost",
  },
  {
    name: "a 500 of the server with a JSON body passes",
    head: head(500, [JSON_BODY], "via_upstream"),
    want: "pass",
  },
  ...[200, 202, 204, 301, 307, 999].map((status) => ({
    name: `HTTP ${status} of the server without JSON is no answer`,
    head: head(status, [UPSTREAM, TEXT]),
    want: "server refused",
  })),
  {
    name: "a redirect is no answer, whatever its body",
    head: head(307, [UPSTREAM, JSON_BODY, ["location", "http://evil.example"]]),
    want: "server refused",
  },
  {
    name: "an event stream passes",
    head: head(200, [UPSTREAM, ["content-type", "text/event-stream"]]),
    want: "pass",
  },
  {
    name: "a 404 with JSON without a session never looks like the gateway's",
    head: head(404, [UPSTREAM, JSON_BODY]),
    session: false,
    want: "server refused",
  },
  {
    name: "nor does a 421",
    head: head(421, [UPSTREAM, JSON_BODY]),
    want: "server refused",
  },
  {
    name: "a 500 of the server without one is refused",
    head: head(500, [UPSTREAM, TEXT]),
    want: "server refused",
  },
  {
    name: "a 401 of the server never crosses",
    head: head(401, [UPSTREAM, JSON_BODY, ["www-authenticate", "Bearer"]]),
    want: "server refused",
  },
  {
    name: "a 401 of an Envoy filter keeps its status",
    head: head(401, [TEXT], "jwt_authn_access_denied{Jwt_is_missing}"),
    want: "server refused 401",
  },
  {
    name: "a 429 of an Envoy filter keeps its status",
    head: head(429, [TEXT], "request_rate_limited"),
    want: "server refused 429",
  },
  ...[
    "upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_Connection_refused}",
    "upstream_reset_before_response_started{connection_timeout}",
    "upstream_reset_before_response_started{overflow}",
    "no_healthy_upstream",
    "cluster_not_found",
  ].map((details) => ({
    name: `Envoy's 503 means the server is unreachable: ${details}`,
    head: head(503, [TEXT], details),
    want: "server unreachable",
  })),
  ...[
    undefined,
    "upstream_reset_before_response_started{connection_termination}",
    "upstream_reset_before_response_started{protocol_error}",
  ].map((details) => ({
    name: `Envoy's 503 does not say that nothing was run: ${details}`,
    head: head(503, [TEXT], details),
    want: "connection lost",
  })),
  {
    name: "Envoy's 504 means it timed out",
    head: head(504, [JSON_BODY], "response_timeout"),
    want: "server timed out",
  },
];

for (const { name, head, session, want } of cases) {
  Deno.test(`decideResponse(): ${name}`, () => {
    assertEquals(short(decideResponse(head, "weather", session ?? true)), want);
  });
}

Deno.test("decideResponse() lets no header cross that is the server's business", () => {
  const kept: HeaderEntry[] = [
    JSON_BODY,
    ["content-length", "2"],
    ["x-request-id", "r"],
    ["x-ratelimit-limit", "9"],
  ];
  const dropped: HeaderEntry[] = [
    UPSTREAM,
    ["mcp-session-id", "b"],
    ["set-cookie", "a=b"],
    ["location", "http://evil.example"],
    ["www-authenticate", "Bearer"],
    ["access-control-allow-origin", "*"],
    ["x-destination-mcp", "other"],
    ["strict-transport-security", "max-age=1"],
  ];
  const decision = decideResponse(
    head(200, [...kept, ...dropped]),
    "weather",
    true,
  );
  assertEquals(decision, {
    kind: "pass",
    remove: dropped.map(([name]) => name),
    eventStream: false,
  });
});

Deno.test("decideResponse() leaves a stream that is to be rewritten no length", () => {
  const length: HeaderEntry = ["content-length", "2"];
  const decision = decideResponse(head(200, [EVENTS, length]), "w", true);
  assertEquals(decision, {
    kind: "pass",
    remove: ["content-length"],
    eventStream: true,
  });
});

Deno.test("decideResponse() leaves a compressed stream as it is", () => {
  const gzip: HeaderEntry = ["content-encoding", "gzip"];
  const length: HeaderEntry = ["content-length", "2"];
  const decision = decideResponse(head(200, [EVENTS, gzip, length]), "w", true);
  assertEquals(decision, { kind: "pass", remove: [], eventStream: false });
});

const relays: readonly {
  name: string;
  head: ReturnType<typeof head>;
  want: string;
}[] = [
  ...[200, 202, 204].map((status) => ({
    name: `HTTP ${status} of the server means it has it`,
    head: head(status, [UPSTREAM, JSON_BODY]),
    want: "accepted",
  })),
  ...[400, 404].map((status) => ({
    name: `HTTP ${status} of the server means that nobody waits for it`,
    head: head(status, [UPSTREAM, JSON_BODY], "via_upstream"),
    want: "gone",
  })),
  {
    name: "so does a 404 whose origin Envoy does not tell, but for an error",
    head: head(404, [TEXT]),
    want: "gone",
  },
  {
    name: "Envoy's own 404 does not",
    head: head(404, [TEXT], "route_not_found"),
    want: "server unreachable",
  },
  {
    name: "a server that is down is unreachable",
    head: head(503, [TEXT], "no_healthy_upstream"),
    want: "server unreachable",
  },
  {
    name: "a 401 of an Envoy filter keeps its status",
    head: head(401, [TEXT], "jwt_authn_access_denied{Jwt_is_missing}"),
    want: "server refused 401",
  },
  ...[302, 401, 500].map((status) => ({
    name: `HTTP ${status} of the server is its refusal`,
    head: head(status, [UPSTREAM, JSON_BODY], "via_upstream"),
    want: "server refused",
  })),
  {
    name: "the broker's word is not the server's",
    head: head(202, [BROKERS], "via_upstream"),
    want: "misrouted",
  },
];

for (const { name, head, want } of relays) {
  Deno.test(`decideRelayResponse(): ${name}`, () => {
    assertEquals(short(decideRelayResponse(head, "weather")), want);
  });
}

const resumes: typeof relays = [
  {
    name: "an event stream passes",
    head: head(200, [UPSTREAM, EVENTS]),
    want: "pass",
  },
  {
    name: "JSON is no stream",
    head: head(200, [UPSTREAM, JSON_BODY]),
    want: "server refused",
  },
  ...[400, 404, 405].map((status) => ({
    name: `HTTP ${status} of the server means that there is none any more`,
    head: head(status, [UPSTREAM, TEXT], "via_upstream"),
    want: "gone",
  })),
  {
    name: "Envoy's own 404 does not",
    head: head(404, [TEXT], "cluster_not_found"),
    want: "server unreachable",
  },
  {
    name: "a 500 of the server is its refusal",
    head: head(500, [UPSTREAM, TEXT]),
    want: "server refused",
  },
  {
    name: "the broker's stream is not the server's",
    head: head(200, [EVENTS, BROKERS], "via_upstream"),
    want: "misrouted",
  },
];

for (const { name, head, want } of resumes) {
  Deno.test(`decideResumeResponse(): ${name}`, () => {
    assertEquals(short(decideResumeResponse(head, "weather")), want);
  });
}

Deno.test("decideResponse() drops a server's challenge, keeps a filter's", () => {
  const challenge: HeaderEntry = ["www-authenticate", "Bearer x"];
  const ofServer = decideResponse(head(401, [UPSTREAM, challenge]), "w", true);
  const ofFilter = decideResponse(head(401, [challenge]), "w", true);
  assertEquals(
    [ofServer, ofFilter].map((d) => d.kind === "refuse" ? d.headers : d.kind),
    [[], [challenge]],
  );
});

const brokerCases: readonly {
  name: string;
  head: ReturnType<typeof head>;
  want: string;
}[] = [
  {
    name: "its 404 for a session passes",
    head: head(404, [UPSTREAM, JSON_BODY]),
    want: "pass",
  },
  {
    name: "its JSON error passes where Envoy does not tell the origin",
    head: head(404, [JSON_BODY]),
    want: "pass",
  },
  {
    name: "Envoy's 503 in its place is refused",
    head: head(503, [TEXT], "no_healthy_upstream"),
    want: "server unreachable",
  },
  {
    name: "a 413 of Envoy's buffer, before the router was asked",
    head: head(413, [TEXT], "request_payload_too_large"),
    want: "body too large",
  },
];

for (const { name, head, want } of brokerCases) {
  Deno.test(`decideBrokerResponse(): ${name}`, () => {
    assertEquals(short(decideBrokerResponse(head)), want);
  });
}

const stateless: readonly {
  name: string;
  head: ReturnType<typeof head>;
  want: string;
}[] = [
  { name: "a success", head: head(200, [JSON_BODY]), want: "pass" },
  {
    name: "an event stream",
    head: head(200, [EVENTS, UPSTREAM]),
    want: "pass",
  },
  ...[400, 404, 405, 429, 500].map((status) => ({
    name: `a ${status} of the server with JSON`,
    head: head(status, [JSON_BODY], "via_upstream"),
    want: "pass",
  })),
  ...[401, 403, 407, 421].map((status) => ({
    name: `a ${status} of the server with JSON`,
    head: head(status, [JSON_BODY, UPSTREAM]),
    want: "server refused",
  })),
  {
    name: "a 404 of the server in HTML",
    head: head(404, [["content-type", "text/html"], UPSTREAM]),
    want: "server refused",
  },
  {
    name: "a redirect",
    head: head(307, [JSON_BODY, UPSTREAM]),
    want: "server refused",
  },
  {
    name: "a 202, which is no answer to a request",
    head: head(202, [UPSTREAM]),
    want: "server refused",
  },
  {
    name: "Envoy's own 404",
    head: head(404, [TEXT], "route_not_found"),
    want: "server unreachable",
  },
  {
    name: "Envoy's own 503 while nobody listens",
    head: head(
      503,
      [TEXT],
      "upstream_reset_before_response_started{remote_connection_failure}",
    ),
    want: "server unreachable",
  },
  {
    name: "Envoy's own 504",
    head: head(504, [TEXT], "response_timeout"),
    want: "server timed out",
  },
  {
    name: "a filter's 401",
    head: head(401, [TEXT], "jwt_authn_access_denied"),
    want: "server refused 401",
  },
  {
    name: "the broker's answer",
    head: head(404, [JSON_BODY, BROKERS], "via_upstream"),
    want: "misrouted",
  },
];

for (const { name, head, want } of stateless) {
  Deno.test(`decideStatelessResponse(): ${name} is ${want}`, () => {
    assertEquals(short(decideStatelessResponse(head, "weather")), want);
  });
}

Deno.test("decideStatelessResponse() lets no session, cookie or challenge cross, and rewrites no stream", () => {
  const decision = decideStatelessResponse(
    head(200, [
      EVENTS,
      ["mcp-session-id", "s"],
      ["set-cookie", "a=b"],
      ["www-authenticate", "Bearer"],
      ["x-accel-buffering", "no"],
    ], "via_upstream"),
    "weather",
  );
  assertEquals(decision, {
    kind: "pass",
    remove: ["mcp-session-id", "set-cookie", "www-authenticate"],
    eventStream: false,
  });
});
