import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { ToolListChangedNotificationSchema } from "@modelcontextprotocol/sdk/types.js";
import { environmentNames } from "../shared/options.ts";
import { BROKER_OPTIONS } from "./options.ts";
import { startSdkServer } from "./_testing/sdk_server.ts";
import { enveloped } from "./_testing/front.ts";
import { until } from "./_testing/until.ts";

/** A broker in a process of its own, with no more than the permissions it needs. */
class BrokerProcess implements AsyncDisposable {
  readonly records: Record<string, unknown>[] = [];
  readonly directory: string;
  readonly #child: Deno.ChildProcess;
  readonly #reading: Promise<void>;

  constructor(config: string) {
    this.directory = Deno.makeTempDirSync();
    Deno.mkdirSync(`${this.directory}/config`);
    Deno.mkdirSync(`${this.directory}/state`);
    Deno.mkdirSync(`${this.directory}/secrets`);
    this.configure(config);
    const at = (name: string) => `${this.directory}/${name}`;
    this.#child = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--no-prompt",
        "--allow-net",
        `--allow-read=${this.directory}`,
        `--allow-write=${at("state")}`,
        // The last two are looked at by the YAML parser.
        `--allow-env=${[
          ...environmentNames(BROKER_OPTIONS),
          "LOG_TOKENS",
          "LOG_STREAM",
        ]}`,
        new URL("./main.ts", import.meta.url).pathname,
        ...["--config", at("config/config.yaml")],
        ...["--secrets-dir", at("secrets")],
        ...["--state-dir", at("state")],
        ...["--listen", "127.0.0.1:0"],
        ...["--internal-listen", "127.0.0.1:0"],
        ...["--drain-delay-seconds", "1"],
      ],
      stdout: "null",
      stderr: "piped",
    }).spawn();
    this.#reading = this.#read();
  }

  async #read(): Promise<void> {
    let rest = "";
    const text = this.#child.stderr.pipeThrough(new TextDecoderStream());
    for await (const chunk of text) {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop()!;
      for (const line of lines) {
        this.records.push(
          line.startsWith("{") ? JSON.parse(line) : { message: line },
        );
      }
    }
  }

  configure(config: string): void {
    const file = `${this.directory}/config/config.yaml`;
    Deno.writeTextFileSync(`${file}.new`, config);
    Deno.renameSync(`${file}.new`, file);
  }

  async #address(listener: string): Promise<string> {
    const find = () => this.records.find((one) => one["listener"] === listener);
    await until(
      () => find() !== undefined,
      `${listener} listens; said ${JSON.stringify(this.records)}`,
      30_000,
    );
    return `http://${find()!["address"]}`;
  }

  async endpoint(): Promise<URL> {
    return new URL("/mcp", await this.#address("mcp"));
  }

  async internal(path: string): Promise<Response> {
    return await fetch(new URL(path, await this.#address("internal")));
  }

  async ready(): Promise<void> {
    await until(async () => {
      const response = await this.internal("/readyz");
      await response.body?.cancel();
      return response.ok;
    }, "broker is ready");
  }

  async stop(): Promise<number> {
    this.#child.kill("SIGTERM");
    const { code } = await this.#child.status;
    await this.#reading;
    return code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended already.
    }
    await this.#child.status;
    await this.#reading;
    await Deno.remove(this.directory, { recursive: true });
  }
}

const INITIALIZE =
  '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}';

Deno.test("a broker process serves the SDK's client, from first to last", async () => {
  await using one = startSdkServer(["now", "today"]);
  await using two = startSdkServer(["plain"]);
  const config = (names: Record<string, { url: string; prefix: string }>) =>
    JSON.stringify({
      servers: Object.entries(names).map(([name, { url, prefix }]) => ({
        name,
        url,
        ...(prefix === "" ? {} : { prefix }),
      })),
    });
  const first = { clock: { url: one.url, prefix: "clock_" } };
  const second = { ...first, two: { url: two.url, prefix: "" } };
  await using broker = new BrokerProcess(config(first));
  await broker.ready();

  const transport = new StreamableHTTPClientTransport(await broker.endpoint());
  const client = new Client({ name: "test", version: "1" });
  let told = 0;
  client.setNotificationHandler(ToolListChangedNotificationSchema, () => {
    told++;
  });
  // deno-lint-ignore no-explicit-any -- the SDK's types are not exact about undefined
  await client.connect(transport as any);
  const names = async () =>
    (await client.listTools()).tools.map((tool: { name: string }) => tool.name);

  assertEquals(client.getServerVersion()?.name, "mcp-gateway");
  assertEquals(await names(), ["clock_now", "clock_today"]);
  await client.ping();
  await until(
    async () => {
      const response = await broker.internal("/metrics");
      return (await response.text()).includes("mcp_gateway_client_streams 1");
    },
    "the client's stream is open",
  );

  await one.setTools(["now"]);
  await until(() => told === 1, "the client hears of the server's change");
  assertEquals(await names(), ["clock_now"]);

  broker.configure(config(second));
  await until(
    async () => (await names()).includes("plain"),
    "the client sees the added server's tool",
  );
  await until(() => told === 2, "the client hears of the added server");

  broker.configure("servers: [");
  await until(async () => {
    const status = await (await broker.internal("/status")).json();
    return status.configProblems.length > 0;
  }, "the broken configuration is reported");
  assertEquals(await names(), ["clock_now", "plain"]);

  broker.configure(config({ two: second.two }));
  await until(
    async () => (await names()).join() === "plain",
    "the removed server's tool is gone",
  );
  await until(() => one.sessions.size === 0, "the removed server is left");
  assertEquals(told, 3);

  const sessionId = transport.sessionId!;
  await transport.terminateSession();
  const late = await fetch(await broker.endpoint(), {
    method: "POST",
    headers: {
      "content-type": "application/json",
      "mcp-session-id": sessionId,
    },
    body: '{"jsonrpc":"2.0","id":1,"method":"ping"}',
  });
  assertEquals(late.status, 404);
  await late.body?.cancel();
  await client.close();

  const status = await (await broker.internal("/status")).json();
  assertEquals(status.ready, true);
  assertEquals(status.servers.length, 1);
  assertEquals(status.servers[0].state, "ready");
  assertEquals(status.servers[0].serverInfo, { name: "sdk", version: "1.2.3" });
  const catalog = await (await broker.internal("/catalog")).json();
  assertEquals(catalog.tools, { plain: { server: "two", name: "plain" } });
  assertEquals(catalog.complete, true);

  const initialized = await fetch(await broker.endpoint(), {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: INITIALIZE,
  });
  await initialized.body?.cancel();
  const stream = await fetch(await broker.endpoint(), {
    headers: {
      accept: "text/event-stream",
      "mcp-session-id": initialized.headers.get("mcp-session-id")!,
    },
  });
  assertEquals(stream.status, 200);
  const { body, headers } = enveloped("subscriptions/listen", {
    notifications: {},
  });
  const listening = await fetch(await broker.endpoint(), {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body,
  });
  assertEquals(listening.status, 200);
  const readiness = new URL("/readyz", await broker.endpoint());
  assertEquals((await fetch(readiness)).status, 200);
  const stopped = broker.stop();
  await until(async () => (await fetch(readiness)).status === 503, "not ready");
  // Who does not know that yet is served all the same.
  const another = await fetch(await broker.endpoint(), {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: INITIALIZE,
  });
  await another.body?.cancel();
  assertEquals(another.status, 200);
  assertEquals(await stopped, 0);
  // An orderly end, so that the client comes back to another broker.
  assertStringIncludes(await stream.text(), "retry: ");
  assertStringIncludes(await listening.text(), '"resultType":"complete"');
  await until(() => two.sessions.size === 0, "the broker left its server");
  const said = JSON.stringify(broker.records);
  assertStringIncludes(said, "stopped");
  assert(!said.includes(sessionId), "a session id is in the log");
});
