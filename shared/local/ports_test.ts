import {
  assert,
  assertEquals,
  assertNotEquals,
  assertThrows,
} from "@std/assert";
import { freePort, isPortFree, releasePort } from "./ports.ts";

Deno.test("isPortFree() tells a port that something listens on", () => {
  const listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  assertEquals(isPortFree(listener.addr.port), false);
  listener.close();
  assertEquals(isPortFree(listener.addr.port), true);
});

Deno.test("freePort() never gives the same port to two owners", () => {
  const first = freePort();
  const again = [first, first, first + 1].map((port) =>
    (port - 20_000) / 12_000
  );
  const second = freePort("127.0.0.1", () => again.shift() ?? 0.5);
  assertNotEquals(second, first);
  releasePort(first);
  releasePort(second);
});

Deno.test("freePort() passes over a port that is taken", () => {
  const taken = freePort();
  using _listener = Deno.listen({ port: taken, hostname: "127.0.0.1" });
  releasePort(taken);
  const draws = [(taken - 20_000 + 0.5) / 12_000];
  const port = freePort("127.0.0.1", () => draws.shift() ?? Math.random());
  assertNotEquals(port, taken);
  assert(port >= 20_000 && port < 32_000, "below the ports of connections");
  releasePort(port);
});

Deno.test("freePort() gives up where every port is taken", () => {
  using listener = Deno.listen({ port: freePort(), hostname: "127.0.0.1" });
  const { port } = listener.addr as Deno.NetAddr;
  assertThrows(
    () => freePort("127.0.0.1", () => (port - 20_000 + 0.5) / 12_000),
    Error,
    "Cannot find a free port",
  );
  releasePort(port);
});
