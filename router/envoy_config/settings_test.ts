import { assert, assertEquals } from "@std/assert";
import { parseOptions } from "../../shared/options.ts";
import { PROJECT_DIR } from "../../tests/support/paths.ts";
import { ENVOY_CONFIG_OPTIONS } from "./options.ts";
import { readSettings, type SettingsResult } from "./settings.ts";

function read(
  ...args: readonly string[]
): SettingsResult | readonly string[] {
  const outcome = parseOptions(ENVOY_CONFIG_OPTIONS, args, new Map());
  if (outcome.kind === "invalid") return outcome.problems;
  assert(outcome.kind === "options");
  return readSettings(outcome.values);
}

Deno.test("readSettings() reaches router and broker where they are by default", () => {
  const result = read();
  assert("ok" in result && result.ok);
  const { envoy, admin } = result.settings;
  assertEquals(envoy.routers, [
    { kind: "unix", path: "/run/mcp-gateway/router.sock" },
  ]);
  assertEquals(envoy.brokers, [{ kind: "tcp", host: "127.0.0.1", port: 8080 }]);
  assertEquals(envoy.listen, { kind: "tcp", host: "0.0.0.0", port: 8888 });
  assertEquals(envoy.routersChange, true);
  assertEquals(envoy.tls, undefined);
  assertEquals(envoy.accessLog, undefined);
  assertEquals(admin, { kind: "tcp", host: "127.0.0.1", port: 9901 });
});

Deno.test("readSettings() takes everything that can be told", () => {
  const result = read(
    ...["--listen", "[::]:443", "--admin", "none", "--access-log", "stdout"],
    ...["--tls-certificate", "/a.pem", "--tls-key", "/a.key"],
    ...["--router", "unix:/r1.sock", "--router", "unix:/r2.sock"],
    ...["--broker", "10.0.0.1:8080,broker:8080", "--path", "/tools"],
    ...["--steering", "header", "--underscore-headers", "reject"],
    ...["--max-body-bytes", "2048", "--max-connections", "5"],
    ...["--max-streams", "6", "--max-heap-bytes", "100000000"],
    ...["--stream-idle-seconds", "7", "--call-idle-seconds", "8"],
    ...["--system-ca", "/ca.pem"],
  );
  assert("ok" in result && result.ok);
  const { envoy, admin } = result.settings;
  assertEquals(admin, undefined);
  assertEquals({ ...envoy, caCerts: undefined }, {
    ...envoy,
    caCerts: undefined as never,
    listen: { kind: "tcp", host: "::", port: 443 },
    tls: { certificate: "/a.pem", key: "/a.key" },
    accessLog: "stdout",
    routers: [
      { kind: "unix", path: "/r1.sock" },
      { kind: "unix", path: "/r2.sock" },
    ],
    brokers: [
      { kind: "tcp", host: "10.0.0.1", port: 8080 },
      { kind: "tcp", host: "broker", port: 8080 },
    ],
    path: "/tools",
    steering: "header",
    underscoreHeaders: "REJECT_REQUEST",
    maxBodyBytes: 2048,
    maxConnections: 5,
    maxStreams: 6,
    maxHeapBytes: 100_000_000,
    streamIdleSeconds: 7,
    callIdleSeconds: 8,
    systemCa: "/ca.pem",
  });
});

Deno.test("readSettings() leaves routers that have names to DNS", () => {
  const result = read("--router", "unix:/r.sock,router:50051");
  assert("ok" in result && result.ok);
  assertEquals(result.settings.envoy.routersChange, false);
});

const refused: readonly {
  readonly args: readonly string[];
  readonly want: readonly string[];
}[] = [
  {
    args: ["--tls-certificate", "/a.pem", "--router", "127.0.0.1:0"],
    want: [
      "Cannot use --tls-certificate without --tls-key: give both",
      "Cannot use --router with port 0: name the port",
    ],
  },
  {
    args: ["--publish", "/run/x.yaml", "--watch", "--out", "-"],
    want: [
      "Cannot use --watch with standard input or output: name a file with --config and a directory with --out",
      "Cannot use --publish with standard input or output: name a file with --config and a directory with --out",
    ],
  },
  {
    args: ["--publish", "/etc/x.yaml", "--config", "/etc/x.yaml"],
    want: [
      "Cannot use --publish with the file of --config: name another one, which router and broker are given",
    ],
  },
  {
    args: ["--admin", "0.0.0.0:9901"],
    want: [
      'Cannot use --admin: "0.0.0.0:9901": want an address on loopback, such as 127.0.0.1:9901, or none',
    ],
  },
  {
    args: ["--access-log", "log", "--tls-key", "tls/", "--out", "x"],
    want: [
      'Cannot use --out: "x": want an absolute path, without a slash at its end',
      'Cannot use --tls-key: "tls/": want an absolute path, without a slash at its end',
      'Cannot use --access-log: "log": want an absolute path, without a slash at its end, or stdout',
    ],
  },
];

for (const { args, want } of refused) {
  Deno.test(`readSettings() refuses ${args.join(" ")}`, () => {
    const result = read(...args);
    const problems = "ok" in result ? result.ok ? [] : result.problems : result;
    assertEquals([...problems], [...want]);
  });
}

Deno.test("readSettings() takes what the README shows", async () => {
  const readme = await Deno.readTextFile(`${PROJECT_DIR}/README.md`);
  const [, shown] = /^ *router envoy-config ((?:.*\\\n)*.*)$/m.exec(readme) ??
    [];
  assert(shown !== undefined, "The README shows no envoy-config");
  const result = read(...shown.split(/[\s\\]+/));
  assert("ok" in result && result.ok, JSON.stringify(result));
  assertEquals(result.settings.envoy.accessLog, "stdout");
});
