import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { SILENT } from "./_testing.ts";
import type { Address } from "./address.ts";
import { type InternalServer, serveInternal } from "./internal_server.ts";
import { awaitReady, readyCommand } from "./ready_command.ts";
import { Metrics } from "./telemetry.ts";

function serve(address: Address, ready: () => boolean): InternalServer {
  return serveInternal({
    address,
    ready: () => ({
      ready: ready(),
      reasons: ready() ? [] : ["draining", "no valid configuration yet"],
    }),
    status: () => ({}),
    metrics: new Metrics(),
    log: SILENT,
  });
}

const ANYWHERE: Address = { kind: "tcp", host: "0.0.0.0", port: 0 };

Deno.test("awaitReady() finds a program that listens everywhere on loopback", async () => {
  const server = serve(ANYWHERE, () => true);
  assertEquals(await awaitReady(server.address, 0), { ready: true });
  await server.close();
});

Deno.test("awaitReady() finds a program on a unix socket", async () => {
  const dir = await Deno.makeTempDir();
  const server = serve({ kind: "unix", path: `${dir}/s.sock` }, () => true);
  assertEquals(await awaitReady(server.address, 0), { ready: true });
  await server.close();
  await Deno.remove(dir, { recursive: true });
});

Deno.test("awaitReady() says every reason why a program is not ready", async () => {
  const server = serve(ANYWHERE, () => false);
  const found = await awaitReady(server.address, 0);
  assert(!found.ready);
  assertStringIncludes(
    found.why,
    "is not ready: draining; no valid configuration yet",
  );
  await server.close();
});

Deno.test("awaitReady() waits until a program is ready", async () => {
  let looks = 0;
  const server = serve(ANYWHERE, () => ++looks > 4);
  assertEquals(await awaitReady(server.address, 20), { ready: true });
  await server.close();
});

Deno.test("ready ends with 1 where nothing listens, and names the address", async () => {
  const server = serve(ANYWHERE, () => true);
  const { address } = server;
  await server.close();
  const found = await awaitReady(address, 0);
  assert(!found.ready);
  assertStringIncludes(found.why, `Cannot ask 0.0.0.0:`);
  assertStringIncludes(found.why, "Remedy: start it, or name its address");
  assert(address.kind === "tcp");
  const command = readyCommand({
    kind: "address",
    default: `127.0.0.1:${address.port}`,
    help: "Where",
  });
  assertEquals(await command.run([], new Map(), "router ready"), 1);
  assertEquals(await command.run(["--nope"], new Map(), "router ready"), 2);
});

Deno.test("awaitReady() is not taken in by somebody else's answer", async () => {
  const other = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    () => new Response("who is there?", { status: 404 }),
  );
  const { port } = other.addr;
  const found = await awaitReady({ kind: "tcp", host: "127.0.0.1", port }, 0);
  assertEquals(found, {
    ready: false,
    why: `127.0.0.1:${port} is not ready: who is there?`,
  });
  await other.shutdown();
});
