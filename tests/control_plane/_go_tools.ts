/**
 * Programs of others that tests run, built from their Go modules into a cache,
 * once for each version, with nothing half built ever found there.
 *
 * @module
 */

import { TextLineStream } from "../../shared/local/text_lines.ts";

/** What finding and building them needs of the world. */
export interface ToolOptions {
  /** Folder to keep them in; made where it does not exist. */
  readonly cacheDir: string;
  /** Reads an environment variable; `Deno.env.get`. */
  readonly env: (name: string) => string | undefined;
  /** Told, line by line, what goes on while they are built. */
  readonly progress: (line: string) => void;
  /** The go command. Default `go`, of the search path. */
  readonly go?: string;
}

/** A Go module of ours, which names the versions of others'. */
export interface GoModule {
  /** Its folder. */
  readonly dir: string;
  /** What is built of it, for messages: `kube-apiserver and etcd`. */
  readonly what: string;
  /** What to do where it cannot be built; begins in the middle of a sentence. */
  readonly orElse?: string;
}

/** Tools cannot be had; the message says what to do. */
export class NoToolsError extends Error {
  /**
   * Builds an error.
   *
   * @param what What cannot be had.
   * @param state What is wrong.
   * @param remedy What to do about it.
   * @param options `cause` is what went wrong underneath.
   */
  constructor(
    what: string,
    state: string,
    remedy: string,
    options?: ErrorOptions,
  ) {
    super(`Cannot get ${what}: ${state}. Remedy: ${remedy}`, options);
    this.name = "NoToolsError";
  }
}

/** Makes a module of a folder beside this file. */
export function goModule(
  folder: string,
  about: Omit<GoModule, "dir">,
): GoModule {
  return { dir: new URL(folder, import.meta.url).pathname, ...about };
}

/** Tells which version, with its `v`, a module requires of each of others. */
export async function requiredVersions<Name extends string>(
  { dir }: GoModule,
  modules: Readonly<Record<Name, string>>,
): Promise<Readonly<Record<Name, string>>> {
  const lines = (await Deno.readTextFile(`${dir}/go.mod`)).split("\n")
    .map((line) => line.trim().replace(/^require\s+/, "").split(/\s+/));
  const versions = Object.entries<string>(modules).map(([name, module]) => {
    const version = lines.find(([path]) => path === module)?.[1];
    if (version === undefined) {
      throw new Error(`Cannot read ${dir}/go.mod: it requires no ${module}`);
    }
    return [name, version];
  });
  return Object.fromEntries(versions);
}

/**
 * A folder of the cache, filled where it is not there. It is filled under
 * another name, so that a half one is never found, and by one process at a
 * time: the lock goes with its holder, whatever becomes of that.
 */
export async function kept(
  name: string,
  { cacheDir, progress }: ToolOptions,
  fill: (dir: string) => Promise<void>,
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

/** Builds commands of a module's requirements into a folder. */
export async function build(
  module: GoModule,
  dir: string,
  packages: readonly string[],
  options: ToolOptions,
): Promise<void> {
  const { progress } = options;
  progress(
    `${module.what}: not here, hence built, about five minutes the first time`,
  );
  const startedAt = performance.now();
  const seconds = () => Math.round((performance.now() - startedAt) / 1000);
  const ticker = setInterval(
    () => progress(`${module.what}: still building, ${seconds()} s so far`),
    30_000,
  );
  try {
    await go(
      module,
      [
        ...["build", "-buildvcs=false", "-ldflags=-s -w"],
        // Of a single package, it would be the name of the file otherwise.
        ...["-o", `${dir}/`, ...packages],
      ],
      options,
      (line) => progress(`go: ${line}`),
    );
  } finally {
    clearInterval(ticker);
  }
  progress(`${module.what}: built in ${seconds()} s`);
}

/** Folder of another module's files, which the go command downloads. */
export async function downloaded(
  module: GoModule,
  path: string,
  options: ToolOptions,
): Promise<string> {
  const said = await go(module, ["mod", "download", "-json", path], options);
  return (JSON.parse(said) as { Dir: string }).Dir;
}

/** Copies the YAML files of a folder: all, or the one of that name. */
export async function copyYaml(
  from: string,
  to: string,
  only?: string,
): Promise<void> {
  for await (const { name } of Deno.readDir(from)) {
    if (!name.endsWith(".yaml") || name !== (only ?? name)) continue;
    // Read and written, as the go command keeps its own read-only.
    await Deno.writeTextFile(
      `${to}/${name}`,
      await Deno.readTextFile(`${from}/${name}`),
    );
  }
}

/**
 * Runs the go command in a module of ours, changing none of its files.
 *
 * @returns Its standard output.
 */
async function go(
  { dir, what, orElse }: GoModule,
  args: readonly string[],
  { go: command = "go" }: ToolOptions,
  progress: (line: string) => void = () => {},
): Promise<string> {
  const or = orElse === undefined ? "" : `, or ${orElse}`;
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command(command, {
      args: [...args],
      cwd: dir,
      env: { GOFLAGS: "-mod=readonly", GOWORK: "off" },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  } catch (cause) {
    if (!(cause instanceof Deno.errors.NotFound)) throw cause;
    throw new NoToolsError(
      what,
      "not built yet, and there is no go command, which would build it",
      `install Go 1.26 or newer${or}`,
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
  if (success) return stdout;
  throw new NoToolsError(
    what,
    `go ${args[0]} failed: ${lines.slice(-5).join("; ") || stdout.trim()}`,
    `check the connection to the Go module proxy (go env GOPROXY)${or}`,
  );
}

async function isDirectory(path: string): Promise<boolean> {
  return (await Deno.stat(path).catch(() => undefined))?.isDirectory ?? false;
}
