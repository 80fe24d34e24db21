/**
 * An installation on a real API server: every manifest applies with strict
 * validation, and each account may do what its program needs and nothing else.
 *
 * @module
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  type Access,
  KubeError,
  type KubeObject,
  readManifests,
} from "./_client.ts";
import { controlPlane, manifestFiles, MANIFESTS_DIR } from "./_world.ts";

const HOME = "mcp-system";
const TENANT = "team";
const CONTROLLER = "mcp-gateway-controller";
const GATEWAY = "mcp-gateway";

const proves = controlPlane({
  manifests: [""],
  setUp: async (cluster) => {
    await cluster.createNamespace(TENANT);
    await cluster.admin.apply(secret("token", TENANT));
    await cluster.admin.apply(registration("weather"));
  },
});

function secret(name: string, namespace: string): KubeObject {
  return {
    ...{ apiVersion: "v1", kind: "Secret", metadata: { name, namespace } },
    stringData: { token: "secret" },
  };
}

function configMap(name: string): KubeObject {
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name, namespace: HOME },
    data: { "config.yaml": "servers: []" },
  };
}

function registration(name: string): KubeObject {
  return {
    apiVersion: "mcp.kuadrant.io/v1",
    kind: "MCPServerRegistration",
    metadata: { name, namespace: TENANT },
    spec: { targetRef: { name: "weather" } },
  };
}

Deno.test("an installation takes every manifest there is", async () => {
  const listed = await manifestFiles();
  const there = await Array.fromAsync(yamlFiles(MANIFESTS_DIR));
  const chosen = /\/(kustomization\.yaml|(samples|components)\/.*)$/;
  assertEquals(
    [...listed].sort(),
    there.filter((path) => !chosen.test(path)).sort(),
  );
});

async function* yamlFiles(dir: string): AsyncGenerator<string> {
  for await (const { name, isDirectory } of Deno.readDir(dir)) {
    const path = `${dir}/${name}`;
    if (isDirectory) yield* yamlFiles(path);
    else if (name.endsWith(".yaml")) yield path;
  }
}

proves("every manifest applies, and again without change", async (cluster) => {
  for (const path of await manifestFiles()) {
    const text = await Deno.readTextFile(path);
    const before = await Promise.all(
      readManifests(text).map((object) => cluster.admin.get(object)),
    );
    const after = await cluster.admin.applyYaml(text);
    assertEquals(after.map(version), before.map(version), path);
  }
});

function version({ metadata }: KubeObject): unknown {
  return metadata.resourceVersion;
}

const MCP = "mcp.kuadrant.io";
const ROUTES = "gateway.networking.k8s.io";

/** Whom a table is about, and where an access is asked for. */
interface Row extends Access {
  readonly who: string;
}

/** One row for each verb. */
function rows(
  who: string,
  verbs: string,
  group: string,
  resource: string,
  where: { readonly namespace?: string; readonly name?: string } = {},
): readonly Row[] {
  return verbs.split(" ").map((verb) => ({
    ...{ who, verb, group, resource },
    ...where,
  }));
}

const READ = "get list watch";

const ALLOWED: readonly Row[] = [
  ...["mcpserverregistrations", "mcpvirtualservers", "mcpgatewayextensions"]
    .flatMap((resource) => [
      ...rows(CONTROLLER, READ, MCP, resource),
      ...rows(CONTROLLER, "patch", MCP, `${resource}/status`),
    ]),
  ...["gatewayclasses", "gateways", "httproutes", "referencegrants"]
    .flatMap((resource) => rows(CONTROLLER, READ, ROUTES, resource)),
  ...rows(CONTROLLER, READ, "", "services"),
  ...rows(CONTROLLER, READ, "gateway.envoyproxy.io", "backends"),
  ...rows(CONTROLLER, "create patch", "events.k8s.io", "events", {
    namespace: TENANT,
  }),
  ...rows(CONTROLLER, `${READ} create patch delete`, "", "configmaps", {
    namespace: HOME,
    name: "mcp-gateway-config",
  }),
  ...rows(CONTROLLER, `${READ} create patch delete`, "", "secrets", {
    namespace: HOME,
    name: "mcp-gateway-credentials",
  }),
  ...rows(CONTROLLER, "create", "coordination.k8s.io", "leases", {
    namespace: HOME,
  }),
  ...rows(CONTROLLER, "get update patch", "coordination.k8s.io", "leases", {
    namespace: HOME,
    name: CONTROLLER,
  }),
  ...rows(CONTROLLER, READ, "discovery.k8s.io", "endpointslices", {
    namespace: HOME,
  }),
  ...rows(CONTROLLER, READ, "", "secrets", { namespace: HOME }),
  ...[
    ["networking.istio.io", "envoyfilters"],
    ["gateway.envoyproxy.io", "envoyextensionpolicies"],
    ["gateway.envoyproxy.io", "backendtrafficpolicies"],
    [ROUTES, "httproutes"],
  ].flatMap(([group = "", resource = ""]) =>
    rows(CONTROLLER, `${READ} create patch delete`, group, resource, {
      namespace: HOME,
    })
  ),
  ...rows(GATEWAY, READ, "", "configmaps", {
    namespace: HOME,
    name: "mcp-gateway-config",
  }),
  ...rows(GATEWAY, READ, "", "secrets", {
    namespace: HOME,
    name: "mcp-gateway-credentials",
  }),
];

const WRITE = "create update patch delete deletecollection";

const FORBIDDEN: readonly Row[] = [
  // Nobody's Secrets but those of its own namespace, and none of them written.
  ...rows(CONTROLLER, READ, "", "secrets"),
  ...rows(CONTROLLER, `${READ} ${WRITE}`, "", "secrets", { namespace: TENANT }),
  ...rows(CONTROLLER, WRITE, "", "secrets", { namespace: HOME, name: "other" }),
  // No other configuration, and none anywhere else.
  ...rows(CONTROLLER, READ, "", "configmaps"),
  ...rows(CONTROLLER, `${READ} ${WRITE}`, "", "configmaps", {
    namespace: HOME,
    name: "other",
  }),
  ...rows(CONTROLLER, `${READ} ${WRITE}`, "", "configmaps", {
    namespace: TENANT,
    name: "mcp-gateway-config",
  }),
  ...rows(
    CONTROLLER,
    "get list watch update patch delete",
    "coordination.k8s.io",
    "leases",
    { namespace: HOME, name: "other" },
  ),
  ...rows(CONTROLLER, WRITE, "coordination.k8s.io", "leases", {
    namespace: "kube-system",
  }),
  // It reports; what is wanted is for others to say.
  ...["mcpserverregistrations", "mcpvirtualservers", "mcpgatewayextensions"]
    .flatMap((resource) => rows(CONTROLLER, WRITE, MCP, resource)),
  ...["gateways", "gateways/status", "httproutes/status", "referencegrants"]
    .flatMap((resource) => rows(CONTROLLER, WRITE, ROUTES, resource)),
  ...rows(CONTROLLER, WRITE, ROUTES, "httproutes", { namespace: TENANT }),
  ...rows(CONTROLLER, WRITE, "", "services"),
  // No traffic of other namespaces redirected.
  ...rows(CONTROLLER, WRITE, "networking.istio.io", "envoyfilters", {
    namespace: "istio-system",
  }),
  ...rows(
    CONTROLLER,
    WRITE,
    "gateway.envoyproxy.io",
    "envoyextensionpolicies",
    { namespace: TENANT },
  ),
  // No way to more.
  ...rows(CONTROLLER, "create", "", "serviceaccounts/token", {
    namespace: HOME,
  }),
  ...rows(CONTROLLER, "create", "", "pods", { namespace: HOME }),
  ...rows(CONTROLLER, "create", "", "pods/exec", { namespace: HOME }),
  ...rows(CONTROLLER, "impersonate", "", "users"),
  ...["roles", "rolebindings", "clusterroles", "clusterrolebindings"].flatMap(
    (resource) =>
      rows(
        CONTROLLER,
        "create patch bind escalate",
        "rbac.authorization.k8s.io",
        resource,
        { namespace: HOME },
      ),
  ),
  ...rows(
    CONTROLLER,
    WRITE,
    "apiextensions.k8s.io",
    "customresourcedefinitions",
  ),
  // Router and broker read two objects.
  ...rows(GATEWAY, READ, "", "secrets", { namespace: HOME }),
  ...rows(GATEWAY, READ, "", "configmaps", { namespace: HOME }),
  ...rows(GATEWAY, WRITE, "", "configmaps", {
    namespace: HOME,
    name: "mcp-gateway-config",
  }),
  ...rows(GATEWAY, WRITE, "", "secrets", {
    namespace: HOME,
    name: "mcp-gateway-credentials",
  }),
  ...rows(GATEWAY, READ, MCP, "mcpserverregistrations"),
  ...rows(GATEWAY, "get", "coordination.k8s.io", "leases", {
    namespace: HOME,
    name: CONTROLLER,
  }),
];

function describe({ verb, group, resource, namespace, name }: Access): string {
  const kind = group === "" ? resource : `${resource}.${group}`;
  const where = namespace === undefined ? "anywhere" : `in ${namespace}`;
  return `${verb} ${kind} ${where}${name === undefined ? "" : ` ${name}`}`;
}

for (
  const { table, allowed, sentence } of [
    { table: ALLOWED, allowed: true, sentence: "may do what it needs" },
    { table: FORBIDDEN, allowed: false, sentence: "may do nothing else" },
  ]
) {
  for (const account of [CONTROLLER, GATEWAY]) {
    proves(`${account} ${sentence}`, async (cluster) => {
      const client = await cluster.clientOf(HOME, account);
      const asked = table.filter(({ who }) => who === account);
      const answers = await Promise.all(asked.map((row) => client.may(row)));
      assertEquals(
        asked.filter((_, at) => answers[at] !== allowed).map(describe),
        [],
      );
      assert(asked.length > 0);
    });
  }
}

proves(
  "the controller makes its ConfigMap and Secret by apply",
  async (cluster) => {
    const controller = await cluster.clientOf(HOME, CONTROLLER);
    for (
      const object of [
        configMap("mcp-gateway-config"),
        secret("mcp-gateway-credentials", HOME),
      ]
    ) {
      const made = await controller.apply(object);
      assertEquals((await controller.get(object)).metadata, made.metadata);
    }
  },
);

proves(
  "a replica of the controller that looked too long ago takes no Lease",
  async (cluster) => {
    const controller = await cluster.clientOf(HOME, CONTROLLER);
    const leases = `/apis/coordination.k8s.io/v1/namespaces/${HOME}/leases`;
    const lease = (holderIdentity: string, resourceVersion?: unknown) => ({
      apiVersion: "coordination.k8s.io/v1",
      kind: "Lease",
      metadata: { name: CONTROLLER, namespace: HOME, resourceVersion },
      spec: { holderIdentity },
    });
    const first = await controller.request("POST", leases, {
      body: lease("one"),
    });
    const take = (identity: string) =>
      controller.request("PUT", `${leases}/${CONTROLLER}`, {
        body: lease(identity, version(first)),
      });
    await take("two");
    const late = await assertRejects(() => take("one"), KubeError);
    assertEquals(late.status, 409);
  },
);

proves("the controller writes a status and no spec", async (cluster) => {
  const controller = await cluster.clientOf(HOME, CONTROLLER);
  const { spec, ...bare } = registration("weather");
  const { status } = await controller.apply(
    { ...bare, status: { tools: 3 } },
    { subresource: "status" },
  );
  assertEquals(status, { tools: 3 });
  await refused(() => controller.apply({ ...bare, spec }));
});

const REFUSED: readonly {
  readonly what: string;
  readonly who: string;
  readonly request: (
    ask: (
      method: "GET" | "POST" | "PATCH" | "DELETE",
      path: string,
      body?: unknown,
    ) => Promise<unknown>,
  ) => Promise<unknown>;
}[] = [
  {
    what: "a ConfigMap of another name by apply",
    who: CONTROLLER,
    request: (ask) =>
      ask(
        "PATCH",
        `/api/v1/namespaces/${HOME}/configmaps/other`,
        configMap("other"),
      ),
  },
  {
    what: "a ConfigMap of its name by POST, which does not say the name",
    who: CONTROLLER,
    request: (ask) =>
      ask(
        "POST",
        `/api/v1/namespaces/${HOME}/configmaps`,
        configMap("mcp-gateway-config"),
      ),
  },
  {
    what: "all Secrets of the cluster",
    who: CONTROLLER,
    request: (ask) => ask("GET", "/api/v1/secrets"),
  },
  {
    what: "a tenant's Secret",
    who: CONTROLLER,
    request: (ask) => ask("GET", `/api/v1/namespaces/${TENANT}/secrets/token`),
  },
  {
    what: "the end of a registration",
    who: CONTROLLER,
    request: (ask) =>
      ask(
        "DELETE",
        `/apis/${MCP}/v1/namespaces/${TENANT}/mcpserverregistrations/weather`,
      ),
  },
  {
    what: "all Secrets of its namespace",
    who: GATEWAY,
    request: (ask) => ask("GET", `/api/v1/namespaces/${HOME}/secrets`),
  },
  {
    what: "a configuration of its own making",
    who: GATEWAY,
    request: (ask) =>
      ask(
        "PATCH",
        `/api/v1/namespaces/${HOME}/configmaps/mcp-gateway-config`,
        configMap("mcp-gateway-config"),
      ),
  },
];

for (const { what, who, request } of REFUSED) {
  proves(`${who} is refused ${what}`, async (cluster) => {
    const client = await cluster.clientOf(HOME, who);
    await refused(() =>
      request((method, path, body) =>
        client.request(method, path, {
          query: method === "PATCH" ? { fieldManager: "test" } : {},
          ...(body === undefined ? {} : { body }),
          ...(method === "PATCH"
            ? { contentType: "application/apply-patch+yaml" }
            : {}),
        })
      )
    );
  });
}

proves(
  "router and broker list and watch the one ConfigMap by its name",
  async (cluster) => {
    const gateway = await cluster.clientOf(HOME, GATEWAY);
    const object = configMap("mcp-gateway-config");
    await cluster.admin.apply(object);
    const path = `/api/v1/namespaces/${HOME}/configmaps`;
    const query = { fieldSelector: `metadata.name=${object.metadata.name}` };
    const { items } = await gateway.request<{ items: KubeObject[] }>(
      "GET",
      path,
      { query },
    );
    assertEquals(items.map(({ metadata }) => metadata.name), [
      object.metadata.name,
    ]);
    await refused(() => gateway.request("GET", path));

    const ended = new AbortController();
    const { status, body } = await gateway.send("GET", path, {
      query: { ...query, watch: "true" },
      signal: ended.signal,
    });
    assertEquals(status, 200);
    const { value } = await body!.pipeThrough(new TextDecoderStream())
      .getReader().read();
    assert(value?.includes(`"name":"mcp-gateway-config"`), value);
    ended.abort();
  },
);

proves(
  "a namespace's owner opens its Secrets to the controller, and only these",
  async (cluster) => {
    await cluster.createNamespace("open");
    await cluster.admin.apply(secret("token", "open"));
    const controller = await cluster.clientOf(HOME, CONTROLLER);
    await refused(() => controller.get(secret("token", "open")));
    await cluster.admin.apply(binding("mcp-gateway-credentials", "open"));
    const { data } = await controller.get(secret("token", "open"));
    assertEquals(data, { token: btoa("secret") });
    await refused(() => controller.get(secret("token", TENANT)));
    await refused(() => controller.apply(secret("token", "open")));
  },
);

for (
  const { role, sentence, opened } of [
    {
      role: "mcp-gateway-configuration",
      sentence:
        "a namespace with an extension of its own is opened by its role",
      opened: [
        ...rows(CONTROLLER, "create patch", "", "configmaps", {
          namespace: "apart",
          name: "mcp-gateway-config",
        }),
        ...rows(CONTROLLER, "create patch", "", "secrets", {
          namespace: "apart",
          name: "mcp-gateway-credentials",
        }),
        ...rows(CONTROLLER, "create patch delete", ROUTES, "httproutes", {
          namespace: "apart",
        }),
        ...rows(CONTROLLER, READ, "discovery.k8s.io", "endpointslices", {
          namespace: "apart",
        }),
      ],
    },
    {
      role: "mcp-gateway-attachment",
      sentence: "a namespace with Gateways is opened by its role",
      opened: [
        ...rows(
          CONTROLLER,
          "create patch",
          "networking.istio.io",
          "envoyfilters",
          {
            namespace: "apart",
          },
        ),
        ...rows(
          CONTROLLER,
          "create patch delete",
          "gateway.envoyproxy.io",
          "envoyextensionpolicies",
          { namespace: "apart" },
        ),
      ],
    },
  ]
) {
  proves(sentence, async (cluster) => {
    await cluster.createNamespace("apart");
    const controller = await cluster.clientOf(HOME, CONTROLLER);
    const answers = async () =>
      new Set(await Promise.all(opened.map((row) => controller.may(row))));
    assertEquals(await answers(), new Set([false]));
    await cluster.admin.apply(binding(role, "apart"));
    assertEquals(await answers(), new Set([true]));
    await cluster.admin.delete(binding(role, "apart"));
  });
}

/** Opens a namespace to the controller, as the manifests advise. */
function binding(role: string, namespace: string): KubeObject {
  return {
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "RoleBinding",
    metadata: { name: role, namespace },
    roleRef: {
      ...{ apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole" },
      name: role,
    },
    subjects: [{ kind: "ServiceAccount", name: CONTROLLER, namespace: HOME }],
  };
}

Deno.test("no rule of ours has a wildcard", async () => {
  const found: string[] = [];
  for (const path of await manifestFiles("rbac/")) {
    for (const object of readManifests(await Deno.readTextFile(path))) {
      const rules = (object.rules ?? []) as readonly Record<string, string[]>[];
      const all = rules.flatMap((rule) => Object.values(rule).flat());
      if (all.includes("*")) found.push(`${object.kind} in ${path}`);
    }
  }
  assertEquals(found, []);
});

async function refused(request: () => Promise<unknown>): Promise<void> {
  const error = await assertRejects(request, KubeError);
  assertEquals(error.status, 403, error.message);
}
