import { assert, assertEquals } from "@std/assert";
import { FakeApi } from "../../shared/kube/_testing.ts";
import { CONFIG_MAPS, type KubeObject } from "../../shared/kube/object.ts";
import type { Condition } from "../resources/condition.ts";
import {
  changedReasons,
  mergeConditions,
  writeStatus,
} from "./write_status.ts";

const OBJECT: KubeObject = {
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name: "a", namespace: "mcp", generation: 1 },
};

function setUp() {
  const api = new FakeApi();
  const known = api.put(OBJECT);
  const write = (members: Record<string, unknown>, object = known) =>
    writeStatus(api, CONFIG_MAPS, object, () => members);
  return { api, known, write };
}

Deno.test("writeStatus() writes only the members that differ", async () => {
  const { api, write } = setUp();
  api.put({ ...api.at("mcp/a")!, status: { tools: 3, revision: "x" } });
  const sent: unknown[] = [];
  const { patchStatus } = api;
  api.patchStatus = (target, version, status) => {
    sent.push(status);
    return patchStatus.call(api, target, version, status);
  };
  const { kind } = await write({ tools: 4, revision: "x" }, api.at("mcp/a"));
  assertEquals(kind, "changed");
  assertEquals(sent, [{ tools: 4 }]);
});

Deno.test("writeStatus() writes nothing where nothing differs", async () => {
  const { api, write } = setUp();
  await write({ tools: 4, gone: null });
  api.requests.length = 0;
  const { kind } = await write({ tools: 4, gone: null }, api.at("mcp/a"));
  assertEquals(kind, "unchanged");
  assertEquals(api.requests, []);
});

Deno.test("writeStatus() comes to rest though what it knows is old", async () => {
  const { api, known, write } = setUp();
  await write({ tools: 4 });
  // The event of that write has not come yet.
  assertEquals((await write({ tools: 4 }, known)).kind, "unchanged");
  assertEquals(api.requests, ["status a", "status a", "get a"]);
});

Deno.test("writeStatus() asks anew what to write after somebody else wrote", async () => {
  const { api, known } = setUp();
  api.put({ ...known, status: { theirs: ["x"] } });
  const outcome = await writeStatus(api, CONFIG_MAPS, known, (status) => ({
    theirs: [...(status.theirs as string[] | undefined ?? []), "ours"],
  }));
  assert(outcome.kind === "changed");
  assertEquals(outcome.after.status, { theirs: ["x", "ours"] });
});

const OUTDATED: { name: string; change: (api: FakeApi) => void }[] = [
  { name: "gone", change: (api) => api.drop("mcp/a") },
  {
    name: "another one by now",
    change: (api) => {
      api.drop("mcp/a");
      api.put(OBJECT);
    },
  },
  {
    name: "of a newer specification",
    change: (api) => {
      const object = api.at("mcp/a")!;
      api.put({ ...object, metadata: { ...object.metadata, generation: 2 } });
    },
  },
];
for (const { name, change } of OUTDATED) {
  Deno.test(`writeStatus() leaves alone an object that is ${name}`, async () => {
    const { api, known, write } = setUp();
    change(api);
    assertEquals((await write({ tools: 4 }, known)).kind, "outdated");
    assertEquals(api.at("mcp/a")?.status, undefined);
  });
}

const NOW = "2026-02-02T00:00:00Z";
const THEN = "2026-01-01T00:00:00Z";

function condition(
  type: string,
  status: Condition["status"],
  reason: string,
  lastTransitionTime = THEN,
): Condition {
  return { type, status, reason, message: "", lastTransitionTime };
}

const MERGES: {
  name: string;
  before: readonly Condition[];
  found: readonly Condition[];
  want: readonly Condition[];
}[] = [
  {
    name: "adds one that is new",
    before: [],
    found: [condition("Ready", "True", "Listed")],
    want: [condition("Ready", "True", "Listed", NOW)],
  },
  {
    name: "keeps the time of one whose reason changed",
    before: [condition("Ready", "False", "Pending")],
    found: [condition("Ready", "False", "Unreachable")],
    want: [condition("Ready", "False", "Unreachable")],
  },
  {
    name: "dates one whose status changed",
    before: [condition("Ready", "False", "Pending")],
    found: [condition("Ready", "True", "Listed")],
    want: [condition("Ready", "True", "Listed", NOW)],
  },
  {
    name: "keeps those of others, and the order",
    before: [
      condition("Theirs", "True", "X"),
      condition("Ready", "True", "Listed"),
      condition("Accepted", "True", "Accepted"),
    ],
    found: [
      condition("Accepted", "True", "Accepted"),
      condition("Ready", "True", "Listed"),
    ],
    want: [
      condition("Theirs", "True", "X"),
      condition("Ready", "True", "Listed"),
      condition("Accepted", "True", "Accepted"),
    ],
  },
  {
    name: "removes one of ours that was not found",
    before: [
      condition("Accepted", "True", "Accepted"),
      condition("Ready", "True", "Listed"),
    ],
    found: [condition("Ready", "True", "Listed")],
    want: [condition("Ready", "True", "Listed")],
  },
];
for (const { name, before, found, want } of MERGES) {
  Deno.test(`mergeConditions() ${name}`, () => {
    const types = ["Ready", "Accepted"];
    assertEquals(mergeConditions(before, found, types, NOW), want);
  });
}

Deno.test("changedReasons() finds conditions with another reason or status", () => {
  const before = [
    condition("A", "True", "X"),
    condition("B", "True", "X"),
    condition("C", "True", "X"),
  ];
  const after = [
    condition("A", "True", "X", NOW),
    condition("B", "True", "Y"),
    condition("C", "False", "X"),
    condition("D", "True", "X"),
  ];
  const types = changedReasons(before, after).map(({ type }) => type);
  assertEquals(types, ["B", "C", "D"]);
});
