/**
 * `deno task dev`: a whole gateway on this machine, for a terminal. Starts it,
 * shows how its servers are, stops it without a trace.
 *
 * @module
 */

import { stringify } from "@std/yaml";
import { runCommandLine } from "../command_line.ts";
import { createLogger, type Logger } from "../log.ts";
import type { OptionValues } from "../options.ts";
import { type Status, STATUS_PATH } from "../status.ts";
import { DEV_OPTIONS } from "./dev_options.ts";
import { defaultCacheDir } from "./envoy_binary.ts";
import { replaceFile } from "../envoy/files.ts";
import {
  type LocalGateway,
  PortTakenError,
  startLocalGateway,
} from "./gateway.ts";
import { isPortFree } from "./ports.ts";
import { type Samples, startSamples } from "./samples/samples.ts";
import { clientEntry, curlLine } from "./snippets.ts";
import { isSettled, statusKey, statusTable } from "./status_table.ts";
import { delay } from "../wait.ts";

/** What stops it: Ctrl-C, a supervisor, a closed terminal. */
const STOP_SIGNALS: readonly Deno.Signal[] = ["SIGINT", "SIGTERM", "SIGHUP"];
/** Milliseconds between two looks at the servers' states. */
const LOOK_MS = 500;
/** Milliseconds after which the table is shown though servers still connect. */
const SETTLE_MS = 5_000;

/** Runs until a signal comes; resolves to the exit code. */
export function main(args: readonly string[]): Promise<number> {
  return runCommandLine(
    {
      program: "deno task dev",
      summary:
        "Runs a gateway on this machine, with sample servers or your own.",
      versionOf: "mcp-gateway",
      options: DEV_OPTIONS,
      run,
    },
    args,
    Deno.env,
  );
}

type Options = OptionValues<typeof DEV_OPTIONS>;

async function run(options: Options): Promise<number> {
  const stop = new AbortController();
  const onSignal = () => stop.abort(new Error("told to stop"));
  for (const signal of STOP_SIGNALS) Deno.addSignalListener(signal, onSignal);
  const log = createLogger({
    program: "dev",
    level: "info",
    format: "human",
    colour: Deno.stderr.isTerminal(),
  });
  try {
    await serve(options, log, stop.signal);
    return 0;
  } catch (error) {
    if (stop.signal.aborted) return 0;
    console.error(`\n${error instanceof Error ? error.message : error}`);
    return 1;
  } finally {
    for (const signal of STOP_SIGNALS) {
      Deno.removeSignalListener(signal, onSignal);
    }
  }
}

async function serve(
  options: Options,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  await using owned = new AsyncDisposableStack();
  // Before anything is downloaded or started.
  if (options.port !== 0 && !isPortFree(options.port)) {
    throw new PortTakenError(options.port);
  }
  const cacheDir = options.cacheDir ??
    defaultCacheDir((name) => Deno.env.get(name));
  const configFile = options.config ??
    await sampleConfig(cacheDir, log, signal, owned);
  const gateway = owned.use(
    await startLocalGateway({
      configFile,
      port: options.port,
      log,
      cacheDir,
      routers: options.routers,
      logLevel: options.logLevel,
      logFormat: "human",
      restartCrashed: true,
      signal,
      onLine: (child, line) => {
        if (child !== "envoy") console.error(line);
        // Envoy warns of being told to stop.
        else if (!signal.aborted) console.error(`envoy: ${line}`);
      },
      ...(options.brokerPort === undefined
        ? {}
        : { brokerPort: options.brokerPort }),
      ...(options.stateDir === undefined ? {} : { stateDir: options.stateDir }),
      ...(options.secretsDir === undefined
        ? {}
        : { secretsDir: options.secretsDir }),
      ...(options.accessLog === undefined
        ? {}
        : { envoyOptions: { accessLog: options.accessLog } }),
    }),
  );
  console.log(greeting(gateway, configFile));
  await showStatus(gateway, signal);
  log.info("stopping");
}

/** Starts sample servers and writes a configuration for them. */
async function sampleConfig(
  cacheDir: string,
  log: Logger,
  signal: AbortSignal,
  owned: AsyncDisposableStack,
): Promise<string> {
  log.info("no --config: starting sample servers");
  const samples: Samples = owned.use(
    await startSamples({ cacheDir, log, signal }),
  );
  for (const { name, reason } of samples.skipped) {
    log.warn("sample server left out", { name, reason });
  }
  const dir = await Deno.makeTempDir({ prefix: "mcp-gateway-samples-" });
  owned.defer(() => Deno.remove(dir, { recursive: true }));
  const servers = samples.servers.map(({ name, url, prefix }) => ({
    name,
    url,
    prefix,
  }));
  await replaceFile(`${dir}/config.yaml`, stringify({ servers }));
  return `${dir}/config.yaml`;
}

function greeting(gateway: LocalGateway, configFile: string): string {
  return `
The gateway is at  ${gateway.url}
Configuration      ${configFile} (changes are taken at once)
Status             ${gateway.brokerInternalUrl}${STATUS_PATH}

For a client's mcp.json:
${clientEntry(gateway.url)}

From a terminal:
${curlLine(gateway.url)}

Ctrl-C stops everything.
`;
}

/** Shows the servers once they have settled, and whenever that changes. */
async function showStatus(
  gateway: LocalGateway,
  signal: AbortSignal,
): Promise<void> {
  const started = performance.now();
  let shown = "";
  while (!signal.aborted) {
    const status = await readStatus(gateway.brokerInternalUrl, signal);
    const due = status !== undefined &&
      (shown !== "" || isSettled(status) ||
        performance.now() - started > SETTLE_MS);
    if (due && statusKey(status) !== shown) {
      shown = statusKey(status);
      console.log(`${statusTable(status)}\n`);
    }
    await delay(LOOK_MS, signal).catch(() => {});
  }
}

/** The broker's status; undefined while it cannot be had. */
async function readStatus(
  url: string,
  signal: AbortSignal,
): Promise<Status | undefined> {
  try {
    const response = await fetch(`${url}${STATUS_PATH}`, { signal });
    return response.ok ? await response.json() : undefined;
  } catch {
    return undefined; // it is being started again, or we are stopping
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));
