/**
 * A gateway as on a machine of its own: router and broker, and an Envoy that
 * knows nothing but what `router envoy-config` writes.
 *
 * @module
 */

import { EnvoyAdmin } from "../../shared/envoy/admin.ts";
import { freePort, releasePort } from "../../shared/local/ports.ts";
import { LocalProcess } from "../../shared/local/processes.ts";
import {
  programArgs,
  type ProgramName,
  programReady,
} from "../../shared/local/programs.ts";
import { ConfigFile, type ServerEntry } from "../support/config_file.ts";
import { envoyPath } from "../support/envoy_path.ts";
import { PROJECT_DIR } from "../support/paths.ts";

const HOST = "127.0.0.1";

/** What a command said and how it ended. */
export interface Told {
  /** Exit code. */
  readonly code: number;
  /** What it wrote to standard output. */
  readonly stdout: string;
  /** What it wrote to standard error. */
  readonly stderr: string;
}

/** Runs `router envoy-config`, from the sources. */
export async function envoyConfig(
  args: readonly string[],
  stdin = "",
): Promise<Told> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "router/main.ts", "envoy-config", ...args],
    cwd: PROJECT_DIR,
    env: { NO_COLOR: "1" },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(stdin));
  await writer.close();
  const { code, stdout, stderr } = await child.output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

/** A gateway whose Envoy is told by the command. */
export interface ToldGateway extends AsyncDisposable {
  /** Port for clients. */
  readonly port: number;
  /** Base URL of Envoy's admin interface. */
  readonly adminUrl: string;
  /** The configuration that is edited. */
  readonly config: ConfigFile;
  /** The file that router and broker are given. */
  readonly published: string;
  /** Envoy. */
  readonly envoy: LocalProcess;
  /**
   * Runs the command again, as after a change of the configuration.
   *
   * @param routers How many of the routers Envoy is told of. Default: one.
   * @param changed Options with other values than at the start, by flag.
   */
  tell(
    routers?: number,
    changed?: Readonly<Record<string, string>>,
  ): Promise<Told>;
  /** The command with `--watch`, to be started. */
  readonly follower: LocalProcess;
}

/**
 * Starts one.
 *
 * @param dir Folder for all of it.
 * @param args Options of the command, besides those that say where things are.
 * @param routers Number of router processes, of which Envoy is told the first.
 */
export async function startToldGateway(
  dir: string,
  servers: readonly ServerEntry[],
  args: readonly string[],
  routers = 1,
): Promise<ToldGateway> {
  await using owned = new AsyncDisposableStack();
  const takePort = () => {
    const port = freePort(HOST);
    owned.defer(() => releasePort(port));
    return port;
  };
  const [port, adminPort, brokerPort] = [takePort(), takePort(), takePort()];
  const adminUrl = `http://${HOST}:${adminPort}`;
  const config = new ConfigFile(`${dir}/config.json`);
  const published = `${dir}/published.json`;
  await config.write(servers);
  const all = [
    ...["--config", config.path, "--secrets-dir", dir],
    ...["--out", `${dir}/envoy`, "--publish", published],
    ...["--listen", `${HOST}:${port}`, "--admin", `${HOST}:${adminPort}`],
    ...["--broker", `${HOST}:${brokerPort}`],
    ...args,
  ];
  const sockets = Array.from(
    { length: routers },
    (_, at) => `unix:${dir}/router-${at}.sock`,
  );
  const tell = (
    count = 1,
    changed: Readonly<Record<string, string>> = {},
  ) =>
    envoyConfig([
      ...all.map((arg, at) => changed[all[at - 1] ?? ""] ?? arg),
      ...sockets.slice(0, count).flatMap((socket) => ["--router", socket]),
    ]);
  const told = await tell();
  if (told.code !== 0) throw new Error(told.stderr);

  const program = (
    name: ProgramName,
    internal: number,
    options: Readonly<Record<string, string>>,
  ) =>
    new LocalProcess({
      name,
      command: Deno.execPath(),
      args: programArgs(name, { read: [dir], write: [dir] }, {
        config: published,
        "secrets-dir": dir,
        "state-dir": dir,
        "drain-delay-seconds": 0,
        "drain-seconds": 1,
        "internal-listen": `${HOST}:${internal}`,
        ...options,
      }),
      ready: (signal) => programReady(`http://${HOST}:${internal}`, signal),
    });
  const follower = owned.use(
    new LocalProcess({
      name: "envoy-config",
      command: Deno.execPath(),
      args: [
        ...["run", "-A", `${PROJECT_DIR}/router/main.ts`],
        ...["envoy-config", "--watch", ...all],
        ...["--router", `unix:${dir}/router-0.sock`],
      ],
    }),
  );
  const brokerInternal = takePort();
  const admin = new EnvoyAdmin(adminUrl, () => envoy.log);
  const envoy: LocalProcess = new LocalProcess({
    name: "envoy",
    command: await envoyPath(),
    args: [
      ...["-c", `${dir}/envoy/bootstrap.json`, "--disable-hot-restart"],
      ...["--concurrency", "1", "--log-level", "warn"],
    ],
    ready: (signal) => admin.ready(signal),
  });
  for (
    const process of [
      program("broker", brokerInternal, { listen: `${HOST}:${brokerPort}` }),
      ...sockets.map((listen) =>
        program("router", takePort(), {
          listen,
          "catalog-url": `http://${HOST}:${brokerInternal}`,
        })
      ),
      envoy,
    ]
  ) {
    owned.use(process);
    await process.start();
  }
  const everything = owned.move();
  return {
    port,
    adminUrl,
    config,
    published,
    envoy,
    tell,
    follower,
    [Symbol.asyncDispose]: () => everything.disposeAsync(),
  };
}
