/**
 * A gateway of the executables, laid out as on a machine: one root with the
 * directories that they were built for, and a real Envoy that reaches the
 * router over a unix socket.
 *
 * @module
 */

import { parseConfig } from "../../shared/config/parse.ts";
import { envoyOptions } from "../../shared/envoy/options.ts";
import type { Directories } from "../../shared/local/build/permissions.ts";
import { EnvoyAdmin } from "../../shared/envoy/admin.ts";
import { defaultCacheDir, findEnvoy } from "../../shared/local/envoy_binary.ts";
import { EnvoyFiles, envoyServers } from "../../shared/envoy/files.ts";
import { freePort, releasePort } from "../../shared/local/ports.ts";
import { LocalProcess } from "../../shared/local/processes.ts";
import { type ProgramName, programReady } from "../../shared/local/programs.ts";
import type { ServerEntry } from "../support/config_file.ts";

/** Writes the command that runs a program with arguments and variables. */
export type Launch = (
  program: ProgramName,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
) => Promise<{
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}>;

/** What to start. */
export interface ExecutableGatewayOptions {
  /** How to start a program. */
  readonly launch: Launch;
  /** Folder of everything that Envoy and the programs keep; exists. */
  readonly root: string;
  /**
   * Where the programs find their directories. Default: where they are, in that
   * folder.
   */
  readonly directories?: Directories;
  /** The MCP servers. */
  readonly servers: readonly ServerEntry[];
}

/** A gateway of executables; disposing of it stops it. */
export interface ExecutableGateway extends AsyncDisposable {
  /** The endpoint for clients. */
  readonly url: string;
  /** The router. */
  readonly router: LocalProcess;
  /** The broker. */
  readonly broker: LocalProcess;
  /** Base URLs of the internal listeners. */
  readonly internalUrls: Readonly<Record<ProgramName, string>>;
}

/** The directories under a root, as under `/` on a machine. */
export function directoriesIn(root: string): Directories {
  return {
    config: `${root}/etc`,
    secrets: `${root}/secrets`,
    serviceAccount: `${root}/service-account`,
    state: `${root}/state`,
    sockets: `${root}/run`,
  };
}

/** Starts the executables of a folder as they are. */
export function launchFrom(executables: string): Launch {
  return (program, args, env) =>
    Promise.resolve({ command: `${executables}/${program}`, args, env });
}

/** What the programs take for the machine's folder of temporary files. */
export function temporaryIn(root: string): string {
  return `${root}/tmp`;
}

const HOST = "127.0.0.1";
/** Has packages write what passes through them, where they may read it. */
const TALKATIVE = {
  GRPC_TRACE: "all",
  GRPC_VERBOSITY: "DEBUG",
  LOG_STREAM: "1",
  LOG_TOKENS: "1",
};

/** Starts broker, router and Envoy, and waits until each is ready. */
export async function startExecutables(
  { launch, root, servers, ...options }: ExecutableGatewayOptions,
): Promise<ExecutableGateway> {
  await using owned = new AsyncDisposableStack();
  const takePort = () => {
    const port = freePort(HOST);
    owned.defer(() => releasePort(port));
    return port;
  };
  const directories = directoriesIn(root);
  const there = options.directories ?? directories;
  const envoyDir = `${root}/envoy`;
  const temporary = temporaryIn(root);
  for (const dir of [...Object.values(directories), envoyDir, temporary]) {
    await Deno.mkdir(dir, { recursive: true, mode: 0o700 });
  }
  const configFile = `${directories.config}/config.yaml`;
  const text = JSON.stringify({ servers });
  await Deno.writeTextFile(configFile, text);
  const ports = { mcp: takePort(), broker: takePort(), admin: takePort() };
  const socket = `${directories.sockets}/router.sock`;
  const internalUrls = {
    router: `http://${HOST}:${takePort()}`,
    broker: `http://${HOST}:${takePort()}`,
  };

  const parsed = parseConfig(text, { file: configFile });
  if (!parsed.ok) throw new Error(`Cannot use ${text}`);
  const envoy = envoyOptions({
    listen: { kind: "tcp", host: HOST, port: ports.mcp },
    brokers: [{ kind: "tcp", host: HOST, port: ports.broker }],
    routers: [{ kind: "unix", path: socket }],
  });
  const files = new EnvoyFiles(envoyDir, envoy);
  await files.writeAll(
    await envoyServers(parsed.config, envoy, {
      secretsDir: directories.secrets,
      readTextFile: (path) => Deno.readTextFile(path),
      env: () => undefined,
    }),
    parsed.config.version,
    { kind: "tcp", host: HOST, port: ports.admin },
  );

  const program = async (name: ProgramName, args: readonly string[]) =>
    new LocalProcess({
      name,
      ...await launch(name, [
        `--config=${there.config}/config.yaml`,
        `--secrets-dir=${there.secrets}`,
        `--state-dir=${there.state}`,
        `--internal-listen=${new URL(internalUrls[name]).host}`,
        "--drain-delay-seconds=0",
        ...args,
      ], { ...TALKATIVE, TMPDIR: temporary }),
      ready: (signal) => programReady(internalUrls[name], signal),
    });
  const broker = await program("broker", [`--listen=${HOST}:${ports.broker}`]);
  const router = await program("router", [
    `--listen=unix:${there.sockets}/router.sock`,
    `--catalog-url=${internalUrls.broker}`,
  ]);
  const envoyProcess: LocalProcess = new LocalProcess({
    name: "envoy",
    command: await findEnvoy({
      cacheDir: defaultCacheDir((name) => Deno.env.get(name)),
      env: (name) => Deno.env.get(name),
      progress: (line) => console.error(line),
    }),
    args: [
      ...["-c", files.bootstrap, "--disable-hot-restart"],
      ...["--concurrency", "1", "--log-level", "warn"],
    ],
    ready: (signal) =>
      new EnvoyAdmin(
        `http://${HOST}:${ports.admin}`,
        () => envoyProcess.log,
      ).ready(signal),
  });
  for (const process of [broker, router, envoyProcess]) {
    owned.use(process);
    await process.start();
  }

  const everything = owned.move();
  return {
    url: `http://${HOST}:${ports.mcp}/mcp`,
    router,
    broker,
    internalUrls,
    [Symbol.asyncDispose]: () => everything.disposeAsync(),
  };
}
