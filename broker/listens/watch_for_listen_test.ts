import { assertEquals } from "@std/assert";
import { config, server, SILENT } from "../../shared/_testing.ts";
import type { Catalog } from "../../shared/catalog.ts";
import { RouteTable } from "../../shared/routing/route_table.ts";
import type { Wait } from "../../shared/wait_on_timer.ts";
import type {
  ResourceWatch,
  WatchResources,
} from "../era_bridge/watch_resources.ts";
import { Listener } from "./_testing.ts";
import { Listen } from "./listen.ts";
import { watchForListen } from "./watch_for_listen.ts";

const CONFIG = config([
  server("old", { era: "session" }),
  server("new", { era: "stateless" }),
  server("slow", { era: "stateless" }),
  server("unknown"),
], [{ name: "team/v", tools: [], prompts: [] }]);

const CATALOG: Catalog = {
  version: "1",
  config: "c",
  complete: true,
  urisComplete: true,
  servers: [],
  tools: {},
  prompts: {},
  resources: Object.fromEntries(
    ["old:1", "old:2", "new:1", "slow:1", "unknown:1"].map((uri) => [
      uri,
      { server: uri.split(":")[0]!, name: uri },
    ]),
  ),
  templates: [{ server: "new", uriTemplate: "new:{id}" }],
};

const TABLE = new RouteTable(CONFIG, CATALOG);

/** Servers that agree to watch all but some. */
class Servers {
  readonly watches: ResourceWatch[] = [];
  readonly watch: WatchResources = (watch) => {
    this.watches.push(watch);
    if (watch.server.name === "slow") return new Promise(() => {});
    return Promise.resolve(watch.uris.filter((uri) => uri !== "old:2"));
  };
  readonly broken: WatchResources = () => Promise.reject(new Error("down"));
}

function open(view = ""): Listen {
  return new Listen({
    id: "1",
    owner: { identity: "alice", caller: "c", view },
    lists: [],
    serverMeta: { v: 1 },
    limits: { queueEvents: 8, queueBytes: 10_000, keepAliveMs: 60_000 },
    onClose: () => {},
    onMessage: () => {},
  });
}

/** No patience left at once. */
const AT_ONCE: Wait = () => Promise.resolve();
/** Patience until nobody is interested any more. */
const PATIENT: Wait = (_, signal) =>
  new Promise((resolve) =>
    signal.addEventListener("abort", () => resolve(), { once: true })
  );

function watching(
  listen: Listen,
  uris: readonly string[],
  servers: Servers,
  given: { wait?: Wait; session?: WatchResources | null } = {},
): Promise<readonly string[]> {
  const { wait = PATIENT, session = servers.watch } = given;
  return watchForListen(listen, uris, TABLE, "Bearer t", {
    watches: {
      stateless: servers.watch,
      ...(session === null ? {} : { session }),
    },
    patienceMs: 1_000,
    wait,
    log: SILENT,
  });
}

Deno.test("what servers agree to is granted, in the order asked for", async () => {
  const servers = new Servers();
  const listen = open();
  const granted = await watching(
    listen,
    ["none:1", "new:7", "old:1", "new:1", "old:2", "unknown:1"],
    servers,
  );
  assertEquals(granted, ["new:7", "old:1", "new:1"]);
  assertEquals(
    servers.watches.map(({ server, uris, identity, authorization }) =>
      [server.name, uris.join(), identity, authorization].join(" ")
    ),
    ["new new:7,new:1 alice Bearer t", "old old:1,old:2 alice Bearer t"],
  );
  await listen.body.cancel();
  assertEquals(servers.watches.map(({ signal }) => signal.aborted), [
    true,
    true,
  ]);
});

Deno.test("a server that is late is neither granted nor waited for", async () => {
  const servers = new Servers();
  const listen = open();
  const granted = await watching(listen, ["slow:1"], servers, {
    wait: AT_ONCE,
  });
  assertEquals(granted, []);
  assertEquals(servers.watches.map(({ signal }) => signal.aborted), [true]);
  await listen.body.cancel();
});

Deno.test("a server that fails costs only its own resources", async () => {
  const servers = new Servers();
  const listen = open();
  assertEquals(
    await watching(listen, ["old:1", "new:1"], servers, {
      session: servers.broken,
    }),
    ["new:1"],
  );
  await listen.body.cancel();
});

Deno.test("an era that nobody watches grants nothing", async () => {
  const servers = new Servers();
  const listen = open();
  assertEquals(
    await watching(listen, ["old:1"], servers, { session: null }),
    [],
  );
  assertEquals(servers.watches, []);
  await listen.body.cancel();
});

Deno.test("a virtual server shows no resources, so none is granted", async () => {
  const servers = new Servers();
  const listen = open("team/v");
  assertEquals(await watching(listen, ["new:1"], servers), []);
  await listen.body.cancel();
});

Deno.test("what a server tells goes to the stream, before and behind its acknowledgement", async () => {
  const servers = new Servers();
  const listen = open();
  const listener = new Listener(listen.body);
  const granting = watching(listen, ["new:1"], servers);
  const told = () =>
    servers.watches[0]!.onUpdated(new TextEncoder().encode('{"uri":"new:1"}'));
  told();
  listen.acknowledge(await granting);
  await listener.come(2);
  told();
  await listener.come(3);
  assertEquals(listener.methods, [
    "subscriptions/acknowledged",
    "resources/updated",
    "resources/updated",
  ]);
  assertEquals(listen.resources, 1);
  listener.leave();
});
