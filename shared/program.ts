/**
 * What router and broker have in common as processes: options, log, metrics,
 * secrets, key and session store, and the way they end.
 *
 * @module
 */

import { CHECK_COMMAND } from "./check_command.ts";
import { type Command, runCommandLine } from "./command_line.ts";
import type { COMMON_OPTIONS } from "./common_options.ts";
import { type ConfigSource, openSource } from "./config/open_source.ts";
import type { SecretIo } from "./config/secrets.ts";
import { type Lifecycle, runUntilSignal } from "./lifecycle.ts";
import { createLogger, type Logger } from "./log.ts";
import type { Environment, OptionTable, OptionValues } from "./options.ts";
import { type InternalListen, readyCommand } from "./ready_command.ts";
import { type KeyRing, loadKeyRing } from "./sessions/keys.ts";
import { openStore } from "./sessions/open_store.ts";
import type { SessionStore } from "./sessions/store.ts";
import { watchedStore } from "./sessions/watched_store.ts";
import { addProcessMetrics, Metrics } from "./telemetry.ts";

/** A program: what it is called, what it takes, what it does. */
export interface Program<T extends OptionTable> {
  /** Name on the command line, in logs and metrics. */
  readonly name: string;
  /** What it is for, in a sentence. */
  readonly summary: string;
  /** Its options, the common ones among them. */
  readonly options: T;
  /** What else it does; `check` and `ready` are there already. */
  readonly commands?: readonly Command[];
  /** Starts it; see {@linkcode runUntilSignal}. */
  readonly start: (context: ProgramContext<T>) => Promise<void>;
}

/** What a program is started with. */
export interface ProgramContext<T extends OptionTable> {
  /** Values of its options. */
  readonly options: OptionValues<T>;
  /** Its life. */
  readonly life: Lifecycle;
  /** Its metrics; those of the process are there already. */
  readonly metrics: Metrics;
  /** Its log. */
  readonly log: Logger;
  /** Where secrets are read. */
  readonly secrets: SecretIo;
  /** Starts watching the configuration, wherever the options say it is. */
  readonly watchConfig: ConfigSource["watch"];
  /** The key ring, as the options say. */
  readonly keys: KeyRing;
  /** The session store, as the options say; closed at the end. */
  readonly store: SessionStore;
}

/**
 * Runs a program and answers its exit code: 0 after an orderly end, 1 where
 * something failed, 2 for options that cannot be used.
 */
export async function runProgram<
  const T extends
    & OptionTable
    & typeof COMMON_OPTIONS
    & { readonly internalListen: InternalListen },
>(
  program: Program<T>,
  args: readonly string[],
  env: Environment,
): Promise<number> {
  const { name, summary, options, commands } = program;
  return await runCommandLine(
    {
      program: name,
      summary,
      options,
      commands: [
        CHECK_COMMAND,
        readyCommand(options.internalListen),
        ...commands ?? [],
      ],
      run: (values) => run(program, values, env),
    },
    args,
    env,
  );
}

async function run<T extends OptionTable & typeof COMMON_OPTIONS>(
  program: Program<T>,
  options: OptionValues<T>,
  env: Environment,
): Promise<number> {
  // A table that has more rows has these too, which a generic does not tell.
  const common = options as OptionValues<typeof COMMON_OPTIONS>;
  const log = createLogger({
    program: program.name,
    level: common.logLevel,
    format: common.logFormat,
  });
  const metrics = new Metrics();
  addProcessMetrics(metrics, {
    program: program.name,
    now: Date.now,
    memory: Deno.memoryUsage,
  });
  return await runUntilSignal({
    start: async (life) => {
      const keys = await loadKeyRing({
        value: common.signingKey,
        file: common.signingKeyFile,
        previousValue: common.previousSigningKey,
        previousFile: common.previousSigningKeyFile,
        stateDir: common.stateDir,
      });
      const opened = await openStore({
        kind: common.store,
        stateDir: common.stateDir,
        url: common.storeUrl,
        urlFile: common.storeUrlFile,
        caFile: common.storeCaFile,
        hasLocalKey: common.signingKey === undefined &&
          common.signingKeyFile === undefined,
        timeoutMs: common.storeTimeoutMs,
        log,
      });
      // The Redis store watches its connection itself.
      const store = common.store === "redis"
        ? opened
        : watchedStore(opened, log);
      const source = await openSource({
        config: common.config,
        secretsDir: common.secretsDir,
        secretName: common.configSecret,
        kubeHost: common.kubeHost,
        kubePort: common.kubePort,
        serviceAccountDir: common.serviceAccountDir,
        env: (name) => env.get(name),
        log,
      });
      await program.start({
        options,
        life,
        metrics,
        log,
        secrets: source.secrets,
        watchConfig: source.watch,
        keys,
        store,
      });
      life.onDrain("session store", () => store.close());
    },
    drainDelaySeconds: common.drainDelaySeconds,
    drainSeconds: common.drainSeconds,
    log,
  });
}
