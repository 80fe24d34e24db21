import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { GatewayConfig } from "../../shared/config/model.ts";
import type { ServerStatus, Status } from "../../shared/status.ts";
import {
  type Around,
  BASE,
  conditionsOf,
  configOf,
  NOW,
  objectsOf,
  ON_ENVOY_GATEWAY,
  planWith,
  replica,
  statusFor,
  statusOf,
  worldWith,
} from "./_testing.ts";
import type { Condition } from "../resources/condition.ts";
import { type Plan, plan } from "./plan.ts";
import {
  CONDITION_TYPES,
  type Reason,
  type ReasonEntry,
  REASONS,
} from "./reasons.ts";

const WEATHER = "MCPServerRegistration team/weather";
const NEWS = "MCPServerRegistration other/news";
const MAIN = "MCPGatewayExtension mcp/main";
const TRAVEL = "MCPVirtualServer team/travel";

/** A second server, of another tenant, younger than the first. */
const NEWS_SERVER = `
apiVersion: v1
kind: Service
metadata: {name: news, namespace: other}
spec: {ports: [{name: http, port: 80}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: news, namespace: other, creationTimestamp: "2026-01-03T00:00:00Z"}
spec:
  parentRefs: [{name: gw, namespace: mcp}]
  hostnames: [news.mcp.local]
  rules: [{backendRefs: [{name: news, port: 80}]}]
---
apiVersion: mcp.kuadrant.io/v1
kind: MCPServerRegistration
metadata: {name: news, namespace: other, creationTimestamp: "2026-01-03T00:00:00Z"}
spec: {targetRef: {name: news}, prefix: news_}
`;

const SECRET = (namespace: string, more = "") => `
apiVersion: v1
kind: Secret
metadata: {name: token, namespace: ${namespace}, labels: {mcp.kuadrant.io/secret: "true"}}
data: {token: ${btoa("Bearer abc\n")}, ca.crt: ${
  btoa("-----BEGIN CERTIFICATE-----\nx\n")
}}
${more}
---
`;
const WITH_CREDENTIAL = `
kind: MCPServerRegistration
metadata: {name: weather, namespace: team}
spec: {credentialRef: {name: token}}
`;
const VIRTUAL = `
apiVersion: mcp.kuadrant.io/v1
kind: MCPVirtualServer
metadata: {name: travel, namespace: team}
spec: {tools: [weather_forecast], prompts: [plan]}
`;
const ELSEWHERE = `
kind: MCPServerRegistration
metadata: {name: weather, namespace: team}
spec: {targetRef: {name: news, namespace: other}}
`;
const LISTENERS = (second: string) => `
kind: Gateway
metadata: {name: gw, namespace: mcp}
spec:
  listeners:
  - {name: mcp, hostname: mcp.example.test, port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: All}}}
  - ${second}
`;
const BACKEND_REF = (ref: string) => `
kind: HTTPRoute
metadata: {name: weather, namespace: team}
spec: {rules: [{backendRefs: [${ref}]}]}
`;
const SAYS = (type: string, generation = 1) => `
kind: HTTPRoute
metadata: {name: weather, namespace: team}
status:
  parents:
  - parentRef: {name: gw, namespace: mcp, sectionName: servers}
    controllerName: x/y
    conditions:
    - {type: ${type}, status: "False", reason: BadThing, message: it is bad, observedGeneration: ${generation}, lastTransitionTime: "2026-01-01T00:00:00Z"}
`;

interface Case {
  readonly name: string;
  readonly world: string;
  readonly around?: Around;
  /** What the only broker says, made of the configuration that is planned. */
  readonly broker?: (config: GatewayConfig) => Status;
  /** First condition that does not hold, or all that hold. */
  readonly want: Readonly<Record<string, string>>;
  /** Names of the servers that are configured. */
  readonly servers?: readonly string[];
}

const all = statusFor;
const saying = (over: Partial<ServerStatus>) => (config: GatewayConfig) =>
  statusFor(config, over);

const CASES: readonly Case[] = [
  {
    name: "a registration whose labels are not selected any more is told so",
    world: "",
    around: {
      settings: { selector: [{ kind: "exists", key: "mcp" }] },
      taken: ["team/weather"],
    },
    want: { [WEATHER]: "Accepted=False NotSelected" },
    servers: [],
  },
  {
    name: "a registration that every broker lists is ready",
    world: "",
    broker: all,
    want: { [WEATHER]: "Ready=True Ready", [MAIN]: "Ready=True Ready" },
    servers: ["team/weather"],
  },
  {
    name: "what was accepted and is not acted on is named",
    world: `
kind: MCPServerRegistration
metadata: {name: weather, namespace: team}
spec: {tokenURLElicitation: {url: "https://x.example"}}
---
kind: MCPGatewayExtension
metadata: {name: main, namespace: mcp}
spec: {logLevel: debug, backendPingIntervalSeconds: 60}
`,
    broker: all,
    want: { [WEATHER]: "Ready=True Ready", [MAIN]: "Ready=True Ready" },
  },
  {
    name: "a field of another type is named, and the server left out",
    world: `
kind: MCPServerRegistration
metadata: {name: weather, namespace: team}
spec: {prefix: 7}
`,
    want: { [WEATHER]: "Accepted=False Invalid" },
    servers: [],
  },
  {
    name: "a target that is no HTTPRoute is refused",
    world: `
kind: MCPServerRegistration
metadata: {name: weather, namespace: team}
spec: {targetRef: {kind: Service, group: ""}}
---
kind: MCPGatewayExtension
metadata: {name: main, namespace: mcp}
spec: {targetRef: {kind: Service}}
`,
    want: {
      [WEATHER]: "Accepted=False UnsupportedTarget",
      [MAIN]: "Accepted=False UnsupportedTarget",
    },
  },
  {
    name: "a route of a Gateway without an extension has no gateway",
    world: `
kind: HTTPRoute
metadata: {name: weather, namespace: team}
spec: {parentRefs: [{name: other, namespace: mcp}]}
`,
    want: { [WEATHER]: "Accepted=False NoGatewayExtension" },
    servers: [],
  },
  {
    name: "a listener of another port is out of reach by hostname",
    world: LISTENERS(
      `{name: servers, hostname: "*.mcp.local", port: 8080, protocol: HTTP, allowedRoutes: {namespaces: {from: All}}}`,
    ),
    want: { [WEATHER]: "Accepted=False ListenerMismatch" },
    servers: [],
  },
  {
    name: "another HTTPS listener is out of reach, as it has its own routes",
    world: `
kind: Gateway
metadata: {name: gw, namespace: mcp}
spec:
  listeners:
  - {name: mcp, hostname: mcp.example.test, port: 443, protocol: HTTPS, allowedRoutes: {namespaces: {from: All}}}
  - {name: servers, hostname: "*.mcp.local", port: 443, protocol: HTTPS, allowedRoutes: {namespaces: {from: All}}}
`,
    want: { [WEATHER]: "Accepted=False ListenerMismatch" },
  },
  {
    name: "the MCP listener itself is within reach over HTTPS",
    world: `
kind: Gateway
metadata: {name: gw, namespace: mcp}
spec:
  listeners:
  - {name: mcp, hostname: "*.example.test", port: 443, protocol: HTTPS, allowedRoutes: {namespaces: {from: All}}}
---
kind: MCPGatewayExtension
metadata: {name: main, namespace: mcp}
spec: {publicHost: mcp.example.test}
---
kind: HTTPRoute
metadata: {name: weather, namespace: team}
spec: {parentRefs: [{name: gw, namespace: mcp}], hostnames: [weather.example.test]}
`,
    broker: all,
    want: { [WEATHER]: "Ready=True Ready" },
    servers: ["team/weather"],
  },
  {
    name: "a listener that takes routes of its own namespace takes no others",
    world: LISTENERS(
      `{name: servers, hostname: "*.mcp.local", port: 80, protocol: HTTP}`,
    ),
    want: { [WEATHER]: "Accepted=False NotAllowedByListener" },
    servers: [],
  },
  {
    name: "what the Gateway's controller says against a route is repeated",
    world: SAYS("Accepted"),
    want: { [WEATHER]: "Accepted=False RouteNotAccepted" },
    servers: [],
  },
  {
    name: "what was said about an earlier route is no news",
    world: `${
      SAYS("Accepted", 1)
    }\n---\nkind: HTTPRoute\nmetadata: {name: weather, namespace: team, generation: 2}`,
    broker: all,
    want: { [WEATHER]: "Ready=True Ready" },
  },
  {
    name:
      "where namespaces are selected by label, the controller decides first",
    world: LISTENERS(
      `{name: servers, hostname: "*.mcp.local", port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: Selector}}}`,
    ),
    want: { [WEATHER]: "Accepted=False RoutePending" },
    servers: [],
  },
  {
    name: "a route with a wildcard only cannot be routed on",
    world: `
kind: HTTPRoute
metadata: {name: weather, namespace: team}
spec: {hostnames: ["*.mcp.local"]}
`,
    want: { [WEATHER]: "Accepted=False NoHostname" },
  },
  {
    name: "nobody registers the host that clients use",
    world: `
kind: HTTPRoute
metadata: {name: weather, namespace: team}
spec: {parentRefs: [{name: gw, namespace: mcp}], hostnames: [mcp.example.test]}
`,
    want: { [WEATHER]: "Accepted=False HostnameReserved" },
    servers: [],
  },
  {
    name: "nobody registers the host of another namespace's older route",
    world: `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop, namespace: other, creationTimestamp: "2026-01-01T00:00:00Z"}
spec: {parentRefs: [{name: gw, namespace: mcp}], hostnames: [weather.mcp.local]}
`,
    want: { [WEATHER]: "Accepted=False HostnameTaken" },
    servers: [],
  },
  {
    name: "a route that its listener refuses keeps no host from others",
    world: `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop, namespace: other, creationTimestamp: "2026-01-01T00:00:00Z"}
spec: {parentRefs: [{name: gw, namespace: mcp}], hostnames: [weather.mcp.local]}
status:
  parents: [{parentRef: {name: gw, namespace: mcp}, conditions: [{type: Accepted, status: "False", reason: X, message: x}]}]
`,
    broker: all,
    want: { [WEATHER]: "Ready=True Ready" },
  },
  {
    name: "the older of two registrations of a host keeps it",
    world: `
apiVersion: mcp.kuadrant.io/v1
kind: MCPServerRegistration
metadata: {name: again, namespace: team, creationTimestamp: "2026-01-03T00:00:00Z"}
spec: {targetRef: {name: weather}, path: /v2/mcp}
`,
    broker: all,
    want: {
      [WEATHER]: "Ready=True Ready",
      "MCPServerRegistration team/again": "Accepted=False HostnameConflict",
    },
    servers: ["team/weather"],
  },
  {
    name: "the older of two registrations of a prefix keeps it",
    world:
      `${NEWS_SERVER}\n---\nkind: MCPServerRegistration\nmetadata: {name: news, namespace: other}\nspec: {prefix: weather_}`,
    broker: all,
    want: {
      [WEATHER]: "Ready=True Ready",
      [NEWS]: "Accepted=False PrefixConflict",
    },
    servers: ["team/weather"],
  },
  {
    name: "the older one keeps its prefix while its own backend is missing",
    world:
      `${NEWS_SERVER}\n---\nkind: MCPServerRegistration\nmetadata: {name: news, namespace: other}\nspec: {prefix: weather_}\n---\nkind: Service\nmetadata: {name: weather, namespace: team}\ngone: true`,
    want: {
      [WEATHER]: "ResolvedRefs=False BackendNotFound",
      [NEWS]: "Accepted=False PrefixConflict",
    },
    servers: [],
  },
  {
    name: "no tenant takes calls from another by a longer prefix",
    world:
      `${NEWS_SERVER}\n---\nkind: MCPServerRegistration\nmetadata: {name: news, namespace: other}\nspec: {prefix: weather_fore}`,
    want: { [NEWS]: "Accepted=False PrefixShadows" },
    servers: ["team/weather"],
  },
  {
    name: "within a namespace, prefixes may begin alike",
    world: `${
      NEWS_SERVER.replaceAll("other", "team")
    }\n---\nkind: MCPServerRegistration\nmetadata: {name: news, namespace: team}\nspec: {prefix: weather_fore}`,
    want: {},
    servers: ["team/weather", "team/news"],
  },
  {
    name: "a namespace has one extension, the older one",
    world: `
apiVersion: mcp.kuadrant.io/v1
kind: MCPGatewayExtension
metadata: {name: again, namespace: mcp, creationTimestamp: "2026-01-05T00:00:00Z"}
spec: {targetRef: {name: gw, sectionName: servers}, publicHost: x.mcp.local}
`,
    want: {
      "MCPGatewayExtension mcp/again": "Accepted=False NamespaceConflict",
    },
  },
  {
    name: "a port of a Gateway has one extension, the older one",
    world: `
apiVersion: gateway.networking.k8s.io/v1
kind: ReferenceGrant
metadata: {name: more, namespace: mcp}
spec: {from: [{group: mcp.kuadrant.io, kind: MCPGatewayExtension, namespace: other}], to: [{group: gateway.networking.k8s.io, kind: Gateway}]}
---
apiVersion: mcp.kuadrant.io/v1
kind: MCPGatewayExtension
metadata: {name: again, namespace: other, creationTimestamp: "2026-01-05T00:00:00Z"}
spec: {targetRef: {name: gw, namespace: mcp, sectionName: servers}, publicHost: x.mcp.local}
`,
    want: {
      "MCPGatewayExtension other/again": "Accepted=False ListenerConflict",
    },
  },
  {
    name: "a listener of another protocol cannot serve MCP",
    world: `
kind: Gateway
metadata: {name: gw, namespace: mcp}
spec: {listeners: [{name: mcp, port: 80, protocol: TCP}]}
`,
    want: { [MAIN]: "Accepted=False ListenerNotSupported" },
  },
  {
    name: "somebody has to say which host clients use",
    world: `
kind: MCPGatewayExtension
metadata: {name: main, namespace: mcp}
spec: {targetRef: {name: gw, sectionName: servers}}
`,
    want: { [MAIN]: "Accepted=False PublicHostMissing" },
  },
  {
    name: "clients' host must be one of the listener's",
    world: `
kind: MCPGatewayExtension
metadata: {name: main, namespace: mcp}
spec: {publicHost: mcp.example.com}
`,
    want: { [MAIN]: "Accepted=False PublicHostMismatch" },
  },
  {
    name: "a route of another namespace needs a grant there",
    world: `${NEWS_SERVER}\n---\n${ELSEWHERE}`,
    want: { [WEATHER]: "ResolvedRefs=False RefNotPermitted" },
    servers: ["other/news"],
  },
  {
    name: "without a grant nobody learns whether the route is there",
    world: ELSEWHERE,
    want: { [WEATHER]: "ResolvedRefs=False RefNotPermitted" },
  },
  {
    name: "a grant lets a registration use a route of another namespace",
    world:
      `${NEWS_SERVER}\n---\nkind: MCPServerRegistration\nmetadata: {name: news, namespace: other}\ngone: true\n---\n${ELSEWHERE}
---
apiVersion: gateway.networking.k8s.io/v1
kind: ReferenceGrant
metadata: {name: more, namespace: other}
spec: {from: [{group: mcp.kuadrant.io, kind: MCPServerRegistration, namespace: team}], to: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: news}]}
`,
    broker: all,
    want: { [WEATHER]: "Ready=True Ready" },
    servers: ["team/weather"],
  },
  {
    name: "a grant for another route is none",
    world: `${NEWS_SERVER}\n---\n${ELSEWHERE}
---
apiVersion: gateway.networking.k8s.io/v1
kind: ReferenceGrant
metadata: {name: more, namespace: other}
spec: {from: [{group: mcp.kuadrant.io, kind: MCPServerRegistration, namespace: team}], to: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: sports}]}
`,
    want: { [WEATHER]: "ResolvedRefs=False RefNotPermitted" },
  },
  {
    name: "a Gateway of another namespace needs a grant there",
    world: `
kind: MCPGatewayExtension
metadata: {name: main, namespace: mcp}
spec: {targetRef: {namespace: other}}
`,
    want: { [MAIN]: "ResolvedRefs=False RefNotPermitted" },
  },
  {
    name: "a target that is not there is named",
    world: `
kind: MCPServerRegistration
metadata: {name: weather, namespace: team}
spec: {targetRef: {name: gone}}
---
kind: MCPGatewayExtension
metadata: {name: main, namespace: mcp}
spec: {targetRef: {name: gone}}
`,
    want: {
      [WEATHER]: "ResolvedRefs=False TargetNotFound",
      [MAIN]: "ResolvedRefs=False TargetNotFound",
    },
  },
  {
    name: "a listener that is not there is named",
    world: `
kind: MCPGatewayExtension
metadata: {name: main, namespace: mcp}
spec: {targetRef: {sectionName: gone}}
`,
    want: { [MAIN]: "ResolvedRefs=False ListenerNotFound" },
  },
  {
    name: "a rule with two backends is no place for a session",
    world: BACKEND_REF("{name: weather, port: 9001}, {name: b, port: 1}"),
    want: { [WEATHER]: "ResolvedRefs=False RouteNotSupported" },
    servers: [],
  },
  {
    name: "a rule that rewrites the path is not supported",
    world: `
kind: HTTPRoute
metadata: {name: weather, namespace: team}
spec: {rules: [{filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplaceFullPath, replaceFullPath: /x}}}], backendRefs: [{name: weather, port: 9001}]}]}
`,
    want: { [WEATHER]: "ResolvedRefs=False RouteNotSupported" },
  },
  {
    name: "a backend without a share does not count",
    world: BACKEND_REF(
      "{name: weather, port: 9001}, {name: b, port: 1, weight: 0}",
    ),
    want: {},
    servers: ["team/weather"],
  },
  {
    name: "a path that no rule takes is named",
    world: `
kind: HTTPRoute
metadata: {name: weather, namespace: team}
spec: {rules: [{matches: [{path: {type: PathPrefix, value: /mcpx}}], backendRefs: [{name: weather, port: 9001}]}]}
`,
    want: { [WEATHER]: "ResolvedRefs=False PathNotRouted" },
    servers: [],
  },
  {
    name: "a backend that is not there is named",
    world: BACKEND_REF("{name: gone, port: 9001}"),
    want: { [WEATHER]: "ResolvedRefs=False BackendNotFound" },
  },
  {
    name: "a port that is not there is named",
    world: BACKEND_REF("{name: weather, port: 1}"),
    want: { [WEATHER]: "ResolvedRefs=False BackendPortNotFound" },
  },
  {
    name: "a Service of another namespace needs a grant there",
    world: `${NEWS_SERVER}\n---\n${
      BACKEND_REF("{name: news, namespace: other, port: 80}")
    }`,
    want: { [WEATHER]: "ResolvedRefs=False RefNotPermitted" },
  },
  {
    name: "a backend of an unknown kind is not supported",
    world: BACKEND_REF("{group: x.example, kind: Bucket, name: weather}"),
    want: { [WEATHER]: "ResolvedRefs=False BackendNotSupported" },
  },
  {
    name: "no tenant has the gateway call the metadata address",
    world: `
kind: Service
metadata: {name: weather, namespace: team}
spec: {type: ExternalName, externalName: 169.254.169.254}
`,
    want: { [WEATHER]: "ResolvedRefs=False BackendNotPermitted" },
    servers: [],
  },
  {
    name: "what the Gateway's controller says against a backend is repeated",
    world: SAYS("ResolvedRefs"),
    broker: all,
    want: { [WEATHER]: "ResolvedRefs=False BackendNotResolved" },
    servers: ["team/weather"],
  },
  {
    name: "a Secret of another namespace is none",
    world: `${SECRET("other")}${WITH_CREDENTIAL}`,
    want: { [WEATHER]: "ResolvedRefs=False SecretNotFound" },
    servers: [],
  },
  {
    name: "a Secret without the label is not for the gateway",
    world: `${
      SECRET("team")
    }kind: Secret\nmetadata: {name: token, namespace: team, labels: {mcp.kuadrant.io/secret: "yes"}}\n---\n${WITH_CREDENTIAL}`,
    want: { [WEATHER]: "ResolvedRefs=False SecretNotLabelled" },
    servers: [],
  },
  {
    name: "an entry that a Secret lacks is named",
    world: `${
      SECRET("team")
    }${WITH_CREDENTIAL}\n---\nkind: MCPServerRegistration\nmetadata: {name: weather, namespace: team}\nspec: {credentialRef: {key: password}}`,
    want: { [WEATHER]: "ResolvedRefs=False SecretKeyNotFound" },
  },
  {
    name: "an entry that is no header's value is named",
    world: `${
      SECRET("team")
    }kind: Secret\nmetadata: {name: token, namespace: team}\ndata: {token: ${
      btoa("a\nb")
    }}\n---\n${WITH_CREDENTIAL}`,
    want: { [WEATHER]: "ResolvedRefs=False SecretInvalid" },
  },
  {
    name: "a bundle without a certificate is named",
    world: `${
      SECRET("team")
    }kind: MCPServerRegistration\nmetadata: {name: weather, namespace: team}\nspec: {caCertSecretRef: {name: token, key: token}}`,
    want: { [WEATHER]: "ResolvedRefs=False SecretInvalid" },
    servers: [],
  },
  {
    name: "Secrets of a namespace that was not opened cannot be read",
    world: WITH_CREDENTIAL,
    around: { hidden: ["team"] },
    want: { [WEATHER]: "ResolvedRefs=False SecretNotReadable" },
  },
  {
    name: "a broker that has not taken a server is waited for",
    world: "",
    broker: (config) => statusFor({ ...config, servers: [] }),
    want: { [WEATHER]: "Programmed=False Pending" },
    servers: ["team/weather"],
  },
  {
    name: "a broker that has another URL is waited for",
    world: "",
    broker: saying({ url: "http://before.example/mcp" }),
    want: { [WEATHER]: "Programmed=False Pending" },
  },
  {
    name: "a broker that still lists a disabled server is waited for",
    world: `
kind: MCPServerRegistration
metadata: {name: weather, namespace: team}
spec: {state: Disabled}
`,
    broker: saying({ state: "ready" }),
    want: { [WEATHER]: "Programmed=False Pending" },
  },
  {
    name: "a broker that refuses the configuration says why",
    world: "",
    broker: (config) => ({
      ...statusFor({ ...config, servers: [] }),
      configProblems: ["config.yaml:1:1: error: no"],
    }),
    want: { [WEATHER]: "Programmed=False ConfigRefused" },
  },
  {
    name: "without brokers nobody knows",
    world: "",
    want: {
      [WEATHER]: "Programmed=Unknown NoBrokerReport",
      [MAIN]: "Programmed=Unknown NoBrokerReport",
    },
  },
  {
    name: "a broker that cannot be asked leaves it unknown",
    world: "",
    around: { brokers: [replica("b1")] },
    want: {
      [WEATHER]: "Programmed=Unknown BrokerUnreachable",
      [MAIN]: "Programmed=Unknown BrokerUnreachable",
    },
  },
  {
    name: "doubts of a broker are passed on",
    world: "",
    broker: (config) => ({
      ...all(config),
      conflicts: [{
        kind: "tool",
        name: "get",
        kept: "team/news",
        hidden: "team/weather",
      }],
    }),
    want: { [WEATHER]: "Ready=True ServingPartly" },
  },
  {
    name: "a server that falters is still listed",
    world: "",
    broker: saying({ state: "degraded", lastError: "timeout" }),
    want: { [WEATHER]: "Ready=True Degraded" },
  },
  {
    name: "a disabled server is in force and not ready",
    world: `
kind: MCPServerRegistration
metadata: {name: weather, namespace: team}
spec: {state: Disabled}
`,
    broker: all,
    want: { [WEATHER]: "Ready=False Disabled" },
    servers: ["team/weather"],
  },
  {
    name: "a server that was not reached yet is not ready",
    world: "",
    broker: saying({ state: "connecting" }),
    want: { [WEATHER]: "Ready=False Connecting" },
  },
  {
    name: "a server that cannot be reached is not ready",
    world: "",
    broker: saying({ state: "failed", lastError: "refused" }),
    want: { [WEATHER]: "Ready=False ServerFailed" },
  },
  {
    name: "a server that speaks no known revision is not ready",
    world: "",
    broker: saying({ state: "refused" }),
    want: { [WEATHER]: "Ready=False ServerRefused" },
  },
  {
    name: "a gateway whose broker takes no traffic is not ready",
    world: "",
    broker: (config) => ({ ...all(config), ready: false }),
    want: {
      [MAIN]: "Ready=False BrokerNotReady",
      [WEATHER]: "Ready=True Ready",
    },
  },
  {
    name: "a virtual server is ready where a broker lists what it selects",
    world: VIRTUAL,
    broker: all,
    want: { [TRAVEL]: "Ready=True Ready" },
  },
  {
    name: "a virtual server that selects in vain is not ready",
    world: VIRTUAL,
    broker: (config) => ({
      ...all(config),
      virtualServers: [{
        name: "team/travel",
        tools: 0,
        prompts: 0,
        problems: ["weather_forecast is not there"],
      }],
    }),
    want: { [TRAVEL]: "Ready=False SelectsNothing" },
  },
  {
    name: "a virtual server of another shape is left out",
    world:
      `${VIRTUAL}\n---\nkind: MCPVirtualServer\nmetadata: {name: travel, namespace: team}\nspec: {tools: [7]}`,
    want: { [TRAVEL]: "Accepted=False Invalid" },
  },
  {
    name: "a configuration beyond a ConfigMap's size is not written",
    world:
      `${VIRTUAL}\n---\nkind: MCPVirtualServer\nmetadata: {name: travel, namespace: team}\nspec: {description: ${
        "x".repeat(1024 * 1024)
      }}`,
    broker: () => statusFor({ version: "", servers: [], virtualServers: [] }),
    want: {
      [MAIN]: "Programmed=False ConfigTooLarge",
      [WEATHER]: "Programmed=False ConfigTooLarge",
      [TRAVEL]: "Programmed=False ConfigTooLarge",
    },
  },
  {
    name: "credentials beyond a Secret's size are not written",
    world: `${
      SECRET("team")
    }kind: Secret\nmetadata: {name: token, namespace: team}\ndata: {token: ${
      btoa("x".repeat(1024 * 1024))
    }}\n---\n${WITH_CREDENTIAL}`,
    want: { [MAIN]: "Programmed=False CredentialsTooLarge" },
  },
  {
    name: "a ConfigMap that somebody else made is left alone",
    world: `
apiVersion: v1
kind: ConfigMap
metadata: {name: mcp-gateway-config, namespace: mcp}
data: {config.yaml: "servers: []"}
`,
    want: {
      [MAIN]: "Programmed=False NotOurs",
      [WEATHER]: "Programmed=False NotOurs",
    },
  },
  {
    name: "a Secret that somebody else made is left alone",
    world: `
apiVersion: v1
kind: Secret
metadata: {name: mcp-gateway-credentials, namespace: mcp}
`,
    want: { [MAIN]: "Programmed=False NotOurs" },
  },
  {
    name: "a route of our name that somebody else made is left alone",
    world: `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: mcp-gateway-endpoint, namespace: mcp}
`,
    want: { [MAIN]: "Programmed=False NotOurs" },
    servers: ["team/weather"],
  },
  {
    name: "the broker's own route must be allowed, too",
    world: `
kind: Gateway
metadata: {name: gw, namespace: mcp}
spec:
  listeners:
  - {name: mcp, hostname: mcp.example.test, port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: None}}}
  - {name: servers, hostname: "*.mcp.local", port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: All}}}
`,
    want: { [MAIN]: "Accepted=False NotAllowedByListener" },
    servers: ["team/weather"],
  },
  {
    name: "a data plane whose CRDs are missing cannot be attached to",
    world: "",
    around: { kinds: [] },
    want: { [MAIN]: "Programmed=False AttachmentKindMissing" },
    servers: ["team/weather"],
  },
  {
    name: "an unknown data plane is attached to by hand",
    world: `
kind: GatewayClass
metadata: {name: istio}
spec: {controllerName: example.com/gateway}
`,
    want: { [MAIN]: "Programmed=Unknown AttachByHand" },
    servers: ["team/weather"],
  },
  {
    name: "what the Gateway's controller says against it is repeated",
    world: `
kind: Gateway
metadata: {name: gw, namespace: mcp}
status:
  listeners:
  - name: mcp
    conditions: [{type: Programmed, status: "False", reason: Invalid, message: no address, observedGeneration: 2}]
`,
    broker: all,
    want: {
      [MAIN]: "Programmed=False GatewayNotProgrammed",
      [WEATHER]: "Ready=True Ready",
    },
  },
  {
    name: "on Envoy Gateway any listener of the Gateway will do",
    world: `${ON_ENVOY_GATEWAY}\n---\n${
      LISTENERS(
        `{name: servers, hostname: "*.mcp.local", port: 8080, protocol: HTTP, allowedRoutes: {namespaces: {from: All}}}`,
      )
    }`,
    broker: all,
    want: { [WEATHER]: "Ready=True Ready", [MAIN]: "Ready=True Ready" },
    servers: ["team/weather"],
  },
  {
    name:
      "on Envoy Gateway the backend must be open to the Gateway's namespace",
    world:
      `${ON_ENVOY_GATEWAY}\n---\nkind: ReferenceGrant\nmetadata: {name: gateway, namespace: team}\ngone: true`,
    want: { [WEATHER]: "ResolvedRefs=False RefNotPermitted" },
    servers: [],
  },
];

for (const { name, world, around, broker, want, servers } of CASES) {
  Deno.test(`plan(): ${name}`, () => {
    const made = planned(world, around, broker);
    for (const [object, expected] of Object.entries(want)) {
      assertEquals(decisive(made, object), expected, object);
    }
    if (servers !== undefined) {
      assertEquals(configOf(made).servers.map((one) => one.name), servers);
    }
  });
}

for (
  const { name, conditions, want } of [
    {
      name: "the cause of what the Gateway's controller says, not what follows",
      conditions:
        `{type: Programmed, status: "False", reason: Invalid, message: see above, observedGeneration: 2}, {type: ResolvedRefs, status: "False", reason: InvalidCertificateRef, message: no secret, observedGeneration: 2}`,
      want: "ResolvedRefs is False, InvalidCertificateRef: no secret",
    },
    {
      name: "what is said of the Gateway where nothing is of its listener",
      conditions: "",
      want: "Accepted is False, ListenersNotValid: none is valid",
    },
  ]
) {
  Deno.test(`plan(): an extension repeats ${name}`, () => {
    const made = planned(
      `
kind: Gateway
metadata: {name: gw, namespace: mcp}
status:
  conditions: [{type: Accepted, status: "False", reason: ListenersNotValid, message: none is valid, observedGeneration: 2}]
  listeners: [{name: mcp, conditions: [${conditions}]}]
`,
      {},
      all,
    );
    const { status } = statusOf(made, MAIN);
    const message = status.conditions.find(({ type }) => type === "Programmed")
      ?.message;
    assertStringIncludes(message ?? "", want);
  });
}

Deno.test("plan(): a listener that works for all that is said of its references is served", () => {
  const made = planned(
    `
kind: Gateway
metadata: {name: gw, namespace: mcp}
status:
  listeners: [{name: mcp, conditions: [{type: ResolvedRefs, status: "False", reason: InvalidRouteKinds, message: no such kind, observedGeneration: 2}]}]
`,
    {},
    all,
  );
  assertEquals(decisive(made, MAIN), "Ready=True Ready");
});

/** Every condition that the cases above lead to. */
function everyCondition(): readonly Condition[] {
  return CASES.flatMap(({ world, around, broker }) =>
    planned(world, around, broker).statuses
  ).flatMap(({ status }) => status.conditions);
}

Deno.test("plan(): every reason in the table is reached by a case above", () => {
  const reached = new Set(everyCondition().map(({ reason }) => reason));
  assertEquals(
    Object.keys(REASONS).filter((one) => !reached.has(one)),
    [],
  );
});

Deno.test("plan(): conditions have a reason of the table, and a message that says what to do", () => {
  for (const { type, status, reason, message } of everyCondition()) {
    const entry: ReasonEntry | undefined = REASONS[reason as Reason];
    assert(entry !== undefined, reason);
    assert(message.length > 10, `${type} ${reason} ${message}`);
    // Conditions after the one that a reason is about repeat it.
    const at = (one: string) => CONDITION_TYPES.findIndex((x) => x === one);
    assert(at(entry.condition) <= at(type), `${type} ${reason}`);
    if (entry.condition === type) assertEquals(status, entry.status, reason);
  }
});

/** Plans, lets the broker see what was planned, and plans again. */
function planned(
  world: string,
  around: Around = {},
  broker?: (config: GatewayConfig) => Status,
): Plan {
  const first = planWith(world, around);
  if (broker === undefined) return first;
  const [gateway] = first.gateways;
  const config = gateway?.configMap.action === "apply"
    ? configOf(first)
    : { version: "", servers: [], virtualServers: [] };
  return planWith(world, {
    ...around,
    brokers: [replica("b1", broker(config))],
  });
}

/** The first condition that does not hold; the last one where all do. */
function decisive(made: Plan, object: string): string {
  const conditions = conditionsOf(made, object);
  assertEquals(conditions.map((one) => one.split("=")[0]), [
    ...CONDITION_TYPES,
  ]);
  return conditions.find((one) => !one.includes("=True ")) ??
    conditions.at(-1) ?? "";
}

Deno.test("plan() is ready only when every replica of the broker lists the server", () => {
  const config = configOf(planWith(""));
  const good = statusFor(config);
  const bad = statusFor(config, { state: "failed", tools: 0 });
  const ready = (...brokers: ReturnType<typeof replica>[]) =>
    conditionsOf(planWith("", { brokers }), WEATHER).at(-1);
  assertEquals(
    ready(replica("a", good), replica("b", good)),
    "Ready=True Ready",
  );
  assertEquals(
    ready(replica("a", good), replica("b", bad)),
    "Ready=False ServerFailed",
  );
  assertEquals(
    ready(replica("a", good), replica("b")),
    "Ready=Unknown BrokerUnreachable",
  );
  // A replica of another gateway says nothing about this one.
  const foreign = {
    ...replica("c", bad),
    extension: { namespace: "x", name: "main" },
  };
  assertEquals(ready(replica("a", good), foreign), "Ready=True Ready");
});

Deno.test("plan() passes on what the worst replica says of a server", () => {
  const config = configOf(planWith(""));
  const { status } = statusOf(
    planWith("", {
      brokers: [
        replica("a", statusFor(config)),
        replica(
          "b",
          statusFor(config, { state: "degraded", tools: 2, lastError: "slow" }),
        ),
      ],
    }),
    WEATHER,
  );
  const { conditions: _, ...facts } = status;
  assertEquals(facts, {
    serverName: "team/weather",
    hostname: "weather.mcp.local",
    url: "http://weather.team.svc.cluster.local:9001/mcp",
    state: "degraded",
    since: "2026-02-01T00:00:00Z",
    era: "session",
    revision: "2025-11-25",
    tools: 2,
    lastError: "slow",
  });
});

Deno.test("plan() keeps the time of a change while the status stays, and writes nothing twice", () => {
  const first = statusOf(planWith(""), WEATHER);
  assert(first.changed);
  assertEquals(first.status.conditions[0]?.lastTransitionTime, NOW);
  assertEquals(first.status.conditions[0]?.observedGeneration, 3);
  assertEquals(first.transitions.length, 4);
  const object =
    `kind: MCPServerRegistration\nmetadata: {name: weather, namespace: team}\nstatus: ${
      JSON.stringify(first.status)
    }`;
  const later = "2026-03-01T00:00:00Z";
  const second = statusOf(planWith(object, { now: later }), WEATHER);
  assertEquals(second.changed, false);
  assertEquals(second.status, first.status);
  assertEquals(second.transitions, []);
  const config = configOf(planWith(""));
  const third = statusOf(
    planWith(object, {
      now: later,
      brokers: [replica("a", statusFor(config))],
    }),
    WEATHER,
  );
  assert(third.changed);
  assertEquals(
    third.status.conditions.map((one) => one.lastTransitionTime),
    [NOW, NOW, later, later],
  );
});

Deno.test("plan() takes only the registrations that are selected, in the namespaces that are ours", () => {
  const statuses = (around: Around) =>
    planWith(NEWS_SERVER, around).statuses.map(({ kind, meta }) =>
      `${kind} ${meta.namespace}/${meta.name}`
    );
  assertEquals(statuses({}), [MAIN, NEWS, WEATHER]);
  assertEquals(
    statuses({ settings: { namespaces: new Set(["mcp", "other"]) } }),
    [MAIN, NEWS],
  );
  assertEquals(
    statuses({
      settings: { selector: [{ kind: "exists", key: "mcp" }] },
    }),
    [MAIN],
  );
});

Deno.test("plan() names virtual servers by namespace, and leaves out what it cannot read", () => {
  const names = (text: string) =>
    configOf(planWith(text)).virtualServers.map(({ name }) => name);
  assertEquals(names(VIRTUAL), ["team/travel"]);
  assertEquals(
    names(
      `${VIRTUAL}\n---\nkind: MCPVirtualServer\nmetadata: {name: travel, namespace: team}\nspec: {tools: [ok, 7]}`,
    ),
    [],
  );
});

Deno.test("plan() gives a virtual server that says nothing of prompts every one", () => {
  const prompts = (more: string) =>
    configOf(planWith(`${VIRTUAL}\n---
kind: MCPVirtualServer
metadata: {name: travel, namespace: team}
spec: {${more}}`)).virtualServers.map((one) => one.prompts);
  assertEquals(prompts("prompts: null"), [undefined]);
  assertEquals(prompts("prompts: []"), [[]]);
  assertEquals(prompts("prompts: [plan]"), [["plan"]]);
});

Deno.test("plan() says in a virtual server's status how much its clients see", () => {
  const config = configOf(planWith(VIRTUAL));
  const { status } = statusOf(
    planWith(VIRTUAL, { brokers: [replica("b", statusFor(config))] }),
    TRAVEL,
  );
  assertEquals([status.tools, status.prompts], [1, 1]);
});

Deno.test("plan() forgets what is being deleted", () => {
  const gone =
    `kind: MCPServerRegistration\nmetadata: {name: weather, namespace: team, deletionTimestamp: "2026-02-01T00:00:00Z"}`;
  const made = planWith(gone);
  assertEquals(configOf(made).servers, []);
  assertEquals(made.statuses.map(({ kind }) => kind), ["MCPGatewayExtension"]);
});

Deno.test("plan() lists servers by age, as the older one keeps a name", () => {
  const older =
    `${NEWS_SERVER}\n---\nkind: MCPServerRegistration\nmetadata: {name: news, namespace: other, creationTimestamp: "2025-01-01T00:00:00Z"}`;
  assertEquals(
    configOf(planWith(older)).servers.map(({ name }) => name),
    ["other/news", "team/weather"],
  );
});

Deno.test("plan() writes a server as router and broker read it", () => {
  const full = `${SECRET("team")}${WITH_CREDENTIAL}
---
kind: MCPServerRegistration
metadata: {name: weather, namespace: team}
spec:
  path: /v1/mcp
  caCertSecretRef: {name: token}
  userSpecificList: Enabled
  category: [travel, "null"]
  hint: "yes: #1 'quoted' \\"text\\""
  tags: ["- a", "{b}"]
`;
  const made = planWith(full);
  const [server] = configOf(made).servers;
  assert(server !== undefined);
  const { fingerprint: _, ...rest } = server;
  const [ca] = files(made).filter((name) => name.startsWith("ca_"));
  assertEquals(rest, {
    name: "team/weather",
    url: "https://weather.team.svc.cluster.local:9001/v1/mcp",
    hostname: "weather.mcp.local",
    prefix: "weather_",
    state: "Enabled",
    headers: [{
      name: "authorization",
      value: { kind: "file", name: "team_weather_credential" },
    }],
    credentialFor: ["discovery"],
    passthrough: false,
    caCert: { kind: "file", name: ca ?? "" },
    era: "auto",
    initialization: "direct",
    userSpecificList: true,
    category: ["travel", "null"],
    hint: "yes: #1 'quoted' \"text\"",
    tags: ["- a", "{b}"],
  });
});

function files(made: Plan): readonly string[] {
  const secret = made.gateways[0]?.secret;
  assert(secret?.action === "apply");
  return Object.keys(secret.object.data ?? {});
}

Deno.test("plan() keeps credentials out of the configuration, and no tenant's in another's file", () => {
  const two = `${SECRET("team")}${WITH_CREDENTIAL}\n---\n${
    SECRET("other")
  }${NEWS_SERVER}
---
kind: MCPServerRegistration
metadata: {name: news, namespace: other}
spec: {credentialRef: {name: token}, caCertSecretRef: {name: token}}
---
kind: MCPServerRegistration
metadata: {name: weather, namespace: team}
spec: {caCertSecretRef: {name: token}}
`;
  const made = planWith(two);
  assertEquals(
    files(made).map((name) => name.replace(/[0-9a-f]{64}/, "HASH")),
    // One bundle, as both are the same.
    ["ca_HASH.pem", "other_news_credential", "team_weather_credential"],
  );
  const everything = JSON.stringify([
    made.statuses,
    made.attachments,
    made.gateways.map(({ configMap }) => configMap),
  ]);
  for (const secret of ["Bearer abc", btoa("Bearer abc\n"), "BEGIN CERT"]) {
    assert(!everything.includes(secret), secret);
  }
});

Deno.test("plan() changes nothing about its objects when only the world's order does", () => {
  const objects = objectsOf(BASE, NEWS_SERVER, VIRTUAL);
  const made = JSON.stringify(plan(worldWith(objects)));
  assertEquals(JSON.stringify(plan(worldWith(objects.toReversed()))), made);
});

Deno.test("a registration that is selected no more is told so until its status says it, and then never again", () => {
  const around = { settings: { selector: [{ kind: "exists", key: "mcp" }] } };
  const first = planWith("", { ...around, taken: ["team/weather"] } as Around);
  assertEquals([...first.taken], ["team/weather"]);
  // Nobody has written it yet: another plan came first.
  const again = planWith("", { ...around, taken: [...first.taken] } as Around);
  assertEquals(statusOf(again, WEATHER).changed, true);
  // Its status says so now.
  const { status } = statusOf(again, WEATHER);
  const told = planWith(
    JSON.stringify({
      kind: "MCPServerRegistration",
      metadata: { namespace: "team", name: "weather" },
      status,
    }),
    { ...around, taken: [...again.taken] } as Around,
  );
  assertEquals([...told.taken], []);
});
