import { Buffer } from "node:buffer";
import { Client, credentials, type ServiceError } from "@grpc/grpc-js";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  ProcessingRequestSchema,
  type ProcessingResponse,
  ProcessingResponseSchema,
} from "../proto/gen/envoy/service/ext_proc/v3/external_processor_pb.ts";
import type { Address } from "../shared/address.ts";
import { createCallsInFlight } from "./calls_in_flight.ts";
import type { ExchangePorts } from "./exchange_ports.ts";
import { session } from "./_testing.ts";
import { RouteTable } from "../shared/routing/route_table.ts";
import type { ExchangeOutcome } from "./process_call.ts";
import { serveProcessor } from "./server.ts";
import { config, server, SILENT } from "../shared/_testing.ts";

const asIs = (bytes: Buffer): Buffer => bytes;
type Init = MessageInitShape<typeof ProcessingRequestSchema>;

function ports(changes: Partial<ExchangePorts> = {}): ExchangePorts {
  const table = new RouteTable(
    config([server("w", { prefix: "w_" })]),
    undefined,
  );
  const never = () => Promise.reject(new Error("not part of this test"));
  return {
    table: () => table,
    settings: {
      path: "/mcp",
      maxBodyBytes: 1000,
      steering: "hostname",
      allowedOrigins: [],
      allowedHosts: [],
      identityHeader: undefined,
    },
    identify: () => "",
    signCaller: () => "signed",
    verify: never,
    deadline: () => ({ left: () => 1000 }),
    open: never,
    backendWith: never,
    subscribe: never,
    unsubscribe: never,
    forget: never,
    knows: never,
    callHeaders: never,
    run: never,
    calls: createCallsInFlight(1),
    relays: createCallsInFlight(1),
    mayLetGo: () => true,
    log: SILENT,
    ...changes,
  };
}

/** Opens a stream as Envoy does, and answers phase by phase. */
function connect(address: Address) {
  const target = address.kind === "unix"
    ? `unix:${address.path}`
    : `127.0.0.1:${address.port}`;
  const client = new Client(target, credentials.createInsecure());
  const stream = client.makeBidiStreamRequest(
    "/envoy.service.ext_proc.v3.ExternalProcessor/Process",
    asIs,
    asIs,
  );
  const answers = stream[Symbol.asyncIterator]();
  return {
    client,
    stream,
    answers,
    raw: async (bytes: Uint8Array): Promise<ProcessingResponse> => {
      stream.write(Buffer.from(bytes));
      const { value, done } = await answers.next();
      assert(!done, "the stream ended in good order");
      return fromBinary(ProcessingResponseSchema, value);
    },
    ask(init: Init): Promise<ProcessingResponse> {
      return this.raw(
        toBinary(
          ProcessingRequestSchema,
          create(ProcessingRequestSchema, init),
        ),
      );
    },
    /** Half-closes and waits for the other half. */
    async end(): Promise<void> {
      stream.end();
      const { done } = await answers.next();
      assertEquals(done, true);
      client.close();
    },
  };
}

function requestHeaders(
  method: string,
  path: string,
  contentType = "",
): Init {
  const entries = [
    [":method", method],
    [":path", path],
    ["content-type", contentType],
  ] as const;
  return {
    request: {
      case: "requestHeaders",
      value: {
        headers: { headers: entries.map(([key, value]) => ({ key, value })) },
      },
    },
  };
}

/** By where it listens: to this machine only, or to others too. */
const TRANSPORTS: readonly (readonly [string, Address])[] = [
  ["our own HTTP/2", { kind: "tcp", host: "127.0.0.1", port: 0 }],
  ["grpc-js", { kind: "tcp", host: "0.0.0.0", port: 0 }],
];

async function start(
  address: Address,
  changes: Partial<ExchangePorts> = {},
  ready = true,
) {
  const outcomes: ExchangeOutcome[] = [];
  const processor = await serveProcessor({
    addresses: [address],
    ports: ports(changes),
    ready: () => ready,
    onExchange: (outcome) => outcomes.push(outcome),
    log: SILENT,
  });
  const [bound] = processor.addresses;
  assert(bound !== undefined);
  return { processor, bound, outcomes };
}

Deno.test("serveProcessor() answers Envoy over a unix socket", async () => {
  const dir = await Deno.makeTempDir();
  const address: Address = { kind: "unix", path: `${dir}/router.sock` };
  const { processor, bound, outcomes } = await start(address);
  const envoy = connect(bound);
  const answer = await envoy.ask(requestHeaders("GET", "/mcp"));
  assertEquals(answer.response.case, "requestHeaders");
  await envoy.end();
  await processor.close();
  assertEquals(outcomes.map((o) => o.outcome), ["continue"]);
  await Deno.remove(dir, { recursive: true });
});

Deno.test("serveProcessor() takes over a socket that a killed router left", async () => {
  const dir = await Deno.makeTempDir();
  const path = `${dir}/router.sock`;
  await Deno.writeTextFile(path, "");
  const { processor, bound } = await start({ kind: "unix", path });
  const envoy = connect(bound);
  await envoy.ask(requestHeaders("GET", "/other"));
  await envoy.end();
  await processor.close();
  await Deno.remove(dir, { recursive: true });
});

for (const [transport, address] of TRANSPORTS) {
  for (
    const { name, send } of [
      {
        name: "bytes that are no message",
        send: (envoy: ReturnType<typeof connect>) =>
          envoy.raw(new Uint8Array([0xff, 0xff])),
      },
      {
        name: "a phase it does not process",
        send: (envoy: ReturnType<typeof connect>) =>
          envoy.ask({ request: { case: "responseTrailers", value: {} } }),
      },
    ]
  ) {
    Deno.test(`serveProcessor() fails the stream on ${name}, so that Envoy fails the request (${transport})`, async () => {
      const { processor, bound, outcomes } = await start(address);
      const envoy = connect(bound);
      const error = await assertRejects(() => send(envoy), Error);
      assertEquals((error as ServiceError).code, 13);
      envoy.client.close();
      await processor.close();
      assertEquals(outcomes.map((o) => o.outcome), ["aborted"]);
    });
  }

  Deno.test(`serveProcessor() lets no trailer of a request go on (${transport})`, async () => {
    const { processor, bound } = await start(address);
    const envoy = connect(bound);
    const names = ["x-mcp-tool", "authorization"];
    const { response } = await envoy.ask({
      request: {
        case: "requestTrailers",
        value: { trailers: { headers: names.map((key) => ({ key })) } },
      },
    });
    assert(response.case === "requestTrailers");
    assertEquals(response.value.headerMutation?.removeHeaders, names);
    await envoy.end();
    await processor.close();
  });

  Deno.test(`serveProcessor() answers 500 where an exchange throws (${transport})`, async () => {
    const { processor, bound } = await start(address, {
      identify: () => {
        throw new Error("a defect");
      },
    });
    const envoy = connect(bound);
    const { response } = await envoy.ask(requestHeaders("GET", "/mcp"));
    assert(response.case === "immediateResponse");
    assertEquals(response.value.status?.code, 500);
    await envoy.end();
    await processor.close();
  });

  for (const [ready, want] of [[true, [8, 1]], [false, [8, 2]]] as const) {
    Deno.test(`serveProcessor() tells health checks that ready is ${ready} (${transport})`, async () => {
      const { processor, bound } = await start(address, {}, ready);
      assert(bound.kind === "tcp");
      const client = new Client(
        `127.0.0.1:${bound.port}`,
        credentials.createInsecure(),
      );
      const answer = await new Promise<Buffer | undefined>((resolve, reject) =>
        client.makeUnaryRequest(
          "/grpc.health.v1.Health/Check",
          asIs,
          asIs,
          Buffer.alloc(0),
          (error, value) => error ? reject(error) : resolve(value),
        )
      );
      assertEquals([...answer ?? []], [...want]);
      client.close();
      await processor.close();
    });
  }

  Deno.test(`Processor.close() lets an exchange under way finish (${transport})`, async () => {
    const { processor, bound, outcomes } = await start(address);
    const envoy = connect(bound);
    await envoy.ask(requestHeaders("POST", "/mcp", "application/json"));
    const closed = processor.close();
    assertEquals(processor.active, 1);
    const { response } = await envoy.ask({
      request: { case: "requestBody", value: { body: Buffer.from("{") } },
    });
    assertEquals(response.case, "immediateResponse");
    await envoy.end();
    await closed;
    assertEquals(outcomes.map((o) => o.outcome), ["mcp_parse_error"]);
  });

  Deno.test(`Processor.close() lets an exchange go of which only the stream to a client goes on (${transport})`, async () => {
    const { processor, bound, outcomes } = await start(address, {
      verify: () => Promise.resolve(session),
    });
    const envoy = connect(bound);
    await envoy.ask(requestHeaders("POST", "/mcp", "application/json"));
    await envoy.ask({
      request: {
        case: "requestBody",
        value: {
          body: Buffer.from('{"jsonrpc":"2.0","id":1,"method":"ping"}'),
        },
      },
    });
    const closed = processor.close();
    const { response } = await envoy.ask({
      request: {
        case: "responseHeaders",
        value: { headers: { headers: [{ key: ":status", value: "200" }] } },
      },
    });
    assertEquals(response.case, "responseHeaders");
    // Envoy would keep it until the client's stream ends.
    const { done } = await envoy.answers.next();
    assertEquals(done, true);
    envoy.client.close();
    await closed;
    assertEquals(outcomes.map((o) => [o.outcome, o.reset]), [[
      "continue",
      false,
    ]]);
  });

  Deno.test(`serveProcessor() lets Envoy go in good order, answered to the last chunk (${transport})`, async () => {
    const { processor, bound, outcomes } = await start(address, {
      verify: () => Promise.resolve(session),
      callHeaders: () => Promise.resolve([]),
      open: () => Promise.resolve({ id: "b", revision: "2025-11-25" }),
    });
    const envoy = connect(bound);
    await envoy.ask(requestHeaders("POST", "/mcp", "application/json"));
    await envoy.ask({
      request: {
        case: "requestBody",
        value: {
          body: Buffer.from(
            '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"w_t"}}',
          ),
        },
      },
    });
    const head = [[":status", "200"], ["content-type", "text/event-stream"]];
    const { modeOverride } = await envoy.ask({
      request: {
        case: "responseHeaders",
        value: {
          headers: {
            headers: head.map(([key, value]) => ({ key: key!, value: value! })),
          },
        },
      },
    });
    assertEquals(modeOverride?.responseBodyMode, 1);
    const { response } = await envoy.ask({
      request: {
        case: "responseBody",
        value: { body: Buffer.from("data: {}\n\n") },
      },
    });
    assertEquals(response.case, "responseBody");
    await envoy.end();
    await processor.close();
    assertEquals(outcomes.map((o) => [o.outcome, o.reset]), [[
      "continue",
      false,
    ]]);
  });
}
