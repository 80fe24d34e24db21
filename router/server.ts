/**
 * The gRPC edge: serves Envoy's `ExternalProcessor.Process` and
 * `grpc.health.v1.Health` over TCP and unix sockets. Knows bytes and streams;
 * what they mean is `exchange.ts`'s business.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { createServer, type Server as NetServer, type Socket } from "node:net";
// Before grpc-js: see there.
import { listenNatively, NATIVE_ONLY } from "./old_http2.ts";
import {
  type handleBidiStreamingCall,
  type handleUnaryCall,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  status,
} from "@grpc/grpc-js";
import type { Logger } from "../shared/log.ts";
import type { Address } from "../shared/address.ts";
import { CoalescedSocket } from "./coalesced_socket.ts";
import { Exchange } from "./exchange.ts";
import type { ExchangePorts } from "./exchange_ports.ts";
import { refusal } from "./reply.ts";
import type { Answer } from "./answer.ts";
import { readPhase } from "./wire/read_phase.ts";
import { dropTrailers, writeAnswer } from "./wire/write_answer.ts";

/** What the server needs. */
export interface ProcessorOptions {
  /** Where to listen; at least one. */
  readonly addresses: readonly Address[];
  /** What every exchange works with. */
  readonly ports: ExchangePorts;
  /** Whether health checks shall succeed. */
  readonly ready: () => boolean;
  /** Called once per exchange, when it is over. */
  readonly onExchange?: (outcome: ExchangeOutcome) => void;
  /** Log of the edge. */
  readonly log: Logger;
}

/** How an exchange ended, for metrics. */
export interface ExchangeOutcome {
  /** `continue`, the details of our own reply, or `aborted`. */
  readonly outcome: string;
  /** Envoy reset the stream instead of closing it. */
  readonly reset: boolean;
  /** From its first message to its last answer, milliseconds. */
  readonly durationMs: number;
}

/** A running server. */
export interface Processor {
  /** Addresses it listens on, ports filled in. */
  readonly addresses: readonly Address[];
  /** Number of exchanges under way. */
  readonly active: number;
  /**
   * Ends: takes no more connections, lets the exchanges under way finish. Takes
   * as long as these do: what limits the wait is the caller's business.
   */
  close(): Promise<void>;
}

const PROCESS_PATH = "/envoy.service.ext_proc.v3.ExternalProcessor/Process";
const HEALTH_PATH = "/grpc.health.v1.Health/Check";
/** HealthCheckResponse{status: SERVING} and {status: NOT_SERVING}. */
const SERVING = new Uint8Array([0x08, 0x01]);
const NOT_SERVING = new Uint8Array([0x08, 0x02]);

const asBytes = (bytes: Uint8Array): Buffer =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/**
 * Starts serving.
 *
 * @throws {Error} If an address cannot be listened on.
 */
export async function serveProcessor(
  options: ProcessorOptions,
): Promise<Processor> {
  const { log } = options;
  const server = new Server({
    // Envoy's own buffers are the limit: a chunk of a server's answer is all
    // that has come meanwhile, and the largest event that is held back with it.
    "grpc.max_receive_message_length": -1,
    "grpc.max_send_message_length": -1,
    // Bookkeeping that nobody reads, at several per cent of the CPU.
    "grpc.enable_channelz": 0,
  });
  const streams = new Set<ServerDuplexStream<Uint8Array, Uint8Array>>();
  let whenIdle: (() => void) | undefined;
  const process: handleBidiStreamingCall<Uint8Array, Uint8Array> = (stream) => {
    streams.add(stream);
    void serveStream(stream, options).finally(() => {
      streams.delete(stream);
      if (streams.size === 0) whenIdle?.();
    });
  };
  const check: handleUnaryCall<Uint8Array, Uint8Array> = (_call, answer) => {
    answer(null, options.ready() ? SERVING : NOT_SERVING);
  };
  const codec = {
    requestSerialize: asBytes,
    requestDeserialize: (bytes: Buffer) => bytes,
    responseSerialize: asBytes,
    responseDeserialize: (bytes: Buffer) => bytes,
  };
  server.addService({
    Process: {
      path: PROCESS_PATH,
      requestStream: true,
      responseStream: true,
      ...codec,
    },
  }, { Process: process });
  server.addService({
    Check: {
      path: HEALTH_PATH,
      requestStream: false,
      responseStream: false,
      ...codec,
    },
  }, { Check: check });

  const injector = server.createConnectionInjector(
    ServerCredentials.createInsecure(),
  );
  const sockets = new Set<Socket>();
  const listeners: { close(): void }[] = [];
  const addresses: Address[] = [];
  for (const address of options.addresses) {
    if (address.kind === "unix") {
      // A socket that a killed predecessor left behind would refuse us.
      await Deno.remove(address.path).catch(() => {});
    }
    if (NATIVE_ONLY) {
      const native = listenNatively(
        address,
        (connection) => injector.injectConnection(connection),
      );
      listeners.push(native);
      addresses.push(native.address);
      continue;
    }
    const listener = createServer((socket) => {
      sockets.add(socket);
      socket.on("close", () => sockets.delete(socket));
      injector.injectConnection(new CoalescedSocket(socket));
    });
    listeners.push(listener);
    addresses.push(await listen(listener, address));
  }
  log.debug("grpc server up", { addresses: addresses.length });

  return {
    addresses,
    get active() {
      return streams.size;
    },
    async close() {
      for (const listener of listeners) listener.close();
      // First the exchanges, then the connections: closing a connection resets
      // the streams on it now and then (node:http2 in Deno), and exchanges that
      // Envoy still begins on it are as good as any.
      await new Promise<void>((resolve) => {
        whenIdle = resolve;
        if (streams.size === 0) resolve();
      });
      await new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
      for (const socket of sockets) socket.destroy();
    },
  };
}

async function listen(
  listener: NetServer,
  address: Address,
): Promise<Address> {
  await new Promise<void>((resolve, reject) => {
    listener.once("error", reject);
    listener.listen(
      address.kind === "unix"
        ? { path: address.path }
        : { host: address.host, port: address.port },
      () => resolve(),
    );
  });
  const bound = listener.address();
  return address.kind === "tcp" && bound !== null && typeof bound === "object"
    ? { ...address, port: bound.port }
    : address;
}

/**
 * Serves one stream, one exchange: answers come in the order of questions.
 * Resolves when the stream is over. (Not by `for await`: leaving that loop
 * destroys the stream before its status is sent.)
 */
function serveStream(
  stream: ServerDuplexStream<Uint8Array, Uint8Array>,
  { ports, log, onExchange }: ProcessorOptions,
): Promise<void> {
  const started = performance.now();
  const exchange = new Exchange(ports);
  const over = Promise.withResolvers<void>();
  let outcome = "continue";
  let finished = false;
  let reset = false;
  let last: Promise<void> = Promise.resolve();
  const finish = () => {
    if (finished) return;
    finished = true;
    exchange.close();
    onExchange?.({ outcome, reset, durationMs: performance.now() - started });
    over.resolve();
  };
  const abort = (error: unknown) => {
    if (finished) return;
    outcome = "aborted";
    log.error("exchange broken off", { error });
    // Ending the stream in good order would let the request pass unseen.
    stream.emit("error", { code: status.INTERNAL, details: "broken off" });
    finish();
  };
  stream.on("data", (bytes: Uint8Array) => {
    last = last.then(async () => {
      if (finished) return;
      const answered = await answerPhase(exchange, bytes, log);
      if (answered.details !== undefined) outcome = answered.details;
      stream.write(answered.bytes);
      if (!answered.letGo) return;
      // Envoy passes on what it has sent us meanwhile, and all that follows.
      stream.end();
      finish();
    }).catch(abort);
  });
  stream.on("end", () => {
    void last.then(() => {
      if (!finished) stream.end();
      finish();
    });
  });
  // Envoy gave the exchange up: its client went away, or its time was over.
  // Or it ends every stream like that: see reset_watch.ts.
  stream.on("cancelled", () => {
    reset = true;
    if (outcome === "continue") outcome = "aborted";
    finish();
  });
  return over.promise;
}

async function answerPhase(
  exchange: Exchange,
  bytes: Uint8Array,
  log: Logger,
): Promise<{ bytes: Uint8Array; details?: string; letGo?: boolean }> {
  const phase = readPhase(bytes);
  if (phase.kind === "request trailers") {
    return { bytes: dropTrailers(phase.names) };
  }
  if (phase.kind === "unexpected") {
    throw new Error(
      `Cannot process ${phase.name}: set its processing mode in Envoy's ` +
        "ext_proc filter to SKIP or NONE",
    );
  }
  let answer: Answer;
  try {
    switch (phase.kind) {
      case "request headers":
        answer = await exchange.requestHeaders(phase.head);
        break;
      case "request body":
        answer = await exchange.requestBody(phase.bytes);
        break;
      case "response headers":
        answer = await exchange.responseHeaders(phase.head);
        break;
      case "response body":
        answer = exchange.responseBody(phase.bytes, phase.end);
        break;
      default:
        return phase satisfies never;
    }
  } catch (error) {
    log.error("exchange failed", { phase: phase.kind, error });
    answer = refusal({ kind: "internal error" }, null);
  }
  return {
    bytes: writeAnswer(phase.kind, answer),
    ...(answer.kind === "reply"
      ? { details: answer.details }
      : { letGo: answer.letGo ?? false }),
  };
}
