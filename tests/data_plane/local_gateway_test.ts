/**
 * What `shared/local/` promises to those who run a gateway with it: Envoy's own
 * replies are JSON, https servers are verified, a refused change changes
 * nothing, one router of several may die.
 *
 * @module
 */

import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import http2 from "node:http2";
import {
  ConfigFileError,
  type LocalGateway,
  type LocalGatewayOptions,
  PortTakenError,
  startLocalGateway,
} from "../../shared/local/gateway.ts";
import { startRawServer } from "../fixtures/raw_server.ts";
import { ConfigFile, type ServerEntry } from "../support/config_file.ts";
import { proves, shared } from "../support/proves.ts";
import { RawClient } from "../support/raw_client.ts";
import { SILENT } from "../../shared/_testing.ts";
import { eventually, within } from "../support/wait.ts";

const FIXTURES = new URL("../fixtures/tls/", import.meta.url);
const fixture = (name: string) => Deno.readTextFile(new URL(name, FIXTURES));

interface Started extends AsyncDisposable {
  readonly gateway: LocalGateway;
  readonly config: ConfigFile;
  readonly dir: string;
}

/** Starts a gateway with a folder that has the test authority's certificate. */
async function start(
  servers: readonly ServerEntry[],
  options: Partial<LocalGatewayOptions> = {},
): Promise<Started> {
  await using stack = new AsyncDisposableStack();
  const dir = await Deno.makeTempDir({ prefix: "local-gateway-test-" });
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  await Deno.writeTextFile(`${dir}/ca.pem`, await fixture("ca.pem"));
  const config = new ConfigFile(`${dir}/config.json`);
  await config.write(servers);
  const gateway = stack.use(
    await startLocalGateway({
      configFile: config.path,
      log: SILENT,
      ...options,
    }),
  );
  const owned = stack.move();
  return {
    gateway,
    config,
    dir,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Ends TLS in front of a port, with the test authority's certificate. */
async function tlsInFrontOf(
  port: number,
): Promise<AsyncDisposable & { port: number }> {
  const listener = Deno.listenTls({
    hostname: "127.0.0.1",
    port: 0,
    cert: await fixture("server.pem"),
    key: await fixture("server.key"),
  });
  const pump = async () => {
    for await (const client of listener) {
      const server = await Deno.connect({ hostname: "127.0.0.1", port });
      // Either side may hang up at any time.
      client.readable.pipeTo(server.writable).catch(() => {});
      server.readable.pipeTo(client.writable).catch(() => {});
    }
  };
  const pumping = pump().catch(() => {}); // a handshake that the other side refuses
  return {
    port: listener.addr.port,
    async [Symbol.asyncDispose]() {
      listener.close();
      await pumping;
    },
  };
}

const plain = shared((stack) =>
  start([{ name: "down", url: "http://127.0.0.1:9/mcp", prefix: "down_" }], {
    envoyOptions: { maxBodyBytes: 100_000 },
  }).then((started) => stack.use(started))
);

const replies: readonly {
  what: string;
  path: string;
  init: RequestInit;
  status: number;
  says: string;
}[] = [
  {
    what: "a path where nothing is",
    path: "/mcpx",
    init: {},
    status: 404,
    says: "nothing is served here",
  },
  {
    what: "an escaped slash",
    path: "/mcp%2fx",
    init: {},
    status: 400,
    says: "malformed HTTP",
  },
  {
    what: "headers beyond the limit",
    path: "/mcp",
    init: { headers: { "x-long": "x".repeat(70_000) } },
    status: 431,
    says: "headers too large",
  },
  {
    what: "a body far beyond the limit, of no announced length",
    path: "/mcp",
    init: {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: ReadableStream.from(
        Array.from({ length: 64 }, () => new Uint8Array(16 * 1024)),
      ),
    },
    status: 413,
    says: "Message too large",
  },
];

for (const { what, path, init, status, says } of replies) {
  proves(`Envoy answers ${what} with ${status} and JSON`, async () => {
    const { gateway } = plain();
    const response = await fetch(new URL(path, gateway.url), init);
    const text = await response.text();
    assertEquals(response.status, status, text);
    assertEquals(response.headers.get("content-type"), "application/json");
    const message = JSON.parse(text);
    assertEquals([message.jsonrpc, message.id], ["2.0", null]);
    assertStringIncludes(message.error.message, says);
  });
}

proves("A body larger than an HTTP/2 window arrives", async () => {
  const { gateway } = plain();
  const session = http2.connect(new URL(gateway.url).origin);
  const stream = session.request({
    ":method": "POST",
    ":path": "/mcp",
    "content-type": "application/json",
    accept: "application/json, text/event-stream",
  });
  const message = { jsonrpc: "2.0", id: 7, method: "ping", params: {} };
  stream.end(JSON.stringify(message).padEnd(90_000));
  const status = Promise.withResolvers<unknown>();
  stream.once("response", (headers) => status.resolve(headers[":status"]));
  stream.once("error", status.reject);
  try {
    // Somebody has read it: there is no session.
    assertEquals(await within("an answer", status.promise), 400);
  } finally {
    session.destroy();
  }
});

proves(
  "Envoy answers 500 and retryable JSON while the router is dead, never the server",
  async () => {
    const { gateway } = plain();
    gateway.router.kill("SIGKILL");
    await gateway.router.ended;
    const response = await fetch(gateway.url, { method: "POST", body: "{}" });
    const message = await response.json();
    assertEquals(response.status, 500);
    assertEquals(message.error.data, { retryable: true });
    await gateway.router.start();
    await RawClient.connect(gateway.url);
  },
);

proves("An https server is reached with its own CA and its name", async () => {
  await using server = startRawServer({ name: "secure" });
  await using tls = await tlsInFrontOf(Number(new URL(server.url).port));
  await using started = await start([{
    name: "secure",
    url: `https://localhost:${tls.port}/mcp`,
    prefix: "s_",
    caCert: { file: "ca.pem" },
  }]);
  const client = await RawClient.connect(started.gateway.url);
  await eventually(async () =>
    assertEquals(await client.toolNames(), ["s_echo"])
  );
  const reply = await client.call("s_echo", { a: 1 });
  assertEquals(reply.status, 200, reply.text);
  assertStringIncludes(reply.text, "secure");
  const [call] = server.of("tools/call");
  const host = call?.headers.find(([name]) => name === "host")?.[1];
  assertEquals(host, `localhost:${tls.port}`);
});

proves(
  "A change that Envoy refuses changes nothing and is reported with Envoy's reason",
  async () => {
    await using server = startRawServer();
    const errors: string[] = [];
    const log = {
      ...SILENT,
      error: (message: string, fields?: unknown) =>
        errors.push(`${message} ${Deno.inspect(fields)}`),
    };
    await using started = await start(
      [{ name: "a", url: server.url, prefix: "a_" }],
      { log },
    );
    const client = await RawClient.connect(started.gateway.url);
    await eventually(async () =>
      assertEquals(await client.toolNames(), ["a_echo"])
    );
    await Deno.writeTextFile(
      `${started.dir}/bad.pem`,
      "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    );
    await started.config.write([
      { name: "a", url: server.url, prefix: "b_" },
      {
        name: "bad",
        url: "https://localhost:9/mcp",
        prefix: "bad_",
        caCert: { file: "bad.pem" },
      },
    ]);
    await eventually(() => assert(errors.length > 0, "not reported yet"));
    assertStringIncludes(errors.join(), "Envoy refuses");
    assertStringIncludes(errors.join(), "mcp_bad_");
    assertEquals(await client.toolNames(), ["a_echo"]);
    assertEquals((await client.call("a_echo")).status, 200);
    // And the next good one is taken.
    await started.config.write([{ name: "a", url: server.url, prefix: "c_" }]);
    await eventually(async () =>
      assertEquals(await client.toolNames(), ["c_echo"])
    );
  },
);

proves(
  "With two routers, one that dies costs its calls in flight only",
  async () => {
    await using server = startRawServer();
    await using started = await start(
      [{ name: "a", url: server.url, prefix: "a_" }],
      { routers: 2 },
    );
    const { gateway } = started;
    const client = await RawClient.connect(gateway.url);
    await eventually(async () =>
      assertEquals(await client.toolNames(), ["a_echo"])
    );
    gateway.routers[1]?.kill("SIGKILL");
    await gateway.routers[1]?.ended;
    const statuses: number[] = [];
    for (let i = 0; i < 20; i++) {
      statuses.push(
        (await client.call("a_echo")).status,
      );
    }
    const failed = statuses.filter((status) => status !== 200).length;
    // Envoy finds out once per worker thread, and again when it gives the
    // process another chance.
    assert(failed <= 4, `${failed} of ${statuses.length} calls failed`);
  },
);

proves("A port that is taken is named before anything starts", async () => {
  const { gateway, config } = plain();
  await assertRejects(
    () =>
      startLocalGateway({
        configFile: config.path,
        port: gateway.port,
        log: SILENT,
      }),
    PortTakenError,
    `127.0.0.1:${gateway.port}`,
  );
});

proves(
  "A configuration that is not valid is reported before anything starts",
  async () => {
    const error = await assertRejects(
      () => start([{ name: "a", url: "nowhere" }, { name: "a", url: "x" }]),
      ConfigFileError,
    );
    assert(error.problems.length >= 2, error.message);
  },
);
