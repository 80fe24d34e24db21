/**
 * Where the configuration comes from, as `--config` says: a file, with its
 * secrets in files, or a ConfigMap, with its secrets in a Secret.
 *
 * @module
 */

import { KubeClient } from "../kube/client.ts";
import { inClusterAccess } from "../kube/in_cluster.ts";
import { HttpTransport } from "../kube/transport.ts";
import type { Logger } from "../log.ts";
import { KubeSource, parseKubeName } from "./kube_source.ts";
import type { SecretIo } from "./secrets.ts";
import {
  type ConfigListeners,
  type ConfigWatch,
  watchConfig,
} from "./watch.ts";

/** Who is told of a configuration, and until when. */
export interface SourceListeners extends Omit<ConfigListeners, "log"> {
  /** Ends the watching. */
  readonly signal: AbortSignal;
}

/** A configuration and its secrets. */
export interface ConfigSource {
  /** Starts watching; called once. See {@linkcode watchConfig}. */
  readonly watch: (listeners: SourceListeners) => Promise<ConfigWatch>;
  /** Reads its secrets. */
  readonly secrets: SecretIo;
}

/** What the options say, and what reaching it needs. */
export interface SourceOptions {
  /** `--config`: a path, or `kube:NAMESPACE/NAME`. */
  readonly config: string;
  /** `--secrets-dir`; not for a configuration in a cluster. */
  readonly secretsDir: string;
  /** `--config-secret`: name of the Secret, for a configuration in a cluster. */
  readonly secretName: string;
  /** Host of the API server. */
  readonly kubeHost: string | undefined;
  /** Its port. */
  readonly kubePort: string | undefined;
  /** Directory of the pod's service account. */
  readonly serviceAccountDir: string;
  /** Reads an environment variable, for `{env: NAME}`. */
  readonly env: (name: string) => string | undefined;
  /** Log. */
  readonly log: Logger;
}

/**
 * Opens a configuration's source.
 *
 * @throws {NoClusterError} If it is in a cluster and this is no pod of one.
 * @throws {TypeError} If `config` is neither.
 */
export async function openSource(
  options: SourceOptions,
): Promise<ConfigSource> {
  const { config, env, log } = options;
  const readTextFile = (path: string) => Deno.readTextFile(path);
  const parsed = parseKubeName(config);
  switch (parsed.kind) {
    case "file":
      return {
        watch: (listeners) => watchConfig({ ...listeners, file: config, log }),
        secrets: { secretsDir: options.secretsDir, readTextFile, env },
      };
    case "kube": {
      const access = await inClusterAccess({
        host: options.kubeHost,
        port: options.kubePort,
        directory: options.serviceAccountDir,
        readTextFile,
      });
      const client = new KubeClient({ transport: new HttpTransport(access) });
      const { secretName } = options;
      const source = new KubeSource({ ...parsed.at, secretName, client, log });
      return {
        watch: async (listeners) => {
          const watch = await source.watch(listeners);
          void watch.done.then(() => client.close());
          return watch;
        },
        secrets: { ...source.secrets, env },
      };
    }
    case "invalid":
      throw new TypeError(`Cannot use --config ${config}: ${parsed.problem}`);
    default:
      return parsed satisfies never;
  }
}
