import { assert, assertEquals, assertLess, assertRejects } from "@std/assert";
import { GatewayError } from "../../shared/errors.ts";
import { delay } from "../../shared/wait.ts";
import type {
  BackendServer,
  BackendSession,
  ClientSession,
  Sessions,
} from "../../shared/sessions/sessions.ts";
import { eventually } from "../support/wait.ts";
import { proves, REQUEST, World } from "./_redis_world.ts";

/** Longer than by default: what is tested is not how fast this machine is. */
const TIMEOUT_MS = 300;
const RECOVERY_MS = 2_000;
const CLIENTS = 8;

const SERVERS: readonly BackendServer[] = ["one", "two", "three"].map((
  name,
) => ({
  name,
  fingerprint: "f",
}));

/** Servers that know which of their sessions are open, and whose they are. */
class Upstream {
  readonly #open = new Map<string, string>();
  #count = 0;
  /** Handshakes that are under way. */
  opening = 0;

  /** A handshake, during which other things happen. */
  async open(owner: string): Promise<BackendSession> {
    // Some end before a timeout is noticed, others when all know of it.
    await delay(50 + 60 * (this.opening++ % 8));
    this.opening--;
    const id = `backend ${++this.#count}`;
    this.#open.set(id, owner);
    return { id, revision: "2025-11-25" };
  }

  close(backend: BackendSession): void {
    this.#open.delete(backend.id ?? "");
  }

  /** Answers a call; undefined where the session is not known: a 404. */
  ownerOf(backend: BackendSession): string | undefined {
    return this.#open.get(backend.id ?? "");
  }

  /** Sessions that are open for one owner. */
  count(owner: string): number {
    return [...this.#open.values()].filter((each) => each === owner).length;
  }
}

interface Client {
  readonly token: string;
  readonly session: ClientSession;
}

/** Two gateways before the same store and servers, and clients of both. */
class Traffic {
  readonly upstream: Upstream = new Upstream();
  readonly replicas: Sessions[] = [];
  readonly clients: Client[] = [];
  /** How calls ended: `done`, or the kind of refusal. */
  readonly outcomes = new Map<string, number>();
  #slowestMs = 0;
  readonly #stop = new AbortController();
  readonly #loops: Promise<void>[] = [];

  static async start(world: World): Promise<Traffic> {
    const traffic = new Traffic();
    for (let i = 0; i < 2; i++) {
      traffic.replicas.push(
        await world.sessions({
          timeoutMs: TIMEOUT_MS,
          onOrphan: (backend) => traffic.upstream.close(backend),
        }),
      );
    }
    for (let i = 0; i < CLIENTS; i++) {
      const opening = await eventually(() =>
        traffic.replicas[i % 2]!.open({ ...REQUEST, identity: `me ${i}` })
      );
      assert(opening.kind === "opened");
      traffic.clients.push({ token: opening.token, session: opening.claims });
    }
    return traffic;
  }

  /** A call as a router runs it; answers how it ended. */
  async call(
    replica: Sessions,
    { token, session }: Client,
    server: BackendServer,
  ): Promise<string> {
    const { upstream } = this;
    const owner = `${session.id} ${server.name}`;
    const startedAt = performance.now();
    try {
      const presenter = { ...REQUEST, identity: session.identity };
      const verified = await replica.verify(token, presenter);
      if (verified.kind === "refused") return verified.refusal.kind;
      const backend = await replica.backend(
        verified.session,
        server,
        () => upstream.open(owner),
        { deadlineMs: 1_000 },
      );
      const found = upstream.ownerOf(backend);
      if (found === undefined) {
        await replica.forget(session, server, backend);
        return "session lost";
      }
      return found === owner ? "done" : "crossed";
    } catch (error) {
      if (error instanceof GatewayError) return error.refusal.kind;
      throw error;
    } finally {
      const tookMs = performance.now() - startedAt;
      this.#slowestMs = Math.max(this.#slowestMs, tookMs);
    }
  }

  /** The longest that a call took, in milliseconds. */
  get slowestMs(): number {
    return this.#slowestMs;
  }

  /** Goes on calling until it is stopped: each client all servers, on both. */
  run(clients: readonly Client[] = this.clients): void {
    for (const [i, client] of clients.entries()) {
      for (const [j, server] of SERVERS.entries()) {
        this.#loops.push(this.#loop(client, server, i + j));
      }
    }
  }

  async #loop(client: Client, server: BackendServer, offset: number) {
    for (let i = offset; !this.#stop.signal.aborted; i++) {
      const outcome = await this.call(this.replicas[i % 2]!, client, server);
      this.outcomes.set(outcome, (this.outcomes.get(outcome) ?? 0) + 1);
      await delay(10);
    }
  }

  /** Calls everything on both replicas once: all must be done. */
  async all(): Promise<void> {
    const outcomes = await Promise.all(
      this.replicas.flatMap((replica) =>
        this.clients.flatMap((client) =>
          SERVERS.map((server) => this.call(replica, client, server))
        )
      ),
    );
    assertEquals(new Set(outcomes), new Set(["done"]));
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#loops);
  }

  /** The most sessions that are open with one server for one client. */
  get mostOpen(): number {
    return Math.max(
      ...this.clients.flatMap(({ session }) =>
        SERVERS.map(({ name }) => this.upstream.count(`${session.id} ${name}`))
      ),
    );
  }
}

const FAULTS: readonly {
  readonly name: string;
  /** Strikes, and resolves as soon as the server is well again. */
  readonly strike: (world: World, traffic: Traffic) => Promise<void>;
  /** Sessions that may be open for one client with one server. */
  readonly open: number;
}[] = [
  {
    name: "hangs for five seconds",
    strike: async ({ server }) => {
      server.signal("SIGSTOP");
      await delay(5_000);
      server.signal("SIGCONT");
    },
    open: 1,
  },
  {
    name: "is flushed",
    strike: async ({ server }) => {
      assertEquals(await server.ask("FLUSHALL"), "+OK");
    },
    open: 2, // one of which nobody knows any more
  },
  {
    name: "is killed and starts again, empty",
    strike: async ({ server }) => {
      await server.kill();
      await delay(1_000);
      await server.start();
    },
    open: 2,
  },
  {
    name: "is full for a while",
    strike: async ({ server }, traffic) => {
      await server.ask("CONFIG", "SET", "maxmemory", "100kb");
      for (const replica of traffic.replicas) {
        await assertRejects(
          () => replica.open(REQUEST),
          GatewayError,
          "Session store unavailable",
        );
        // What is open already goes on.
        const last = traffic.clients.at(-1)!;
        assertEquals(await traffic.call(replica, last, SERVERS[0]!), "done");
      }
      await server.ask("CONFIG", "SET", "maxmemory", "0");
    },
    open: 1,
  },
];

/** All that a client may be told meanwhile: to try the same again. */
const ALLOWED = new Set([
  "done",
  "store unavailable",
  "session opening",
  "session lost",
]);

for (const { name, strike, open } of FAULTS) {
  proves(
    `Two gateways cross nothing, open nothing twice and are back in two seconds where Redis ${name}`,
    async () => {
      await using world = await World.start();
      const traffic = await Traffic.start(world);
      // Half of them is open when it strikes, the others are being opened.
      const half = traffic.clients.slice(CLIENTS / 2);
      await Promise.all(
        half.flatMap((client) =>
          SERVERS.map((server) =>
            eventually(async () => {
              const outcome = await traffic.call(
                traffic.replicas[0]!,
                client,
                server,
              );
              assertEquals(outcome, "done");
            })
          )
        ),
      );
      traffic.run();
      await eventually(() => assert(traffic.upstream.opening > 3), {
        intervalMs: 1,
      });
      await strike(world, traffic);
      const wellAt = performance.now();
      await eventually(() => traffic.all());
      assertLess(performance.now() - wellAt, RECOVERY_MS);
      await traffic.stop();
      const odd = [...traffic.outcomes.keys()]
        .filter((outcome) => !ALLOWED.has(outcome));
      assertEquals(odd, []);
      assertLess(traffic.slowestMs, 3_000);
      await eventually(() => assertLess(traffic.mostOpen, open + 1));
    },
  );
}
