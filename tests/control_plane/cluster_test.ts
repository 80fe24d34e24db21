/**
 * The control plane that other tests run on: whether it does what they build
 * on.
 *
 * @module
 */

import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { KubeClient, KubeError, type KubeObject } from "./_client.ts";
import { controlPlane } from "./_world.ts";

const proves = controlPlane();

function configMap(name: string, value: string): KubeObject {
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name, namespace: "default" },
    data: { value },
  };
}

const CONFIG_MAPS = "/api/v1/namespaces/default/configmaps";

proves("it is the release that the go.mod names", async ({ admin }) => {
  const { major, minor } = await admin.request<
    { major: string; minor: string }
  >("GET", "/version");
  assertEquals(`${major}.${minor}`, "1.36");
});

proves("it serves the Gateway API", async ({ admin }) => {
  const { resources } = await admin.request<{ resources: { name: string }[] }>(
    "GET",
    "/apis/gateway.networking.k8s.io/v1",
  );
  const names = resources.map(({ name }) => name);
  for (const name of ["gateways", "httproutes", "referencegrants"]) {
    assert(names.includes(name), `${name} is not among ${names}`);
  }
});

proves("it refuses a token that nobody was given", async (cluster) => {
  const client = new KubeClient(cluster.kubeConfig("forged"));
  try {
    const error = await assertRejects(
      () => client.request("GET", CONFIG_MAPS),
      KubeError,
    );
    assertEquals([error.status, error.reason], [401, "Unauthorized"]);
  } finally {
    client.close();
  }
});

proves("nobody trusts it who was not given its authority", async ({ url }) => {
  const error = await assertRejects(() => fetch(`${url}/readyz`), TypeError);
  assertStringIncludes(String(error.cause ?? error), "UnknownIssuer");
});

proves("an account may do nothing until a role is bound", async (cluster) => {
  const nobody = await cluster.clientOf("default", "nobody");
  const error = await assertRejects(
    () => nobody.request("GET", CONFIG_MAPS),
    KubeError,
  );
  assertEquals([error.status, error.reason], [403, "Forbidden"]);
});

proves("it keeps its objects and tokens over a restart", async (cluster) => {
  const client = await cluster.clientOf("default", "patient");
  const object = await cluster.admin.apply(configMap("kept", "1"));
  await cluster.apiServer.restart();
  assertEquals(await cluster.admin.get(object), object);
  assertEquals(
    await client.may({ verb: "get", group: "", resource: "pods" }),
    false,
  );
});

proves("a watch from before a compaction is told 410", async (cluster) => {
  const { admin } = cluster;
  const before = await admin.apply(configMap("compacted", "1"));
  await admin.apply(configMap("compacted", "2"));
  await cluster.compact();
  await cluster.apiServer.restart();
  const response = await admin.send("GET", CONFIG_MAPS, {
    query: {
      watch: "true",
      resourceVersion: String(before.metadata.resourceVersion),
      timeoutSeconds: "5",
    },
  });
  const said = await response.text();
  assertEquals(JSON.parse(said.split("\n")[0]!).object.code, 410, said);
});

const PATCHES: readonly {
  readonly type: string;
  readonly body: unknown;
  readonly query?: Record<string, string>;
}[] = [
  {
    type: "application/merge-patch+json",
    body: { data: { value: "patched" } },
  },
  {
    type: "application/strategic-merge-patch+json",
    body: { data: { value: "patched" } },
  },
  {
    type: "application/json-patch+json",
    body: [{ op: "replace", path: "/data/value", value: "patched" }],
  },
  {
    type: "application/apply-patch+yaml",
    body: configMap("patched", "patched"),
    query: { fieldManager: "test" },
  },
];

for (const { type, body, query = {} } of PATCHES) {
  proves(`a change is taken as ${type}`, async ({ admin }) => {
    await admin.apply(configMap("patched", "first"));
    const { data } = await admin.request("PATCH", `${CONFIG_MAPS}/patched`, {
      contentType: type,
      body,
      query,
    });
    assertEquals(data, { value: "patched" });
  });
}
