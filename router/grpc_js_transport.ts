/**
 * Carries gRPC calls over grpc-js: the transport for Envoys on other machines,
 * which nothing keeps from sending anything.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
// Before grpc-js: see there.
import "./old_http2.ts";
import {
  type handleBidiStreamingCall,
  type MethodDefinition,
  Server,
  ServerCredentials,
  status,
} from "@grpc/grpc-js";
import { CoalescedSocket } from "./coalesced_socket.ts";
import type { AcceptCall } from "./grpc_call.ts";

/** A gRPC server without listeners. */
export interface GrpcJsTransport {
  /** Serves a connection. */
  serve(socket: Socket): void;
  /** Serves a connection that is no socket of Node's. */
  serveAsItIs(connection: Duplex): void;
  /** Says goodbye on all connections; done when they are closed. */
  close(): Promise<void>;
}

const asBytes = (bytes: Uint8Array): Buffer =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Makes the server of some methods, by path: `/service/Method`. */
export function grpcJsTransport(
  methods: ReadonlyMap<string, AcceptCall>,
): GrpcJsTransport {
  const server = new Server({
    // Envoy's own buffers are the limit: a chunk of a server's answer is all
    // that has come meanwhile, and the largest event that is held back with it.
    "grpc.max_receive_message_length": -1,
    "grpc.max_send_message_length": -1,
    // Bookkeeping that nobody reads, at several per cent of the CPU.
    "grpc.enable_channelz": 0,
  });
  for (const [path, accept] of methods) {
    server.addService({ Call: definition(path) }, { Call: handler(accept) });
  }
  const injector = server.createConnectionInjector(
    ServerCredentials.createInsecure(),
  );
  return {
    serve: (socket) => injector.injectConnection(new CoalescedSocket(socket)),
    serveAsItIs: (connection) => injector.injectConnection(connection),
    close: () => new Promise((resolve) => server.tryShutdown(() => resolve())),
  };
}

/** A unary call is a stream of one message each way. */
function definition(path: string): MethodDefinition<Uint8Array, Uint8Array> {
  return {
    path,
    requestStream: true,
    responseStream: true,
    requestSerialize: asBytes,
    requestDeserialize: (bytes) => bytes,
    responseSerialize: asBytes,
    responseDeserialize: (bytes) => bytes,
  };
}

function handler(
  accept: AcceptCall,
): handleBidiStreamingCall<Uint8Array, Uint8Array> {
  return (stream) => {
    const callee = accept({
      // It is not sent, nor copied, before this returns.
      write: (bytes) => stream.write(bytes.slice()),
      end: () => stream.end(),
      fail: () =>
        stream.emit("error", { code: status.INTERNAL, details: "broken off" }),
    });
    // Not by `for await`: leaving that loop destroys the stream before its
    // status is sent.
    stream.on("data", (bytes: Uint8Array) => void callee.message(bytes));
    stream.on("end", () => callee.end());
    stream.on("cancelled", () => callee.cancelled());
  };
}
