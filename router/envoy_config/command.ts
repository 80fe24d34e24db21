/**
 * `router envoy-config`: writes what an Envoy on this machine needs, from the
 * gateway's configuration and options, and tells it of every change without a
 * restart. Here options, files and Envoy's admin interface meet.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { formatAddress, type TcpAddress } from "../../shared/address.ts";
import { type Command, runCommandLine } from "../../shared/command_line.ts";
import type { GatewayConfig } from "../../shared/config/model.ts";
import { formatProblem, parseConfig } from "../../shared/config/parse.ts";
import {
  DENO_READ_IO,
  readConfig,
  STDIN,
  UnreadableConfig,
} from "../../shared/config/read_config.ts";
import { SecretError, type SecretIo } from "../../shared/config/secrets.ts";
import { EnvoyAdmin } from "../../shared/envoy/admin.ts";
import {
  EnvoyFiles,
  type EnvoyServers,
  envoyServers,
  readCaCerts,
  replaceFile,
} from "../../shared/envoy/files.ts";
import { staticBootstrap } from "../../shared/envoy/static_bootstrap.ts";
import { errorText } from "../../shared/error_text.ts";
import type { Environment } from "../../shared/options.ts";
import { waitOnTimer } from "../../shared/wait_on_timer.ts";
import { ENVOY_CONFIG_OPTIONS, STDOUT } from "./options.ts";
import {
  type EnvoyConfigValues,
  readSettings,
  type Settings,
} from "./settings.ts";
import { type Take, updateEnvoy } from "./update.ts";

const SUMMARY = "Writes the configuration of an Envoy on this machine";
/** For a group that Envoy, router and broker have in common. */
const FILE_MODE = 0o640;
const DIR_MODE = 0o750;
/** Milliseconds that an Envoy which cannot be asked is given for each step. */
const UNASKED_MS = 500;
/** Gives up waiting for nobody: every wait of ours has an end of its own. */
const NEVER = new AbortController().signal;

/** The command. */
export const ENVOY_CONFIG_COMMAND: Command = {
  name: "envoy-config",
  summary: SUMMARY,
  run: (args, env, program) =>
    runCommandLine(
      {
        program,
        summary: `${SUMMARY}, and tells it of a change without a restart: ` +
          "bootstrap, clusters, listener and routes, from the gateway's " +
          "configuration. Exit code 0 where Envoy has taken it or is not " +
          "running, 1 where not: then nothing has changed.",
        options: ENVOY_CONFIG_OPTIONS,
        run: (values) => run(values, env, program),
      },
      args,
      env,
    ),
};

async function run(
  values: EnvoyConfigValues,
  env: Environment,
  program: string,
): Promise<number> {
  const read = readSettings(values);
  if (!read.ok) {
    for (const problem of read.problems) console.error(problem);
    console.error(`See ${program} --help`);
    return 2;
  }
  try {
    await write(values, read.settings, env);
    return 0;
  } catch (error) {
    if (error instanceof InvalidConfig) {
      for (const line of error.lines) console.error(line);
    } else console.error(whatFailed(error, values));
    return 1;
  }
}

/** A configuration with errors in it. */
class InvalidConfig extends Error {
  readonly lines: readonly string[];

  constructor(lines: readonly string[]) {
    super(lines.join("\n"));
    this.name = "InvalidConfig";
    this.lines = lines;
  }
}

async function write(
  values: EnvoyConfigValues,
  settings: Settings,
  env: Environment,
): Promise<void> {
  const text = await readConfig(values.config, DENO_READ_IO);
  const config = validConfig(
    text,
    values.config === STDIN ? "standard input" : values.config,
  );
  const secrets: SecretIo = {
    secretsDir: values.secretsDir,
    readTextFile: (path) => Deno.readTextFile(path),
    env: (name) => env.get(name),
  };
  const { envoy, admin } = settings;
  if (values.out === STDOUT) {
    const caCerts = await readCaCerts(config, secrets);
    console.log(
      JSON.stringify(staticBootstrap(config, { ...envoy, caCerts }, admin)),
    );
    return;
  }
  const { out, publish } = values;
  await Deno.mkdir(out, { recursive: true, mode: DIR_MODE });
  const files = new EnvoyFiles(out, envoy, FILE_MODE);
  const running = await runningEnvoy(settings);
  const { restart } = await updateEnvoy({
    version: config.version,
    listenerVersion: hash(JSON.stringify(envoy)),
    now: await envoyServers(config, envoy, secrets),
    before: publish === undefined
      ? undefined
      : await serversBefore(publish, settings, secrets),
    files: {
      clusters: (servers, version) => files.writeClusters(servers, version),
      routes: (servers, version) => files.writeRoutes(servers, version),
      listener: (version) => files.writeListener(version),
      undo: await snapshot(out),
      bootstrap: async () => {
        const before = await textOf(files.bootstrap);
        await files.writeBootstrap(admin);
        return running && before !== await textOf(files.bootstrap);
      },
    },
    take: running ? takeOf(settings) : (_kind, _version, write) => write(),
    publish: async () => {
      if (publish !== undefined) await replaceFile(publish, text, FILE_MODE);
    },
  });
  console.log(
    `${out}: configuration ${config.version}, ${config.servers.length} ` +
      `servers; ${
        running ? "Envoy has taken it" : "Envoy is not running, or not asked"
      }`,
  );
  if (restart) {
    console.error(
      "Envoy goes on as it was started: what is only told at start has " +
        "changed (routers, admin interface, limits of connections or " +
        "memory). Remedy: restart Envoy",
    );
  }
}

function validConfig(text: string, file: string): GatewayConfig {
  const result = parseConfig(text, { file });
  const lines = result.problems.map(formatProblem);
  if (!result.ok) throw new InvalidConfig(lines);
  for (const line of lines) console.error(line);
  return result.config;
}

/**
 * What Envoy had to know of what router and broker act on. A server whose CA
 * is gone with it is left out: nothing could be said of it.
 */
async function serversBefore(
  published: string,
  { envoy }: Settings,
  secrets: SecretIo,
): Promise<EnvoyServers | undefined> {
  const text = await textOf(published);
  const parsed = text === undefined
    ? undefined
    : parseConfig(text, { file: published });
  if (parsed === undefined || !parsed.ok) return undefined;
  const { config } = parsed;
  try {
    return await envoyServers(config, envoy, secrets);
  } catch (error) {
    if (!(error instanceof SecretError)) throw error;
    const servers = config.servers.filter(({ caCert }) => caCert === undefined);
    return await envoyServers({ ...config, servers }, envoy, secrets);
  }
}

/** Files that Envoy watches: routes first, which name the clusters. */
const WATCHED = ["rds.json", "cds.json", "sds.json", "lds.json"];

/** Remembers Envoy's files as they are; what is returned puts them back. */
async function snapshot(dir: string): Promise<() => Promise<void>> {
  const paths = WATCHED.map((name) => `${dir}/${name}`);
  const texts = await Promise.all(paths.map(textOf));
  return async () => {
    for (const [at, path] of paths.entries()) {
      const text = texts[at];
      if (text === undefined || text === await textOf(path)) continue;
      await replaceFile(path, text, FILE_MODE);
    }
  };
}

/** Whether an Envoy is there to be asked, or might be. */
async function runningEnvoy({ admin }: Settings): Promise<boolean> {
  if (admin === undefined) return true;
  try {
    await adminOf(admin).state();
    return true;
  } catch {
    return false;
  }
}

/** Writes, and waits until Envoy has taken it. */
function takeOf({ admin }: Settings): Take {
  if (admin === undefined) {
    return async (_kind, _version, write) => {
      await write();
      await waitOnTimer(UNASKED_MS, NEVER);
    };
  }
  const envoy = adminOf(admin);
  return async (kind, version, write) => {
    const before = await envoy.state();
    await write();
    await envoy.taken(kind, version, before);
  };
}

function adminOf(address: TcpAddress): EnvoyAdmin {
  return new EnvoyAdmin(`http://${formatAddress(address)}`, () => [REFUSED]);
}

/** Stands for Envoy's log, which is not ours to read. */
const REFUSED = "config update rejected: its own log says why";

async function textOf(path: string): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function hash(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 12);
}

function whatFailed(
  error: unknown,
  { out, publish, secretsDir }: EnvoyConfigValues,
): string {
  if (error instanceof UnreadableConfig) return error.message;
  if (error instanceof SecretError) {
    return `${error.message}. Remedy: put it into ${secretsDir}`;
  }
  if (error instanceof Deno.errors.NotCapable) {
    return `Cannot write ${[out, publish].filter(Boolean).join(" and ")}: ` +
      "outside of the directories that this program may write. Remedy: name " +
      "places in the directory of sockets (/run/mcp-gateway unless the " +
      `program was built for another). ${error.message}`;
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return `Cannot write ${out}: ${error.message}. Remedy: let this ` +
      "program's user write there";
  }
  return errorText(error);
}
