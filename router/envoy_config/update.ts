/**
 * Tells Envoy a configuration, and then router and broker, make before break:
 * Envoy knows what is new before they send anything there, and what is old
 * until the next time, since some of them may still send there.
 *
 * | step | Envoy knows | programs act on |
 * |---|---|---|
 * | 1. clusters, then routes, of both | old and new servers | old |
 * | 2. listener and bootstrap | old and new servers | old |
 * | 3. the programs get the file | old and new servers | new, soon |
 *
 * What Envoy refuses is taken back, and the programs never hear of it. Decides
 * the order; files and Envoy come in.
 *
 * @module
 */

import { createHash } from "node:crypto";
import type { TakenKind } from "../../shared/envoy/admin.ts";
import { type EnvoyServers, joinServers } from "../../shared/envoy/files.ts";

/** The files of Envoy. */
export interface UpdatedFiles {
  /** Writes the clusters. */
  readonly clusters: (servers: EnvoyServers, version: string) => Promise<void>;
  /** Writes the routes. */
  readonly routes: (servers: EnvoyServers, version: string) => Promise<void>;
  /** Writes the listener and its certificate. */
  readonly listener: (version: string) => Promise<void>;
  /** Puts back all of these as it was before. */
  readonly undo: () => Promise<void>;
  /** Writes the bootstrap; tells whether it is another one than before. */
  readonly bootstrap: () => Promise<boolean>;
}

/** Has Envoy take what a step writes; rejects if it refuses it. */
export type Take = (
  kind: TakenKind,
  version: string,
  write: () => Promise<void>,
) => Promise<void>;

/** What to tell. */
export interface Update {
  /** Version of the configuration. */
  readonly version: string;
  /** Version of the listener, which depends on options only. */
  readonly listenerVersion: string;
  /** What Envoy has to know of it. */
  readonly now: EnvoyServers;
  /** The same of what programs act on; undefined where that is nothing. */
  readonly before: EnvoyServers | undefined;
  /** Envoy's files. */
  readonly files: UpdatedFiles;
  /** Waits for Envoy, where one runs. */
  readonly take: Take;
  /** Gives the configuration to router and broker. */
  readonly publish: () => Promise<void>;
}

/** What was done. */
export interface Updated {
  /** The bootstrap changed: an Envoy that runs has to be started again. */
  readonly restart: boolean;
}

/**
 * Tells it.
 *
 * @throws What a step threw; Envoy's files are then as they were before.
 */
export async function updateEnvoy(update: Update): Promise<Updated> {
  const { version, now, before, files, take } = update;
  const known = before === undefined ? now : joinServers(before, now);
  const servers = named(version, known);
  const { listenerVersion: listener } = update;
  try {
    await take("clusters", servers, () => files.clusters(known, servers));
    await take("routes", servers, () => files.routes(known, servers));
    await take("listener", listener, () => files.listener(listener));
  } catch (cause) {
    await files.undo();
    throw cause;
  }
  const restart = await files.bootstrap();
  await update.publish();
  return { restart };
}

/** What is known besides the configuration has a name of its own. */
function named(version: string, servers: EnvoyServers): string {
  const hash = createHash("sha256").update(JSON.stringify(servers));
  return `${version}-${hash.digest("hex").slice(0, 12)}`;
}
