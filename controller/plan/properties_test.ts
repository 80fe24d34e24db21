import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { parseConfig } from "../../shared/config/parse.ts";
import { keyOf } from "../resources/meta.ts";
import { readResource } from "../resources/read.ts";
import {
  BASE,
  NOW,
  objectsOf,
  ON_ENVOY_GATEWAY,
  type RawObject,
  replica,
  statusFor,
  worldWith,
} from "./_testing.ts";
import { CONFIG_KEY } from "./output.ts";
import { type Plan, plan } from "./plan.ts";
import { CONDITION_TYPES, REASONS } from "./reasons.ts";

const NAMESPACES = ["a", "b", "mcp"];
const NAMES = ["x", "y", "x.y"];

const when = fc.constantFrom(
  "2026-01-01T00:00:00Z",
  "2026-01-02T00:00:00Z",
  undefined,
);

/** A few objects that want the same few names. */
const tenant: fc.Arbitrary<RawObject[]> = fc.record({
  namespace: fc.constantFrom(...NAMESPACES),
  name: fc.constantFrom(...NAMES),
  created: when,
  hosts: fc.array(
    fc.constantFrom(
      "s1.mcp.local",
      "s2.mcp.local",
      "mcp.example.test",
      "*.mcp.local",
    ),
    { maxLength: 2 },
  ),
  listener: fc.constantFrom("mcp", "servers", undefined),
  target: fc.record({
    name: fc.constantFrom(...NAMES),
    namespace: fc.constantFrom(...NAMESPACES, undefined),
  }),
  prefix: fc.constantFrom(undefined, "", "a_", "a_b_", "b_"),
  path: fc.constantFrom(undefined, "/mcp", "/v1"),
  backend: fc.record({
    name: fc.constantFrom(...NAMES),
    namespace: fc.constantFrom(...NAMESPACES, undefined),
    port: fc.constantFrom(80, 443, 1, undefined),
  }),
  secret: fc.option(fc.constantFrom(...NAMES), { nil: undefined }),
  labelled: fc.boolean(),
  state: fc.constantFrom("Enabled", "Disabled", undefined),
  texts: fc.array(fc.string({ unit: "grapheme" }), { maxLength: 3 }),
  userSpecificList: fc.constantFrom("Enabled", undefined),
}).map((given) => {
  const { namespace, name, created, secret, texts } = given;
  const metadata = {
    name,
    namespace,
    ...(created ? { creationTimestamp: created } : {}),
  };
  return [
    {
      apiVersion: "v1",
      kind: "Service",
      metadata,
      spec: { ports: [{ port: 80 }, { port: 443 }] },
    },
    {
      apiVersion: "v1",
      kind: "Secret",
      metadata: {
        ...metadata,
        labels: given.labelled ? { "mcp.kuadrant.io/secret": "true" } : {},
      },
      data: { token: btoa(`Bearer ${namespace}-${name}`) },
    },
    {
      apiVersion: "gateway.networking.k8s.io/v1",
      kind: "HTTPRoute",
      metadata,
      spec: {
        parentRefs: [{
          name: "gw",
          namespace: "mcp",
          ...(given.listener ? { sectionName: given.listener } : {}),
        }],
        hostnames: given.hosts,
        rules: [{ backendRefs: [given.backend] }],
      },
    },
    {
      apiVersion: "mcp.kuadrant.io/v1",
      kind: "MCPServerRegistration",
      metadata,
      spec: {
        targetRef: given.target,
        prefix: given.prefix,
        path: given.path,
        state: given.state,
        userSpecificList: given.userSpecificList,
        hint: texts[0],
        tags: texts,
        ...(secret ? { credentialRef: { name: secret } } : {}),
      },
    },
    {
      apiVersion: "mcp.kuadrant.io/v1",
      kind: "MCPVirtualServer",
      metadata,
      spec: { description: texts[0], tools: texts, prompts: texts },
    },
  ];
});

const base = fc.constantFrom(
  objectsOf(BASE),
  objectsOf(BASE, ON_ENVOY_GATEWAY),
);

/** Worlds whose objects have the right shape, each object once. */
const cluster: fc.Arbitrary<RawObject[]> = fc.tuple(
  base,
  fc.array(tenant, { maxLength: 6 }),
).map(([always, tenants]) => {
  const byKey = new Map<string, RawObject>();
  for (const object of [...always, ...tenants.flat()]) {
    const meta = object.metadata as { namespace?: string; name: string };
    byKey.set(`${object.kind} ${meta.namespace}/${meta.name}`, object);
  }
  return [...byKey.values()];
});

/** Replaces values anywhere in an object by anything. */
function spoil(object: RawObject, at: number, value: unknown): unknown {
  const places: [Record<string, unknown>, string][] = [];
  const copy = structuredClone(object);
  const walk = (value: unknown) => {
    if (typeof value !== "object" || value === null) return;
    for (const key of Object.keys(value)) {
      // Its name, kind and group are what makes it come to us at all.
      if (["apiVersion", "kind", "name", "namespace"].includes(key)) {
        if (at % 3 > 0) continue;
      }
      places.push([value as Record<string, unknown>, key]);
      walk((value as Record<string, unknown>)[key]);
    }
  };
  walk(copy);
  const place = places[at % Math.max(1, places.length)];
  if (place !== undefined) place[0][place[1]] = value;
  return copy;
}

/** Worlds in which anything may be anything. */
const spoiled: fc.Arbitrary<unknown[]> = fc.tuple(
  cluster,
  fc.array(fc.tuple(fc.nat(), fc.nat(), fc.anything({ withDate: true })), {
    maxLength: 8,
  }),
).map(([objects, spoils]) => {
  const all: unknown[] = [...objects];
  for (const [which, at, value] of spoils) {
    const i = which % all.length;
    all[i] = spoil(all[i] as RawObject, at, value);
  }
  return all;
});

/** What must hold of any plan. */
function checkPlan(made: Plan): void {
  for (const { extension, configMap, secret } of made.gateways) {
    assertEquals(configMap.action, secret.action, extension);
    if (configMap.action !== "apply" || secret.action !== "apply") continue;
    const text = configMap.object.data?.[CONFIG_KEY] ?? "";
    const read = parseConfig(text, { file: CONFIG_KEY });
    assert(read.ok, `${JSON.stringify(read.problems)} ${text}`);
    const files = Object.keys(secret.object.data ?? {});
    const used = read.config.servers.flatMap(({ headers, caCert }) => [
      ...headers.map(({ value }) => value),
      ...(caCert ? [caCert] : []),
    ]).map((source) => source.kind === "file" ? source.name : "?");
    assertEquals(new Set(used), new Set(files));
    for (const { name, headers } of read.config.servers) {
      const status = made.statuses.find(({ kind, meta }) =>
        kind === "MCPServerRegistration" && keyOf(meta) === name
      );
      const accepted = status?.status.conditions[0];
      // What is served is never refused, and only its own owner's secret is used.
      assertEquals(accepted?.status, "True", name);
      for (const { value } of headers) {
        assertEquals(value, {
          kind: "file",
          name: `${name.replace("/", "_")}_credential`,
        });
        assert(secret.object.data !== undefined);
        const token = atob(
          secret.object.data[`${name.replace("/", "_")}_credential`] ?? "",
        );
        assert(token.startsWith(`Bearer ${name.split("/")[0]}-`), token);
      }
    }
  }
  for (const { status, meta } of made.statuses) {
    assertEquals(status.conditions.map(({ type }) => type), [
      ...CONDITION_TYPES,
    ]);
    for (const one of status.conditions) {
      assert(Object.hasOwn(REASONS, one.reason), one.reason);
      assert(one.message !== "" && one.lastTransitionTime !== "", meta.name);
    }
  }
}

Deno.test("plan() makes, of any cluster, configurations that are accepted and use nobody else's secrets", () => {
  fc.assert(
    fc.property(cluster, (objects) => {
      checkPlan(plan(worldWith(objects)));
    }),
    { numRuns: 300 },
  );
});

Deno.test("plan() throws for no object, whatever is in it", () => {
  fc.assert(
    fc.property(spoiled, (objects) => {
      for (const object of objects) readResource(object);
      const made = plan(worldWith(objects));
      for (const { status } of made.statuses) {
        assertEquals(status.conditions.length, CONDITION_TYPES.length);
      }
      for (const { configMap } of made.gateways) {
        if (configMap.action !== "apply") continue;
        const text = configMap.object.data?.[CONFIG_KEY] ?? "";
        assert(parseConfig(text, { file: CONFIG_KEY }).ok, text);
      }
    }),
    { numRuns: 500 },
  );
});

Deno.test("readResource() throws for nothing", () => {
  const kinds = fc.constantFrom(
    ["v1", "Secret"],
    ["v1", "Service"],
    ["gateway.networking.k8s.io/v1", "HTTPRoute"],
    ["gateway.networking.k8s.io/v1", "Gateway"],
    ["mcp.kuadrant.io/v1", "MCPServerRegistration"],
    ["mcp.kuadrant.io/v1", "MCPGatewayExtension"],
    ["mcp.kuadrant.io/v1", "MCPVirtualServer"],
  );
  const options = { withDate: true, withNullPrototype: true, maxDepth: 4 };
  fc.assert(
    fc.property(
      kinds,
      fc.anything(options),
      fc.anything(options),
      ([apiVersion, kind], spec, status) => {
        const metadata = { name: "x", namespace: "y" };
        const read = readResource({
          apiVersion,
          kind,
          metadata,
          spec,
          status,
          data: spec,
        });
        assert(read !== undefined);
        readResource(spec);
      },
    ),
    { numRuns: 500 },
  );
});

Deno.test("plan() does not depend on the order in which objects were observed", () => {
  const shuffled = cluster.chain((objects) =>
    fc.tuple(
      fc.constant(objects),
      fc.shuffledSubarray(objects, { minLength: objects.length }),
    )
  );
  fc.assert(
    fc.property(shuffled, ([one, other]) => {
      assertEquals(
        JSON.stringify(plan(worldWith(other))),
        JSON.stringify(plan(worldWith(one))),
      );
    }),
    { numRuns: 200 },
  );
});

Deno.test("plan() of a world that is as planned changes nothing", () => {
  fc.assert(
    fc.property(cluster, (objects) => {
      const first = plan(worldWith(objects));
      const written = [
        ...first.gateways.flatMap(({ configMap, secret }) =>
          [configMap, secret].flatMap((one) =>
            one.action === "apply" ? [one.object] : []
          )
        ),
        ...first.attachments,
      ];
      const told = objects.map((object) => {
        const meta = object.metadata as { namespace?: string; name: string };
        const status = first.statuses.find((one) =>
          one.kind === object.kind && one.meta.name === meta.name &&
          one.meta.namespace === meta.namespace
        )?.status;
        return status === undefined ? object : { ...object, status };
      });
      const later = "2027-01-01T00:00:00Z";
      const second = plan(worldWith([...told, ...written], { now: later }));
      assertEquals(second.gateways, first.gateways);
      assertEquals(second.attachments, first.attachments);
      assertEquals(second.statuses.filter(({ changed }) => changed), []);
    }),
    { numRuns: 200 },
  );
});

/** A gateway with many servers. */
function many(count: number): RawObject[] {
  return objectsOf(
    BASE,
    ...Array.from({ length: count }, (_, i) => `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: s${i}, namespace: team, creationTimestamp: "${NOW}"}
spec: {parentRefs: [{name: gw, namespace: mcp, sectionName: servers}], hostnames: [s${i}.mcp.local], rules: [{backendRefs: [{name: weather, port: 9001}]}]}
---
apiVersion: mcp.kuadrant.io/v1
kind: MCPServerRegistration
metadata: {name: s${i}, namespace: team, creationTimestamp: "${NOW}"}
spec: {targetRef: {name: s${i}}, prefix: s${i}_x, hint: "${
      "a hint ".repeat(20)
    }"}
`),
  );
}

Deno.test("plan() of 1,000 servers takes a fraction of the 5 s that it may", () => {
  const world = worldWith(many(1000));
  const first = plan(world);
  const [gateway] = first.gateways;
  assertEquals(gateway?.servers, 1001);
  assert(gateway?.configMap.action === "apply");
  const text = gateway.configMap.object.data?.[CONFIG_KEY] ?? "";
  const read = parseConfig(text, { file: CONFIG_KEY });
  assert(read.ok);
  const brokers = ["b1", "b2"].map((name) =>
    replica(name, statusFor(read.config))
  );
  const started = performance.now();
  const made = plan({ ...world, brokers });
  const took = performance.now() - started;
  assert(took < 5000, `it took ${took} ms`);
  assert(
    made.statuses.every(({ status }) =>
      status.conditions.at(-1)?.status === "True"
    ),
  );
});
