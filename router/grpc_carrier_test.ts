import { assertEquals } from "@std/assert";
import type { Address } from "../shared/address.ts";
import { type Carrier, carrierOf, type GrpcServer } from "./grpc_carrier.ts";

const tcp = (host: string): Address => ({ kind: "tcp", host, port: 50051 });
const SOCKET: Address = { kind: "unix", path: "/run/router.sock" };

const cases: readonly {
  readonly chosen: GrpcServer;
  readonly address: Address;
  readonly want: Carrier;
}[] = [
  { chosen: "auto", address: SOCKET, want: "own" },
  { chosen: "auto", address: tcp("127.0.0.1"), want: "own" },
  { chosen: "auto", address: tcp("127.1.2.3"), want: "own" },
  { chosen: "auto", address: tcp("::1"), want: "own" },
  { chosen: "auto", address: tcp("localhost"), want: "own" },
  { chosen: "auto", address: tcp("0.0.0.0"), want: "grpc-js" },
  { chosen: "auto", address: tcp("::"), want: "grpc-js" },
  { chosen: "auto", address: tcp("10.0.0.1"), want: "grpc-js" },
  { chosen: "auto", address: tcp("127.0.0.1.example.com"), want: "grpc-js" },
  { chosen: "own", address: tcp("0.0.0.0"), want: "own" },
  { chosen: "grpc-js", address: SOCKET, want: "grpc-js" },
];

for (const { chosen, address, want } of cases) {
  const where = address.kind === "unix" ? address.path : address.host;
  Deno.test(`carrierOf() takes ${want} on ${where} for ${chosen}`, () => {
    assertEquals(carrierOf(address, chosen), want);
  });
}
