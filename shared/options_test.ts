import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  describeOptions,
  environmentNames,
  type OptionsOutcome,
  type OptionValues,
  parseOptions,
} from "./options.ts";

const TABLE = {
  config: {
    kind: "path",
    default: "/etc/c.yaml",
    placeholder: "FILE",
    help: "Configuration file",
  },
  drainSeconds: {
    kind: "integer",
    min: 0,
    max: 60,
    default: 20,
    help: "Drain",
  },
  verbose: { kind: "boolean", help: "More words" },
  store: {
    kind: "enum",
    values: ["sqlite", "memory"],
    default: "sqlite",
    help: "Store",
  },
  listen: {
    kind: "list",
    of: "address",
    default: "0.0.0.0:50051",
    help: "Where to serve",
  },
  allowedHosts: { kind: "list", of: "string", help: "Hosts" },
  internalListen: { kind: "address", help: "Internal" },
  catalogUrl: { kind: "url", help: "Catalog" },
  identityHeader: { kind: "header", help: "Header" },
  keyFile: { kind: "path", excludes: "key", help: "Key" },
  key: {
    kind: "string",
    flag: false,
    secret: true,
    check: (value: string) =>
      value.length < 4 ? "want 4 characters" : undefined,
    help: "Key",
  },
} as const;

const DEFAULTS: OptionValues<typeof TABLE> = {
  config: "/etc/c.yaml",
  drainSeconds: 20,
  verbose: false,
  store: "sqlite",
  listen: [{ kind: "tcp", host: "0.0.0.0", port: 50051 }],
  allowedHosts: [],
  internalListen: undefined,
  catalogUrl: undefined,
  identityHeader: undefined,
  keyFile: undefined,
  key: undefined,
};

function parse(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): OptionsOutcome<OptionValues<typeof TABLE>> {
  return parseOptions(TABLE, args, new Map(Object.entries(env)), {
    program: "router",
    summary: "Routes.",
  });
}

const accepted: readonly {
  name: string;
  args: readonly string[];
  env?: Readonly<Record<string, string>>;
  want: Partial<OptionValues<typeof TABLE>>;
}[] = [
  { name: "the defaults without arguments", args: [], want: {} },
  {
    name: "--a b and --a=b",
    args: ["--config", "a.yaml", "--store=memory"],
    want: { config: "a.yaml", store: "memory" },
  },
  {
    name: "a value with an equals sign",
    args: ["--config=a=b"],
    want: { config: "a=b" },
  },
  {
    name: "a flag before its environment variable",
    args: ["--drain-seconds=1"],
    env: { GATEWAY_DRAIN_SECONDS: "2" },
    want: { drainSeconds: 1 },
  },
  {
    name: "an environment variable before the default",
    args: [],
    env: { GATEWAY_DRAIN_SECONDS: "2", GATEWAY_VERBOSE: "1" },
    want: { drainSeconds: 2, verbose: true },
  },
  {
    name: "an empty environment variable as not set",
    args: [],
    env: { GATEWAY_DRAIN_SECONDS: "" },
    want: {},
  },
  {
    name: "the limits of a number",
    args: ["--drain-seconds", "60"],
    env: { GATEWAY_DRAIN_SECONDS: "0" },
    want: { drainSeconds: 60 },
  },
  { name: "a bare switch", args: ["--verbose"], want: { verbose: true } },
  {
    name: "a switch turned off",
    args: ["--verbose=false"],
    env: { GATEWAY_VERBOSE: "true" },
    want: { verbose: false },
  },
  {
    name: "a list with commas and repeated flags",
    args: ["--listen", "unix:/run/a.sock, [::]:1", "--listen=b:2"],
    want: {
      listen: [
        { kind: "unix", path: "/run/a.sock" },
        { kind: "tcp", host: "::", port: 1 },
        { kind: "tcp", host: "b", port: 2 },
      ],
    },
  },
  {
    name: "a list of texts",
    args: [],
    env: { GATEWAY_ALLOWED_HOSTS: "a,b" },
    want: { allowedHosts: ["a", "b"] },
  },
  {
    name: "port 0",
    args: ["--internal-listen", "127.0.0.1:0"],
    want: { internalListen: { kind: "tcp", host: "127.0.0.1", port: 0 } },
  },
  {
    name: "a URL",
    args: ["--catalog-url", "http://127.0.0.1:9090"],
    want: { catalogUrl: new URL("http://127.0.0.1:9090/") },
  },
  {
    name: "a header name, in lower case",
    args: ["--identity-header", "X-User"],
    want: { identityHeader: "x-user" },
  },
  {
    name: "what only the environment may give",
    args: [],
    env: { GATEWAY_KEY: "abcd" },
    want: { key: "abcd" },
  },
];

for (const { name, args, env, want } of accepted) {
  Deno.test(`parseOptions() takes ${name}`, () => {
    assertEquals(parse(args, env), {
      kind: "options",
      values: { ...DEFAULTS, ...want },
    });
  });
}

const refused: readonly {
  name: string;
  args: readonly string[];
  env?: Readonly<Record<string, string>>;
  want: readonly string[];
}[] = [
  {
    name: "every problem at once",
    args: ["--drain-seconds=x", "stray", "--nope", "--store", "redis"],
    env: { GATEWAY_INTERNAL_LISTEN: "8080" },
    want: [
      'Unexpected argument "stray"',
      "Unknown option --nope",
      'Cannot use --drain-seconds: "x": want a whole number from 0 to 60',
      'Cannot use --store: "redis": want sqlite or memory',
      'Cannot use GATEWAY_INTERNAL_LISTEN: "8080": want HOST:PORT, [IPV6]:PORT or unix:/PATH',
    ],
  },
  {
    name: "an unknown option with the nearest name, its value not blamed",
    args: ["--drain-second", "5", "--conf=a", "--verzion"],
    want: [
      "Unknown option --drain-second: did you mean --drain-seconds?",
      "Unknown option --conf: did you mean --config?",
      "Unknown option --verzion: did you mean --version?",
    ],
  },
  {
    name: "a missing value",
    args: ["--config", "--verbose", "--store"],
    want: [
      "Missing value of --config FILE",
      "Missing value of --store sqlite|memory",
    ],
  },
  {
    name: "an empty value",
    args: ["--config="],
    want: ['Cannot use --config: "": want a text that is not empty'],
  },
  {
    name: "an option given twice",
    args: ["--store=memory", "--store=sqlite"],
    want: [
      "--store is given twice",
      'Cannot use --store: "memory,sqlite": want sqlite or memory',
    ],
  },
  {
    name: "numbers out of range or not whole",
    args: ["--drain-seconds", "-1"],
    want: [
      'Cannot use --drain-seconds: "-1": want a whole number from 0 to 60',
    ],
  },
  {
    name: "numbers in other notations",
    args: ["--drain-seconds=1e1"],
    want: [
      'Cannot use --drain-seconds: "1e1": want a whole number from 0 to 60',
    ],
  },
  {
    name: "a switch that is neither on nor off",
    args: ["--verbose=maybe"],
    want: ['Cannot use --verbose: "maybe": want true or false'],
  },
  {
    name: "holes in a list",
    args: ["--allowed-hosts", "a,,b"],
    want: [
      'Cannot use --allowed-hosts: "a,,b": want values separated by single commas',
    ],
  },
  {
    name: "one bad address of a list, by name",
    args: ["--listen", "a:1,b"],
    want: [
      'Cannot use --listen: "a:1,b": "b": want HOST:PORT, [IPV6]:PORT or unix:/PATH',
    ],
  },
  {
    name: "URLs of another scheme or with credentials",
    args: ["--catalog-url", "ftp://a/"],
    want: [
      'Cannot use --catalog-url: "ftp://a/": want an absolute http:// or https:// URL',
    ],
  },
  {
    name: "header names that are none",
    args: ["--identity-header", "a b"],
    want: [
      'Cannot use --identity-header: "a b": want the name of an HTTP header',
    ],
  },
  {
    name: "a secret as a flag, and names the variable",
    args: ["--key", "abcd"],
    want: ["Unknown option --key: set GATEWAY_KEY in the environment instead"],
  },
  {
    name: "a bad secret without repeating it",
    args: [],
    env: { GATEWAY_KEY: "abc" },
    want: ["Cannot use GATEWAY_KEY: want 4 characters"],
  },
  {
    name: "two options that exclude each other",
    args: ["--key-file", "k"],
    env: { GATEWAY_KEY: "abcd" },
    want: ["Cannot use --key-file and GATEWAY_KEY together: give one"],
  },
  {
    name: "single-letter flags and a bare --",
    args: ["-c", "--"],
    want: ['Unexpected argument "-c"', 'Unexpected argument "--"'],
  },
];

for (const { name, args, env, want } of refused) {
  Deno.test(`parseOptions() refuses ${name}`, () => {
    assertEquals(parse(args, env), { kind: "invalid", problems: [...want] });
  });
}

Deno.test("parseOptions() says which variable it may not read", () => {
  const outcome = parseOptions(
    { store: { kind: "string", help: "Store" } },
    [],
    {
      get: () => {
        throw new Deno.errors.NotCapable("no");
      },
    },
  );
  assertEquals(outcome, {
    kind: "invalid",
    problems: [
      "Cannot read GATEWAY_STORE: this program may not (deno run --allow-env=GATEWAY_STORE)",
    ],
  });
});

Deno.test("parseOptions() answers --help before anything else", () => {
  for (const args of [["--help"], ["--nope", "-h"], ["--version", "--help"]]) {
    const outcome = parse(args);
    assert(outcome.kind === "help");
    assertMatch(outcome.text, /^Routes\.\n\nUsage: router \[OPTIONS\]\n/);
    for (const row of describeOptions(TABLE)) {
      assert(outcome.text.includes(row.flag ?? row.env), row.key);
      assert(outcome.text.includes(row.help), row.key);
    }
    assert(outcome.text.split("\n").every((line) => line.length <= 80));
  }
});

Deno.test("parseOptions() answers --version before problems", () => {
  assertEquals(parse(["--nope", "--version"]), { kind: "version" });
  assertEquals(parse(["-V"]), { kind: "version" });
});

Deno.test("describeOptions() lists what documentation needs", () => {
  const rows = describeOptions(TABLE);
  assertEquals(rows[0], {
    key: "config",
    flag: "--config FILE",
    env: "GATEWAY_CONFIG",
    default: "/etc/c.yaml",
    help: "Configuration file",
  });
  assertEquals(rows[2]?.flag, "--verbose");
  assertEquals(rows.at(-1)?.flag, undefined);
});

Deno.test("environmentNames() lists the variables for a permission flag", () => {
  assertEquals(
    environmentNames({
      logLevel: TABLE.store,
      x: { ...TABLE.key, env: "KEY" },
    }),
    [
      "GATEWAY_LOG_LEVEL",
      "KEY",
    ],
  );
});
