import { assert, assertEquals, assertMatch } from "@std/assert";
import fc from "fast-check";
import type { ConfigProblem, GatewayConfig, ServerConfig } from "./model.ts";
import { formatProblem, parseConfig } from "./parse.ts";

const FILE = "mcp.yaml";

function configOf(text: string): GatewayConfig {
  const result = parseConfig(text, { file: FILE });
  assert(result.ok, result.problems.map(formatProblem).join("\n"));
  return result.config;
}

function serverOf(fields: string): ServerConfig {
  const [server] = configOf(
    `servers:\n- name: weather\n  url: http://127.0.0.1:9001/mcp\n${fields}`,
  ).servers;
  assert(server);
  return server;
}

/** Problems as `LINE:COLUMN severity path`. */
function places(problems: readonly ConfigProblem[]): string[] {
  return problems.map(({ line, column, severity, path }) =>
    `${line}:${column} ${severity} ${path}`
  );
}

function problemsOf(text: string): readonly ConfigProblem[] {
  return parseConfig(text, { file: FILE }).problems;
}

const FULL = `
# every key
servers:
  - name: weather
    url: https://weather.example.com/mcp
    hostname: Weather.MCP.local
    prefix: weather_
    state: Disabled
    credential: {file: team/weather-token}
    credentialFor: [calls, discovery]
    caCert: {file: weather-ca.pem}
    era: stateless
    initialization: envoy
    userSpecificList: true
    category: travel
    hint: When it rains
    tags: [a, b]
    headers:
      X-Region: eu
      X-Api-Key: {env: WEATHER_KEY}
virtualServers:
  - name: team/travel
    description: For travellers
    tools: [weather_forecast]
    prompts: []
`;

Deno.test("parseConfig() reads every key", () => {
  const { servers, virtualServers } = configOf(FULL);
  const [server] = servers;
  assert(server);
  const { fingerprint, ...rest } = server;
  assertMatch(fingerprint, /^[0-9a-f]{12}$/);
  assertEquals(rest, {
    name: "weather",
    url: "https://weather.example.com/mcp",
    hostname: "weather.mcp.local",
    prefix: "weather_",
    state: "Disabled",
    headers: [
      {
        name: "authorization",
        value: { kind: "file", name: "team/weather-token" },
      },
      { name: "x-region", value: { kind: "literal", value: "eu" } },
      { name: "x-api-key", value: { kind: "env", name: "WEATHER_KEY" } },
    ],
    credentialFor: ["discovery", "calls"],
    passthrough: false,
    caCert: { kind: "file", name: "weather-ca.pem" },
    era: "stateless",
    initialization: "envoy",
    userSpecificList: true,
    category: ["travel"],
    hint: "When it rains",
    tags: ["a", "b"],
  });
  assertEquals(virtualServers, [{
    name: "team/travel",
    description: "For travellers",
    tools: ["weather_forecast"],
    prompts: [],
  }]);
});

for (
  const { prompts, want } of [
    { prompts: "", want: undefined },
    { prompts: ", prompts: null", want: undefined },
    { prompts: ", prompts: []", want: [] },
    { prompts: ", prompts: [plan]", want: ["plan"] },
  ]
) {
  Deno.test(
    `parseConfig() of a virtual server with tools${prompts} selects ${
      want === undefined ? "every prompt" : `prompts ${JSON.stringify(want)}`
    }`,
    () => {
      const { virtualServers: [virtual] } = configOf(
        `servers: []\nvirtualServers: [{name: v, tools: [t]${prompts}}]`,
      );
      assertEquals(virtual?.prompts, want);
    },
  );
}

Deno.test("parseConfig() says which of the keys nothing acts on yet", () => {
  assertEquals(
    problemsOf(FULL).map(({ severity, path, message }) => [
      severity,
      path,
      message.includes("not acted on yet"),
    ]),
    [
      ["warning", "servers[0].initialization", true],
    ],
  );
});

Deno.test("parseConfig() accepts a list by caller with a prefix", () => {
  const text =
    "servers: [{name: a, url: http://a/, prefix: a_, userSpecificList: true}]";
  assertEquals(problemsOf(text), []);
  assertEquals(configOf(text).servers.map((s) => s.userSpecificList), [true]);
});

Deno.test("parseConfig() fills in what is left out", () => {
  const { fingerprint: _, ...rest } = serverOf("");
  assertEquals(rest, {
    name: "weather",
    url: "http://127.0.0.1:9001/mcp",
    hostname: "weather.mcp.local",
    prefix: "",
    state: "Enabled",
    headers: [],
    credentialFor: ["discovery"],
    passthrough: false,
    era: "auto",
    initialization: "direct",
    userSpecificList: false,
    category: [],
    tags: [],
  });
});

const EMPTY_ENOUGH = ["servers: []", '{"servers": []}', '{"mcpServers": {}}'];
for (const text of EMPTY_ENOUGH) {
  Deno.test(`parseConfig() accepts a gateway without servers: ${text}`, () => {
    assertEquals(configOf(text).servers, []);
  });
}

const SAME_VERSION = [
  {
    name: "JSON",
    text: JSON.stringify({ servers: [{ name: "a", url: "http://a/mcp" }] }),
  },
  { name: "other order", text: "servers:\n- url: http://a/mcp\n  name: a\n" },
  {
    name: "comments",
    text: "# c\nservers:\n- name: a # c\n  url: 'http://a/mcp'",
  },
  {
    name: "defaults written out",
    text:
      "servers: [{name: a, url: 'http://A:80/mcp', era: auto, prefix: ''}]\nvirtualServers: []",
  },
];
for (const { name, text } of SAME_VERSION) {
  Deno.test(`parseConfig() gives equal content an equal version: ${name}`, () => {
    assertEquals(
      configOf(text).version,
      configOf("servers: [{name: a, url: http://a/mcp}]").version,
    );
  });
}

Deno.test("parseConfig() gives other content another version, another URL another fingerprint", () => {
  const one = configOf("servers: [{name: a, url: http://a/mcp}]");
  const hinted = configOf("servers: [{name: a, url: http://a/mcp, hint: x}]");
  const moved = configOf("servers: [{name: a, url: http://b/mcp}]");
  assertEquals(new Set([one, hinted, moved].map((c) => c.version)).size, 3);
  assertEquals(one.servers[0]?.fingerprint, hinted.servers[0]?.fingerprint);
  assert(one.servers[0]?.fingerprint !== moved.servers[0]?.fingerprint);
});

/** Each of these is refused, with one error in the place given. */
const REFUSED = [
  {
    name: "an empty file",
    text: "",
    at: "1:1 error ",
    says: /empty.*servers: \[\]/,
  },
  {
    name: "a file of comments",
    text: "# nothing\n",
    at: "1:1 error ",
    says: /empty/,
  },
  { name: "text", text: "hello", at: "1:1 error ", says: /it is text/ },
  { name: "a list", text: "- name: a", at: "1:1 error ", says: /it is a list/ },
  {
    name: "no servers",
    text: "virtualServers: []",
    at: "1:1 error servers",
    says: /servers is missing/,
  },
  {
    name: "null servers",
    text: "servers:\n",
    at: "1:1 error servers",
    says: /it is empty/,
  },
  {
    name: "servers as a mapping",
    text: "servers: {a: {url: http://a/mcp}}",
    at: "1:10 error servers",
    says: /mcpServers/,
  },
  {
    name: "both forms",
    text: "servers: []\nmcpServers: {}\n",
    at: "2:1 error mcpServers",
    says: /Move all servers/,
  },
  {
    name: "an open bracket",
    text: "servers: [\n",
    at: "2:1 error ",
    says: /bracket/,
  },
  {
    name: "an open quote",
    text: "servers: [{name: 'a}]",
    at: "1:22 error ",
    says: /missing/,
  },
  {
    name: "a tab",
    text: "servers:\n\t- name: a\n",
    at: "2:1 error ",
    says: /tab/,
  },
  {
    name: "two documents",
    text: "servers: []\n---\nservers: []\n",
    at: "2:1 error ",
    says: /second document/,
  },
  {
    name: "a tag",
    text: "servers: !list []\n",
    at: "1:10 error ",
    says: /tag/,
  },
  {
    name: "JSON comments",
    text: '{\n  // mine\n  "servers": []\n}',
    at: "2:3 error ",
    says: /there is a comment/,
  },
  {
    name: "deep nesting",
    text: "[".repeat(5000),
    at: "",
    says: /nested too deeply|bracket/,
  },
  {
    name: "40 levels",
    text: `servers: ${"[".repeat(40)}${"]".repeat(40)}`,
    at: "",
    says: /nested too deeply/,
  },
  {
    name: "an unknown alias",
    text: "servers: *all\n",
    at: "1:10 error servers",
    says: /no anchor/,
  },
  {
    name: "a circular alias",
    text: "servers: &s [*s]\n",
    at: "1:14 error servers[0]",
    says: /alias of what it stands in/,
  },
  {
    name: "a numeric key",
    text: "servers: []\n7: x\n",
    at: "2:1 error ",
    says: /not text/,
  },
  {
    name: "a top-level slip",
    text: "server: []\nservers: []",
    at: "1:1 error server",
    says: /Write servers/,
  },
  {
    name: "__proto__",
    text: "servers: []\n__proto__: {polluted: true}\n",
    at: "2:1 error __proto__",
    says: /no such key/,
  },
  {
    name: "a merge key",
    text: "x: &x {}\n<<: *x\nservers: []\n",
    at: "",
    says: /no such key/,
  },
  {
    name: "a server that is text",
    text: "servers: [weather]",
    at: "1:11 error servers[0]",
    says: /it is text/,
  },
];
for (const { name, text, at, says } of REFUSED) {
  Deno.test(`parseConfig() refuses ${name}`, () => {
    const result = parseConfig(text, { file: FILE });
    assert(!result.ok);
    const lines = result.problems.map(formatProblem);
    assert(lines.some((line) => says.test(line)), lines.join("\n"));
    if (at !== "") {
      assert(places(result.problems).includes(at), lines.join("\n"));
    }
    assert(result.problems.every((p) => p.remedy !== "" && p.line > 0));
  });
}

/** Lines put below a good server; `at` is the one error they cause. */
const BAD_FIELDS = [
  {
    field: "name: 7",
    at: "2:9 error servers[0].name",
    says: /a number.*quotes/,
    alone: true,
  },
  {
    field: "name: ''",
    at: "2:9 error servers[0].name",
    says: /it is ""/,
    alone: true,
  },
  {
    field: "name: broker",
    at: "2:9 error servers[0].name",
    says: /gateway's own/,
    alone: true,
  },
  {
    field: "name: Router",
    at: "2:9 error servers[0].name",
    says: /gateway's own/,
    alone: true,
  },
  {
    field: "name: wétter",
    at: "2:9 error servers[0].name",
    says: /header cannot carry/,
    alone: true,
  },
  {
    field: 'name: "a\\nb"',
    at: "2:9 error servers[0].name",
    says: /header cannot carry/,
    alone: true,
  },
  {
    field: "hint: x",
    at: "2:3 error servers[0].name",
    says: /name is missing/,
    alone: true,
  },
  {
    field: "hostname: a b",
    at: "4:13 error servers[0].hostname",
    says: /no DNS name/,
  },
  {
    field: "hostname: a.example:80",
    at: "4:13 error servers[0].hostname",
    says: /no DNS name/,
  },
  {
    field: "hostname: 127.0.0.1",
    at: "4:13 error servers[0].hostname",
    says: /no DNS name/,
  },
  {
    field: "hostname: -a.b",
    at: "4:13 error servers[0].hostname",
    says: /no DNS name/,
  },
  {
    field: "prefix: 'a b'",
    at: "4:11 error servers[0].prefix",
    says: /tool names/,
  },
  { field: "prefix:", at: "4:3 error servers[0].prefix", says: /it is empty/ },
  {
    field: `prefix: ${"a".repeat(65)}`,
    at: "4:11 error servers[0].prefix",
    says: /65 characters/,
  },
  {
    field: "state: enabled",
    at: "4:10 error servers[0].state",
    says: /Write Enabled/,
  },
  {
    field: "state: true",
    at: "4:10 error servers[0].state",
    says: /a boolean/,
  },
  {
    field: "era: statless",
    at: "4:8 error servers[0].era",
    says: /Write stateless/,
  },
  {
    field: "initialization: proxy",
    at: "4:19 error servers[0].initialization",
    says: /one of direct, envoy/,
  },
  {
    field: "passthrough: 'yes'",
    at: "4:16 error servers[0].passthrough",
    says: /true or false/,
  },
  {
    field: "userSpecificList: 1",
    at: "4:21 error servers[0].userSpecificList",
    says: /true or false/,
  },
  {
    field: "userSpecificList: true",
    at: "4:3 error servers[0].userSpecificList",
    says: /no prefix.*Add a prefix/,
  },
  {
    field: "userSpecificList: true\n  prefix: ''",
    at: "4:3 error servers[0].userSpecificList",
    says: /no prefix.*Add a prefix/,
  },
  {
    field: "userSpecificList: true\n  prefix: 'a b'",
    at: "5:11 error servers[0].prefix",
    says: /characters/,
  },
  { field: "tags: {a: b}", at: "4:9 error servers[0].tags", says: /a mapping/ },
  {
    field: "tags: [a, 7]",
    at: "4:13 error servers[0].tags[1]",
    says: /a number/,
  },
  {
    field: "category: [a, '']",
    at: "4:17 error servers[0].category[1]",
    says: /""/,
  },
  {
    field: "credential: {}",
    at: "4:15 error servers[0].credential",
    says: /neither/,
  },
  {
    field: "credential: {file: a, env: B}",
    at: "4:15 error servers[0].credential",
    says: /both/,
  },
  {
    field: "credential: {fil: a, env: B}",
    at: "4:16 error servers[0].credential.fil",
    says: /Write file/,
  },
  {
    field: "credential: {file: /etc/passwd}",
    at: "4:22 error servers[0].credential.file",
    says: /below the secrets/,
  },
  {
    field: "credential: {file: a/../../b}",
    at: "4:22 error servers[0].credential.file",
    says: /below the secrets/,
  },
  {
    field: "credential: {file: ./a}",
    at: "4:22 error servers[0].credential.file",
    says: /below the secrets/,
  },
  {
    field: "credential: {env: $A}",
    at: "4:21 error servers[0].credential.env",
    says: /without '\$'/,
  },
  {
    field: "credential: [a]",
    at: "4:15 error servers[0].credential",
    says: /a list/,
  },
  {
    field: "credential: |\n    a\n    b",
    at: "4:15 error servers[0].credential",
    says: /line breaks/,
  },
  {
    field: "caCert: ca.pem",
    at: "4:11 error servers[0].caCert",
    says: /\{file: NAME\}/,
  },
  {
    field: "headers: [a]",
    at: "4:12 error servers[0].headers",
    says: /a list/,
  },
  {
    field: "headers: {x-mcp-tool: a}",
    at: "4:13 error servers[0].headers.x-mcp-tool",
    says: /Remove it/,
  },
  {
    field: "headers: {X_MCP_Tool: a}",
    at: "4:13 error servers[0].headers.X_MCP_Tool",
    says: /Remove it/,
  },
  {
    field: "headers: {Mcp-Session-Id: a}",
    at: "4:13 error servers[0].headers.Mcp-Session-Id",
    says: /Remove it/,
  },
  {
    field: "headers: {Host: a}",
    at: "4:13 error servers[0].headers.Host",
    says: /Remove it/,
  },
  {
    field: "headers: {'a b': c}",
    at: '4:13 error servers[0].headers["a b"]',
    says: /no header name/,
  },
  {
    field: "headers: {a: b, A: c}",
    at: "4:19 error servers[0].headers.A",
    says: /twice/,
  },
  {
    field: "headers: {a: '${input:token}'}",
    at: "4:16 error servers[0].headers.a",
    says: /cannot ask/,
  },
  {
    field: "headers: {a: 'b\u0007'}",
    at: "4:16 error servers[0].headers.a",
    says: /header cannot carry/,
  },
  {
    field: "credential: {file: a}\n  headers: {Authorization: {env: B}}",
    at: "5:13 error servers[0].headers.Authorization",
    says: /Keep this or credential/,
  },
  {
    field: "credentialFor: all\n  credential: {file: a}",
    at: "4:18 error servers[0].credentialFor",
    says: /discovery, calls/,
  },
  {
    field: "passthrough: true\n  credential: {file: a}\n  credentialFor: calls",
    at: "4:3 error servers[0].passthrough",
    says: /on calls too/,
  },
  {
    field: "ear: auto",
    at: "4:3 error servers[0].ear",
    says: /Write era/,
  },
  {
    field: "toolPrefix: a_",
    at: "4:3 error servers[0].toolPrefix",
    says: /Write prefix/,
  },
  {
    field: "enabled: false",
    at: "4:3 error servers[0].enabled",
    says: /state: Disabled/,
  },
  {
    field: "hint: a\n  hint: b",
    at: "5:3 error servers[0].hint",
    says: /twice, first on line 4/,
  },
  {
    field: "__proto__: {state: Disabled}",
    at: "4:3 error servers[0].__proto__",
    says: /no such key/,
  },
  {
    field: "constructor: x",
    at: "4:3 error servers[0].constructor",
    says: /no such key/,
  },
];
for (const { field, at, says, alone } of BAD_FIELDS) {
  Deno.test(`parseConfig() names the place of ${JSON.stringify(field)}`, () => {
    const text = alone
      ? `servers:\n- ${field}\n  url: http://127.0.0.1:9001/mcp\n`
      : `servers:\n- name: weather\n  url: http://127.0.0.1:9001/mcp\n  ${field}\n`;
    const result = parseConfig(text, { file: FILE });
    assert(!result.ok);
    const errors = result.problems.filter((p) => p.severity === "error");
    assertEquals(places(errors), [at]);
    assertMatch(errors.map(formatProblem).join(), says);
  });
}

const BAD_URLS = [
  { url: "127.0.0.1:9001", says: /no absolute/ },
  { url: "/mcp", says: /no absolute/ },
  { url: "http:weather", says: /no absolute/ },
  { url: "ftp://weather/mcp", says: /no absolute/ },
  { url: "http://", says: /no absolute/ },
  { url: "http://we\\ather/", says: /no absolute/ },
  { url: "http://weather /", says: /no absolute/ },
  { url: "http://me:hunter2@weather/mcp", says: /user name or password/ },
  { url: "http://me:hunter2@weather:99999/mcp?k=hunter2", says: /no absolute/ },
  { url: "http://weather/mcp#x", says: /fragment/ },
  { url: "http://${HOST}/mcp", says: /headers only/ },
];
for (const { url, says } of BAD_URLS) {
  Deno.test(`parseConfig() refuses the URL ${url} and shows no secret in it`, () => {
    const problems = problemsOf(
      JSON.stringify({ servers: [{ name: "a", url }] }),
    );
    assertEquals(problems.map((p) => p.path), ["servers[0].url"]);
    const line = problems.map(formatProblem).join();
    assertMatch(line, says);
    assert(!line.includes("hunter2"), line);
  });
}

/** Two servers that cannot be told apart. */
const CLASHES = [
  {
    name: "names",
    servers: "[{name: a, url: http://a/}, {name: a, url: http://b/}]",
    at: ["servers[1].name"],
    says: /"a" is also the name on line 1/,
  },
  {
    name: "hostnames",
    servers:
      "[{name: a, url: http://a/, hostname: x.y}, {name: b, url: http://b/, hostname: X.y}]",
    at: ["servers[1].hostname"],
    says: /x\.y of "b" is also that of "a"/,
  },
  {
    name: "hostnames made of names",
    servers: "[{name: a/b, url: http://a/}, {name: a-b, url: http://b/}]",
    at: ["servers[1].name"],
    says: /made from its name, is also that of "a\/b"/,
  },
  {
    name: "a hostname and a made one",
    servers:
      "[{name: a, url: http://a/}, {name: b, url: http://b/, hostname: a.mcp.local}]",
    at: ["servers[1].hostname"],
    says: /also that of "a"/,
  },
  {
    name: "prefixes",
    servers:
      "[{name: a, url: http://a/, prefix: p_}, {name: b, url: http://b/, prefix: p_}]",
    at: ["servers[1].prefix"],
    says: /also the prefix of "a"/,
  },
];
for (const { name, servers, at, says } of CLASHES) {
  Deno.test(`parseConfig() refuses equal ${name}`, () => {
    const problems = problemsOf(`servers: ${servers}`);
    assertEquals(problems.map((p) => p.path), at);
    assertMatch(problems.map(formatProblem).join(), says);
  });
}

Deno.test("parseConfig() accepts several servers without a prefix", () => {
  const text =
    "servers: [{name: a, url: http://a/}, {name: b, url: http://b/, prefix: ''}]";
  assertEquals(configOf(text).servers.map((s) => s.prefix), ["", ""]);
});

Deno.test("parseConfig() reports every problem at once, in the order of the file", () => {
  const problems = problemsOf(`servers:
- name: broker
  ulr: http://a/mcp
- url: nowhere
  state: On
- name: c
  url: http://c/mcp
  credential: hunter2
virtualServers:
- tools: [a]
extra: 1
`);
  assertEquals(places(problems), [
    "2:3 error servers[0].url",
    "2:9 error servers[0].name",
    "3:3 error servers[0].ulr",
    "4:3 error servers[1].name",
    "4:8 error servers[1].url",
    "5:10 error servers[1].state",
    "8:15 warning servers[2].credential",
    "8:15 warning servers[2].credential",
    "10:3 error virtualServers[0].name",
    "11:1 error extra",
  ]);
  assert(!problems.map(formatProblem).join("\n").includes("hunter2"));
});

Deno.test("parseConfig() lists 100 problems and counts the rest", () => {
  const text = `servers: [${"x, ".repeat(150)}]`;
  const problems = problemsOf(text);
  assertEquals(problems.length, 101);
  assertMatch(problems.map(formatProblem).at(-1) ?? "", /50 more problems/);
});

const CREDENTIALS = [
  {
    yaml: "Bearer abc",
    value: { kind: "literal", value: "Bearer abc" },
    warnings: 1,
  },
  { yaml: "abc", value: { kind: "literal", value: "abc" }, warnings: 2 },
  {
    yaml: "Bearer ${T}",
    value: { kind: "literal", value: "Bearer ${T}" },
    warnings: 1,
  },
  { yaml: "{file: a/b}", value: { kind: "file", name: "a/b" }, warnings: 0 },
  { yaml: "{env: A_1}", value: { kind: "env", name: "A_1" }, warnings: 0 },
];
for (const { yaml, value, warnings } of CREDENTIALS) {
  Deno.test(`parseConfig() takes the credential ${yaml} as the whole Authorization`, () => {
    const fields = `  credential: ${yaml}\n`;
    assertEquals(serverOf(fields).headers as unknown, [{
      name: "authorization",
      value,
    }]);
    const text = `servers:\n- name: a\n  url: http://a/\n${fields}`;
    assertEquals(
      problemsOf(text).map((p) => p.severity),
      Array(warnings).fill("warning"),
    );
  });
}

const HEADERS = [
  { text: "plain", value: { kind: "literal", value: "plain" } },
  { text: "${TOKEN}", value: { kind: "env", name: "TOKEN" } },
  { text: "${env:TOKEN}", value: { kind: "env", name: "TOKEN" } },
  {
    text: "Bearer ${TOKEN}",
    value: {
      kind: "template",
      parts: [{ kind: "text", text: "Bearer " }, {
        kind: "env",
        name: "TOKEN",
      }],
    },
  },
  {
    text: "${A}:${env:B}!",
    value: {
      kind: "template",
      parts: [{ kind: "env", name: "A" }, { kind: "text", text: ":" }, {
        kind: "env",
        name: "B",
      }, { kind: "text", text: "!" }],
    },
  },
  {
    text: "${A:-b}",
    value: {
      kind: "template",
      parts: [{ kind: "env", name: "A", fallback: "b" }],
    },
  },
  { text: "$A {b}", value: { kind: "literal", value: "$A {b}" } },
];
for (const { text, value } of HEADERS) {
  for (const form of ["servers", "mcpServers"]) {
    Deno.test(`parseConfig() reads the header ${text} in ${form}`, () => {
      const server = { url: "http://a/", headers: { "X-One": text } };
      const { servers } = configOf(JSON.stringify(
        form === "servers"
          ? { servers: [{ name: "a", ...server }] }
          : { mcpServers: { a: server } },
      ));
      assertEquals(servers[0]?.headers as unknown, [{ name: "x-one", value }]);
    });
  }
}

const CREDENTIAL_FOR = [
  { fields: "", want: ["discovery"] },
  { fields: "  credentialFor: calls\n", want: ["calls"] },
  {
    fields: "  credentialFor: [calls, discovery, calls]\n",
    want: ["discovery", "calls"],
  },
  { fields: "  credentialFor: []\n", want: [] },
];
for (const { fields, want } of CREDENTIAL_FOR) {
  Deno.test(`parseConfig() uses a credential for ${want.join(" and ") || "nothing"}`, () => {
    const server = serverOf(`  credential: {file: a}\n${fields}`);
    assertEquals(server.credentialFor as readonly string[], want);
  });
}

Deno.test("parseConfig() warns of what has no effect", () => {
  const problems = problemsOf(`servers:
- name: a
  url: http://a/mcp?apiKey=hunter2
  credentialFor: calls
  caCert: {file: ca.pem}
  headers: {Accept: application/json}
`);
  assertEquals(places(problems), [
    "3:8 warning servers[0].url",
    "5:3 warning servers[0].caCert",
    "6:13 warning servers[0].headers.Accept",
  ]);
  assert(!problems.map(formatProblem).join().includes("hunter2"));
  assertEquals(
    places(
      problemsOf(
        "servers:\n- {name: a, url: http://a/, credentialFor: calls}\n",
      ),
    ),
    [
      "2:29 warning servers[0].credentialFor",
    ],
  );
});

Deno.test("parseConfig() takes a client's mcp.json as it is", () => {
  const text = JSON.stringify(
    {
      inputs: [],
      mcpServers: {
        weather: {
          type: "http",
          url: "http://w/mcp",
          headers: { Authorization: "Bearer ${TOKEN}" },
        },
        "my files": {
          type: "streamable-http",
          url: "http://f/mcp",
          description: "Files",
          timeout: 5,
        },
        off: { url: "http://o/mcp", disabled: true },
        local: { command: "npx", args: ["server"] },
        piped: { type: "stdio" },
        old: { type: "sse", url: "http://old/sse" },
      },
    },
    null,
    2,
  );
  const { servers } = configOf(text);
  assertEquals(
    servers.map(({ name, prefix, hostname, state, credentialFor }) => ({
      name,
      prefix,
      hostname,
      state,
      credentialFor,
    })),
    [
      {
        name: "weather",
        prefix: "weather_",
        hostname: "weather.mcp.local",
        state: "Enabled",
        credentialFor: ["discovery", "calls"],
      },
      {
        name: "my files",
        prefix: "my_files_",
        hostname: "my-files.mcp.local",
        state: "Enabled",
        credentialFor: ["discovery", "calls"],
      },
      {
        name: "off",
        prefix: "off_",
        hostname: "off.mcp.local",
        state: "Disabled",
        credentialFor: ["discovery", "calls"],
      },
    ],
  );
  assertEquals(servers[1]?.hint, "Files");
  assertEquals(places(problemsOf(text)), [
    "2:3 warning inputs",
    '15:7 warning mcpServers["my files"].timeout',
    "22:7 warning mcpServers.local",
    "28:7 warning mcpServers.piped",
    "31:7 warning mcpServers.old",
  ]);
  assertMatch(
    problemsOf(text).map(formatProblem).at(-1) ?? "",
    /streamable HTTP/,
  );
});

Deno.test("parseConfig() gives the only server of an mcp.json no prefix", () => {
  const { servers } = configOf(JSON.stringify({
    mcpServers: {
      a: { url: "http://a/" },
      b: { command: "x" },
      c: { type: "sse", url: "http://c/" },
    },
  }));
  assertEquals(servers.map((s) => [s.name, s.prefix]), [["a", ""]]);
});

Deno.test("parseConfig() lets an mcp.json set our keys, and refuses an unknown type", () => {
  const { servers } = configOf(JSON.stringify({
    mcpServers: {
      a: { url: "http://a/", prefix: "x_", era: "session" },
      b: { url: "http://b/" },
    },
  }));
  assertEquals(servers.map((s) => s.prefix), ["x_", "b_"]);
  const problems = problemsOf(
    '{"mcpServers": {"a": {"url": "http://a/", "type": "htpp"}}}',
  );
  assertEquals(problems.map((p) => [p.severity, p.path]), [[
    "error",
    "mcpServers.a.type",
  ]]);
  assertMatch(problems[0]?.remedy ?? "", /Write http /);
});

Deno.test("parseConfig() keeps a server by the name __proto__ apart from every object's prototype", () => {
  const { servers } = configOf(
    '{"mcpServers": {"__proto__": {"url": "http://a/"}}}',
  );
  assertEquals(servers.map((s) => s.name), ["__proto__"]);
  assertEquals(({} as Record<string, unknown>)["url"], undefined);
});

Deno.test("parseConfig() fills in aliases, and refuses a great many", () => {
  const { servers } = configOf(
    "servers:\n- {name: a, url: http://a/, tags: &t [x]}\n- {name: b, url: http://b/, tags: *t}\n",
  );
  assertEquals(servers[1]?.tags, ["x"]);
  const bomb = Array.from(
    { length: 30 },
    (_, i) =>
      `x${i}: &x${i} [${
        i === 0 ? "a" : Array(9).fill(`*x${i - 1}`).join(", ")
      }]`,
  ).join("\n");
  const result = parseConfig(`${bomb}\nservers: []\n`, { file: FILE });
  assert(!result.ok);
  assert(result.problems.some((p) => p.message.includes("alias number 101")));
});

const VIRTUAL_REFUSED = [
  { yaml: "{}", at: "virtualServers", says: /a mapping/ },
  { yaml: "[a]", at: "virtualServers[0]", says: /it is text/ },
  {
    yaml: "[{tools: [a]}]",
    at: "virtualServers[0].name",
    says: /name is missing/,
  },
  {
    yaml: "[{name: a b, tools: [a]}]",
    at: "virtualServers[0].name",
    says: /in a path/,
  },
  {
    yaml: "[{name: a/../b, tools: [a]}]",
    at: "virtualServers[0].name",
    says: /in a path/,
  },
  {
    yaml: "[{name: .., tools: [a]}]",
    at: "virtualServers[0].name",
    says: /in a path/,
  },
  {
    yaml: "[{name: a, tools: b}]",
    at: "virtualServers[0].tools",
    says: /it is text/,
  },
  {
    yaml: "[{name: a, tool: [b]}]",
    at: "virtualServers[0].tool",
    says: /Write tools/,
  },
  {
    yaml: "[{name: a, tools: [b]}, {name: a, tools: [b]}]",
    at: "virtualServers[1].name",
    says: /also the name on line 2/,
  },
];
for (const { yaml, at, says } of VIRTUAL_REFUSED) {
  Deno.test(`parseConfig() refuses virtualServers: ${yaml}`, () => {
    const problems = problemsOf(`servers: []\nvirtualServers: ${yaml}\n`)
      .filter((p) => p.severity === "error");
    assertEquals(problems.map((p) => p.path), [at]);
    assertMatch(problems.map(formatProblem).join(), says);
  });
}

Deno.test("parseConfig() warns of a virtual server that selects nothing, and of a name listed twice", () => {
  const problems = problemsOf(
    "servers: []\nvirtualServers:\n- {name: a, tools: null, prompts: []}\n- {name: b, tools: [x, x]}\n",
  );
  assertEquals(places(problems), [
    "3:3 warning virtualServers[0]",
    "4:24 warning virtualServers[1].tools[1]",
  ]);
});

Deno.test("parseConfig() refuses every truncation of a JSON file", () => {
  const text = JSON.stringify({
    servers: [{ name: "a", url: "http://a/mcp", tags: ["x", "y"] }],
    virtualServers: [],
  });
  for (let length = 0; length < text.length; length++) {
    assertEquals(
      parseConfig(text.slice(0, length), { file: FILE }).ok,
      false,
      text.slice(0, length),
    );
  }
});

Deno.test("parseConfig() never throws and gives every problem a place, whatever the text", () => {
  const yaml = fc.array(
    fc.constantFrom(
      "servers",
      "mcpServers",
      "name",
      "url",
      "http://a/",
      ":",
      "\n",
      "\n  ",
      "- ",
      " ",
      "{",
      "}",
      "[",
      "]",
      ",",
      '"',
      "'",
      "&a ",
      "*a",
      "!x ",
      "|",
      "#",
      "null",
      "1",
      "__proto__",
      "\t",
      "---\n",
      "? ",
      "<<",
    ),
    { maxLength: 30 },
  ).map((parts) => parts.join(""));
  fc.assert(
    fc.property(fc.oneof(yaml, fc.string({ unit: "binary" })), (text) => {
      const result = parseConfig(text, { file: FILE });
      if (!result.ok) {
        assert(result.problems.some((p) => p.severity === "error"));
      }
      for (const problem of result.problems) {
        assert(problem.remedy !== "" && problem.line > 0 && problem.column > 0);
        assert(!/[\r\n]/.test(formatProblem(problem)));
      }
    }),
    { numRuns: 500 },
  );
});

Deno.test("parseConfig() suggests the key that a slip of one letter means", () => {
  const keys = [
    "hostname",
    "prefix",
    "credential",
    "credentialFor",
    "passthrough",
    "initialization",
    "userSpecificList",
    "category",
    "headers",
  ];
  fc.assert(
    fc.property(
      fc.constantFrom(...keys),
      fc.nat(),
      fc.constantFrom("drop", "double", "replace", "swap"),
      (key, n, slip) => {
        const i = n % (key.length - 1);
        const [a = "", b = ""] = [key[i], key[i + 1]];
        const middle =
          { drop: b, double: a + a + b, replace: `q${b}`, swap: b + a }[slip];
        const wrong = key.slice(0, i) + middle + key.slice(i + 2);
        fc.pre(wrong !== key);
        const text = JSON.stringify({
          servers: [{ name: "a", url: "http://a/", [wrong]: "x" }],
        });
        const unknown = problemsOf(text).find((p) =>
          p.message.includes("no such key")
        );
        assertEquals(unknown?.remedy, `Write ${key}`);
      },
    ),
    { numRuns: 300 },
  );
});

Deno.test("formatProblem() writes one line whatever is in it", () => {
  const line = formatProblem({
    severity: "error",
    file: "mcp.yaml",
    line: 12,
    column: 5,
    path: "servers[2].prefix",
    message: "Cannot use x\r\n\u001b[31m",
    remedy: "Write\u2028it",
  });
  assertEquals(
    line,
    "mcp.yaml:12:5: error: Cannot use x\\u000d\\u000a\\u001b[31m. Remedy: Write\\u2028it",
  );
  assertEquals(
    formatProblem({
      severity: "warning",
      file: "f",
      line: 0,
      column: 0,
      path: "",
      message: "a",
      remedy: "b",
    }),
    "f: warning: a. Remedy: b",
  );
});
