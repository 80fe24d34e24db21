import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { FencedError } from "../shared/kube/client.ts";
import type { KubeObject } from "../shared/kube/object.ts";
import { carryOut, CarryOutError, type CarryOutOptions } from "./carry_out.ts";
import { ENVOY_FILTERS, HTTP_ROUTES } from "./observe/kinds.ts";
import type { GatewayPlan } from "./plan/gateway_plan.ts";
import type { Plan } from "./plan/plan.ts";
import { EXTENSION_LABEL } from "./resources/groups.ts";

function object(kind: string, namespace: string, name: string): KubeObject {
  return { apiVersion: "v1", kind, metadata: { name, namespace } };
}

/** A route of the extension of a namespace. */
function route(name: string, extension: string): KubeObject {
  return filter(name, extension, false, "HTTPRoute");
}

/** An attachment of the extension of a namespace. */
function filter(
  name: string,
  extension: string,
  deleted = false,
  kind = "EnvoyFilter",
): KubeObject {
  const { metadata, ...rest } = object(kind, "gateways", name);
  return {
    ...rest,
    metadata: {
      ...metadata,
      labels: { [EXTENSION_LABEL]: extension },
      ...(deleted ? { deletionTimestamp: "2026-01-01T00:00:00Z" } : {}),
    },
  };
}

function gateway(namespace: string): GatewayPlan {
  const apply = (kind: string) => ({
    action: "apply" as const,
    object: object(kind, namespace, "data"),
  });
  return {
    ...{ extension: `${namespace}/main`, namespace, servers: 0 },
    secret: apply("Secret"),
    configMap: apply("ConfigMap"),
  };
}

function planOf(over: Partial<Plan>): Omit<Plan, "statuses" | "taken"> {
  return { gateways: [], attachments: [], keep: [], ...over };
}

/** Keeps what is written, and fails for what it is told to fail for. */
function cluster(
  { there = [], failing = {}, namespaces = [] }: {
    readonly there?: readonly KubeObject[];
    readonly failing?: Readonly<Record<string, Error>>;
    readonly namespaces?: readonly string[];
  },
): { readonly done: string[]; readonly options: CarryOutOptions } {
  const done: string[] = [];
  const note = (verb: string, { kind, metadata }: KubeObject) => {
    const what = `${verb} ${kind} ${metadata.namespace}/${metadata.name}`;
    const error = failing[what];
    if (error !== undefined) throw error;
    done.push(what);
  };
  return {
    done,
    options: {
      observer: {
        object: () => undefined,
        attachments: () =>
          there.map((one) => ({
            kind: one.kind === "HTTPRoute" ? HTTP_ROUTES : ENVOY_FILTERS,
            object: one,
          })),
      },
      applier: {
        apply: (_, wanted) => {
          const one = typeof wanted === "function" ? wanted(undefined) : wanted;
          return Promise.try(() => {
            note("apply", one);
            return { kind: "created", object: one };
          });
        },
        remove: (_, known) =>
          Promise.try(() => {
            note("remove", known);
            return true;
          }),
      },
      namespaces: new Set(namespaces),
      signal: new AbortController().signal,
    },
  };
}

Deno.test("carryOut() writes Secrets, ConfigMaps and attachments in this order", async () => {
  const { done, options } = cluster({});
  const { writes } = await carryOut(
    planOf({
      gateways: [gateway("a")],
      attachments: [filter("router", "a")],
    }),
    options,
  );
  assertEquals(done, [
    "apply Secret a/data",
    "apply ConfigMap a/data",
    "apply EnvoyFilter gateways/router",
  ]);
  assertEquals(writes, 2);
});

Deno.test("carryOut() leaves a ConfigMap whose Secret failed, and goes on with the next", async () => {
  const { done, options } = cluster({
    failing: { "apply Secret a/data": new Error("it is too large") },
  });
  const error = await assertRejects(
    () => carryOut(planOf({ gateways: [gateway("a"), gateway("b")] }), options),
    CarryOutError,
  );
  assertStringIncludes(error.message, "it is too large");
  assertEquals(done, ["apply Secret b/data", "apply ConfigMap b/data"]);
});

Deno.test("carryOut() leads to a server only what passes the router: routes come last and go first", async () => {
  const { done, options } = cluster({
    there: [filter("old", "a"), route("old", "a")],
  });
  await carryOut(
    planOf({ attachments: [route("new", "a"), filter("new", "a")] }),
    options,
  );
  assertEquals(done, [
    "apply EnvoyFilter gateways/new",
    "apply HTTPRoute gateways/new",
    "remove HTTPRoute gateways/old",
    "remove EnvoyFilter gateways/old",
  ]);
});

Deno.test("carryOut() makes no route of an extension whose router it could not attach", async () => {
  const { done, options } = cluster({
    failing: { "apply EnvoyFilter gateways/a": new Error("forbidden") },
  });
  await assertRejects(
    () =>
      carryOut(
        planOf({
          attachments: [
            ...[filter("a", "a"), route("a", "a")],
            ...[filter("b", "b"), route("b", "b")],
          ],
        }),
        options,
      ),
    CarryOutError,
    "forbidden",
  );
  assertEquals(done, [
    "apply EnvoyFilter gateways/b",
    "apply HTTPRoute gateways/b",
  ]);
});

Deno.test("carryOut() begins nothing more once it leads no more", async () => {
  const { done, options } = cluster({
    failing: { "apply Secret a/data": new FencedError("apply") },
  });
  await assertRejects(
    () => carryOut(planOf({ gateways: [gateway("a"), gateway("b")] }), options),
    FencedError,
  );
  assertEquals(done, []);
});

for (
  const { name, there, over, namespaces, want } of [
    {
      name: "takes away what is in no plan",
      there: [filter("old", "a"), filter("router", "a")],
      over: { attachments: [filter("router", "a")] },
      want: ["old"],
    },
    {
      name: "keeps attachments of an extension that cannot be understood",
      there: [filter("old", "a"), filter("gone", "b")],
      over: { keep: ["a"] },
      want: ["gone"],
    },
    {
      name: "leaves alone those of another controller's namespaces",
      there: [filter("theirs", "a"), filter("gone", "b")],
      namespaces: ["b"],
      want: ["gone"],
    },
    {
      name: "does not take away twice",
      there: [filter("going", "a", true)],
      want: [],
    },
  ]
) {
  Deno.test(`carryOut() ${name}`, async () => {
    const { done, options } = cluster({
      there,
      ...(namespaces === undefined ? {} : { namespaces }),
    });
    await carryOut(planOf(over ?? {}), options);
    assertEquals(
      done.filter((what) => what.startsWith("remove")),
      want.map((one) => `remove EnvoyFilter gateways/${one}`),
    );
  });
}
