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
import { TextLineStream } from "../../shared/local/text_lines.ts";

/** What a control plane on this machine is made of. */
export interface KubeTools {
  /** Path of etcd's executable. */
  readonly etcd: string;
  /** Path of kube-apiserver's executable. */
  readonly apiServer: string;
  /** Folder of the Gateway API's definitions, one YAML file per kind. */
  readonly gatewayApi: string;
}

/** What finding them needs of the world. */
export interface KubeToolsOptions {
  /** Folder to keep them in; made where it does not exist. */
  readonly cacheDir: string;
  /** Reads an environment variable; `Deno.env.get`. */
  readonly env: (name: string) => string | undefined;
  /** Told, line by line, what goes on while they are built. */
  readonly progress: (line: string) => void;
  /** The go command. Default `go`, of the search path. */
  readonly go?: string;
}

/** Whether there is a control plane to test with, or why not. */
export type KubeToolsAvailability =
  | { readonly kind: "there"; readonly tools: KubeTools }
  | { readonly kind: "missing"; readonly reason: string };

/** They cannot be had; the message says what to do. */
export class NoKubeToolsError extends Error {
  /**
   * Builds an error.
   *
   * @param state What is wrong.
   * @param remedy What to do about it.
   * @param options `cause` is what went wrong underneath.
   */
  constructor(state: string, remedy: string, options?: ErrorOptions) {
    super(
      `Cannot get kube-apiserver and etcd: ${state}. Remedy: ${remedy}`,
      options,
    );
    this.name = "NoKubeToolsError";
  }
}

const MODULE_DIR = new URL("kube_tools", import.meta.url).pathname;
const API_SERVER = "k8s.io/kubernetes/cmd/kube-apiserver";
const ETCD = "go.etcd.io/etcd/server/v3";
const KUBECTL = "k8s.io/kubernetes/cmd/kubectl";
const GATEWAY_API = "sigs.k8s.io/gateway-api";
const GIVE_DIR =
  "set KUBE_BIN_DIR to a folder that holds executables named kube-apiserver and etcd";

/**
 * Finds them as tests do: in this machine's cache, telling on standard error
 * what goes on.
 *
 * @returns A reason where they can neither be found nor built, unless `CI` is
 * `true`.
 * @throws {NoKubeToolsError} In CI, where no test may be left out.
 */
export async function availableKubeTools(): Promise<KubeToolsAvailability> {
  const found = await unlessMissing(findKubeTools);
  return "reason" in found
    ? { kind: "missing", ...found }
    : { kind: "there", tools: found.value };
}

/**
 * Finds kubectl as tests do, likewise.
 *
 * @returns Its path, or undefined where it can neither be found nor built.
 * @throws {NoKubeToolsError} In CI, where no test may be left out.
 */
export async function availableKubectl(): Promise<string | undefined> {
  const found = await unlessMissing(findKubectl);
  return "reason" in found ? undefined : found.value;
}

async function unlessMissing<T>(
  find: (options: KubeToolsOptions) => Promise<T>,
): Promise<{ readonly value: T } | { readonly reason: string }> {
  const env = Deno.env.get.bind(Deno.env);
  try {
    const value = await find({
      cacheDir: defaultCacheDir(env),
      env,
      progress: (line) => console.error(line),
    });
    return { value };
  } catch (error) {
    if (!(error instanceof NoKubeToolsError) || env("CI") === "true") {
      throw error;
    }
    return { reason: error.message };
  }
}

/**
 * Finds them, building what is not there: some minutes and about 3 GB of Go's
 * own caches the first time, nothing afterwards. A second process that comes
 * meanwhile waits for the first.
 *
 * @throws {NoKubeToolsError} If they cannot be had.
 */
export async function findKubeTools(
  options: KubeToolsOptions,
): Promise<KubeTools> {
  const versions = readVersions(
    await Deno.readTextFile(`${MODULE_DIR}/go.mod`),
  );
  const bin = await givenBinaries(options.env) ??
    await kept(`kube-${versions.kubernetes}-etcd-${versions.etcd}`, {
      ...options,
      fill: (dir) => buildServers(dir, versions, options),
    });
  const gatewayApi = await kept(`gateway-api-${versions.gatewayApi}`, {
    ...options,
    fill: (dir) => copyGatewayApi(dir, options),
  });
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
 * @throws {NoKubeToolsError} If it cannot be had.
 */
export async function findKubectl(options: KubeToolsOptions): Promise<string> {
  const { kubernetes } = readVersions(
    await Deno.readTextFile(`${MODULE_DIR}/go.mod`),
  );
  const dir = await kept(`kubectl-${kubernetes}`, {
    ...options,
    fill: (dir) => build(dir, `kubectl ${kubernetes}`, [KUBECTL], options),
  });
  return `${dir}/kubectl`;
}

/** Versions, each with its `v`, that a go.mod requires. */
interface Versions {
  readonly kubernetes: string;
  readonly etcd: string;
  readonly gatewayApi: string;
}

function readVersions(goMod: string): Versions {
  const required = (module: string) => {
    const line = goMod.split("\n").map((line) => line.trim().split(/\s+/))
      .find(([name]) => name === module);
    if (line?.[1] === undefined) {
      throw new Error(`Cannot read go.mod: it requires no ${module}`);
    }
    return line[1];
  };
  return {
    kubernetes: required("k8s.io/kubernetes"),
    etcd: required(ETCD),
    gatewayApi: required(GATEWAY_API),
  };
}

/** The folder that `KUBE_BIN_DIR` names, where it does. */
async function givenBinaries(
  env: KubeToolsOptions["env"],
): Promise<string | undefined> {
  const dir = env("KUBE_BIN_DIR");
  if (!dir) return undefined;
  for (const name of ["kube-apiserver", "etcd"]) {
    if (await isFile(`${dir}/${name}`)) continue;
    throw new NoKubeToolsError(
      `KUBE_BIN_DIR is ${dir}, and there is no ${name} in it`,
      "correct KUBE_BIN_DIR, or unset it to have both built",
    );
  }
  return dir;
}

/**
 * A folder of the cache, filled where it is not there. It is filled under
 * another name, so that a half one is never found, and by one process at a
 * time: the lock goes with its holder, whatever becomes of that.
 */
async function kept(
  name: string,
  { cacheDir, progress, fill }: KubeToolsOptions & {
    fill: (dir: string) => Promise<void>;
  },
): Promise<string> {
  const dir = `${cacheDir}/${name}`;
  if (await isDirectory(dir)) return dir;
  await Deno.mkdir(cacheDir, { recursive: true });
  using lock = await Deno.open(`${cacheDir}/${name}.lock`, {
    create: true,
    write: true,
  });
  if (!await lock.tryLock(true)) {
    progress(`waiting for another process, which makes ${name}`);
    await lock.lock(true);
  }
  if (await isDirectory(dir)) return dir;
  const partial = await Deno.makeTempDir({
    dir: cacheDir,
    prefix: `${name}-partial-`,
  });
  try {
    await fill(partial);
    await Deno.chmod(partial, 0o755);
    await Deno.rename(partial, dir);
  } finally {
    await Deno.remove(partial, { recursive: true }).catch(() => {});
  }
  return dir;
}

async function buildServers(
  dir: string,
  { kubernetes, etcd }: Versions,
  options: KubeToolsOptions,
): Promise<void> {
  const what = `kube-apiserver ${kubernetes} and etcd ${etcd}`;
  await build(dir, what, [API_SERVER, ETCD], options);
  // Named after the last part of its path that is no version.
  await Deno.rename(`${dir}/server`, `${dir}/etcd`);
}

async function build(
  dir: string,
  what: string,
  packages: readonly string[],
  options: KubeToolsOptions,
): Promise<void> {
  const { progress } = options;
  progress(`${what}: building what is not here, some minutes the first time`);
  const startedAt = performance.now();
  const seconds = () => Math.round((performance.now() - startedAt) / 1000);
  const ticker = setInterval(
    () => progress(`still building, ${seconds()} s so far`),
    30_000,
  );
  try {
    await go(
      options,
      [
        "build",
        "-buildvcs=false",
        "-ldflags=-s -w",
        "-o",
        // Of a single package, it would be the name of the file otherwise.
        `${dir}/`,
        ...packages,
      ],
      (line) => progress(`go: ${line}`),
    );
  } finally {
    clearInterval(ticker);
  }
  progress(`${what} built in ${seconds()} s`);
}

async function copyGatewayApi(
  dir: string,
  options: KubeToolsOptions,
): Promise<void> {
  // The go command downloads the module and tells where it keeps it.
  const [said = ""] = await go(options, [
    "mod",
    "download",
    "-json",
    GATEWAY_API,
  ]);
  const { Dir: module } = JSON.parse(said) as { Dir: string };
  const from = `${module}/config/crd/standard`;
  for await (const { name } of Deno.readDir(from)) {
    if (!name.endsWith(".yaml")) continue;
    await Deno.writeTextFile(
      `${dir}/${name}`,
      await Deno.readTextFile(`${from}/${name}`),
    );
  }
}

/**
 * Runs the go command in our module, changing none of its files.
 *
 * @returns Its standard output, whole, as the only element.
 */
async function go(
  { go: command = "go" }: KubeToolsOptions,
  args: readonly string[],
  progress: (line: string) => void = () => {},
): Promise<[string]> {
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command(command, {
      args: [...args],
      cwd: MODULE_DIR,
      env: { GOFLAGS: "-mod=readonly", GOWORK: "off" },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  } catch (cause) {
    if (!(cause instanceof Deno.errors.NotFound)) throw cause;
    throw new NoKubeToolsError(
      "they are not built yet, and there is no go command, which would build them",
      `install Go 1.26 or newer, or ${GIVE_DIR}`,
      { cause },
    );
  }
  const lines: string[] = [];
  const tell = async () => {
    const text = child.stderr.pipeThrough(new TextDecoderStream())
      .pipeThrough(new TextLineStream());
    for await (const line of text) {
      lines.push(line);
      progress(line);
    }
  };
  const [{ success }, stdout] = await Promise.all([
    child.status,
    new Response(child.stdout).text(),
    tell(),
  ]);
  if (success) return [stdout];
  throw new NoKubeToolsError(
    `go ${args[0]} failed: ${lines.slice(-5).join("; ") || stdout.trim()}`,
    `check the connection to the Go module proxy (go env GOPROXY), or ${GIVE_DIR}`,
  );
}

async function isFile(path: string): Promise<boolean> {
  return (await Deno.stat(path).catch(() => undefined))?.isFile ?? false;
}

async function isDirectory(path: string): Promise<boolean> {
  return (await Deno.stat(path).catch(() => undefined))?.isDirectory ?? false;
}
