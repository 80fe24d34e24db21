/**
 * Access to the API server from within a pod: its service account's files and
 * the two variables that every container has.
 *
 * @module
 */

import type { KubeAccess } from "./transport.ts";

/** Where a pod finds its service account. */
export const SERVICE_ACCOUNT_DIR =
  "/var/run/secrets/kubernetes.io/serviceaccount";

/** What a pod knows of its cluster. */
export interface InClusterOptions {
  /** Host of the API server, `KUBERNETES_SERVICE_HOST`. */
  readonly host: string | undefined;
  /** Its port, `KUBERNETES_SERVICE_PORT`. */
  readonly port: string | undefined;
  /** Directory with `token`, `ca.crt` and `namespace`. */
  readonly directory: string;
  /** Reads a file as UTF-8; `Deno.readTextFile`. */
  readonly readTextFile: (path: string) => Promise<string>;
}

/** There is no way to the API server from here. */
export class NoClusterError extends Error {
  /**
   * Builds an error.
   *
   * @param state What is missing.
   * @param remedy What to do about it.
   * @param options `cause` is what went wrong underneath.
   */
  constructor(state: string, remedy: string, options?: ErrorOptions) {
    super(
      `Cannot reach the Kubernetes API server: ${state}. Remedy: ${remedy}`,
      options,
    );
    this.name = "NoClusterError";
  }
}

/**
 * Makes out where the API server is. The files are read at each request, since
 * a token lives for an hour.
 *
 * @throws {NoClusterError} If this is no pod, or one without a service account.
 */
export async function inClusterAccess(
  options: InClusterOptions,
): Promise<KubeAccess> {
  const { host, port = "443", directory, readTextFile } = options;
  if (host === undefined) {
    throw new NoClusterError(
      "KUBERNETES_SERVICE_HOST is not set",
      "run this in a pod, or set it together with KUBERNETES_SERVICE_PORT",
    );
  }
  const read = async (name: string) => {
    try {
      return await readTextFile(`${directory}/${name}`);
    } catch (cause) {
      const state = cause instanceof Error ? cause.name : "unknown error";
      throw new NoClusterError(
        `${directory}/${name} cannot be read (${state})`,
        "give the pod a service account with automountServiceAccountToken: true",
        { cause },
      );
    }
  };
  return {
    server: `https://${host.includes(":") ? `[${host}]` : host}:${port}`,
    namespace: (await read("namespace")).trim(),
    credentials: async () => {
      const [token, caCert] = await Promise.all([
        read("token"),
        read("ca.crt"),
      ]);
      return { headers: { authorization: `Bearer ${token.trim()}` }, caCert };
    },
  };
}
