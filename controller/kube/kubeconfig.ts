/**
 * Access to an API server from outside of its cluster: a kubeconfig file, read
 * by `@kubernetes/client-node`, whose contexts, files and exec plugins nobody
 * should have to write again.
 *
 * The package is loaded when a kubeconfig is used and not before. It takes
 * 85 MB and a quarter of a second, and looks up so many variables while it
 * loads that no narrow set of permissions allows it; a controller in a pod
 * does without.
 *
 * @module
 */

import type {
  KubeAccess,
  KubeCredentials,
} from "../../shared/kube/transport.ts";

/** A kubeconfig cannot be used. */
export class KubeconfigError extends Error {
  /**
   * Builds an error.
   *
   * @param state What is wrong.
   * @param remedy What to do about it.
   * @param options `cause` is what went wrong underneath.
   */
  constructor(state: string, remedy: string, options?: ErrorOptions) {
    super(`Cannot use the kubeconfig: ${state}. Remedy: ${remedy}`, options);
    this.name = "KubeconfigError";
  }
}

/** Which cluster a kubeconfig is to lead to. */
export interface KubeconfigOptions {
  /** Path of the file. */
  readonly file: string;
  /** Context; the file's current one where left out. */
  readonly context?: string | undefined;
}

/**
 * Makes out what a kubeconfig leads to.
 *
 * @throws {KubeconfigError} If it cannot be read, names no cluster, or wants
 * something of TLS that we do not do.
 */
export async function kubeconfigAccess(
  { file, context }: KubeconfigOptions,
): Promise<KubeAccess> {
  const { KubeConfig } = await clientNode();
  const config = new KubeConfig();
  try {
    config.loadFromFile(file);
  } catch (cause) {
    throw new KubeconfigError(
      `${file}: ${cause instanceof Error ? cause.message : cause}`,
      "name one that kubectl can use",
      { cause },
    );
  }
  if (context !== undefined) config.setCurrentContext(context);
  const cluster = config.getCurrentCluster();
  if (cluster === null) {
    throw new KubeconfigError(
      `context ${JSON.stringify(config.getCurrentContext())} names no cluster`,
      "choose one with kubectl config use-context",
    );
  }
  if (cluster.skipTLSVerify) {
    throw new KubeconfigError(
      `cluster ${cluster.name} has insecure-skip-tls-verify`,
      "give it certificate-authority-data instead",
    );
  }
  if (cluster.tlsServerName) {
    throw new KubeconfigError(
      `cluster ${cluster.name} has tls-server-name`,
      "use a server URL with the name that is in its certificate",
    );
  }
  const { namespace } = config.getContextObject(config.getCurrentContext()) ??
    {};
  return {
    server: cluster.server.replace(/\/+$/, ""),
    namespace: namespace ?? "default",
    credentials: async () => {
      const options: Parameters<typeof config.applyToHTTPSOptions>[0] = {};
      await config.applyToHTTPSOptions(options);
      return credentialsOf(options);
    },
  };
}

async function clientNode(): Promise<
  typeof import("@kubernetes/client-node")
> {
  try {
    return await import("@kubernetes/client-node");
  } catch (cause) {
    throw new KubeconfigError(
      "@kubernetes/client-node, which reads it, is not in this executable",
      "run the controller in a pod, or from source: deno run -A controller/main.ts --kubeconfig FILE",
      { cause },
    );
  }
}

/** Options of Node's `https.request`, as far as the package fills them in. */
interface HttpsOptions {
  readonly headers?: unknown;
  readonly ca?: unknown;
  readonly cert?: unknown;
  readonly key?: unknown;
}

function credentialsOf(options: HttpsOptions): KubeCredentials {
  const { headers, ca, cert, key } = options;
  return {
    headers: Object.fromEntries(
      Object.entries(headers ?? {}).map(([name, value]) => [
        name,
        String(value),
      ]),
    ),
    caCert: ca === undefined ? undefined : String(ca),
    certificate: cert === undefined || key === undefined
      ? undefined
      : { cert: String(cert), key: String(key) },
  };
}
