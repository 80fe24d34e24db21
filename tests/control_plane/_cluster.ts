/**
 * A Kubernetes control plane of a test's own: etcd and kube-apiserver on ports
 * of loopback, with role-based access control, in a directory that vanishes
 * with them. No controllers run, so nothing collects garbage, makes service
 * accounts or ends a namespace that was deleted.
 *
 * @module
 */

import { generateKeyPairSync } from "node:crypto";
import type { KubeConfig } from "@kubernetes/client-node";
import { freePort, releasePort } from "../../shared/local/ports.ts";
import { LocalProcess } from "../../shared/local/processes.ts";
import { waitFor } from "../../shared/wait.ts";
import { KubeClient, kubeConfig } from "./_client.ts";
import type { KubeTools } from "./_kube_tools.ts";

const READY_MS = 60_000;
const SHOWN_LINES = 30;

/** What a cluster may be started with. */
export interface ClusterOptions {
  /** More arguments of kube-apiserver, after ours: the last of a name counts. */
  readonly apiServerArgs?: readonly string[];
  /** Whether the Gateway API's kinds are installed. Default true. */
  readonly gatewayApi?: boolean;
}

/** A running control plane; disposing of it ends it. */
export class Cluster implements AsyncDisposable {
  /** URL of the API server, the same after a restart. */
  readonly url: string;
  /** The API server, to be killed, stopped and started again. */
  readonly apiServer: LocalProcess;
  /** Its store. */
  readonly etcd: LocalProcess;
  /** A client that may do everything. */
  readonly admin: KubeClient;
  /** PEM bundle that the API server's certificate is checked against. */
  readonly caCert: string;
  readonly #etcdUrl: string;
  readonly #owned: AsyncDisposableStack;
  readonly #clients: KubeClient[];

  private constructor(parts: {
    url: string;
    etcdUrl: string;
    apiServer: LocalProcess;
    etcd: LocalProcess;
    caCert: string;
    adminToken: string;
    owned: AsyncDisposableStack;
  }) {
    this.url = parts.url;
    this.#etcdUrl = parts.etcdUrl;
    this.apiServer = parts.apiServer;
    this.etcd = parts.etcd;
    this.caCert = parts.caCert;
    this.#owned = parts.owned;
    this.admin = new KubeClient(this.kubeConfig(parts.adminToken));
    this.#clients = [this.admin];
  }

  /** Starts one and waits until it answers. */
  static async start(
    tools: KubeTools,
    options: ClusterOptions = {},
  ): Promise<Cluster> {
    await using stack = new AsyncDisposableStack();
    const dir = await Deno.makeTempDir({ prefix: "control-plane-test-" });
    stack.defer(() => Deno.remove(dir, { recursive: true }));
    const port = () => {
      const drawn = freePort();
      stack.defer(() => releasePort(drawn));
      return drawn;
    };

    const [etcdUrl, peerUrl] = [port(), port()].map((port) =>
      `http://127.0.0.1:${port}`
    ) as [string, string];
    const etcd = stack.use(
      new LocalProcess({
        name: "etcd",
        command: tools.etcd,
        args: [
          ...["--data-dir", `${dir}/etcd`, "--unsafe-no-fsync"],
          ...["--listen-client-urls", etcdUrl],
          ...["--advertise-client-urls", etcdUrl],
          ...["--listen-peer-urls", peerUrl],
          ...["--initial-advertise-peer-urls", peerUrl],
          ...["--initial-cluster", `default=${peerUrl}`],
          ...["--log-level", "warn"],
        ],
        ready: (signal) => answers("etcd", `${etcdUrl}/health`, signal),
      }),
    );

    const adminToken = crypto.randomUUID();
    await Deno.writeTextFile(
      `${dir}/tokens.csv`,
      `${adminToken},admin,1,system:masters\n`,
      { mode: 0o600 },
    );
    await Deno.writeTextFile(`${dir}/issuer.pem`, issuerKey(), { mode: 0o600 });
    const securePort = port();
    const url = `https://127.0.0.1:${securePort}`;
    const caFile = `${dir}/certs/apiserver.crt`;
    const apiServer = stack.use(
      new LocalProcess({
        name: "kube-apiserver",
        command: tools.apiServer,
        args: [
          ...[`--etcd-servers=${etcdUrl}`, `--cert-dir=${dir}/certs`],
          ...[`--secure-port=${securePort}`, "--bind-address=127.0.0.1"],
          // Loopback is no address that a cluster may advertise.
          ...[
            "--advertise-address=10.96.0.1",
            "--endpoint-reconciler-type=none",
          ],
          "--service-cluster-ip-range=10.96.0.0/16",
          "--service-account-issuer=https://kubernetes.default.svc",
          `--service-account-key-file=${dir}/issuer.pem`,
          `--service-account-signing-key-file=${dir}/issuer.pem`,
          `--token-auth-file=${dir}/tokens.csv`,
          "--authorization-mode=RBAC",
          // It would wait for a service account that no controller makes.
          "--disable-admission-plugins=ServiceAccount",
          ...(options.apiServerArgs ?? []),
        ],
        ready: async (signal) => {
          await waitFor(
            () => Deno.stat(caFile).then(() => true, () => undefined),
            { what: "the certificate", timeoutMs: READY_MS, signal },
          );
          const caCert = await Deno.readTextFile(caFile);
          await answers("the API server", `${url}/readyz`, signal, caCert);
        },
        // It waits for its watchers; no test does.
        stopMs: 2_000,
      }),
    );
    await etcd.start();
    await apiServer.start();

    const caCert = await Deno.readTextFile(caFile);
    const owned = stack.move();
    const cluster = new Cluster({
      ...{ url, etcdUrl, apiServer, etcd, caCert, adminToken, owned },
    });
    try {
      if (options.gatewayApi !== false) {
        await installFolder(cluster.admin, tools.gatewayApi);
      }
      return cluster;
    } catch (cause) {
      await cluster[Symbol.asyncDispose]();
      throw cause;
    }
  }

  /** What a client of this cluster is configured with. */
  kubeConfig(token: string): KubeConfig {
    return kubeConfig({ server: this.url, caCert: this.caCert, token });
  }

  /** Makes a namespace. */
  async createNamespace(name: string): Promise<void> {
    await this.admin.apply({
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name },
    });
  }

  /**
   * Has a token minted for a service account, which is made where it is not
   * there: for the API server, or for somebody else.
   */
  async serviceAccountToken(
    namespace: string,
    name: string,
    audiences?: readonly string[],
  ): Promise<string> {
    await this.admin.apply({
      apiVersion: "v1",
      kind: "ServiceAccount",
      metadata: { name, namespace },
    });
    const answer = await this.admin.request<{ status: { token: string } }>(
      "POST",
      `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`,
      {
        body: {
          apiVersion: "authentication.k8s.io/v1",
          kind: "TokenRequest",
          spec: { expirationSeconds: 3600, audiences },
        },
      },
    );
    return answer.status.token;
  }

  /** A client that may do what a service account may. */
  async clientOf(namespace: string, name: string): Promise<KubeClient> {
    const token = await this.serviceAccountToken(namespace, name);
    const client = new KubeClient(this.kubeConfig(token));
    this.#clients.push(client);
    return client;
  }

  /**
   * Has etcd forget all history, so that a watch that starts at an older
   * version than now is told that it is gone (410) once the API server has
   * been started again.
   */
  async compact(): Promise<void> {
    const post = async (path: string, body: unknown) => {
      const answer = await fetch(`${this.#etcdUrl}${path}`, {
        method: "POST",
        body: JSON.stringify(body),
      });
      const text = await answer.text();
      if (!answer.ok) throw new Error(`Cannot compact etcd: ${text}`);
      return JSON.parse(text) as { header: { revision: string } };
    };
    const { header } = await post("/v3/kv/range", { key: btoa("/") });
    await post("/v3/kv/compaction", {
      revision: header.revision,
      physical: true,
    });
  }

  /** The last lines of both programs, for a test that failed. */
  get lastLines(): string {
    return [this.etcd, this.apiServer].flatMap(({ name, log }) =>
      log.slice(-SHOWN_LINES).map((line) => `${name}: ${line}`)
    ).join("\n");
  }

  /** Closes all clients and ends both programs. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) client.close();
    await this.#owned.disposeAsync();
  }
}

/** Key that service account tokens are signed with, as PEM. */
function issuerKey(): string {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return privateKey.export({ type: "sec1", format: "pem" }).toString();
}

/** Waits until something at a URL answers well. */
export async function answers(
  what: string,
  url: string,
  signal: AbortSignal,
  caCert?: string,
): Promise<void> {
  using client = Deno.createHttpClient(
    caCert === undefined ? {} : { caCerts: [caCert] },
  );
  await waitFor(async () => {
    try {
      const { ok, body } = await fetch(url, { client, signal });
      await body?.cancel();
      return ok ? true : undefined;
    } catch {
      return undefined; // it does not listen yet
    }
  }, { what: `${what} to answer`, timeoutMs: READY_MS, signal });
}

/** Installs all definitions of a folder and waits until they are served. */
export async function installFolder(
  client: KubeClient,
  dir: string,
): Promise<void> {
  const files: string[] = [];
  for await (const { name } of Deno.readDir(dir)) {
    if (name.endsWith(".yaml")) files.push(`${dir}/${name}`);
  }
  for (const file of files.sort()) await client.applyFile(file);
}
