import { assert, assertEquals, assertRejects } from "@std/assert";
import { FencedError } from "../shared/kube/client.ts";
import type { KubeObject } from "../shared/kube/object.ts";
import { CarryOutError } from "./carry_out.ts";
import type { StatusPlan } from "./plan/status_plan.ts";
import { StatusOutbox } from "./status_outbox.ts";

const NOW = "2026-01-01T00:00:00Z";

/** A status by which a server has so many tools. */
function plan(name: string, tools: number, changed = true): StatusPlan {
  return {
    apiVersion: "mcp.kuadrant.io/v1",
    kind: "MCPServerRegistration",
    meta: {
      ...{ namespace: "team", name, uid: name, generation: 1 },
      ...{ labels: new Map(), annotations: new Map(), created: 0 },
      deleting: false,
    },
    status: { conditions: [], tools },
    changed,
    transitions: [],
  };
}

/** Registrations, and what is written into them. */
function cluster(names: readonly string[]) {
  const objects = new Map(names.map((name): [string, KubeObject] => [name, {
    apiVersion: "mcp.kuadrant.io/v1",
    kind: "MCPServerRegistration",
    metadata: { name, namespace: "team", uid: name, generation: 1 },
  }]));
  const written: string[] = [];
  const failing = new Map<string, Error>();
  /** What a write waits for. */
  const held = new Map<string, Promise<void>>();
  const outbox = new StatusOutbox({
    observer: { object: (_, { name }) => objects.get(name) },
    client: {
      get: ({ name }) => Promise.resolve(objects.get(name)),
      patchStatus: async ({ name }, _, status) => {
        const { tools } = status as { tools: number };
        await held.get(name);
        const error = failing.get(name);
        if (error !== undefined) throw error;
        written.push(`${name} ${tools}`);
        const object = { ...objects.get(name)!, status };
        objects.set(name, object);
        return object;
      },
    },
    events: { record: () => {} },
  });
  const send = () => outbox.send(new AbortController().signal);
  return { outbox, send, written, failing, held };
}

Deno.test("StatusOutbox writes what changed, once", async () => {
  const { outbox, send, written } = cluster(["a", "b"]);
  outbox.put([plan("a", 1), plan("b", 2, false)], NOW);
  assertEquals(outbox.size, 1);
  assertEquals(await send(), 1);
  assertEquals(await send(), 0);
  assertEquals(written, ["a 1"]);
});

Deno.test("StatusOutbox writes what the latest plan says, and what it says no more not at all", async () => {
  const { outbox, send, written } = cluster(["a", "b"]);
  outbox.put([plan("a", 1), plan("b", 1)], NOW);
  outbox.put([plan("a", 2), plan("b", 2, false)], NOW);
  await send();
  assertEquals(written, ["a 2"]);
});

Deno.test("StatusOutbox keeps what failed, goes on with the others, and says so", async () => {
  const { outbox, send, written, failing } = cluster(["a", "b"]);
  failing.set("a", new Error("no"));
  outbox.put([plan("a", 1), plan("b", 1)], NOW);
  await assertRejects(send, CarryOutError, "no");
  assertEquals(written, ["b 1"]);
  failing.clear();
  assertEquals(await send(), 1);
  assertEquals(written, ["b 1", "a 1"]);
});

Deno.test("StatusOutbox does not come back to what failed where a newer plan has decided", async () => {
  const { outbox, send, written, failing, held } = cluster(["a"]);
  const gate = Promise.withResolvers<void>();
  held.set("a", gate.promise);
  failing.set("a", new Error("no"));
  outbox.put([plan("a", 1)], NOW);
  const sending = send();
  outbox.put([plan("a", 1, false)], NOW);
  gate.resolve();
  await assertRejects(() => sending, CarryOutError);
  failing.clear();
  assertEquals(await send(), 0);
  assertEquals(written, []);
});

Deno.test("StatusOutbox writes an object's newer status after the older one that is under way", async () => {
  const { outbox, send, written, held } = cluster(["a", "b"]);
  const gate = Promise.withResolvers<void>();
  held.set("a", gate.promise);
  outbox.put([plan("a", 1), plan("b", 1)], NOW);
  const sending = send();
  outbox.put([plan("a", 2)], NOW);
  // Others do not wait for it.
  while (!written.includes("b 1")) await new Promise((go) => setTimeout(go));
  gate.resolve();
  assertEquals(await sending, 3);
  assertEquals(written, ["b 1", "a 1", "a 2"]);
});

Deno.test("StatusOutbox ends at once where we lead no more, and forgets what it is told to", async () => {
  const { outbox, send, written, failing } = cluster(["a", "b"]);
  failing.set("a", new FencedError("write"));
  outbox.put([plan("a", 1)], NOW);
  await assertRejects(send, FencedError);
  outbox.put([plan("b", 1)], NOW);
  outbox.clear();
  assertEquals(outbox.size, 0);
  assertEquals(await send(), 0);
  assert(!written.includes("b 1"));
});
