/**
 * The supervisors of all configured servers: which of them there must be
 * follows from the configuration alone.
 *
 * @module
 */

import type { GatewayConfig, ServerConfig } from "../../shared/config/model.ts";
import type { SpokenEras } from "../../shared/upstream/introduction.ts";
import type { Logger } from "../../shared/log.ts";
import type { Era } from "../../shared/mcp.ts";
import type { ListKind } from "../catalog/kinds.ts";
import {
  type ServerSnapshot,
  Supervisor,
  type SupervisorOptions,
} from "./supervisor.ts";

/** What becomes of the supervisors when the configuration changes. Pure. */
export interface FleetPlan {
  /** Servers that are looked after already, exactly so. */
  readonly keep: readonly string[];
  /** Servers to begin with, new or changed. */
  readonly start: readonly ServerConfig[];
  /** Servers to leave, gone or changed. */
  readonly stop: readonly string[];
}

/**
 * Compares what is looked after with what should be.
 *
 * | server | before | after |
 * |---|---|---|
 * | equal in both | kept | |
 * | in both, different | stopped | started |
 * | only before | stopped | |
 * | only after | | started |
 */
export function planFleet(
  current: readonly ServerConfig[],
  wanted: readonly ServerConfig[],
): FleetPlan {
  const texts = new Map(current.map((s) => [s.name, JSON.stringify(s)]));
  const keep: string[] = [];
  const start: ServerConfig[] = [];
  for (const server of wanted) {
    if (texts.get(server.name) === JSON.stringify(server)) {
      keep.push(server.name);
    } else start.push(server);
  }
  return {
    keep,
    start,
    stop: [...texts.keys()].filter((n) => !keep.includes(n)),
  };
}

/** All supervisors. */
export class Fleet {
  readonly #options: SupervisorOptions;
  readonly #log: Logger;
  readonly #leaving = new Set<Promise<void>>();
  #members: ReadonlyMap<string, Supervisor> = new Map();

  /** Begins without servers. */
  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#log = options.log;
  }

  /** What is known of each server, in the order of the configuration. */
  get snapshots(): readonly ServerSnapshot[] {
    return [...this.#members.values()].map((member) => member.snapshot);
  }

  /** Looks after the servers of a configuration, and of no other. */
  apply(config: GatewayConfig): void {
    const before = this.#members;
    const plan = planFleet(
      [...before.values()].map((member) => member.snapshot.server),
      config.servers,
    );
    const started = new Map(plan.start.map((server) => {
      const predecessor = before.get(server.name)?.snapshot;
      const same = predecessor?.server.url === server.url;
      return [
        server.name,
        new Supervisor(server, this.#options, same ? predecessor : undefined),
      ];
    }));
    this.#members = new Map(
      config.servers.map(({ name }) => [
        name,
        started.get(name) ?? before.get(name)!,
      ]),
    );
    for (const name of plan.stop) this.#leave(name, before.get(name)!);
  }

  /** Has lists of a server read again, soon; no error where it is not known. */
  relist(server: string, kinds: readonly ListKind[]): void {
    this.#members.get(server)?.relist(kinds);
  }

  /** The era that callers of a server may rely on, where there is one. */
  relied(server: string): Era | undefined {
    return this.#members.get(server)?.relied;
  }

  /** Takes note of what a caller found out of how a server speaks. */
  learnEra(server: string, spoken: SpokenEras): void {
    this.#members.get(server)?.learnEra(spoken);
  }

  /** Stops looking after anything and ends all sessions with servers. */
  async close(): Promise<void> {
    for (const [name, member] of this.#members) this.#leave(name, member);
    this.#members = new Map();
    await Promise.all(this.#leaving);
  }

  #leave(name: string, member: Supervisor): void {
    const leaving: Promise<void> = member.close()
      .catch((error: unknown) => {
        this.#log.error("server not closed", { server: name, error });
      })
      .finally(() => this.#leaving.delete(leaving));
    this.#leaving.add(leaving);
  }
}
