/**
 * Envoy Gateway beside a test's API server. It reads that as it does in a
 * cluster, and runs Envoy itself, on this host, instead of deploying it.
 *
 * What a cluster would do besides is done here: its certificates are made, and
 * the Service and Deployment of its proxies are there, by which it tells whether
 * a Gateway is programmed.
 *
 * @module
 */

import { stringify } from "@std/yaml";
import { ENVOY_VERSION } from "../../shared/local/envoy_binary.ts";
import { LocalProcess } from "../../shared/local/processes.ts";
import type { KubeObject } from "./_client.ts";
import { answers, type Cluster } from "./_cluster.ts";

/** What Envoy Gateway is started with. */
export interface EnvoyGatewayOptions {
  /** Path of its executable. */
  readonly executable: string;
  /** Path of Envoy's executable. */
  readonly envoy: string;
  /** Namespace of the Gateway, and of what its class is parametrised by. */
  readonly namespace: string;
  /** Name of both. */
  readonly gateway: string;
  /** Address of the Gateway's proxy. */
  readonly address: string;
}

/** Envoy Gateway, and the Envoy that it runs. */
export interface EnvoyGateway extends AsyncDisposable {
  /** Envoy Gateway. */
  readonly process: LocalProcess;
  /** What Envoy was programmed with last, as its admin interface shows it. */
  readonly configDump: () => Promise<string>;
}

const OWN_NAMESPACE = "envoy-gateway-system";
const ADMIN_PORT = 19000;
/** Where it looks for its own certificates, whatever it is told. */
const CERTIFICATES = "/certs";
/** A root directory like ours, with that folder in it. */
const WITH_CERTIFICATES = `
set -e
root=$1 certificates=$2
shift 2
mount -t tmpfs tmpfs "$root"
for entry in /*; do
  if [ -L "$entry" ]; then cp -P "$entry" "$root/"
  elif [ -d "$entry" ]; then mkdir "$root$entry"; mount --rbind "$entry" "$root$entry"
  fi
done
mkdir -p "$root${CERTIFICATES}"
mount --bind "$certificates" "$root${CERTIFICATES}"
exec chroot "$root" "$@"
`;

/** Starts it; Envoy runs once there is a Gateway. */
export async function startEnvoyGateway(
  cluster: Cluster,
  options: EnvoyGatewayOptions,
): Promise<EnvoyGateway> {
  await using stack = new AsyncDisposableStack();
  const dir = await Deno.makeTempDir({ prefix: "envoy-gateway-test-" });
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  await makeCertificates(options.executable, dir);
  await prepare(cluster, options, dir);
  // As if it had been downloaded.
  const versions = `${dir}/data/envoy-versions/${ENVOY_VERSION}/bin`;
  await Deno.mkdir(versions, { recursive: true });
  await Deno.symlink(options.envoy, `${versions}/envoy`);
  await Deno.writeTextFile(
    `${dir}/kubeconfig`,
    cluster.admin.config.exportConfig(),
    { mode: 0o600 },
  );
  await Deno.writeTextFile(`${dir}/config.yaml`, stringify(settings(dir)));
  await Deno.mkdir(`${dir}/root`);
  const process = stack.use(
    new LocalProcess({
      name: "envoy-gateway",
      command: "unshare",
      args: [
        ...["--mount", "sh", "-c", WITH_CERTIFICATES, "sh"],
        ...[`${dir}/root`, `${dir}/config/certs/envoy-gateway`],
        ...[options.executable, "server", "--config-path"],
        `${dir}/config.yaml`,
      ],
      env: {
        KUBECONFIG: `${dir}/kubeconfig`,
        ENVOY_GATEWAY_NAMESPACE: OWN_NAMESPACE,
      },
      ready: (signal) =>
        answers("envoy-gateway", "http://127.0.0.1:8081/readyz", signal),
      stopMs: 2_000,
    }),
  );
  await process.start();
  const owned = stack.move();
  return {
    process,
    configDump: async () => {
      const address = await adminAddress(`${dir}/run`);
      return await (await fetch(`http://${address}/config_dump`)).text();
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Where Envoy's admin interface is, which it draws a port for. */
async function adminAddress(runDir: string): Promise<string> {
  for await (const { name } of Deno.readDir(runDir)) {
    const file = `${runDir}/${name}/admin-address.txt`;
    const address = await Deno.readTextFile(file).catch(() => "");
    if (address !== "") return address;
  }
  throw new Error(`Cannot find an Envoy: there is no address in ${runDir}`);
}

async function makeCertificates(
  executable: string,
  dir: string,
): Promise<void> {
  const { success, stderr } = await new Deno.Command(executable, {
    args: ["certgen", "--local", "--config-home", `${dir}/config`],
    stdin: "null",
  }).output();
  if (success) return;
  throw new Error(
    `Cannot make certificates: ${new TextDecoder().decode(stderr)}`,
  );
}

/** Makes what its installation and its deployer would have made. */
async function prepare(
  cluster: Cluster,
  { namespace, gateway, address }: EnvoyGatewayOptions,
  dir: string,
): Promise<void> {
  const { admin } = cluster;
  await cluster.createNamespace(OWN_NAMESPACE);
  const certificate = `${dir}/config/certs/envoy`;
  await admin.apply({
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: "envoy", namespace: OWN_NAMESPACE },
    type: "kubernetes.io/tls",
    stringData: {
      "ca.crt": await Deno.readTextFile(`${certificate}/ca.crt`),
      "tls.crt": await Deno.readTextFile(`${certificate}/tls.crt`),
      "tls.key": await Deno.readTextFile(`${certificate}/tls.key`),
    },
  });
  await admin.apply({
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: "envoy-oidc-hmac", namespace: OWN_NAMESPACE },
    stringData: { "hmac-secret": crypto.randomUUID() },
  });
  const labels = {
    "gateway.envoyproxy.io/owning-gateway-name": gateway,
    "gateway.envoyproxy.io/owning-gateway-namespace": namespace,
  };
  const metadata = { name: gateway, namespace: OWN_NAMESPACE, labels };
  await admin.apply({
    apiVersion: "v1",
    kind: "Service",
    metadata,
    spec: { clusterIP: address, ports: [{ name: "http", port: 80 }] },
  });
  const deployment: KubeObject = {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata,
    spec: {
      replicas: 1,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: { containers: [{ name: "envoy", image: "envoy" }] },
      },
    },
  };
  await admin.apply(deployment);
  await admin.apply({
    ...{ apiVersion: "apps/v1", kind: "Deployment", metadata },
    status: { replicas: 1, availableReplicas: 1, readyReplicas: 1 },
  }, { subresource: "status" });
  // The sample's proxies, on this host.
  await admin.apply({
    apiVersion: "gateway.envoyproxy.io/v1alpha1",
    kind: "EnvoyProxy",
    metadata: { name: gateway, namespace },
    spec: {
      provider: { type: "Host", host: { envoyVersion: ENVOY_VERSION } },
      concurrency: 2,
    },
  }, { fieldManager: "host" });
}

function settings(dir: string): Record<string, unknown> {
  return {
    apiVersion: "gateway.envoyproxy.io/v1alpha1",
    kind: "EnvoyGateway",
    gateway: {
      controllerName: "gateway.envoyproxy.io/gatewayclass-controller",
    },
    provider: {
      type: "Custom",
      custom: {
        resource: {
          type: "Kubernetes",
          kubernetes: {
            client: { rateLimit: { qps: 200, burst: 400 } },
            leaderElection: { disable: true },
          },
        },
        infrastructure: {
          type: "Host",
          host: {
            configHome: `${dir}/config`,
            dataHome: `${dir}/data`,
            stateHome: `${dir}/state`,
            runtimeDir: `${dir}/run`,
          },
        },
      },
    },
    extensionApis: { enableBackend: true },
    admin: { address: { host: "127.0.0.1", port: ADMIN_PORT } },
    telemetry: { metrics: { prometheus: { disable: true } } },
  };
}
