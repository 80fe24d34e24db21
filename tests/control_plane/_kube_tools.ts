/**
 * Finds kube-apiserver and etcd on this machine, or builds them: the variable
 * `KUBE_BIN_DIR`, the cache, else from their Go modules into the cache. The
 * Gateway API's resource definitions come the same way.
 *
 * `kube_tools/` holds the Go module that names all versions.
 *
 * @module
 */

import { defaultCacheDir } from "../../shared/local/envoy_binary.ts";
import {
  build,
  copyYaml,
  downloaded,
  goModule,
  kept,
  NoToolsError,
  requiredVersions,
  type ToolOptions,
} from "./_go_tools.ts";

/** What a control plane on this machine is made of. */
export interface KubeTools {
  /** Path of etcd's executable. */
  readonly etcd: string;
  /** Path of kube-apiserver's executable. */
  readonly apiServer: string;
  /** Folder of the Gateway API's definitions, one YAML file per kind. */
  readonly gatewayApi: string;
}

/** Tools to test with, or why there are none. */
export type Availability<Tools> =
  | { readonly kind: "there"; readonly tools: Tools }
  | { readonly kind: "missing"; readonly reason: string };

const API_SERVER = "k8s.io/kubernetes/cmd/kube-apiserver";
const KUBECTL = "k8s.io/kubernetes/cmd/kubectl";
const ETCD = "go.etcd.io/etcd/server/v3";
const GATEWAY_API = "sigs.k8s.io/gateway-api";
const MODULE = goModule("kube_tools", {
  what: "kube-apiserver and etcd",
  orElse:
    "set KUBE_BIN_DIR to a folder that holds executables named kube-apiserver and etcd",
});

/** What is there. @throws {Error} If it is not. */
export function there<Tools>(found: Availability<Tools>): Tools {
  if (found.kind === "there") return found.tools;
  throw new Error(found.reason);
}

/**
 * Finds tools as tests do: in this machine's cache, telling on standard error
 * what goes on.
 *
 * @returns A reason where they can neither be found nor built, unless `CI` is
 * `true`.
 * @throws {NoToolsError} In CI, where no test may be left out.
 */
export async function available<Tools>(
  find: (options: ToolOptions) => Promise<Tools>,
): Promise<Availability<Tools>> {
  const env = Deno.env.get.bind(Deno.env);
  try {
    const tools = await find({
      cacheDir: defaultCacheDir(env),
      env,
      progress: (line) => console.error(line),
    });
    return { kind: "there", tools };
  } catch (error) {
    if (!(error instanceof NoToolsError) || env("CI") === "true") throw error;
    return { kind: "missing", reason: error.message };
  }
}

/** Finds kube-apiserver and etcd as tests do. */
export function availableKubeTools(): Promise<Availability<KubeTools>> {
  return available(findKubeTools);
}

/**
 * Finds kubectl as tests do.
 *
 * @returns Its path, or undefined where it can neither be found nor built.
 * @throws {NoToolsError} In CI, where no test may be left out.
 */
export async function availableKubectl(): Promise<string | undefined> {
  const found = await available(findKubectl);
  return found.kind === "there" ? found.tools : undefined;
}

/**
 * Finds them, building what is not there: some minutes and about 3 GB of Go's
 * own caches the first time, nothing afterwards. A second process that comes
 * meanwhile waits for the first.
 *
 * @throws {NoToolsError} If they cannot be had.
 */
export async function findKubeTools(options: ToolOptions): Promise<KubeTools> {
  const versions = await requiredVersions(MODULE, {
    kubernetes: "k8s.io/kubernetes",
    etcd: ETCD,
    gatewayApi: GATEWAY_API,
  });
  const bin = await givenBinaries(options.env) ??
    await kept(
      `kube-${versions.kubernetes}-etcd-${versions.etcd}`,
      options,
      async (dir) => {
        await build(MODULE, dir, [API_SERVER, ETCD], options);
        // Named after the last part of its path that is no version.
        await Deno.rename(`${dir}/server`, `${dir}/etcd`);
      },
    );
  const gatewayApi = await kept(
    `gateway-api-${versions.gatewayApi}`,
    options,
    async (dir) => {
      const from = await downloaded(MODULE, GATEWAY_API, options);
      await copyYaml(`${from}/config/crd/standard`, dir);
    },
  );
  return {
    etcd: `${bin}/etcd`,
    apiServer: `${bin}/kube-apiserver`,
    gatewayApi,
  };
}

/**
 * Finds kubectl of the API server's version, building it where it is not there.
 *
 * @returns Path of the executable.
 * @throws {NoToolsError} If it cannot be had.
 */
export async function findKubectl(options: ToolOptions): Promise<string> {
  const module = goModule("kube_tools", { what: "kubectl" });
  const { kubernetes } = await requiredVersions(module, {
    kubernetes: "k8s.io/kubernetes",
  });
  const dir = await kept(
    `kubectl-${kubernetes}`,
    options,
    (dir) => build(module, dir, [KUBECTL], options),
  );
  return `${dir}/kubectl`;
}

/** The folder that `KUBE_BIN_DIR` names, where it does. */
async function givenBinaries(
  env: ToolOptions["env"],
): Promise<string | undefined> {
  const dir = env("KUBE_BIN_DIR");
  if (!dir) return undefined;
  for (const name of ["kube-apiserver", "etcd"]) {
    const found = await Deno.stat(`${dir}/${name}`).catch(() => undefined);
    if (found?.isFile) continue;
    throw new NoToolsError(
      MODULE.what,
      `KUBE_BIN_DIR is ${dir}, and there is no ${name} in it`,
      "correct KUBE_BIN_DIR, or unset it to have both built",
    );
  }
  return dir;
}
