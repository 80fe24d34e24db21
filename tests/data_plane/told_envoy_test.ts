/**
 * `router envoy-config`: an Envoy that knows nothing but what it writes.
 *
 * @module
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
// @ts-types="@modelcontextprotocol/sdk/client"
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
// @ts-types="@modelcontextprotocol/sdk/client/streamableHttp"
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { freePort, releasePort } from "../../shared/local/ports.ts";
import { LocalProcess } from "../../shared/local/processes.ts";
import { type RawServer, startRawServer } from "../fixtures/raw_server.ts";
import { envoyPath } from "../support/envoy_path.ts";
import { PROJECT_DIR } from "../support/paths.ts";
import { proves, shared } from "../support/proves.ts";
import { eventually } from "../support/wait.ts";
import {
  envoyConfig,
  startToldGateway,
  type ToldGateway,
} from "./_told_envoy.ts";

const HOST = "127.0.0.1";
const TLS = `${PROJECT_DIR}/tests/fixtures/tls`;
const CA = await Deno.readTextFile(`${TLS}/ca.pem`);

interface World {
  readonly dir: string;
  readonly one: RawServer;
  readonly two: RawServer;
  readonly gateway: ToldGateway;
  /** An SDK's client, connected over TLS. */
  readonly client: Client;
}

const world = shared<World>(async (stack) => {
  const dir = await Deno.makeTempDir({ prefix: "told-envoy-" });
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  await Deno.mkdir(`${dir}/tls`);
  await useCertificate(dir, "server");
  const one = stack.use(startRawServer({ name: "one" }));
  const two = stack.use(startRawServer({ name: "two" }));
  const gateway = stack.use(
    await startToldGateway(
      dir,
      [{ name: "one", url: one.url, prefix: "one_" }],
      [
        ...["--tls-certificate", `${dir}/tls/tls.pem`],
        ...["--tls-key", `${dir}/tls/tls.key`],
        ...["--access-log", `${dir}/access.log`],
        ...["--max-connections", "100", "--max-body-bytes", "100000"],
      ],
    ),
  );
  const http = Deno.createHttpClient({ caCerts: [CA] });
  stack.defer(() => http.close());
  const client = new Client({ name: "v1", version: "1.0.0" });
  await client.connect(
    new StreamableHTTPClientTransport(
      new URL(`https://localhost:${gateway.port}/mcp`),
      {
        fetch: (url: string | URL, init?: RequestInit) =>
          fetch(url, { ...init, client: http } as RequestInit),
      },
    ) as never,
  );
  stack.defer(() => client.close());
  return { dir, one, two, gateway, client };
});

/** Puts a certificate and its key where Envoy reads them, each by rename. */
async function useCertificate(dir: string, name: string): Promise<void> {
  for (const [from, to] of [["key", "tls.key"], ["pem", "tls.pem"]] as const) {
    await Deno.copyFile(`${TLS}/${name}.${from}`, `${dir}/${to}.new`);
    await Deno.rename(`${dir}/${to}.new`, `${dir}/tls/${to}`);
  }
}

/** The tools that the client is shown. */
async function toolNames(client: Client): Promise<string[]> {
  const { tools } = await client.listTools();
  return tools.map(({ name }) => name).sort();
}

proves(
  "an SDK's client lists and calls tools over TLS, and the access log has a line of MCP's own fields",
  async () => {
    const { client, dir } = world();
    await eventually(async () => {
      assertEquals(await toolNames(client), ["one_echo"]);
    });
    const result = await client.callTool({
      name: "one_echo",
      arguments: { secret: "swordfish" },
    });
    assertStringIncludes(JSON.stringify(result), "swordfish");
    const line = await eventually(async () => {
      const log = await Deno.readTextFile(`${dir}/access.log`);
      const found = log.split("\n").find((line) => line.includes("tools/call"));
      assert(found !== undefined, log);
      assert(!log.includes("swordfish"), "arguments are nobody's business");
      return JSON.parse(found);
    });
    const { durationMs, session, time: _, ...rest } = line;
    assert(durationMs >= 0);
    assert(/^#[0-9a-f]{8}$/.test(session), session);
    assertEquals(
      Object.fromEntries(
        ["verb", "path", "status", "method", "server", "tool", "destination"]
          .map((key) => [key, rest[key]]),
      ),
      {
        verb: "POST",
        path: "/mcp",
        status: 200,
        method: "tools/call",
        server: "one",
        tool: "echo",
        destination: "one",
      },
    );
  },
);

proves(
  "a new server reaches an Envoy that runs, and the old one is not lost",
  async () => {
    const { client, gateway, one, two } = world();
    const { pid } = gateway.envoy;
    await gateway.config.write([
      { name: "one", url: one.url, prefix: "one_" },
      { name: "two", url: two.url, prefix: "two_" },
    ]);
    const { code, stdout, stderr } = await gateway.tell();
    assertEquals({ code, stderr }, { code: 0, stderr: "" });
    assertStringIncludes(stdout, "servers: 2; Envoy has taken it");
    await eventually(async () => {
      assertEquals(await toolNames(client), ["one_echo", "two_echo"]);
    });
    for (const name of ["one_echo", "two_echo"]) {
      const { isError } = await client.callTool({ name, arguments: {} });
      assertEquals(isError, undefined);
    }
    assertEquals(gateway.envoy.pid, pid);
    assert(gateway.envoy.running);
  },
);

proves(
  "what Envoy refuses is taken back, and router and broker never hear of it",
  async () => {
    const { client, dir, gateway, one, two } = world();
    const published = await Deno.readTextFile(gateway.published);
    await Deno.writeTextFile(
      `${dir}/broken.pem`,
      "-----BEGIN CERTIFICATE-----\nbm9uc2Vuc2U=\n-----END CERTIFICATE-----\n",
    );
    await gateway.config.write([
      { name: "one", url: one.url, prefix: "one_" },
      { name: "two", url: two.url, prefix: "two_" },
      {
        name: "three",
        url: "https://localhost:1/mcp",
        caCert: { file: "broken.pem" },
      },
    ]);
    const { code, stderr } = await gateway.tell();
    assertEquals(code, 1);
    assertStringIncludes(stderr, "Cannot use new clusters: Envoy refuses them");
    assertEquals(await Deno.readTextFile(gateway.published), published);
    const cds = await Deno.readTextFile(`${dir}/envoy/cds.json`);
    assert(!cds.includes("three"), "the clusters are as they were");
    const { isError } = await client.callTool({
      name: "two_echo",
      arguments: {},
    });
    assertEquals(isError, undefined);
  },
);

proves("a configuration with mistakes changes nothing", async () => {
  const { dir, gateway } = world();
  const before = await Deno.readTextFile(`${dir}/envoy/cds.json`);
  await gateway.config.writeText('{"servers": [{"name": "one"}]}');
  const { code, stderr } = await gateway.tell();
  assertEquals(code, 1);
  assertStringIncludes(
    stderr,
    "config.json:1:14: error: Cannot use servers[0]",
  );
  assertEquals(await Deno.readTextFile(`${dir}/envoy/cds.json`), before);
});

/** Connects as a client that trusts one CA. */
async function handshake(hostname: string, ca: string): Promise<void> {
  const { port } = world().gateway;
  const tcp = await Deno.connect({ hostname: "127.0.0.1", port });
  using tls = await Deno.startTls(tcp, { hostname, caCerts: [ca] });
  await tls.handshake();
}

for (
  const { name, key } of [
    { name: "is not there", key: `${TLS}/none.key` },
    { name: "is another certificate's", key: `${TLS}/wildcard.key` },
  ]
) {
  proves(`a key that ${name} is an error, and the old one stays`, async () => {
    const { dir, gateway, one } = world();
    const before = await Deno.readTextFile(`${dir}/envoy/sds.json`);
    await gateway.config.write([
      { name: "one", url: one.url, prefix: "one_" },
    ]);
    const { code, stderr } = await gateway.tell(1, { "--tls-key": key });
    assertEquals(code, 1, stderr);
    assertStringIncludes(
      stderr,
      "Cannot use new certificates: Envoy refuses them",
    );
    assertEquals(await Deno.readTextFile(`${dir}/envoy/sds.json`), before);
    await handshake("localhost", CA);
  });
}

proves(
  "what was told before Envoy was up is told once more when it is, and a refusal is an error",
  async () => {
    await using stack = new AsyncDisposableStack();
    const dir = await Deno.makeTempDir({ prefix: "told-late-" });
    stack.defer(() => Deno.remove(dir, { recursive: true }));
    const [port, adminPort] = [freePort(HOST), freePort(HOST)];
    for (const taken of [port, adminPort]) {
      stack.defer(() => releasePort(taken));
    }
    await Deno.writeTextFile(
      `${dir}/config.yaml`,
      "servers: [{name: a, url: 'http://127.0.0.1:1/mcp'}]",
    );
    const follower = stack.use(
      new LocalProcess({
        name: "envoy-config",
        command: Deno.execPath(),
        args: [
          ...["run", "-A", `${PROJECT_DIR}/router/main.ts`, "envoy-config"],
          ...["--watch", "--config", `${dir}/config.yaml`],
          ...["--out", `${dir}/envoy`, "--secrets-dir", dir],
          ...["--listen", `${HOST}:${port}`, "--admin", `${HOST}:${adminPort}`],
          ...["--router", `unix:${dir}/router.sock`, "--broker", `${HOST}:1`],
          ...["--tls-certificate", `${TLS}/server.pem`],
          ...["--tls-key", `${dir}/tls.key`],
        ],
      }),
    );
    await follower.start();
    await eventually(() => {
      assertStringIncludes(follower.log.join("\n"), "is not running");
    });
    const envoy = stack.use(
      new LocalProcess({
        name: "envoy",
        command: await envoyPath(),
        args: [
          ...["-c", `${dir}/envoy/bootstrap.json`, "--disable-hot-restart"],
          ...["--concurrency", "1", "--log-level", "warn"],
        ],
      }),
    );
    await envoy.start();
    await eventually(() => {
      const log = follower.log.join("\n");
      assertStringIncludes(log, "configuration not told");
      assertStringIncludes(log, "Cannot use new certificates");
    }, { deadlineMs: 40_000 });
  },
);

proves("a new certificate needs no restart and no command", async () => {
  const { dir } = world();
  const other = await Deno.readTextFile(`${TLS}/wildcard_ca.pem`);
  await handshake("localhost", CA);
  await useCertificate(dir, "wildcard");
  await eventually(() => handshake("a.secure.test", other));
});

proves(
  "Envoy takes the bootstrap that is written into a directory",
  async () => {
    const { dir } = world();
    assertEquals(await validate(`${dir}/envoy/bootstrap.json`), {
      success: true,
      said: "",
    });
  },
);

/** What Envoy says of a bootstrap. */
async function validate(
  file: string,
): Promise<{ readonly success: boolean; readonly said: string }> {
  const { success, stderr } = await new Deno.Command(await envoyPath(), {
    args: ["--mode", "validate", "-c", file, "--log-level", "warn"],
  }).output();
  return { success, said: new TextDecoder().decode(stderr) };
}

proves("the admin interface lets nobody end Envoy", async () => {
  const { gateway } = world();
  for (const path of ["/quitquitquit", "/config_dump", "/drain_listeners"]) {
    const response = await fetch(`${gateway.adminUrl}${path}`, {
      method: "POST",
    });
    await response.body?.cancel();
    assertEquals(response.status, 403, path);
  }
  assert(gateway.envoy.running);
});

const validated: readonly {
  readonly name: string;
  readonly args: readonly string[];
}[] = [
  { name: "no options", args: [] },
  {
    name: "TLS, and a log on standard output",
    args: [
      ...["--tls-certificate", `${TLS}/server.pem`],
      ...["--tls-key", `${TLS}/server.key`, "--access-log", "stdout"],
    ],
  },
  {
    name: "every other option",
    args: [
      ...["--listen", "[::1]:8443", "--admin", "none", "--path", "/a/mcp"],
      ...["--router", "unix:/run/r1.sock,unix:/run/r2.sock"],
      ...["--broker", "127.0.0.1:8080", "--broker", "127.0.0.1:8081"],
      ...["--steering", "header", "--underscore-headers", "drop"],
      ...["--max-body-bytes", "1024", "--max-connections", "1"],
      ...["--max-streams", "1", "--max-heap-bytes", "67108864"],
      ...["--stream-idle-seconds", "1", "--call-idle-seconds", "1"],
      ...["--system-ca", `${TLS}/ca.pem`, "--access-log", "/dev/null"],
    ],
  },
];

for (const { name, args } of validated) {
  proves(`Envoy takes the one file that is written with ${name}`, async () => {
    const { code, stdout, stderr } = await envoyConfig(
      ["--config", "-", "--out", "-", ...args],
      "servers: [{name: a, url: 'https://a.example.com/mcp'}]",
    );
    assertEquals({ code, stderr }, { code: 0, stderr: "" });
    const file = await Deno.makeTempFile({ suffix: ".json" });
    try {
      await Deno.writeTextFile(file, stdout);
      assertEquals(await validate(file), { success: true, said: "" });
    } finally {
      await Deno.remove(file);
    }
  });
}
