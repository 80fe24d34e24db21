import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  createLogger,
  type LogFields,
  type LoggerOptions,
  short,
} from "./log.ts";

function capture(
  options: Partial<LoggerOptions> = {},
): { log: ReturnType<typeof createLogger>; lines: string[] } {
  const lines: string[] = [];
  const log = createLogger({
    program: "router",
    level: "info",
    format: "json",
    write: (line) => lines.push(line),
    now: () => Date.UTC(2026, 0, 2, 3, 4, 5, 678),
    ...options,
  });
  return { log, lines };
}

/** What a JSON record says beyond the four members of every record. */
function loggedFields(
  fields: LogFields,
  options: Partial<LoggerOptions> = {},
): Record<string, unknown> {
  const { log, lines } = capture(options);
  log.info("m", fields);
  const { time: _t, level: _l, program: _p, message: _m, ...rest } = JSON.parse(
    lines[0]!,
  );
  return rest;
}

Deno.test("createLogger() writes one JSON object per record", () => {
  const { log, lines } = capture();
  log.warn("server faltered", { server: "weather", attempt: 2 });
  assertEquals(lines, [
    '{"time":"2026-01-02T03:04:05.678Z","level":"warn","program":"router",' +
    '"message":"server faltered","server":"weather","attempt":2}',
  ]);
});

Deno.test("createLogger() writes one readable line per record", () => {
  const { log, lines } = capture({ format: "human" });
  log.warn("server faltered", {
    server: "weather",
    hint: "two words",
    tools: ["a", "b"],
    empty: "",
    equal: "a=b",
  });
  assertEquals(
    lines[0],
    '03:04:05.678 warn  router: server faltered server=weather hint="two words" ' +
      'tools=["a","b"] empty="" equal="a=b"',
  );
});

Deno.test("createLogger() colours the level only when asked", () => {
  const plain = capture({ format: "human" });
  plain.log.error("m");
  assert(!plain.lines[0]!.includes("\x1b"));
  const coloured = capture({ format: "human", colour: true });
  coloured.log.error("m");
  assertEquals(
    coloured.lines[0],
    "03:04:05.678 \x1b[31merror\x1b[0m router: m",
  );
});

Deno.test("createLogger() leaves out what is below its level", () => {
  for (
    const { level, want } of [
      { level: "debug", want: ["debug", "info", "warn", "error"] },
      { level: "info", want: ["info", "warn", "error"] },
      { level: "warn", want: ["warn", "error"] },
      { level: "error", want: ["error"] },
    ] as const
  ) {
    const { log, lines } = capture({ level });
    log.debug("m");
    log.info("m");
    log.warn("m");
    log.error("m");
    assertEquals(lines.map((line) => JSON.parse(line).level), [...want]);
  }
});

Deno.test("Logger.with() adds fields that a record's own may replace", () => {
  const { log, lines } = capture();
  const child = log.with({ server: "a", era: "session" }).with({ server: "b" });
  child.info("m", { era: "stateless" });
  log.info("m");
  assertEquals(
    lines.map((line) => JSON.parse(line)).map(({ server, era }) => [
      server,
      era,
    ]),
    [["b", "stateless"], [undefined, undefined]],
  );
});

Deno.test("createLogger() keeps its own members from fields of the same name", () => {
  assertEquals(
    loggedFields({ time: 1, level: "x", program: "y", message: "z" }),
    { time_: 1, level_: "x", program_: "y", message_: "z" },
  );
});

const secretFields: readonly {
  name: string;
  fields: LogFields;
  want: unknown;
}[] = [
  {
    name: "authorization in any spelling",
    fields: {
      authorization: "Bearer abc",
      Authorization: "x",
      "proxy-authorization": "x",
      PROXY_AUTHORIZATION: ["x"],
    },
    want: {
      authorization: "[redacted]",
      Authorization: "[redacted]",
      "proxy-authorization": "[redacted]",
      PROXY_AUTHORIZATION: "[redacted]",
    },
  },
  {
    name: "cookies, tokens, credentials, secrets, passwords, keys",
    fields: {
      cookie: "a=b",
      "set-cookie": ["a=b"],
      accessToken: "x",
      credential: { value: "x" },
      clientSecret: "x",
      password: "x",
      "x-api-key": "x",
      signingKey: new Uint8Array(3),
    },
    want: {
      cookie: "[redacted]",
      "set-cookie": "[redacted]",
      accessToken: "[redacted]",
      credential: "[redacted]",
      clientSecret: "[redacted]",
      password: "[redacted]",
      "x-api-key": "[redacted]",
      signingKey: "[redacted]",
    },
  },
  {
    name: "bodies, arguments and queries",
    fields: { body: "{}", arguments: { a: 1 }, query: "a=b", bodyBytes: 2 },
    want: {
      body: "[redacted]",
      arguments: "[redacted]",
      query: "[redacted]",
      bodyBytes: 2,
    },
  },
  {
    name: "secrets inside objects, arrays, maps and headers",
    fields: {
      request: { headers: [{ cookie: "x" }] },
      map: new Map([["token", "x"]]),
      headers: new Headers({ authorization: "x", accept: "y" }),
    },
    want: {
      request: { headers: [{ cookie: "[redacted]" }] },
      map: { token: "[redacted]" },
      headers: { accept: "y", authorization: "[redacted]" },
    },
  },
  {
    name: "headers written as pairs or as name and value",
    fields: {
      pairs: [["authorization", "x"], ["accept", "y"]],
      objects: [
        { name: "cookie", value: "x" },
        { key: "authorization", rawValue: "x" },
        { name: "accept", value: "y" },
      ],
    },
    want: {
      pairs: [["authorization", "[redacted]"], ["accept", "y"]],
      objects: [
        { name: "cookie", value: "[redacted]" },
        { key: "authorization", rawValue: "[redacted]" },
        { name: "accept", value: "y" },
      ],
    },
  },
  {
    name: "session ids, shortened",
    fields: {
      session: "abc",
      sessionId: "abc",
      "mcp-session-id": "abc",
      backendSession: "#ba7816bf",
      sessions: 12,
    },
    want: {
      session: "#ba7816bf",
      sessionId: "#ba7816bf",
      "mcp-session-id": "#ba7816bf",
      backendSession: "#ba7816bf",
      sessions: 12,
    },
  },
  {
    name: "nothing where only its presence, or where it lies, is told",
    fields: {
      credential: true,
      token: null,
      tokenFile: "weather-token",
      secretsDir: "/run/secrets",
    },
    want: {
      credential: true,
      token: null,
      tokenFile: "weather-token",
      secretsDir: "/run/secrets",
    },
  },
];

for (const { name, fields, want } of secretFields) {
  Deno.test(`createLogger() redacts by field name: ${name}`, () => {
    assertEquals(loggedFields(fields), want);
  });
}

const secretTexts: readonly { input: string; want: string }[] = [
  {
    input: "upstream said Bearer abcdef.ghi-jkl is bad",
    want: "upstream said Bearer [redacted] is bad",
  },
  {
    input: "got eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.c2ln, sorry",
    want: "got [redacted], sorry",
  },
  {
    input: "error sending request for url (http://u:p@host:1/mcp?key=v)",
    want:
      "error sending request for url (http://[redacted]@host:1/mcp?[redacted])",
  },
  {
    input: "GET /mcp?access=1 failed",
    want: "GET /mcp?[redacted] failed",
  },
  { input: "why? because of a/b", want: "why? because of a/b" },
  { input: "https://example.com/a/b", want: "https://example.com/a/b" },
];

for (const { input, want } of secretTexts) {
  Deno.test(`createLogger() redacts by look, in fields, messages and errors: ${input}`, () => {
    const { log, lines } = capture();
    log.info(input, { text: input, error: new Error(input) });
    const record = JSON.parse(lines[0]!);
    assertEquals(record.message, want);
    assertEquals(record.text, want);
    assertEquals(record.error.message, want);
  });
}

Deno.test("createLogger() shows a canary nowhere, in either format", () => {
  const canary = "c4n4ryc4n4ryc4n4ry";
  const cause = new Error(`http://x/?t=${canary}`);
  for (const format of ["json", "human"] as const) {
    for (const level of ["debug", "info"] as const) {
      const { log, lines } = capture({ format, level });
      log.with({ session: canary }).error(`Bearer ${canary}`, {
        headers: { Authorization: `Basic ${canary}`, cookie: canary },
        error: new Error(`Bearer ${canary}`, { cause }),
        nested: [[{ refresh_token: canary }]],
        url: new URL(`https://user:${canary}@host/?q=${canary}`),
      });
      assertEquals(lines.length, 1);
      assert(!lines[0]!.includes(canary), lines[0]);
    }
  }
});

const hostile = "a\nb\r\x1b[2Jc\u009b2Jd\u2028e\u202ef\x00";

for (const format of ["json", "human"] as const) {
  Deno.test(`createLogger() keeps a ${format} record on one line, whatever is in it`, () => {
    const { log, lines } = capture({ format, level: "debug" });
    log.info(hostile, {
      [hostile]: hostile,
      nested: { [hostile]: [hostile] },
      error: new Error(hostile, { cause: hostile }),
    });
    assertEquals(lines.length, 1);
    assertMatch(
      lines[0]!,
      // deno-lint-ignore no-control-regex -- their absence is the point
      /^[^\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]*$/,
    );
    if (format === "json") {
      assertEquals(JSON.parse(lines[0]!).message, hostile);
    }
  });
}

Deno.test("createLogger() writes errors with their chain of causes, without stacks", () => {
  const root = Object.assign(new TypeError("no route"), { code: "EHOST" });
  const error = new Error("cannot list", { cause: root });
  assertEquals(loggedFields({ error }), {
    error: {
      name: "Error",
      message: "cannot list",
      cause: { name: "TypeError", message: "no route", code: "EHOST" },
    },
  });
  const human = capture({ format: "human" });
  human.log.info("m", { error });
  assert(
    human.lines[0]!.endsWith(
      'error="Error: cannot list ← TypeError: no route"',
    ),
    human.lines[0],
  );
});

Deno.test("createLogger() adds stack frames at level debug", () => {
  const { error } = loggedFields({ error: new Error("x\n    at y") }, {
    level: "debug",
  }) as { error: { stack: string[] } };
  assert(error.stack.length > 0);
  assert(error.stack.every((frame) => frame.startsWith("at ")));
});

Deno.test("createLogger() keeps the members of an AggregateError", () => {
  const { error } = loggedFields({
    error: new AggregateError([new Error("a"), "b"], "both"),
  }) as { error: { errors: unknown[] } };
  assertEquals(error.errors, [{ name: "Error", message: "a" }, "b"]);
});

Deno.test("createLogger() bounds depth, members, text and causes", () => {
  let deep: unknown = "x";
  for (let i = 0; i < 20; i++) deep = { deep };
  let chain = new Error("0");
  for (let i = 1; i < 50; i++) chain = new Error(String(i), { cause: chain });
  const wide = Array.from({ length: 1000 }, (_, i) => i);
  const { log, lines } = capture();
  log.info("m", {
    deep,
    wide,
    members: Object.fromEntries(wide.map((i) => [`m${i}`, i])),
    long: "y".repeat(1_000_000),
    list: Array.from({ length: 100 }, () => "z".repeat(5_000)),
    chain,
  });
  assert(lines[0]!.length < 40_000, `${lines[0]!.length} characters`);
  const record = JSON.parse(lines[0]!);
  assertEquals(record.wide.length, 51);
  assertEquals(record.wide[50], "… 950 more");
  assert(record.long.endsWith("… (1000000 characters)"));
  assert(lines[0]!.includes("[too deep]"));
});

Deno.test("createLogger() survives cycles, throwing getters and odd values", () => {
  const cycle: Record<string, unknown> = {};
  cycle.self = cycle;
  const fields = loggedFields({
    cycle,
    shared: [cycle.x, cycle.x],
    getter: {
      get bad(): never {
        throw new Error("no");
      },
      good: 1,
    },
    big: 2n ** 64n,
    not: Number.NaN,
    bytes: new Uint8Array(5),
    date: new Date(Number.NaN),
    set: new Set([1]),
    call: () => 1,
    symbol: Symbol("s"),
    gone: undefined,
    bare: Object.create(null),
    proxy: new Proxy({}, {
      ownKeys: () => {
        throw new Error("no");
      },
    }),
    ["__proto__"]: { polluted: true },
  });
  assertEquals(fields, {
    cycle: { self: "[circular]" },
    shared: [null, null],
    getter: { bad: "[unreadable]", good: 1 },
    big: "18446744073709551616",
    not: "NaN",
    bytes: "[5 bytes]",
    date: "Invalid Date",
    set: [1],
    call: "[function]",
    symbol: "[symbol]",
    bare: {},
    proxy: "[unreadable]",
    ...JSON.parse('{"__proto__":{"polluted":true}}'),
  });
});

Deno.test("createLogger() takes time linear in the length of a text", () => {
  const { log } = capture();
  const started = performance.now();
  for (
    const text of [
      "a".repeat(1e6),
      "http://".repeat(1e5),
      "/?".repeat(1e5),
      "eyJ".repeat(1e5),
      "bearer ".repeat(1e5),
    ]
  ) log.info("m", { text });
  assert(performance.now() - started < 5_000);
});

Deno.test("short() tells ids apart and gives none of them away", () => {
  assertEquals(short("a"), short("a"));
  assert(short("a") !== short("b"));
  assertMatch(short("secret"), /^#[0-9a-f]{8}$/);
});

async function runLogging(
  code: string,
): Promise<{ child: Deno.ChildProcess; file: string }> {
  const file = await Deno.makeTempFile({ suffix: ".ts" });
  const log = new URL("./log.ts", import.meta.url).href;
  await Deno.writeTextFile(
    file,
    `import { createLogger } from ${JSON.stringify(log)};
    const log = createLogger({ program: "p", level: "info", format: "json" });
    ${code}`,
  );
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", file],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  return { child, file };
}

Deno.test("createLogger() writes to standard error, and goes on when nobody reads it", async () => {
  const { child, file } = await runLogging(`
    log.info("first");
    for await (const _ of Deno.stdin.readable); // until the reader is gone
    for (let i = 0; i < 2000; i++) log.info("x".repeat(200), { i });
    console.log("alive");
  `);
  try {
    const reader = child.stderr.getReader();
    const { value } = await reader.read();
    assertMatch(new TextDecoder().decode(value), /"message":"first"\}\n/);
    await reader.cancel();
    await child.stdin.close();
    const out = await new Response(child.stdout).text();
    assertEquals(out, "alive\n");
    assertEquals((await child.status).code, 0);
  } finally {
    await Deno.remove(file);
  }
});
