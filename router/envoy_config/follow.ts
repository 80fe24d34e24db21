/**
 * Follows a configuration and tells Envoy of every change, until told to stop:
 * a change of the file at once; of the CA of a server, and that what was
 * before is over, at the next look.
 *
 * @module
 */

import { DENO_IO, watchConfig } from "../../shared/config/watch.ts";
import { RejectedError } from "../../shared/envoy/admin.ts";
import type { Logger } from "../../shared/log.ts";
import { waitOnTimer } from "../../shared/wait_on_timer.ts";
import { type GivenConfig, type PreparedUpdate, TOLD } from "./prepare.ts";
import { updateEnvoy } from "./update.ts";

/** What to follow. */
export interface FollowOptions {
  /** Path of the configuration. */
  readonly file: string;
  /** Prepares an update from what the file says now. */
  readonly prepare: (given: GivenConfig) => Promise<PreparedUpdate>;
  /** Log. */
  readonly log: Logger;
  /** Ends it. */
  readonly signal: AbortSignal;
  /** Milliseconds between two looks while the file stays. Default 10,000. */
  readonly everyMs?: number;
  /** Milliseconds until what Envoy refused is tried again. Default 60,000. */
  readonly retryMs?: number;
}

/** Says that Envoy has to be started again. */
export const RESTART_ENVOY: string =
  "Envoy goes on as it was started: what it is only told at its start has " +
  "changed (routers that have names, admin interface, limits of " +
  "connections or memory). " +
  "Remedy: restart Envoy";

const EVERY_MS = 10_000;
const RETRY_MS = 60_000;

/** What needs not be told again. */
interface Settled {
  /** Key of the update. */
  readonly key: string;
  /** Until when, by `performance.now()`. */
  readonly until: number;
}

/** Follows until the signal aborts; never rejects. */
export async function followConfig(options: FollowOptions): Promise<void> {
  const { file, prepare, log, signal } = options;
  let latest: GivenConfig | undefined;
  let bell = new AbortController();
  let text = "";
  const watch = await watchConfig({
    file,
    signal,
    log,
    io: {
      ...DENO_IO,
      readTextFile: async (path) => text = await Deno.readTextFile(path),
    },
    onChange: (config) => {
      latest = { config, text };
      bell.abort();
    },
  });
  const stop = () => bell.abort();
  signal.addEventListener("abort", stop, { once: true });
  let settled: Settled | undefined;
  while (!signal.aborted) {
    bell = new AbortController();
    if (latest !== undefined) settled = await tell(latest, settled);
    if (signal.aborted) break;
    await waitOnTimer(options.everyMs ?? EVERY_MS, bell.signal);
  }
  await watch.done;

  async function tell(
    given: GivenConfig,
    done: Settled | undefined,
  ): Promise<Settled | undefined> {
    const { version: config } = given.config;
    let key: string | undefined;
    try {
      const prepared = await prepare(given);
      key = prepared.key;
      if (key === done?.key && performance.now() < done.until) return done;
      const { restart } = await updateEnvoy(prepared.update);
      log.info("configuration told", {
        config,
        servers: given.config.servers.length,
        envoy: TOLD[prepared.envoy],
      });
      if (restart) log.warn(RESTART_ENVOY);
      return { key, until: Infinity };
    } catch (error) {
      log.error("configuration not told", { config, error });
      // All but a refusal may pass soon. What Envoy refused it would refuse
      // again, unless it was for a file that Envoy itself reads, such as a key.
      if (key === undefined || !(error instanceof RejectedError)) return;
      return { key, until: performance.now() + (options.retryMs ?? RETRY_MS) };
    }
  }
}
