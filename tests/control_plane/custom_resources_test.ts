/**
 * The custom resources on a real API server: what is accepted as it was
 * written for the upstream project, what is refused and with which advice, what
 * is filled in, and what `kubectl get` shows.
 *
 * @module
 */

import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import type { KubeClient, KubeObject } from "./_client.ts";
import { KubeError, readManifests } from "./_client.ts";
import { controlPlane } from "./_world.ts";

const NAMESPACE = "team";

const proves = controlPlane({
  gatewayApi: false,
  manifests: ["crds/"],
  setUp: (cluster) => cluster.createNamespace(NAMESPACE),
});

/** What a table says of an object: its kind and its spec. */
interface Case {
  readonly name: string;
  readonly kind: keyof typeof SMALLEST;
  readonly spec: Record<string, unknown>;
}

/** The least that each kind needs. */
const SMALLEST = {
  MCPServerRegistration: { targetRef: { name: "weather" } },
  MCPVirtualServer: { tools: ["weather_forecast"] },
  MCPGatewayExtension: { targetRef: { name: "gateway", sectionName: "mcp" } },
} as const;

let made = 0;

/** An object with a name of its own. */
function object(
  kind: string,
  spec: Record<string, unknown>,
  apiVersion = "mcp.kuadrant.io/v1",
): KubeObject {
  const metadata = { name: `object-${++made}`, namespace: NAMESPACE };
  return { apiVersion, kind, metadata, spec };
}

const GATEWAY_API = "gateway.networking.k8s.io";

const ACCEPTED: readonly Case[] = [
  {
    name: "a target's name alone",
    kind: "MCPServerRegistration",
    spec: SMALLEST.MCPServerRegistration,
  },
  {
    name: "every field",
    kind: "MCPServerRegistration",
    spec: {
      targetRef: {
        ...{ group: GATEWAY_API, kind: "HTTPRoute" },
        ...{ name: "weather", namespace: "elsewhere" },
      },
      prefix: "weather_",
      path: "/v1/special/mcp",
      credentialRef: { name: "weather-token", key: "api-key" },
      state: "Disabled",
      caCertSecretRef: { name: "weather-ca", key: "ca.pem" },
      tokenURLElicitation: { url: "https://vault.example.com/tokens" },
      userSpecificList: "Enabled",
      category: ["weather", "public"],
      hint: "What the weather is and will be",
      tags: ["beta", "eu"],
    },
  },
  {
    name: "tokens asked for on the gateway's own page",
    kind: "MCPServerRegistration",
    spec: { ...SMALLEST.MCPServerRegistration, tokenURLElicitation: {} },
  },
  {
    name: "a prefix that ends without an underscore and begins with a digit",
    kind: "MCPServerRegistration",
    spec: { ...SMALLEST.MCPServerRegistration, prefix: "2nd" },
  },
  {
    name: "an empty path, which is the usual one",
    kind: "MCPServerRegistration",
    spec: { ...SMALLEST.MCPServerRegistration, path: "" },
  },
  {
    name: "tools alone",
    kind: "MCPVirtualServer",
    spec: SMALLEST.MCPVirtualServer,
  },
  {
    name: "a description, tools and prompts, one of them twice",
    kind: "MCPVirtualServer",
    spec: {
      description: "What travellers need",
      tools: ["weather_forecast", "trains_find", "trains_find"],
      prompts: ["trains_plan"],
    },
  },
  {
    name: "a Gateway and its listener alone",
    kind: "MCPGatewayExtension",
    spec: SMALLEST.MCPGatewayExtension,
  },
  {
    name: "every field",
    kind: "MCPGatewayExtension",
    spec: {
      targetRef: {
        ...{ group: GATEWAY_API, kind: "Gateway", name: "gateway" },
        ...{ namespace: "gateways", sectionName: "mcp" },
      },
      publicHost: "mcp.127-0-0-1.sslip.io",
      privateHost: "gateway-istio.gateways.svc.cluster.local:8080",
      backendPingIntervalSeconds: 30,
      trustedHeadersKey: { secretName: "trusted", generate: "Enabled" },
      httpRouteManagement: "Disabled",
      logLevel: "debug",
      sessionStore: { secretName: "redis" },
      urlElicitation: "Enabled",
      oauthProtectedResource: {
        authorizationServers: ["https://auth.example.com/realms/mcp"],
        resourceName: "MCP",
        resource: "https://mcp.example.com/mcp",
        bearerMethodsSupported: ["header"],
        scopesSupported: ["basic", "groups"],
      },
      caCertBundleRef: { name: "company-ca" },
      maxBodyBytes: 1048576,
    },
  },
  {
    name: "a private host with a scheme",
    kind: "MCPGatewayExtension",
    spec: { ...SMALLEST.MCPGatewayExtension, privateHost: "https://gw:443" },
  },
];

for (const { name, kind, spec } of ACCEPTED) {
  proves(`${kind} is accepted with ${name}`, async ({ admin }) => {
    const written = object(kind, spec);
    const { spec: kept } = await admin.apply(written);
    // Defaults are added; nothing that was written is changed or dropped.
    assertContains(kept, written.spec);
  });
}

/** The way in which users of the upstream project write their manifests. */
const UPSTREAM = `
apiVersion: mcp.kuadrant.io/VERSION
kind: MCPServerRegistration
metadata:
  name: everything
  namespace: ${NAMESPACE}
  labels:
    mcp.kuadrant.io/managed: "true"
spec:
  prefix: everything_
  targetRef:
    group: "gateway.networking.k8s.io"
    kind: "HTTPRoute"
    name: everything-route
    namespace: mcp-test
  path: "/mcp"
  state: Enabled
  credentialRef:
    name: everything-credential
    key: token
  category:
    - productivity
  hint: "Samples of everything"
---
apiVersion: mcp.kuadrant.io/VERSION
kind: MCPVirtualServer
metadata:
  name: samples
  namespace: ${NAMESPACE}
spec:
  description: "Some samples"
  tools:
    - everything_echo
    - everything_add
---
apiVersion: mcp.kuadrant.io/VERSION
kind: MCPGatewayExtension
metadata:
  name: extension
  namespace: ${NAMESPACE}
  labels:
    app.kubernetes.io/managed-by: kustomize
spec:
  targetRef:
    group: gateway.networking.k8s.io
    kind: Gateway
    name: mcp-gateway
    namespace: gateway-system
    sectionName: mcp # listener name on the Gateway
  publicHost: mcp.127-0-0-1.sslip.io
  backendPingIntervalSeconds: 60
  trustedHeadersKey:
    secretName: trusted-headers-public-key
`;

for (const version of ["v1", "v1alpha1"]) {
  proves(
    `manifests of the upstream project's ${version} apply unchanged`,
    async ({ admin }) => {
      const text = UPSTREAM.replaceAll("VERSION", version);
      const kept = await admin.applyYaml(text);
      for (const [index, written] of readManifests(text).entries()) {
        assertContains(kept[index], written);
      }
    },
  );
}

proves(
  "an object written as v1alpha1 is the same object read as v1",
  async ({ admin }) => {
    const { kind, spec } = ACCEPTED[1]!;
    const old = object(kind, spec, "mcp.kuadrant.io/v1alpha1");
    await admin.apply(old);
    const { spec: read } = await admin.get({
      ...old,
      apiVersion: "mcp.kuadrant.io/v1",
    });
    assertEquals(read, spec);
  },
);

proves("whoever writes v1alpha1 is told what to write", async ({ admin }) => {
  for (const [kind, spec] of Object.entries(SMALLEST)) {
    const old = object(kind, spec, "mcp.kuadrant.io/v1alpha1");
    const response = await admin.send("POST", await collection(admin, old), {
      body: old,
    });
    await response.body?.cancel();
    assertEquals(response.status, 201);
    assertStringIncludes(
      response.headers.get("warning") ?? "",
      `${kind} is deprecated: write apiVersion: mcp.kuadrant.io/v1`,
    );
  }
});

/** What the answer to a wrong object must say. */
interface Refused extends Case {
  readonly says: string;
}

const REFUSED: readonly Refused[] = [
  {
    name: "no target",
    kind: "MCPServerRegistration",
    spec: { prefix: "weather_" },
    says: "spec.targetRef: Required value",
  },
  {
    name: "a target without a name",
    kind: "MCPServerRegistration",
    spec: { targetRef: { kind: "HTTPRoute" } },
    says: "spec.targetRef.name: Required value",
  },
  {
    name: "an empty name",
    kind: "MCPServerRegistration",
    spec: { targetRef: { name: "" } },
    says: "spec.targetRef.name in body should be at least 1 chars long",
  },
  {
    name: "a Service for a target",
    kind: "MCPServerRegistration",
    spec: { targetRef: { group: "", kind: "Service", name: "weather" } },
    says: `spec.targetRef.kind: Unsupported value: "Service": ` +
      `supported values: "HTTPRoute"`,
  },
  {
    name: "a prefix in capitals",
    kind: "MCPServerRegistration",
    spec: { ...SMALLEST.MCPServerRegistration, prefix: "Weather-" },
    says: "write it like weather_, or leave it out",
  },
  {
    name: "an empty prefix",
    kind: "MCPServerRegistration",
    spec: { ...SMALLEST.MCPServerRegistration, prefix: "" },
    says: "write it like weather_, or leave it out",
  },
  {
    name: "a prefix that begins with an underscore",
    kind: "MCPServerRegistration",
    spec: { ...SMALLEST.MCPServerRegistration, prefix: "_weather" },
    says: "not begin with an underscore: write it like weather_",
  },
  {
    name: "a relative path",
    kind: "MCPServerRegistration",
    spec: { ...SMALLEST.MCPServerRegistration, path: "mcp" },
    says: "path must begin with /",
  },
  {
    name: "a path with a query",
    kind: "MCPServerRegistration",
    spec: { ...SMALLEST.MCPServerRegistration, path: "/mcp?key=1" },
    says: "without query, fragment and spaces: write it like /mcp",
  },
  {
    name: "lists by user and no prefix",
    kind: "MCPServerRegistration",
    spec: { ...SMALLEST.MCPServerRegistration, userSpecificList: "Enabled" },
    says: "set a prefix, for example weather_",
  },
  {
    name: "a boolean for a state",
    kind: "MCPServerRegistration",
    spec: { ...SMALLEST.MCPServerRegistration, state: "on" },
    says: `spec.state: Unsupported value: "on": ` +
      `supported values: "Enabled", "Disabled"`,
  },
  {
    name: "a token page without a scheme",
    kind: "MCPServerRegistration",
    spec: {
      ...SMALLEST.MCPServerRegistration,
      tokenURLElicitation: { url: "vault.example.com" },
    },
    says:
      "url must be absolute: write it like https://vault.example.com/tokens",
  },
  {
    name: "a credential without a Secret's name",
    kind: "MCPServerRegistration",
    spec: {
      ...SMALLEST.MCPServerRegistration,
      credentialRef: { key: "token" },
    },
    says: "spec.credentialRef.name: Required value",
  },
  {
    name: "four categories",
    kind: "MCPServerRegistration",
    spec: {
      ...SMALLEST.MCPServerRegistration,
      category: ["a", "b", "c", "d"],
    },
    says: "spec.category: Too many: 4: must have at most 3 items",
  },
  {
    name: "a field that is misspelt",
    kind: "MCPServerRegistration",
    spec: { ...SMALLEST.MCPServerRegistration, toolPrefix: "weather_" },
    says: ".spec.toolPrefix: field not declared in schema",
  },
  {
    name: "no tools",
    kind: "MCPVirtualServer",
    spec: { description: "Nothing" },
    says: "spec.tools: Required value",
  },
  {
    name: "an empty list of tools",
    kind: "MCPVirtualServer",
    spec: { tools: [] },
    says: "spec.tools in body should have at least 1 items",
  },
  {
    name: "no listener",
    kind: "MCPGatewayExtension",
    spec: { targetRef: { name: "gateway" } },
    says: "spec.targetRef.sectionName: Required value",
  },
  {
    name: "an HTTPRoute for a target",
    kind: "MCPGatewayExtension",
    spec: {
      targetRef: { kind: "HTTPRoute", name: "weather", sectionName: "mcp" },
    },
    says: `supported values: "Gateway"`,
  },
  {
    name: "a URL for a public host",
    kind: "MCPGatewayExtension",
    spec: {
      ...SMALLEST.MCPGatewayExtension,
      publicHost: "https://mcp.example.com/",
    },
    says: "publicHost must be a host alone, without scheme, path and " +
      "wildcard: write it like mcp.example.com",
  },
  {
    name: "a wildcard for a public host",
    kind: "MCPGatewayExtension",
    spec: { ...SMALLEST.MCPGatewayExtension, publicHost: "*.example.com" },
    says: "write it like mcp.example.com",
  },
  {
    name: "a private host with a path",
    kind: "MCPGatewayExtension",
    spec: {
      ...SMALLEST.MCPGatewayExtension,
      privateHost: "http://gateway:8080/mcp",
    },
    says: "write it like gateway.mcp-system.svc.cluster.local:8080",
  },
  {
    name: "a look at servers every second",
    kind: "MCPGatewayExtension",
    spec: { ...SMALLEST.MCPGatewayExtension, backendPingIntervalSeconds: 1 },
    says: "should be greater than or equal to 10",
  },
  {
    name: "an authorization server without a scheme",
    kind: "MCPGatewayExtension",
    spec: {
      ...SMALLEST.MCPGatewayExtension,
      oauthProtectedResource: { authorizationServers: ["auth.example.com"] },
    },
    says: "write it like https://auth.example.com",
  },
  {
    name: "no bytes at all",
    kind: "MCPGatewayExtension",
    spec: { ...SMALLEST.MCPGatewayExtension, maxBodyBytes: 0 },
    says: "write 4194304 for 4 MiB, or leave it out",
  },
];

for (const { name, kind, spec, says } of REFUSED) {
  proves(`${kind} is refused with ${name}, and told why`, async ({ admin }) => {
    const error = await assertRejects(
      () => admin.apply(object(kind, spec)),
      KubeError,
    );
    assertStringIncludes(error.message, says);
  });
}

proves("a prefix stays as it was first set", async ({ admin }) => {
  const first = object("MCPServerRegistration", {
    targetRef: { name: "weather" },
  });
  const withPrefix = (prefix: string) => ({
    ...first,
    spec: { ...first.spec, prefix },
  });
  await admin.apply(first);
  await admin.apply(withPrefix("weather_"));
  const error = await assertRejects(
    () => admin.apply(withPrefix("rain_")),
    KubeError,
  );
  assertStringIncludes(
    error.message,
    "delete the registration and create it with the other prefix",
  );
});

const DEFAULTS: readonly (Case & { readonly want: unknown })[] = [
  {
    name: "a registration",
    kind: "MCPServerRegistration",
    spec: {
      targetRef: { name: "weather" },
      credentialRef: { name: "token" },
      caCertSecretRef: { name: "ca" },
    },
    want: {
      targetRef: { group: GATEWAY_API, kind: "HTTPRoute", name: "weather" },
      path: "/mcp",
      state: "Enabled",
      userSpecificList: "Disabled",
      category: ["uncategorised"],
      credentialRef: { name: "token", key: "token" },
      caCertSecretRef: { name: "ca", key: "ca.crt" },
    },
  },
  {
    name: "a virtual server",
    kind: "MCPVirtualServer",
    spec: SMALLEST.MCPVirtualServer,
    want: SMALLEST.MCPVirtualServer,
  },
  {
    name: "an extension",
    kind: "MCPGatewayExtension",
    spec: {
      ...SMALLEST.MCPGatewayExtension,
      trustedHeadersKey: { secretName: "trusted" },
      caCertBundleRef: { name: "ca" },
    },
    want: {
      targetRef: {
        ...{ group: GATEWAY_API, kind: "Gateway" },
        ...{ name: "gateway", sectionName: "mcp" },
      },
      backendPingIntervalSeconds: 60,
      httpRouteManagement: "Enabled",
      urlElicitation: "Disabled",
      trustedHeadersKey: { secretName: "trusted", generate: "Disabled" },
      caCertBundleRef: { name: "ca", key: "ca.crt" },
    },
  },
];

for (const { name, kind, spec, want } of DEFAULTS) {
  proves(`${name} has its defaults filled in`, async ({ admin }) => {
    assertEquals((await admin.apply(object(kind, spec))).spec, want);
  });
}

const READY = {
  type: "Ready",
  status: "True",
  reason: "ToolsListed",
  message: "3 tools are listed",
  observedGeneration: 1,
  lastTransitionTime: "2026-01-01T00:00:00Z",
};

for (const [kind, spec] of Object.entries(SMALLEST)) {
  proves(
    `${kind}'s spec and status are written apart from each other`,
    async ({ admin }) => {
      const written = object(kind, spec);
      const status = { conditions: [READY] };
      const first = await admin.apply({ ...written, status });
      assertEquals(first.status, undefined);

      const { spec: _, ...bare } = written;
      const second = await admin.apply(
        { ...bare, spec: { changed: true }, status },
        { subresource: "status", fieldManager: "controller" },
      ).catch((error: KubeError) => error);
      // A spec has no place there: refused by its field, not taken over.
      assert(second instanceof KubeError, "a spec was taken with the status");

      const third = await admin.apply({ ...bare, status }, {
        subresource: "status",
        fieldManager: "controller",
      });
      assertEquals(third.status, status);
      assertEquals(third.spec, first.spec);
      assertEquals(third.metadata.generation, first.metadata.generation);
    },
  );
}

proves(
  "a condition is one entry of a map: two writers keep each to their own",
  async ({ admin }) => {
    const written = object("MCPServerRegistration", {
      targetRef: { name: "weather" },
    });
    await admin.apply(written);
    const { spec: _, ...bare } = written;
    const write = (fieldManager: string, condition: typeof READY) =>
      admin.apply({ ...bare, status: { conditions: [condition] } }, {
        ...{ subresource: "status", fieldManager, force: false },
      });
    await write("one", READY);
    const { status } = await write("two", { ...READY, type: "Audited" });
    assertEquals(
      status.conditions.map(({ type }: typeof READY) => type),
      ["Ready", "Audited"],
    );
    const error = await assertRejects(
      () => write("two", { ...READY, status: "False" }),
      KubeError,
    );
    assertEquals(error.status, 409);
  },
);

const COLUMNS: readonly {
  readonly kind: keyof typeof SMALLEST;
  readonly plural: string;
  readonly status: Record<string, unknown>;
  readonly want: Record<string, unknown>;
}[] = [
  {
    kind: "MCPServerRegistration",
    plural: "mcpserverregistrations",
    status: { tools: 3, revision: "2025-11-25", lastError: "timed out" },
    want: {
      ...{ Prefix: "weather_", Target: "weather", Path: "/mcp" },
      ...{ Ready: "True", Reason: "ToolsListed", Tools: 3 },
      ...{ Revision: "2025-11-25", Category: '["uncategorised"]' },
      ...{ Credentials: "token", Error: "timed out" },
    },
  },
  {
    kind: "MCPVirtualServer",
    plural: "mcpvirtualservers",
    status: { tools: 2, prompts: 1 },
    want: {
      ...{ Ready: "True", Reason: "ToolsListed", Tools: 2, Prompts: 1 },
      Description: "For travellers",
    },
  },
  {
    kind: "MCPGatewayExtension",
    plural: "mcpgatewayextensions",
    status: {},
    want: {
      ...{ Gateway: "gateway", Listener: "mcp", Ready: "True" },
      ...{ Reason: "ToolsListed", Host: "mcp.example.com" },
    },
  },
];

const SHOWN = {
  MCPServerRegistration: {
    prefix: "weather_",
    credentialRef: { name: "token" },
  },
  MCPVirtualServer: { description: "For travellers" },
  MCPGatewayExtension: { publicHost: "mcp.example.com" },
} as const;

interface Table {
  readonly columnDefinitions: readonly { readonly name: string }[];
  readonly rows: readonly { readonly cells: readonly unknown[] }[];
}

for (const { kind, plural, status, want } of COLUMNS) {
  proves(`${kind} shows in a table what matters of it`, async ({ admin }) => {
    const written = object(kind, { ...SMALLEST[kind], ...SHOWN[kind] });
    await admin.apply(written);
    const { spec: _, ...bare } = written;
    await admin.apply(
      { ...bare, status: { conditions: [READY], ...status } },
      { subresource: "status" },
    );
    const { columnDefinitions, rows } = await admin.request<Table>(
      "GET",
      `/apis/mcp.kuadrant.io/v1/namespaces/${NAMESPACE}/${plural}/${written.metadata.name}`,
      { accept: "application/json;as=Table;v=v1;g=meta.k8s.io" },
    );
    const cells = Object.fromEntries(
      columnDefinitions.map(({ name }, at) => [name, rows[0]?.cells[at]]),
    );
    const { Name, Age, ...shown } = cells;
    assertEquals(Name, written.metadata.name);
    assert(Age !== undefined);
    assertEquals(shown, want);
  });
}

proves("the kinds go by short names and by one category", async ({ admin }) => {
  const { resources } = await admin.request<{
    resources: {
      kind: string;
      name: string;
      shortNames?: string[];
      categories?: string[];
    }[];
  }>("GET", "/apis/mcp.kuadrant.io/v1");
  const kinds = resources.filter(({ name }) => !name.includes("/"));
  assertEquals(
    Object.fromEntries(kinds.map(({ kind, shortNames, categories }) => [
      kind,
      [...shortNames ?? [], ...categories ?? []],
    ])),
    {
      MCPGatewayExtension: ["mcpge", "mcp"],
      MCPServerRegistration: ["mcpsr", "mcp"],
      MCPVirtualServer: ["mcpvs", "mcp"],
    },
  );
});

/** Asserts that all of `part` is in `whole`, at whatever depth. */
function assertContains(whole: unknown, part: unknown): void {
  if (typeof part !== "object" || part === null || Array.isArray(part)) {
    return assertEquals(whole, part);
  }
  for (const [key, value] of Object.entries(part)) {
    assertContains(
      (whole as Record<string, unknown> | undefined)?.[key],
      value,
    );
  }
}

async function collection(
  client: KubeClient,
  object: KubeObject,
): Promise<string> {
  return (await client.pathOf(object)).replace(/\/[^/]+$/, "");
}
