/**
 * `router envoy-config`: writes what an Envoy on this machine needs, from the
 * gateway's configuration and options, and tells it of every change without a
 * restart. Here options, files and Envoy's admin interface meet.
 *
 * @module
 */

import { type Command, runCommandLine } from "../../shared/command_line.ts";
import type { GatewayConfig } from "../../shared/config/model.ts";
import { formatProblem, parseConfig } from "../../shared/config/parse.ts";
import {
  DENO_READ_IO,
  readConfig,
  STDIN,
  UnreadableConfig,
} from "../../shared/config/read_config.ts";
import { SecretError } from "../../shared/config/secrets.ts";
import { readCaCerts } from "../../shared/envoy/files.ts";
import { staticBootstrap } from "../../shared/envoy/static_bootstrap.ts";
import { errorText } from "../../shared/error_text.ts";
import { runUntilSignal } from "../../shared/lifecycle.ts";
import { createLogger } from "../../shared/log.ts";
import type { Environment } from "../../shared/options.ts";
import { followConfig, RESTART_ENVOY } from "./follow.ts";
import { ENVOY_CONFIG_OPTIONS, STDOUT } from "./options.ts";
import { type Places, prepareUpdate, TOLD } from "./prepare.ts";
import {
  type EnvoyConfigValues,
  readSettings,
  type Settings,
} from "./settings.ts";
import { updateEnvoy } from "./update.ts";

const SUMMARY = "Writes the configuration of an Envoy on this machine";
/** Seconds that an update under way may take at the end. */
const DRAIN_SECONDS = 20;

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
  const { settings } = read;
  const places: Places = {
    out: values.out,
    publish: values.publish,
    settings,
    secrets: {
      secretsDir: values.secretsDir,
      readTextFile: (path) => Deno.readTextFile(path),
      env: (name) => env.get(name),
    },
  };
  if (values.watch) return await follow(values, places);
  try {
    if (values.out === STDOUT) await print(values, settings, places);
    else await write(values, places);
    return 0;
  } catch (error) {
    if (error instanceof InvalidConfig) {
      for (const line of error.lines) console.error(line);
    } else console.error(whatFailed(error, values));
    return 1;
  }
}

/** Takes every change into force until a signal comes. */
function follow(values: EnvoyConfigValues, places: Places): Promise<number> {
  const log = createLogger({
    program: "envoy-config",
    level: values.logLevel,
    format: values.logFormat,
  });
  return runUntilSignal({
    start: (life) => {
      const followed = followConfig({
        file: values.config,
        prepare: (given) => prepareUpdate(given, places),
        log,
        signal: life.draining,
      });
      life.onDrain("configuration", () => followed);
    },
    drainSeconds: DRAIN_SECONDS,
    log,
  });
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

/** Writes one file that has everything in it to standard output. */
async function print(
  values: EnvoyConfigValues,
  { envoy, admin }: Settings,
  { secrets }: Places,
): Promise<void> {
  const { config } = await readValid(values);
  const caCerts = await readCaCerts(config, secrets);
  console.log(
    JSON.stringify(staticBootstrap(config, { ...envoy, caCerts }, admin)),
  );
}

/** Writes Envoy's files, and has a running Envoy take them. */
async function write(
  values: EnvoyConfigValues,
  places: Places,
): Promise<void> {
  const given = await readValid(values);
  const { envoy, update } = await prepareUpdate(given, places);
  const { restart } = await updateEnvoy(update);
  const { version, servers } = given.config;
  console.log(
    `${values.out}: configuration ${version}, servers: ${servers.length}; ` +
      `Envoy ${TOLD[envoy]}`,
  );
  if (restart) console.error(RESTART_ENVOY);
}

async function readValid(
  { config: file }: EnvoyConfigValues,
): Promise<{ readonly config: GatewayConfig; readonly text: string }> {
  const text = await readConfig(file, DENO_READ_IO);
  const config = validConfig(text, file === STDIN ? "standard input" : file);
  return { config, text };
}

function validConfig(text: string, file: string): GatewayConfig {
  const result = parseConfig(text, { file });
  const lines = result.problems.map(formatProblem);
  if (!result.ok) throw new InvalidConfig(lines);
  for (const line of lines) console.error(line);
  return result.config;
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
