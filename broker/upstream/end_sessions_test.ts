import { assertEquals } from "@std/assert";
import type { ServerConfig } from "../../shared/config/model.ts";
import { server as serverConfig } from "../../shared/_testing.ts";
import { recorder } from "../_testing/recorder.ts";
import { SessionEnder } from "./end_sessions.ts";

interface Ended {
  readonly server: string;
  readonly method: string | undefined;
  readonly headers: Record<string, string>;
}

function ender(fetch?: (server: ServerConfig) => Promise<Response>) {
  const ended: Ended[] = [];
  const log = recorder();
  const sessions = new SessionEnder({
    fetch: (server, init) => {
      ended.push({
        server: server.name,
        method: init.method,
        headers: Object.fromEntries(new Headers(init.headers)),
      });
      return fetch?.(server) ?? Promise.resolve(new Response());
    },
    headers: (server) => Promise.resolve([["x-key", server.name]]),
    timeoutMs: 1_000,
    log,
  });
  return { sessions, ended, log };
}

const backend = (name: string, id?: string, fingerprint = `${name}-1`) => ({
  server: { name, fingerprint },
  backend: { ...(id === undefined ? {} : { id }), revision: "2025-06-18" },
});

Deno.test("sessions end at their servers, with what a call would carry", async () => {
  const { sessions, ended } = ender();
  sessions.end(
    [
      backend("open", "1"),
      backend("closed", "2"),
      backend("stateless"),
      backend("gone", "3"),
      backend("moved", "4", "moved-0"),
    ],
    [
      serverConfig("open", { passthrough: true }),
      serverConfig("closed"),
      serverConfig("stateless"),
      serverConfig("moved"),
    ],
    "Bearer client",
  );
  await sessions.finish();
  const common = { "mcp-protocol-version": "2025-06-18" };
  assertEquals(ended, [
    {
      server: "open",
      method: "DELETE",
      headers: {
        ...common,
        authorization: "Bearer client",
        "mcp-session-id": "1",
        "x-key": "open",
      },
    },
    {
      server: "closed",
      method: "DELETE",
      headers: { ...common, "mcp-session-id": "2", "x-key": "closed" },
    },
  ]);
});

Deno.test("a few sessions end at once, and a failure stops none of the others", async () => {
  let running = 0;
  let most = 0;
  const { sessions, ended, log } = ender(async ({ name }) => {
    most = Math.max(most, ++running);
    await Promise.resolve();
    running--;
    if (name === "s3") throw new Error("down");
    return new Response();
  });
  const names = Array.from({ length: 50 }, (_, i) => `s${i}`);
  sessions.end(
    names.map((name) => backend(name, "x")),
    names.map((name) => serverConfig(name)),
    undefined,
  );
  await sessions.finish();
  assertEquals(ended.length, 50);
  assertEquals(most, 8);
  assertEquals(log.records.map(({ fields }) => fields["server"]), ["s3"]);
});

Deno.test("more sessions than may wait are left to their servers", async () => {
  const { sessions, ended, log } = ender();
  const many = Array.from({ length: 3_000 }, () => backend("s", "x"));
  sessions.end(many, [serverConfig("s")], undefined);
  await sessions.finish();
  assertEquals(ended.length, 1_000);
  assertEquals(log.records.map(({ level }) => level), ["warn"]);
});
