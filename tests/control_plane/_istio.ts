/**
 * Istio's control plane beside a test's API server, and an Envoy that it
 * programs as it does a Gateway's own.
 *
 * It is Envoy's own build, not Istio's: what only that has is switched off. So
 * is what needs a cluster's controllers: deployments of Gateways, webhooks.
 *
 * @module
 */

import { ENVOY_VERSION } from "../../shared/local/envoy_binary.ts";
import { LocalProcess } from "../../shared/local/processes.ts";
import { answers, type Cluster } from "./_cluster.ts";
import { look } from "./_controller.ts";
import { until } from "./_kube.ts";

/** What programs a Gateway, and the Envoy that is programmed. */
export interface Mesh extends AsyncDisposable {
  /** Istio's control plane. */
  readonly istiod: LocalProcess;
  /** The Gateway's proxy. */
  readonly envoy: LocalProcess;
  /** Base URL of the proxy's admin interface. */
  readonly envoyAdminUrl: string;
}

/** Which Gateway an Envoy is for. */
export interface MeshOptions {
  /** Path of istiod's executable. */
  readonly istiod: string;
  /** Path of Envoy's executable. */
  readonly envoy: string;
  /** Namespace of the Gateway. */
  readonly namespace: string;
  /** Its name. */
  readonly gateway: string;
  /** Address of its proxy. */
  readonly address: string;
  /** What its owner sets in the proxy's configuration. */
  readonly runtimeValues?: Readonly<Record<string, boolean>>;
}

const ISTIO_NAMESPACE = "istio-system";
/** Where Istio's agents connect: it serves Secrets nowhere else. */
const XDS_PORT = 15012;
/** Whom tokens of proxies are for. */
const XDS_AUDIENCE = "istio-ca";
const READY_URL = "http://127.0.0.1:15080/ready";
const ENVOY_ADMIN = 15000;

/** Starts istiod, then Envoy, which is ready once there is a Gateway for it. */
export async function startMesh(
  cluster: Cluster,
  options: MeshOptions,
): Promise<Mesh> {
  await using stack = new AsyncDisposableStack();
  const dir = await Deno.makeTempDir({ prefix: "istio-test-" });
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  await cluster.createNamespace(ISTIO_NAMESPACE);
  await Deno.writeTextFile(
    `${dir}/kubeconfig`,
    cluster.admin.config.exportConfig(),
    { mode: 0o600 },
  );
  // No mutual TLS and no metrics, of which Envoy's own build knows nothing.
  await Deno.writeTextFile(
    `${dir}/mesh.yaml`,
    "enableAutoMtls: false\ndefaultProviders: {}\n",
  );
  await Deno.writeTextFile(`${dir}/networks.yaml`, "networks: {}\n");
  const istiod = stack.use(
    new LocalProcess({
      name: "istiod",
      command: options.istiod,
      args: [
        "discovery",
        `--kubeconfig=${dir}/kubeconfig`,
        `--meshConfig=${dir}/mesh.yaml`,
        `--networksConfig=${dir}/networks.yaml`,
        "--grpcAddr=127.0.0.1:15010",
        `--secureGRPCAddr=127.0.0.1:${XDS_PORT}`,
        "--httpAddr=127.0.0.1:15080",
        "--httpsAddr=127.0.0.1:15017",
        "--monitoringAddr=127.0.0.1:15014",
      ],
      env: {
        POD_NAME: "istiod",
        POD_NAMESPACE: ISTIO_NAMESPACE,
        ROOT_CA_DIR: `${dir}/ca`,
        ENABLE_LEADER_ELECTION: "false",
        PILOT_ENABLE_ALPN_FILTER: "false",
        PILOT_ENABLE_METADATA_EXCHANGE: "false",
        PILOT_ENABLE_GATEWAY_API_DEPLOYMENT_CONTROLLER: "false",
        VALIDATION_WEBHOOK_CONFIG_NAME: "",
        INJECTION_WEBHOOK_CONFIG_NAME: "",
      },
      ready: (signal) => answers("istiod", READY_URL, signal),
      stopMs: 2_000,
    }),
  );
  await istiod.start();

  const { namespace, gateway } = options;
  const access: XdsAccess = {
    token: await cluster.serviceAccountToken(namespace, `${gateway}-istio`, [
      XDS_AUDIENCE,
    ]),
    caCert: await until("Istio's authority", async () => {
      const found = await look(cluster, {
        apiVersion: "v1",
        kind: "ConfigMap",
        metadata: { name: "istio-ca-root-cert", namespace },
      });
      return found?.data["root-cert.pem"] as string | undefined;
    }),
  };
  await Deno.writeTextFile(
    `${dir}/envoy.json`,
    JSON.stringify(bootstrap(options, access)),
    { mode: 0o600 },
  );
  const envoyAdminUrl = `http://127.0.0.1:${ENVOY_ADMIN}`;
  const envoy = stack.use(
    new LocalProcess({
      name: "envoy",
      command: options.envoy,
      args: [
        ...["-c", `${dir}/envoy.json`, "--concurrency", "2"],
        ...["--disable-hot-restart", "--log-level", "warn"],
      ],
      ready: (signal) => answers("Envoy", `${envoyAdminUrl}/ready`, signal),
      stopMs: 1_000,
    }),
  );
  await envoy.start();
  const owned = stack.move();
  return {
    istiod,
    envoy,
    envoyAdminUrl,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** How a proxy shows who it is, and sees that istiod is who it says. */
interface XdsAccess {
  readonly token: string;
  readonly caCert: string;
}

/**
 * What Istio's agent would start Envoy with: where istiod is, and the labels by
 * which it knows whose proxy this is.
 */
function bootstrap(
  { namespace, gateway, address, runtimeValues = {} }: MeshOptions,
  { token, caCert }: XdsAccess,
): unknown {
  const workload = `${gateway}-istio`;
  const xds = "xds-grpc";
  const overAds = { ads: {}, resource_api_version: "V3" };
  return {
    node: {
      id:
        `router~${address}~${workload}-0.${namespace}~${namespace}.svc.cluster.local`,
      cluster: `${workload}.${namespace}`,
      metadata: {
        CLUSTER_ID: "Kubernetes",
        NAMESPACE: namespace,
        NAME: `${workload}-0`,
        WORKLOAD_NAME: workload,
        SERVICE_ACCOUNT: workload,
        ISTIO_VERSION: "1.31.0",
        ENVOY_VERSION,
        MESH_ID: "cluster.local",
        INSTANCE_IPS: address,
        LABELS: {
          "gateway.networking.k8s.io/gateway-name": gateway,
          "istio.io/gateway-name": gateway,
          "service.istio.io/canonical-name": workload,
        },
        PROXY_CONFIG: { discoveryAddress: `127.0.0.1:${XDS_PORT}` },
      },
    },
    admin: {
      address: {
        socket_address: { address: "127.0.0.1", port_value: ENVOY_ADMIN },
      },
    },
    layered_runtime: {
      layers: [{ name: "owner", static_layer: runtimeValues }],
    },
    dynamic_resources: {
      ads_config: {
        api_type: "DELTA_GRPC",
        transport_api_version: "V3",
        set_node_on_first_message_only: true,
        grpc_services: [{
          envoy_grpc: { cluster_name: xds },
          initial_metadata: [{
            key: "authorization",
            value: `Bearer ${token}`,
          }],
        }],
      },
      lds_config: { ...overAds, initial_fetch_timeout: "0s" },
      cds_config: { ...overAds, initial_fetch_timeout: "0s" },
    },
    static_resources: {
      clusters: [{
        name: xds,
        type: "STATIC",
        connect_timeout: "1s",
        transport_socket: {
          name: "envoy.transport_sockets.tls",
          typed_config: {
            "@type":
              "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            sni: `istiod.${ISTIO_NAMESPACE}.svc`,
            common_tls_context: {
              alpn_protocols: ["h2"],
              validation_context: { trusted_ca: { inline_string: caCert } },
            },
          },
        },
        typed_extension_protocol_options: {
          "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type":
              "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            explicit_http_config: { http2_protocol_options: {} },
          },
        },
        load_assignment: {
          cluster_name: xds,
          endpoints: [{
            lb_endpoints: [{
              endpoint: {
                address: {
                  socket_address: {
                    address: "127.0.0.1",
                    port_value: XDS_PORT,
                  },
                },
              },
            }],
          }],
        },
      }],
    },
  };
}
