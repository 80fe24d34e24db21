/**
 * An installation as users make it: `kubectl apply -k` with strict validation,
 * pods as confined as Kubernetes can have them, and deployments whose ports,
 * arguments and selectors are those that the programs and the controller use.
 *
 * @module
 */

import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { BROKER_OPTIONS } from "../../broker/options.ts";
import { CONTROLLER_OPTIONS } from "../../controller/options.ts";
import { planSettings } from "../../controller/plan/world.ts";
import { ROUTER_OPTIONS } from "../../router/options.ts";
import { type OptionTable, parseOptions } from "../../shared/options.ts";
import { VERSION } from "../../shared/version.ts";
import { KubeError, type KubeObject, readManifests } from "./_client.ts";
import type { Cluster } from "./_cluster.ts";
import { availableKubectl } from "./_kube_tools.ts";
import { controlPlane, manifestFiles, MANIFESTS_DIR } from "./_world.ts";

const HOME = "mcp-system";

const kubectl = await availableKubectl();
const proves = controlPlane();

/** Runs kubectl as the administrator of a cluster. */
async function run(
  cluster: Cluster,
  args: readonly string[],
): Promise<{ readonly success: boolean; readonly said: string }> {
  const dir = await Deno.makeTempDir({ prefix: "kubectl-test-" });
  try {
    await Deno.writeTextFile(
      `${dir}/config`,
      cluster.admin.config.exportConfig(),
    );
    const { success, stdout, stderr } = await new Deno.Command(
      kubectl ?? "kubectl",
      { args: ["--kubeconfig", `${dir}/config`, ...args], env: { HOME: dir } },
    ).output();
    const text = new TextDecoder();
    return { success, said: text.decode(stdout) + text.decode(stderr) };
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

async function copyFolder(from: string, to: string): Promise<void> {
  await Deno.mkdir(to);
  for await (const { name, isDirectory } of Deno.readDir(from)) {
    const copy = isDirectory ? copyFolder : Deno.copyFile;
    await copy(`${from}/${name}`, `${to}/${name}`);
  }
}

const APPLY = ["apply", "--server-side", "--validate=strict"];

/** Objects of a kind that an installation has. */
async function installed(kind: string): Promise<readonly KubeObject[]> {
  const texts = await Promise.all(
    (await manifestFiles()).map((path) => Deno.readTextFile(path)),
  );
  return texts.flatMap(readManifests).filter((one) => one.kind === kind);
}

async function deployment(name: string): Promise<KubeObject> {
  const found = (await installed("Deployment")).find(({ metadata }) =>
    metadata.name === name
  );
  assert(found !== undefined, `there is no Deployment ${name}`);
  return found;
}

if (kubectl === undefined) {
  Deno.test({ name: "kubectl apply -k", ignore: true, fn: () => {} });
} else {
  proves(
    "kubectl apply -k takes the manifests, and again without change",
    async (cluster) => {
      // Objects of kinds that are defined by the same command: as everywhere,
      // the definitions may not be served yet at the first attempt.
      const first = await run(cluster, [...APPLY, "-k", MANIFESTS_DIR]);
      assert(first.success, first.said);
      for (const warning of ["Warning", "warning"]) {
        assert(!first.said.includes(warning), first.said);
      }
      const objects = (await Promise.all(
        (await manifestFiles()).map((path) => Deno.readTextFile(path)),
      )).flatMap(readManifests);
      const versions = () =>
        Promise.all(objects.map(async (one) => [
          `${one.kind} ${one.metadata.name}`,
          (await cluster.admin.get(one)).metadata.resourceVersion,
        ]));
      const before = await versions();
      const second = await run(cluster, [...APPLY, "-k", MANIFESTS_DIR]);
      assert(second.success, second.said);
      assertEquals(await versions(), before);
    },
  );

  proves(
    "a kustomization of one's own takes images, Redis and steering by header from the components",
    async (cluster) => {
      const root = await Deno.makeTempDir({ prefix: "kustomize-test-" });
      const dir = `${root}/ours`;
      try {
        await copyFolder(MANIFESTS_DIR, `${root}/manifests`);
        await Deno.mkdir(dir);
        await Deno.writeTextFile(
          `${dir}/kustomization.yaml`,
          `
resources: [../manifests]
components:
  - ../manifests/components/redis
  - ../manifests/components/header-steering
images: [{name: mcp-gateway-router, newName: registry.example/router, newTag: "7"}]
`,
        );
        const built = await run(cluster, ["kustomize", dir]);
        assert(built.success, built.said);
        const gateway = readManifests(built.said).find((one) =>
          one.kind === "Deployment" && one.metadata.name === "mcp-gateway"
        );
        assertEquals(gateway?.spec.replicas, 3);
        const [broker, router] = containersOf(gateway!);
        assertEquals(router?.image, "registry.example/router:7");
        const stored = [
          "--store=redis",
          "--store-url-file=/run/secrets/mcp-gateway/redis-url",
          "--signing-key-file=/run/secrets/mcp-gateway/signing-key",
        ];
        assertEquals(
          broker?.args?.filter((arg) => stored.includes(arg)),
          stored,
        );
        assertEquals(router?.args?.slice(-4), [...stored, "--steering=header"]);
        checkArguments(gateway!);
        const applied = await run(cluster, [
          ...APPLY,
          "--dry-run=server",
          ...["-k", dir],
        ]);
        assert(applied.success, applied.said);
      } finally {
        await Deno.remove(root, { recursive: true });
      }
    },
  );

  proves(
    "the pods of an installation are admitted where the namespace enforces restricted, and one less confined is not",
    async (cluster) => {
      const { said, success } = await run(cluster, [
        ...APPLY,
        ...["-k", MANIFESTS_DIR],
      ]);
      assert(success, said);
      const deployments = await installed("Deployment");
      assertEquals(deployments.length, 2);
      for (const { metadata: { name }, spec } of deployments) {
        const pod = (more: Record<string, unknown>): KubeObject => ({
          apiVersion: "v1",
          kind: "Pod",
          metadata: { ...spec.template.metadata, name, namespace: HOME },
          spec: { ...spec.template.spec, ...more },
        });
        const { metadata } = await cluster.admin.apply(pod({}));
        assertEquals(metadata.labels, spec.template.metadata.labels);
        const error = await assertRejects(
          () =>
            cluster.admin.apply({
              ...pod({ securityContext: { runAsUser: 0 } }),
              metadata: { name: `${name}-lax`, namespace: HOME },
            }),
          KubeError,
        );
        assertStringIncludes(error.message, 'violates PodSecurity "restricted');
      }
    },
  );
}

interface Container {
  readonly name: string;
  readonly image: string;
  readonly command: readonly string[];
  readonly args?: readonly string[];
  readonly ports: readonly {
    readonly name: string;
    readonly containerPort: number;
  }[];
  readonly securityContext: Readonly<Record<string, unknown>>;
  readonly resources: Readonly<Record<string, Record<string, string>>>;
  readonly [probe: `${string}Probe`]: {
    httpGet: { path: string; port: string };
  };
}

function containersOf({ spec }: KubeObject): readonly Container[] {
  return spec.template.spec.containers;
}

const PROGRAMS: Readonly<Record<string, OptionTable>> = {
  router: ROUTER_OPTIONS,
  broker: BROKER_OPTIONS,
  controller: CONTROLLER_OPTIONS,
};

/** Has each program read its arguments, as a pod would give them. */
function checkArguments(deployment: KubeObject): void {
  for (const { name, args = [] } of containersOf(deployment)) {
    const outcome = parseOptions(
      PROGRAMS[name] ?? {},
      args.map((arg) =>
        arg.replaceAll("$(POD_NAMESPACE)", HOME)
          .replaceAll("$(POD_IP)", "10.0.0.7")
      ),
      new Map(),
      { program: name, summary: "" },
    );
    assertEquals(
      outcome.kind === "invalid" ? outcome.problems : [],
      [],
      name,
    );
  }
}

for (const name of ["mcp-gateway", "mcp-gateway-controller"]) {
  Deno.test(`the containers of ${name} may do as little as they need, are probed, and take the options that they are given`, async () => {
    const found = await deployment(name);
    const { securityContext, ...pod } = found.spec.template.spec;
    assertEquals(securityContext.runAsNonRoot, true);
    assertEquals(securityContext.runAsUser, 65532);
    assertEquals(securityContext.seccompProfile, { type: "RuntimeDefault" });
    for (const one of containersOf(found)) {
      assertEquals(one.securityContext, {
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ["ALL"] },
      });
      for (
        const [probe, path] of [
          ["startupProbe", "/healthz"],
          ["livenessProbe", "/healthz"],
          ["readinessProbe", "/readyz"],
        ] as const
      ) {
        const { httpGet } = one[probe]!;
        assertEquals(httpGet.path, path);
        const port = one.ports.find((port) => port.name === httpGet.port);
        assertEquals(
          port?.containerPort,
          portOf(String(PROGRAMS[one.name]?.internalListen?.default)),
        );
      }
      assert(one.resources.requests?.cpu && one.resources.requests.memory);
      assert(one.resources.limits?.memory, "no limit of memory");
      assertEquals(one.command, [`/usr/local/bin/${one.name}`]);
      // What happens between being told to stop and being killed.
      const delay = "--drain-delay-seconds=";
      const delays = one.args?.find((arg) => arg.startsWith(delay))
        ?.slice(delay.length) ?? 0;
      if (name === "mcp-gateway") assert(Number(delays) >= 10, one.name);
      const drains = Number(PROGRAMS[one.name]?.drainSeconds?.default);
      assert(pod.terminationGracePeriodSeconds > Number(delays) + drains);
    }
    checkArguments(found);
  });
}

function portOf(address: string): number {
  return Number(address.split(":").at(-1));
}

Deno.test("budgets and network policies select the pods they are for, by ports that these have", async () => {
  const deployments = await installed("Deployment");
  for (const kind of ["PodDisruptionBudget", "NetworkPolicy"]) {
    const selected = (await installed(kind)).map(({ spec }) => {
      const { matchLabels } = spec.selector ?? spec.podSelector;
      return deployments.filter(({ spec: { template } }) =>
        Object.entries(matchLabels).every(([label, value]) =>
          template.metadata.labels[label] === value
        )
      ).map(({ metadata }) => metadata.name);
    });
    assertEquals(selected.toSorted(), [
      ["mcp-gateway"],
      ["mcp-gateway-controller"],
    ], kind);
  }
  for (const { metadata, spec } of await installed("NetworkPolicy")) {
    const ports = containersOf(await deployment(metadata.name)).flatMap((one) =>
      one.ports.map(({ containerPort }) => containerPort)
    );
    const open = (spec.ingress as { ports: { port: number }[] }[]).flatMap((
      rule,
    ) => rule.ports.map(({ port }) => port));
    // Each is open to somebody, but for the router's metrics and the like.
    assertEquals([...new Set(open)].sort(), ports.sort(), metadata.name);
  }
});

Deno.test("the Service has what the controller programs Envoy with", async () => {
  const [service] = await installed("Service");
  const { router, broker } = planSettings();
  assertEquals(service?.metadata.name, router.service);
  assertEquals(service?.metadata.name, broker.service);
  const gateway = await deployment("mcp-gateway");
  const ports = service?.spec.ports.map((
    { port, targetPort, appProtocol }: Record<string, unknown>,
  ) => {
    const container = containersOf(gateway).find((one) =>
      one.ports.some(({ name }) => name === targetPort)
    );
    const { containerPort } = container?.ports.find(({ name }) =>
      name === targetPort
    ) ?? {};
    const listen = String(PROGRAMS[container?.name ?? ""]?.listen?.default);
    assertEquals(containerPort, portOf(listen));
    return { program: container?.name, port, appProtocol };
  });
  assertEquals(ports, [
    { program: "broker", port: broker.port, appProtocol: "http" },
    { program: "router", port: router.port, appProtocol: "grpc" },
  ]);
  assertEquals(
    containersOf(gateway).find(({ name }) => name === "broker")?.ports.find((
      { name },
    ) => name === "internal")?.containerPort,
    CONTROLLER_OPTIONS.brokerStatusPort.default,
  );
});

Deno.test("router and broker watch the objects that their Role and the controller name", async () => {
  const { configMapName, secretName } = planSettings();
  const gateway = await deployment("mcp-gateway");
  for (const { name, args = [] } of containersOf(gateway)) {
    assert(
      args.includes(`--config=kube:$(POD_NAMESPACE)/${configMapName}`),
      name,
    );
  }
  assertEquals(BROKER_OPTIONS.configSecret.default, secretName);
  const role = (await installed("Role")).find(({ metadata }) =>
    metadata.name === gateway.spec.template.spec.serviceAccountName
  );
  assertEquals(
    role?.rules.map((rule: { resourceNames: string[] }) => rule.resourceNames),
    [[configMapName], [secretName]],
  );
});

Deno.test("images are the programs that there are executables of", async () => {
  const images = (await installed("Deployment")).flatMap(containersOf).map(
    ({ name, image }) => [name, image.replace(/:.*/, "")],
  );
  assertEquals(
    images.toSorted(),
    ["broker", "controller", "router"].map((name) => [
      name,
      `mcp-gateway-${name}`,
    ]),
  );
  for (const one of (await installed("Deployment")).flatMap(containersOf)) {
    assert(one.image.endsWith(`:${VERSION}`), one.image);
  }
});
