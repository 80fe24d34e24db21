/**
 * Takes a new configuration into force without an interruption, make before
 * break:
 *
 * | step | Envoy knows | programs act on |
 * |---|---|---|
 * | 1. clusters, then routes, of both | old and new servers | old |
 * | 2. the programs get the file | old and new servers | old or new |
 * | 3. routes, then clusters, of the new only | new servers | new |
 *
 * Decides the order and what happens when a step fails; what a step is comes
 * in.
 *
 * @module
 */

import type { GatewayConfig } from "../config/model.ts";
import { type EnvoyServers, joinServers } from "../envoy/files.ts";

/** A configuration and what goes to whom. */
export interface Candidate {
  /** The configuration. */
  readonly config: GatewayConfig;
  /** The text it was parsed from, for the programs. */
  readonly text: string;
  /** What Envoy has to know. */
  readonly servers: EnvoyServers;
}

/** The steps. */
export interface ApplySteps {
  /** Has Envoy take clusters; rejects if it refuses them. */
  readonly clusters: (servers: EnvoyServers, version: string) => Promise<void>;
  /** Has Envoy take routes; rejects if it refuses them. */
  readonly routes: (servers: EnvoyServers, version: string) => Promise<void>;
  /** Replaces the programs' file. */
  readonly publish: (text: string) => Promise<void>;
  /** Resolves when every program acts on this version. */
  readonly inForce: (version: string) => Promise<void>;
}

/**
 * Applies a configuration.
 *
 * @param before What is in force.
 * @param next What is to be.
 * @throws What the step threw. If Envoy refuses the new servers, the old ones
 * are written again and the programs never hear of the new file. If a program
 * does not take it, Envoy goes on knowing both, so that whichever it acts on
 * works.
 */
export async function applyConfig(
  before: Candidate,
  next: Candidate,
  steps: ApplySteps,
): Promise<void> {
  const version = next.config.version;
  const both = joinServers(before.servers, next.servers);
  try {
    await steps.clusters(both, `${version}+`);
    await steps.routes(both, `${version}+`);
  } catch (cause) {
    const old = `${before.config.version} again`;
    await steps.clusters(before.servers, old);
    await steps.routes(before.servers, old);
    throw cause;
  }
  await steps.publish(next.text);
  await steps.inForce(version);
  await steps.routes(next.servers, version);
  await steps.clusters(next.servers, version);
}
