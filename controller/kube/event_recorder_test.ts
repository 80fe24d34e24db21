import { assert, assertEquals } from "@std/assert";
import { memoryLog, refused } from "../../shared/kube/_testing.ts";
import type { KubeObject, Resource } from "../../shared/kube/object.ts";
import { EventRecorder } from "./event_recorder.ts";

function regarding(name: string): KubeObject {
  return {
    apiVersion: "mcp.kuadrant.io/v1",
    kind: "MCPServerRegistration",
    metadata: { name, namespace: "mcp", uid: `uid-${name}` },
  };
}

function setUp() {
  const written: (KubeObject & { note?: string; eventTime?: string })[] = [];
  const state = { now: 0, refuse: false };
  const recorder = new EventRecorder({
    client: {
      create: (_: Resource, object: KubeObject) => {
        if (state.refuse) return Promise.reject(refused(403));
        written.push(object);
        return Promise.resolve(object);
      },
    },
    instance: "controller-0",
    now: () => 1_800_000_000_000,
    monotonic: () => state.now,
    unique: () => "0123",
    log: memoryLog(),
    limits: {
      burst: 5,
      perSecond: 1,
      objectBurst: 2,
      objectPerSecond: 0.1,
    },
  });
  const record = (name: string, note = "it failed") =>
    recorder.record({
      regarding: regarding(name),
      type: "Warning",
      reason: "Unreachable",
      action: "Reconcile",
      note,
    });
  return { written, state, recorder, record };
}

Deno.test("EventRecorder writes what happened to whom, when", async () => {
  const { written, recorder, record } = setUp();
  record("weather");
  await recorder.finish();
  assertEquals(
    written,
    [{
      apiVersion: "events.k8s.io/v1",
      kind: "Event",
      metadata: { name: "weather.0123", namespace: "mcp" },
      eventTime: "2027-01-15T08:00:00.000000Z",
      reportingController: "mcp-gateway-controller",
      reportingInstance: "controller-0",
      action: "Reconcile",
      reason: "Unreachable",
      note: "it failed",
      type: "Warning",
      regarding: {
        apiVersion: "mcp.kuadrant.io/v1",
        kind: "MCPServerRegistration",
        name: "weather",
        namespace: "mcp",
        uid: "uid-weather",
        resourceVersion: undefined,
      },
    }] as unknown as typeof written,
  );
});

Deno.test("EventRecorder lets no object crowd out the others", async () => {
  const { written, state, recorder, record } = setUp();
  for (let i = 0; i < 10; i++) record("noisy");
  record("quiet");
  await recorder.finish();
  assertEquals(written.map(({ metadata }) => metadata.name), [
    "noisy.0123",
    "noisy.0123",
    "quiet.0123",
  ]);
  assertEquals(recorder.dropped, 8);
  state.now += 10_000;
  record("noisy");
  await recorder.finish();
  assertEquals(written.length, 4);
});

Deno.test("EventRecorder writes no more of all objects than it may", async () => {
  const { written, state, recorder, record } = setUp();
  for (let i = 0; i < 10; i++) record(`object-${i}`);
  await recorder.finish();
  assertEquals(written.length, 5);
  state.now += 2_000;
  for (let i = 10; i < 20; i++) record(`object-${i}`);
  await recorder.finish();
  assertEquals(written.length, 7);
});

Deno.test("EventRecorder drops what cannot be written, and goes on", async () => {
  const { written, state, recorder, record } = setUp();
  state.refuse = true;
  record("a");
  await recorder.finish();
  assertEquals(recorder.dropped, 1);
  state.refuse = false;
  record("b");
  await recorder.finish();
  assertEquals(written.length, 1);
});

Deno.test("EventRecorder cuts a note at a whole character", async () => {
  const { written, recorder, record } = setUp();
  record("a", "ü".repeat(1_000));
  await recorder.finish();
  const note = written[0]?.note ?? "";
  assertEquals(note, "ü".repeat(512));
  assert(new TextEncoder().encode(note).length <= 1_024);
});
