import { assertEquals } from "@std/assert";
import { type Around, configOf, planWith, statusOf } from "./_testing.ts";

const WEATHER = "MCPServerRegistration team/weather";

function service(spec: string): string {
  return `kind: Service\nmetadata: {name: weather, namespace: team}\nspec: ${spec}`;
}

function backendRef(ref: string, more = ""): string {
  return `kind: HTTPRoute\nmetadata: {name: weather, namespace: team}\nspec: {rules: [{backendRefs: [${ref}]}]}\n---\n${more}`;
}

function backend(spec: string): string {
  return backendRef(
    "{group: gateway.envoyproxy.io, kind: Backend, name: b}",
    `apiVersion: gateway.envoyproxy.io/v1alpha1\nkind: Backend\nmetadata: {name: b, namespace: team}\nspec: ${spec}`,
  );
}

function hostname(name: string, port: string): string {
  return backendRef(
    `{group: networking.istio.io, kind: Hostname, name: ${name}${port}}`,
  );
}

const path = (path: string) =>
  `kind: MCPServerRegistration\nmetadata: {name: weather, namespace: team}\nspec: {path: "${path}"}`;

const IN_CLUSTER = "weather.team.svc.cluster.local:9001";

for (
  const { name, world, url, around } of [
    { name: "a Service's port", world: "", url: `http://${IN_CLUSTER}/mcp` },
    {
      name: "another DNS domain",
      world: "",
      around: { settings: { clusterDomain: "k8s.example" } },
      url: "http://weather.team.svc.k8s.example:9001/mcp",
    },
    {
      name: "appProtocol https",
      world: service("{ports: [{port: 9001, appProtocol: HTTPS}]}"),
      url: `https://${IN_CLUSTER}/mcp`,
    },
    {
      name: "a port named https",
      world: service("{ports: [{port: 9001, name: https-mcp}]}"),
      url: `https://${IN_CLUSTER}/mcp`,
    },
    {
      name: "appProtocol http on a port named https",
      world: service("{ports: [{port: 9001, name: https, appProtocol: http}]}"),
      url: `http://${IN_CLUSTER}/mcp`,
    },
    {
      name: "port 443",
      world: `${service("{ports: [{port: 443}]}")}\n---\n${
        backendRef("{name: weather, port: 443}")
      }`,
      url: "https://weather.team.svc.cluster.local/mcp",
    },
    {
      name: "an ExternalName without that port",
      world: service(
        "{type: ExternalName, externalName: Api.Example.com, ports: []}",
      ),
      url: "http://api.example.com:9001/mcp",
    },
    {
      name: "a host of a ServiceEntry",
      world: hostname("api.example.com", ", port: 443"),
      url: "https://api.example.com/mcp",
    },
    {
      name: "a host of a ServiceEntry on port 80",
      world: hostname("api.example.com", ", port: 80"),
      url: "http://api.example.com/mcp",
    },
    {
      name: "a host without a port",
      world: hostname("api.example.com", ""),
      url: "https://api.example.com/mcp",
    },
    {
      name: "a Backend's name",
      world: backend(
        "{endpoints: [{fqdn: {hostname: x.example, port: 8443}}], tls: {}}",
      ),
      url: "https://x.example:8443/mcp",
    },
    {
      name: "a Backend's address",
      world: backend('{endpoints: [{ip: {address: "2001:db8::1", port: 80}}]}'),
      url: "http://[2001:db8::1]/mcp",
    },
    {
      name: "a Backend on this machine, where that is allowed",
      world: backend("{endpoints: [{ip: {address: 127.0.0.1, port: 80}}]}"),
      around: { settings: { allowLocalBackends: true } },
      url: "http://127.0.0.1/mcp",
    },
    {
      name: "a path of its own",
      world: path("/v1/mcp;x=1"),
      url: `http://${IN_CLUSTER}/v1/mcp;x=1`,
    },
  ] satisfies readonly {
    name: string;
    world: string;
    url: string;
    around?: Around;
  }[]
) {
  Deno.test(`plan() makes a URL of ${name}`, () => {
    assertEquals(configOf(planWith(world, around)).servers[0]?.url, url);
  });
}

for (
  const { name, world, reason } of [
    {
      name: "loopback by address",
      world: backend("{endpoints: [{ip: {address: 127.0.0.1, port: 80}}]}"),
    },
    {
      name: "loopback in another spelling",
      world: service("{type: ExternalName, externalName: 0x7f.1}"),
    },
    {
      name: "loopback by name",
      world: service("{type: ExternalName, externalName: localhost}"),
    },
    {
      name: "IPv6 loopback",
      world: backend('{endpoints: [{ip: {address: "::1", port: 80}}]}'),
    },
    {
      name: "IPv4 loopback within IPv6",
      world: backend(
        '{endpoints: [{ip: {address: "::ffff:127.0.0.1", port: 80}}]}',
      ),
    },
    {
      name: "the metadata address",
      world: backend(
        "{endpoints: [{ip: {address: 169.254.169.254, port: 80}}]}",
      ),
    },
    {
      name: "the metadata address as a number",
      world: service('{type: ExternalName, externalName: "2852039166"}'),
    },
    {
      name: "the metadata name",
      world: hostname("metadata.google.internal", ", port: 80"),
    },
    {
      name: "another namespace's Service",
      world: service(
        "{type: ExternalName, externalName: api.other.svc.cluster.local}",
      ),
    },
    {
      name: "the same with a dot at its end",
      world: service(
        "{type: ExternalName, externalName: api.other.svc.cluster.local.}",
      ),
    },
    {
      name: "the same in short",
      world: service("{type: ExternalName, externalName: api.other.svc}"),
    },
    {
      name: "the same in very short",
      world: `${
        service("{type: ExternalName, externalName: api.other}")
      }\n---\napiVersion: v1\nkind: Service\nmetadata: {name: x, namespace: other}`,
    },
    { name: "a name without a dot", world: hostname("kubernetes", "") },
    {
      name: "the API server",
      world: service(
        "{type: ExternalName, externalName: kubernetes.default.svc}",
      ),
    },
    {
      name: "two places",
      world: backend(
        "{endpoints: [{fqdn: {hostname: a.b, port: 1}}, {fqdn: {hostname: a.c, port: 1}}]}",
      ),
      reason: "BackendNotSupported",
    },
    {
      name: "a socket",
      world: backend("{endpoints: [{unix: {path: /x}}]}"),
      reason: "BackendNotSupported",
    },
    {
      name: "no name",
      world: hostname('"a b"', ""),
      reason: "BackendNotSupported",
    },
    { name: "a step upwards", world: path("/a/../b"), reason: "Invalid" },
    {
      name: "an encoded step upwards",
      world: path("/a/%2e%2e/b"),
      reason: "Invalid",
    },
    { name: "a query", world: path("/mcp?x=1"), reason: "Invalid" },
    { name: "a variable", world: path("/${HOME}"), reason: "Invalid" },
    { name: "an encoded slash", world: path("/a%2Fb"), reason: "Invalid" },
  ]
) {
  Deno.test(`plan() makes no URL of ${name}`, () => {
    const made = planWith(world);
    assertEquals(configOf(made).servers, []);
    assertEquals(
      statusOf(made, WEATHER).status.conditions.at(-1)?.reason,
      reason ?? "BackendNotPermitted",
    );
  });
}

for (
  const { name, rules, port } of [
    {
      name: "exact before prefix",
      rules: [["PathPrefix", "/mcp", 1], ["Exact", "/mcp", 2]],
      port: 2,
    },
    {
      name: "the longer prefix",
      rules: [["PathPrefix", "/", 1], ["PathPrefix", "/mcp/", 2]],
      port: 2,
    },
    {
      name: "the first of equals",
      rules: [["PathPrefix", "/mcp", 1], ["PathPrefix", "/mcp", 2]],
      port: 1,
    },
    {
      name: "whole segments only",
      rules: [["PathPrefix", "/", 1], ["PathPrefix", "/mc", 2]],
      port: 1,
    },
  ] as const
) {
  Deno.test(`plan() takes the rule that Envoy would: ${name}`, () => {
    const text = rules.map(([type, value, port]) =>
      `{matches: [{path: {type: ${type}, value: ${value}}}], backendRefs: [{name: weather, port: ${port}}]}`
    ).join(", ");
    const made = planWith(
      `${
        service("{ports: [{port: 1}, {port: 2}]}")
      }\n---\nkind: HTTPRoute\nmetadata: {name: weather, namespace: team}\nspec: {rules: [${text}]}`,
    );
    assertEquals(
      configOf(made).servers[0]?.url,
      `http://weather.team.svc.cluster.local:${port}/mcp`,
    );
  });
}
