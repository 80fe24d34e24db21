import { assert, assertEquals } from "@std/assert";
import { server as serverConfig } from "../../shared/_testing.ts";
import type { ServerConfig } from "../../shared/config/model.ts";
import type { Era } from "../../shared/mcp.ts";
import { recorder } from "../_testing/recorder.ts";
import { toolBytes } from "../_testing/tools.ts";
import { until } from "../_testing/until.ts";
import type { ListKind } from "../catalog/kinds.ts";
import {
  CALLER_LISTS_LIMITS,
  CallerLists,
  type CallerListsLimits,
  type ListingCaller,
} from "./caller_lists.ts";
import { UpstreamError } from "../../shared/upstream/upstream_error.ts";

const A = serverConfig("a", { prefix: "a_", userSpecificList: true });
const B = serverConfig("b", { prefix: "b_", userSpecificList: true });

/** Servers that list what the credential says, as often as they are asked. */
class World implements AsyncDisposable {
  now = 0;
  /** Each list asked for: server and credential. */
  readonly asked: string[] = [];
  /** Servers that fail. */
  down: readonly string[] = [];
  /** Servers that do not answer until they are woken. */
  hung: readonly string[] = [];
  /** They do not notice that nobody waits for them. */
  deaf = false;
  /** Lists that fail. */
  broken: readonly ListKind[] = [];
  readonly late: string[] = [];
  open = 0;
  /** The era that servers speak. */
  era: Era = "session";
  /** The era that servers were opened with as known. */
  known: (Era | undefined)[] = [];
  /** What was told of their eras. */
  readonly learnt: string[] = [];
  waited: (() => void) | undefined;
  readonly lists: CallerLists;
  readonly #wake = new Set<() => void>();

  constructor(limits: Partial<CallerListsLimits> = {}) {
    this.lists = new CallerLists({
      open: (server, authorization, signal, known) => {
        this.known.push(known);
        return this.#opened(server, authorization ?? "nobody", signal);
      },
      eraOf: (server) => server === "b" ? "stateless" : undefined,
      onEra: (server, { era }) => void this.learnt.push(`${server} ${era}`),
      now: () => this.now,
      // The wait for slow servers is over when a test says so.
      wait: (_ms, signal) =>
        new Promise((resolve) => {
          this.waited = resolve;
          signal.addEventListener("abort", () => resolve());
        }),
      log: recorder(),
      limits: { ...CALLER_LISTS_LIMITS, ...limits },
      onLate: (session, kinds) => void this.late.push(`${session} ${kinds}`),
    });
  }

  /** Lets servers answer. */
  wake(): void {
    this.hung = [];
    for (const wake of this.#wake) wake();
  }

  async names(
    caller: ListingCaller,
    servers: readonly ServerConfig[] = [A],
  ): Promise<string[]> {
    const lists = await this.lists.of(caller, servers);
    return lists.flatMap(({ items }) =>
      items.tools.map((tool) => JSON.parse(new TextDecoder().decode(tool)).name)
    );
  }

  async #opened({ name }: ServerConfig, who: string, signal: AbortSignal) {
    if (this.down.includes(name)) {
      throw new UpstreamError("unreachable", { message: "it is down" });
    }
    if (this.hung.includes(name)) {
      await new Promise<void>((resolve, reject) => {
        this.#wake.add(resolve);
        signal.addEventListener("abort", () => {
          if (!this.deaf) reject(signal.reason);
        });
      });
    }
    this.open++;
    return {
      introduction: {
        era: this.era,
        revision: "2025-11-25" as const,
        capabilities: {},
        serverInfo: { name: "", version: "" },
      },
      hasId: true,
      kinds: ["tools", "prompts"] as const,
      list: (kind: ListKind) => {
        if (kind === "tools") this.asked.push(`${name} ${who}`);
        if (this.broken.includes(kind)) {
          const error = { message: "it is broken" };
          return Promise.reject(new UpstreamError("rpc error", error));
        }
        return Promise.resolve({
          items: kind === "tools" ? [toolBytes(`of_${who}`)] : [],
          problems: [],
          tookMs: 0,
        });
      },
      ping: () => Promise.resolve(),
      listen: () => Promise.resolve({ kind: "unsupported" } as const),
      close: () => {
        this.open--;
        return Promise.resolve();
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.lists.close();
    assertEquals(this.open, 0, "sessions are left open");
  }
}

const ALICE: ListingCaller = { session: "s1", authorization: "alice" };
const BOB: ListingCaller = { session: "s2", authorization: "bob" };

Deno.test("each caller gets the list of its own credential, asked for once", async () => {
  await using world = new World();
  assertEquals(await world.names(ALICE), ["of_alice"]);
  assertEquals(await world.names(BOB), ["of_bob"]);
  assertEquals(await world.names(ALICE), ["of_alice"]);
  assertEquals(await world.names({ session: "s3" }), ["of_nobody"]);
  assertEquals(world.asked, ["a alice", "a bob", "a nobody"]);
  assertEquals(world.late, []);
});

Deno.test("a list is never shared between sessions, not even with one credential", async () => {
  await using world = new World();
  await world.names(ALICE);
  await world.names({ ...ALICE, session: "s9" });
  assertEquals(world.asked, ["a alice", "a alice"]);
});

Deno.test("two requests of a session at once list once", async () => {
  await using world = new World();
  world.hung = ["a"];
  const both = [world.names(ALICE), world.names(ALICE)];
  world.wake();
  assertEquals(await Promise.all(both), [["of_alice"], ["of_alice"]]);
  assertEquals(world.asked, ["a alice"]);
});

interface AgainCase {
  readonly name: string;
  readonly between: (world: World) => unknown;
  readonly then?: ListingCaller;
  readonly server?: ServerConfig;
  readonly asked: number;
}

const AGAIN: readonly AgainCase[] = [
  { name: "is kept for a while", between: (w) => w.now = 59_999, asked: 1 },
  { name: "is not kept for ever", between: (w) => w.now = 60_000, asked: 2 },
  {
    name: "goes with its session",
    between: (w) => w.lists.forget("s1"),
    asked: 2,
  },
  {
    name: "stays when another session goes",
    between: (w) => w.lists.forget("s2"),
    asked: 1,
  },
  {
    name: "goes when its server says so",
    between: (w) => assertEquals(w.lists.changed("a"), ["s1"]),
    asked: 2,
  },
  {
    name: "goes when its server says so to its session",
    between: (w) => assertEquals(w.lists.changed("a", "s1"), ["s1"]),
    asked: 2,
  },
  {
    name: "stays when its server says so to another session",
    between: (w) => assertEquals(w.lists.changed("a", "s2"), []),
    asked: 1,
  },
  {
    name: "stays when another server says so",
    between: (w) => assertEquals(w.lists.changed("b"), []),
    asked: 1,
  },
  {
    name: "goes with the credential",
    between: () => {},
    then: { ...ALICE, authorization: "alice again" },
    asked: 2,
  },
  {
    name: "goes with the server's configuration",
    between: () => {},
    server: { ...A, url: "http://elsewhere.test/mcp" },
    asked: 2,
  },
];
for (const { name, between, then = ALICE, server = A, asked } of AGAIN) {
  Deno.test(`a caller's list ${name}`, async () => {
    await using world = new World();
    await world.names(ALICE);
    between(world);
    await world.names(then, [server]);
    assertEquals(world.asked.length, asked);
  });
}

Deno.test("a server that fails costs only its own items, and is left alone for a while", async () => {
  await using world = new World();
  world.down = ["a"];
  assertEquals(await world.names(ALICE, [A, B]), ["of_alice"]);
  world.down = [];
  world.now = 4_999;
  assertEquals(await world.names(ALICE, [A, B]), ["of_alice"]);
  world.now = 5_000;
  assertEquals(await world.names(ALICE, [A, B]), ["of_alice", "of_alice"]);
  assertEquals(world.asked, ["b alice", "a alice"]);
});

Deno.test("a list that fails costs only itself, and all of them the server", async () => {
  await using world = new World();
  world.broken = ["prompts"];
  assertEquals(await world.names(ALICE), ["of_alice"]);
  world.broken = ["tools", "prompts"];
  assertEquals(await world.names(BOB), []);
  // A failure is not kept for as long as a list.
  world.broken = [];
  world.now = 5_000;
  assertEquals(await world.names(BOB), ["of_bob"]);
});

Deno.test("a list that comes although nobody waits for it any more is not kept", async () => {
  await using world = new World();
  world.hung = ["a"];
  world.deaf = true;
  const names = world.names(ALICE);
  world.lists.forget("s1");
  world.wake();
  assertEquals(await names, []);
  assertEquals([world.lists.size, world.lists.bytes], [0, 0]);
});

Deno.test("only sessions that were shown something hear that it changed", async () => {
  await using world = new World();
  world.down = ["a"];
  await world.names(ALICE);
  world.down = [];
  await world.names(BOB);
  assertEquals(world.lists.changed("a"), ["s2"]);
});

Deno.test("a server that is slow is not waited for, and its client hears when its list is there", async () => {
  await using world = new World();
  world.hung = ["a"];
  const names = world.names(ALICE, [A, B]);
  await until(() => world.asked.length === 1, "the other is listed");
  world.waited!();
  assertEquals(await names, ["of_alice"]);
  // Nor is it waited for again.
  assertEquals(await world.names(ALICE, [A, B]), ["of_alice"]);
  world.wake();
  await until(() => world.late.length === 1, "the client is told");
  assertEquals(world.late, ["s1 tools"]);
  assertEquals(await world.names(ALICE, [A, B]), ["of_alice", "of_alice"]);
  assertEquals(world.asked, ["b alice", "a alice"]);
});

Deno.test("a list that is on its way when its session ends is not kept", async () => {
  await using world = new World();
  world.hung = ["a"];
  const names = world.names(ALICE);
  world.lists.forget("s1");
  assertEquals(await names, []);
  assertEquals(world.lists.size, 0);
});

Deno.test("no more lists are kept than fit, and no more callers listed for at once", async () => {
  await using few = new World({ lists: 2 });
  for (const session of ["s1", "s2", "s3"]) {
    await few.names({ ...ALICE, session });
  }
  assertEquals(few.lists.size, 2);
  await few.names({ ...ALICE, session: "s3" });
  assertEquals(few.asked.length, 3);
  await few.names({ ...ALICE, session: "s2" });
  assertEquals(few.asked.length, 3);
  // The third was used least recently.
  await few.names({ ...ALICE, session: "s4" });
  await few.names({ ...ALICE, session: "s2" });
  assertEquals(few.asked.length, 4);
  await few.names({ ...ALICE, session: "s3" });
  assertEquals(few.asked.length, 5);
  assertEquals(few.lists.bytes, 2 * toolBytes("of_alice").byteLength);

  await using small = new World({ bytes: 100 });
  for (const session of ["s1", "s2", "s3"]) {
    await small.names({ ...ALICE, session });
  }
  assert(small.lists.size < 3, "they do not fit");

  await using narrow = new World({ atOnce: 1 });
  narrow.hung = ["a"];
  const first = narrow.names(ALICE);
  const second = narrow.names(BOB);
  assertEquals(await narrow.names(BOB, [B]), ["of_bob"]);
  assertEquals(narrow.asked, ["b bob"]);
  narrow.wake();
  assertEquals(await Promise.all([first, second]), [["of_alice"], ["of_bob"]]);
  assertEquals(narrow.asked, ["b bob", "a alice", "a bob"]);
});

Deno.test("closing ends what is under way", async () => {
  const world = new World();
  world.hung = ["a"];
  const names = world.names(ALICE);
  await world.lists.close();
  assertEquals(await names, []);
});

Deno.test("a server that speaks otherwise than was known is told of", async () => {
  await using world = new World();
  await world.lists.of({ session: "s" }, [B]);
  assertEquals(world.learnt, ["b session"]);
});

Deno.test("what is known of a server's era serves its callers, and what they find out is told", async () => {
  await using world = new World();
  world.era = "stateless";
  const [a, b] = await world.lists.of({ session: "s" }, [A, B]);
  assertEquals(world.known, [undefined, "stateless"]);
  assertEquals(world.learnt, ["a stateless"]);
  assertEquals([a?.era, b?.era], ["stateless", "stateless"]);
});
