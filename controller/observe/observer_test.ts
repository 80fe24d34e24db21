import { assertEquals } from "@std/assert";
import { memoryLog } from "../../shared/kube/_testing.ts";
import type { WatchEvent } from "../../shared/kube/client.ts";
import type { KubeObject } from "../../shared/kube/object.ts";
import { waitOnTimer } from "../../shared/wait_on_timer.ts";
import { planSettings } from "../plan/world.ts";
import { REGISTRATIONS } from "./kinds.ts";
import { Observer } from "./observer.ts";

function registration(
  version: string,
  over: Readonly<Record<string, unknown>> = {},
  more: Readonly<Record<string, unknown>> = {},
): KubeObject {
  return {
    apiVersion: "mcp.kuadrant.io/v1",
    kind: "MCPServerRegistration",
    metadata: {
      ...{ name: "weather", namespace: "team", uid: "u1", generation: 1 },
      resourceVersion: version,
      ...over,
    },
    spec: { targetRef: { name: "weather" } },
    ...more,
  } as KubeObject;
}

/** Follows a cluster of one registration that changes as it is told. */
async function follow(
  changes: readonly { kind: "object" | "deleted"; object: KubeObject }[],
): Promise<readonly string[]> {
  const told: string[] = [];
  const stop = new AbortController();
  const observer: Observer = new Observer({
    client: {
      list: (resource) =>
        Promise.resolve({
          items: resource === REGISTRATIONS ? [registration("1")] : [],
          resourceVersion: "1",
        }),
      watch: async function* (
        resource,
        { signal },
      ): AsyncGenerator<WatchEvent> {
        if (resource === REGISTRATIONS) {
          // Not before all has been seen once.
          while (!observer.settled) await waitOnTimer(1, stop.signal);
          told.length = 0;
          yield* changes;
          stop.abort();
        } else {
          await new Promise<void>((resolve) =>
            signal?.addEventListener("abort", () => resolve())
          );
        }
      },
    },
    home: "mcp-system",
    settings: planSettings(),
    onChange: () => told.push("change"),
    onStatus: () => told.push("status"),
    log: memoryLog(),
    wait: waitOnTimer,
    random: () => 0,
    now: () => performance.now(),
  });
  await observer.run(stop.signal);
  return told;
}

for (
  const { what, kind = "object", object, want } of [
    {
      what: "a status alone",
      object: registration("2", {}, { status: { tools: 3 } }),
      want: "status",
    },
    {
      what: "a specification",
      object: registration("2", { generation: 2 }),
      want: "change",
    },
    {
      what: "labels",
      object: registration("2", { labels: { team: "a" } }),
      want: "change",
    },
    {
      what: "that it is to be deleted",
      object: registration("2", { deletionTimestamp: "2026-01-01T00:00:00Z" }),
      want: "change",
    },
    {
      what: "another one of that name",
      object: registration("2", { uid: "u2" }),
      want: "change",
    },
    {
      what: "that it is gone",
      kind: "deleted" as const,
      object: registration("2"),
      want: "change",
    },
  ]
) {
  Deno.test(`Observer tells of ${what} as a ${want}`, async () => {
    assertEquals(await follow([{ kind, object }]), [want]);
  });
}
