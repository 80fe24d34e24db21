import { assert, assertEquals } from "@std/assert";
import { parse } from "@std/yaml";
import type { Finding } from "./finding.ts";
import { describeFindings } from "./finding.ts";
import type { McpGatewayExtension } from "./mcp_gateway_extension.ts";
import type { McpServerRegistration } from "./mcp_server_registration.ts";
import { readResource, type Resource } from "./read.ts";
import { mayRefer, type ReferenceGrant } from "./reference_grant.ts";
import { type Secret, secretText } from "./secret.ts";

function read<T extends Resource>(yaml: string): T {
  const found = readResource(parse(yaml));
  assert(found !== undefined);
  return found as T;
}

const REGISTRATION = (spec: string) => `
apiVersion: mcp.kuadrant.io/v1alpha1
kind: MCPServerRegistration
metadata: {name: weather, namespace: team}
spec: ${spec}
`;

Deno.test("readResource() fills in what a registration leaves out", () => {
  const { meta: _, ...rest } = read<McpServerRegistration>(
    REGISTRATION("{targetRef: {name: weather}, credentialRef: {name: t}}"),
  );
  assertEquals(rest, {
    kind: "MCPServerRegistration",
    target: {
      group: "gateway.networking.k8s.io",
      kind: "HTTPRoute",
      name: "weather",
      namespace: "team",
    },
    prefix: "",
    path: "/mcp",
    credential: { name: "t", key: "token" },
    state: "Enabled",
    tokenUrlElicitation: false,
    userSpecificList: false,
    category: [],
    hint: "",
    tags: [],
    findings: [],
    status: undefined,
    conditions: [],
  });
});

for (
  const { name, spec, findings } of [
    { name: "no target", spec: "{}", findings: ["spec.targetRef"] },
    {
      name: "a target without a name",
      spec: "{targetRef: {}}",
      findings: ["spec.targetRef.name"],
    },
    {
      name: "a target that is text",
      spec: "{targetRef: weather}",
      findings: ["spec.targetRef", "spec.targetRef.name"],
    },
    {
      name: "a prefix that no tool's name can begin with",
      spec: "{targetRef: {name: w}, prefix: 'a b'}",
      findings: ["spec.prefix"],
    },
    {
      name: "a path with a query",
      spec: "{targetRef: {name: w}, path: '/mcp?a'}",
      findings: ["spec.path"],
    },
    {
      name: "a relative path",
      spec: "{targetRef: {name: w}, path: mcp}",
      findings: ["spec.path"],
    },
    {
      name: "lists by caller without a prefix",
      spec: "{targetRef: {name: w}, userSpecificList: Enabled}",
      findings: ["spec.prefix"],
    },
    {
      name: "a word that is no choice",
      spec: "{targetRef: {name: w}, state: On}",
      findings: ["spec.state"],
    },
    {
      name: "a tag that is a number, and one that is empty",
      spec: "{targetRef: {name: w}, tags: [a, 7, '']}",
      findings: ["spec.tags[1]", "spec.tags[2]"],
    },
    {
      name: "a Secret without a name",
      spec: "{targetRef: {name: w}, caCertSecretRef: {key: x}}",
      findings: ["spec.caCertSecretRef.name"],
    },
    { name: "a list as its spec", spec: "[]", findings: ["spec"] },
  ]
) {
  Deno.test(`readResource() finds ${name} in a registration`, () => {
    const { findings: found } = read<McpServerRegistration>(
      REGISTRATION(spec),
    );
    const paths = new Set(found.map((one) => one.path));
    for (const path of findings) assert(paths.has(path), [...paths].join());
  });
}

for (
  const { name, yaml } of [
    {
      name: "another kind",
      yaml: "{apiVersion: v1, kind: Pod, metadata: {name: x, namespace: y}}",
    },
    {
      name: "our kind of another group",
      yaml:
        "{apiVersion: x.example/v1, kind: Secret, metadata: {name: x, namespace: y}}",
    },
    {
      name: "an object without a name",
      yaml: "{apiVersion: v1, kind: Secret, metadata: {namespace: y}}",
    },
    {
      name: "a name that the API server would not store",
      yaml:
        "{apiVersion: v1, kind: Secret, metadata: {name: a_b, namespace: y}}",
    },
    { name: "a text", yaml: "hello" },
    { name: "nothing", yaml: "null" },
  ]
) {
  Deno.test(`readResource() reads nothing of ${name}`, () => {
    assertEquals(readResource(parse(yaml)), undefined);
  });
}

Deno.test("readResource() takes the kind from who asks, as items of lists have none", () => {
  const item = { metadata: { name: "x", namespace: "y" } };
  assertEquals(readResource(item), undefined);
  assertEquals(
    readResource(item, { apiVersion: "v1", kind: "Secret" })?.kind,
    "Secret",
  );
});

Deno.test("readResource() reads times as text and as dates", () => {
  const at = "2026-01-02T03:04:05Z";
  for (const creationTimestamp of [at, new Date(at)]) {
    const found = readResource({
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "x", namespace: "y", creationTimestamp },
    });
    assertEquals(found?.meta.created, Date.parse(at));
  }
});

Deno.test("describeFindings() never repeats a value that may be secret", () => {
  const found = read<Secret>(
    "{apiVersion: v1, kind: Secret, metadata: {name: x, namespace: y}, data: {token: 12345, list: [hush]}}",
  );
  const text = describeFindings(found.findings as Finding[]);
  assert(text.includes("data.token"));
  assert(!text.includes("12345") && !text.includes("hush"));
});

Deno.test("secretText() takes UTF-8 in Base64 and nothing else", () => {
  const data = (value: string) =>
    secretText(
      read<Secret>(
        `{apiVersion: v1, kind: Secret, metadata: {name: x, namespace: y}, data: {k: "${value}"}}`,
      ),
      "k",
    );
  assertEquals(data(btoa("abc")), "abc");
  assertEquals(data("/w=="), undefined);
  assertEquals(data("***"), undefined);
  assertEquals(data(""), "");
});

Deno.test("readResource() names the fields of an extension that nothing acts on", () => {
  const extension = read<McpGatewayExtension>(`
apiVersion: mcp.kuadrant.io/v1
kind: MCPGatewayExtension
metadata: {name: main, namespace: mcp}
spec:
  targetRef: {name: gw, sectionName: mcp}
  backendPingIntervalSeconds: 60
  urlElicitation: Disabled
  privateHost: x:80
  sessionStore: {secretName: redis}
`);
  assertEquals(extension.pending, ["spec.privateHost", "spec.sessionStore"]);
});

const GRANT = (spec: string) =>
  read<ReferenceGrant>(
    `{apiVersion: gateway.networking.k8s.io/v1beta1, kind: ReferenceGrant, metadata: {name: g, namespace: there}, spec: ${spec}}`,
  );
const FROM = { group: "a", kind: "A", namespace: "here" };
const TO = { group: "", kind: "Service", namespace: "there", name: "s" };

for (
  const { spec, want } of [
    {
      spec:
        "{from: [{group: a, kind: A, namespace: here}], to: [{group: '', kind: Service}]}",
      want: true,
    },
    {
      spec:
        "{from: [{group: a, kind: A, namespace: here}], to: [{kind: Service, name: s}]}",
      want: true,
    },
    {
      spec:
        "{from: [{group: a, kind: A, namespace: here}], to: [{kind: Service, name: t}]}",
      want: false,
    },
    {
      spec:
        "{from: [{group: a, kind: A, namespace: here}], to: [{kind: Service, name: 7}]}",
      want: false,
    },
    {
      spec:
        "{from: [{group: a, kind: A, namespace: else}], to: [{kind: Service}]}",
      want: false,
    },
    {
      spec:
        "{from: [{group: b, kind: A, namespace: here}], to: [{kind: Service}]}",
      want: false,
    },
    {
      spec:
        "{from: [{group: a, kind: B, namespace: here}], to: [{kind: Service}]}",
      want: false,
    },
    {
      spec:
        "{from: [{group: a, kind: A, namespace: here}], to: [{group: x, kind: Service}]}",
      want: false,
    },
    {
      spec:
        "{from: [{group: a, kind: A, namespace: here}], to: [{kind: Secret}]}",
      want: false,
    },
    { spec: "{from: [], to: [{kind: Service}]}", want: false },
    { spec: "7", want: false },
  ]
) {
  Deno.test(`mayRefer() says ${want} of a grant ${spec}`, () => {
    assertEquals(mayRefer([GRANT(spec)], FROM, TO), want);
  });
}

Deno.test("mayRefer() needs the grant to be in the namespace that is referred to", () => {
  const grant = GRANT(
    "{from: [{group: a, kind: A, namespace: here}], to: [{kind: Service}]}",
  );
  assert(!mayRefer([grant], FROM, { ...TO, namespace: "elsewhere" }));
  assert(mayRefer([], FROM, { ...TO, namespace: "here" }));
});
