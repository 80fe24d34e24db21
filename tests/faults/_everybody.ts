/**
 * Everybody who must not notice that a router or broker is started again:
 * clients of both eras that call, list, come and go, and listen; and how a
 * process is started again as an operator does it.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import type { LocalGatewayOptions } from "../../shared/local/gateway.ts";
import type { LocalProcess } from "../../shared/local/processes.ts";
import { type RawServer, startRawServer } from "../fixtures/raw_server.ts";
import { bearer } from "../support/bearer.ts";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import {
  inSession,
  type MixedClient,
  ModernServer,
  sessionless,
  sessionServer,
} from "../support/mixed_eras.ts";
import { RawClient, type RawReply } from "../support/raw_client.ts";
import { StatelessClient } from "../support/stateless_client.ts";
import { eventually } from "../support/wait.ts";
import {
  type Listening,
  SessionListener,
  StatelessListener,
} from "./_listeners.ts";
import { SteadyLoad } from "./_steady_load.ts";

const SERVERS = ["old", "new"] as const;
const ACTIONS = ["accept", "decline"] as const;
const CAPABILITIES = { elicitation: {} };
/** Clients of each era that listen. */
const LISTENERS = 3;

/** Two routers and two brokers before servers of both eras. */
export interface World {
  /** The gateway. */
  readonly gateway: TestGateway;
  /** A server without a prefix, whose tools change. */
  readonly changing: RawServer;
}

/** Starts them. */
export async function startWorld(
  stack: AsyncDisposableStack,
  local: Partial<LocalGatewayOptions>,
): Promise<World> {
  const old = stack.use(sessionServer());
  const modern = stack.use(new ModernServer());
  const changing = stack.use(
    startRawServer({ name: "changing", pages: [[{ name: "plain" }]] }),
  );
  const gateway = stack.use(
    await startGateway({
      servers: [
        { name: "old", url: old.url, prefix: "old_" },
        { name: "new", url: modern.url, prefix: "new_" },
        { name: "changing", url: changing.url },
      ],
      local: { routers: 2, brokers: 2, drainSeconds: 20, ...local },
    }),
  );
  return { gateway, changing };
}

/** Everybody at once. Disposing of it has them stop. */
export class Everybody implements AsyncDisposable {
  readonly #load: SteadyLoad;
  readonly #listeners: readonly Listening[];
  readonly #changing: RawServer;
  readonly #owned: AsyncDisposable;

  private constructor(
    load: SteadyLoad,
    listeners: readonly Listening[],
    changing: RawServer,
    owned: AsyncDisposable,
  ) {
    this.#load = load;
    this.#listeners = listeners;
    this.#changing = changing;
    this.#owned = owned;
  }

  /** Has them begin, and waits until each has done something. */
  static async begin({ gateway, changing }: World): Promise<Everybody> {
    await using owned = new AsyncDisposableStack();
    const listeners: Listening[] = [];
    for (let n = 0; n < LISTENERS; n++) {
      const client = await gateway.connect();
      const stateless = new StatelessClient(gateway.url);
      listeners.push(
        owned.use(new SessionListener(`session ${n}`, client)),
        owned.use(new StatelessListener(`stateless ${n}`, stateless)),
      );
    }
    const load = await startLoad(gateway);
    owned.defer(() => load.stop());
    await load.goesOn();
    return new Everybody(load, listeners, changing, owned.move());
  }

  /** Adds a tool to those that those who listen have to hear of. */
  changeTools(tool: string): void {
    this.#changing.changeTools([[{ name: "plain" }, { name: tool }]]);
  }

  /** Waits until everybody who listens knows a tool. */
  async know(tool: string): Promise<void> {
    await eventually(() => {
      const unaware = this.#listeners.filter(({ tools }) =>
        !tools.includes(tool)
      );
      assertEquals(unaware.map(({ name }) => name), [], `unaware of ${tool}`);
    });
  }

  /** Has them stop, and holds against us whatever they noticed. */
  async noticedNothing(): Promise<void> {
    await this.#load.goesOn();
    await this.#load.stop();
    assertEquals(this.#load.failures, []);
    assertEquals(this.#listeners.flatMap(({ wrong }) => wrong), []);
  }

  /** Has them stop. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#owned[Symbol.asyncDispose]();
  }
}

/** Ends a process as an operator would, and starts it again. */
export async function restart(process: LocalProcess): Promise<void> {
  const { ended } = process;
  await process.restart();
  const { code, signal } = await ended;
  assertEquals({ code, signal }, { code: 0, signal: null }, process.name);
}

/** A client of each era, the same somebody. */
async function clientsOf(
  { url }: TestGateway,
  name: string,
): Promise<
  { readonly session: MixedClient; readonly stateless: MixedClient }
> {
  const options = { capabilities: CAPABILITIES, headers: bearer(name) };
  return {
    session: inSession(
      `session of ${name}`,
      await RawClient.connect(url, options),
    ),
    stateless: sessionless(
      `sessionless of ${name}`,
      new StatelessClient(url, options),
    ),
  };
}

function wrongUnless(right: boolean, reply: RawReply): string | undefined {
  return right ? undefined : `${reply.status} ${reply.text}`;
}

/** Begins to call, in every way that there is. */
async function startLoad(gateway: TestGateway): Promise<SteadyLoad> {
  const load = new SteadyLoad();
  for (const server of SERVERS) {
    const clients = await clientsOf(gateway, `user of ${server}`);
    for (const [era, client] of Object.entries(clients)) {
      load.add(`${era}: echo at ${server}`, (n) => client.echo(server, n));
      load.add(`${era}: slow at ${server}`, (n) => client.slow(server, n));
      load.add(
        `${era}: ask at ${server}`,
        (n) => client.ask(server, n, ACTIONS[n % 2]!),
      );
    }
  }
  const session = await gateway.connect();
  load.add("session: call without prefix", async () => {
    const reply = await session.call("plain");
    return wrongUnless(reply.message?.result !== undefined, reply);
  });
  load.add("session: list", async () => {
    const reply = await session.request("tools/list");
    const { tools = [] } = reply.message?.result ?? {};
    return wrongUnless(tools.some(({ name }) => name === "plain"), reply);
  });
  load.add("session: begin and end", async () => {
    const client = await gateway.connect();
    const call = await client.call("plain");
    if (call.message?.result === undefined) return wrongUnless(false, call);
    const end = await client.delete();
    return wrongUnless(end.status === 204, end);
  });
  const stateless = new StatelessClient(gateway.url);
  load.add("stateless: discover", async () => {
    const reply = await stateless.request("server/discover");
    return wrongUnless(reply.message?.result !== undefined, reply);
  });
  load.add("stateless: list", async () => {
    const reply = await stateless.request("tools/list");
    const { tools = [] } = reply.message?.result ?? {};
    return wrongUnless(tools.some(({ name }) => name === "plain"), reply);
  });
  return load;
}
