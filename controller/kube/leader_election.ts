/**
 * Who of several replicas writes: whoever holds a Lease. Its holder renews it;
 * when it has not been renewed for its duration, as seen by those who wait,
 * another one takes it.
 *
 * A holder stops writing long before others may begin: its permission ends by
 * itself `renewDeadlineMs` after the last renewal was *sent*, whether or not
 * anything of this program ran meanwhile. Two clocks are asked, since each has
 * a blind spot: the monotonic one stands still while a machine sleeps, and the
 * other one can be set back. A process that was frozen therefore finds its
 * permission gone with the first look.
 *
 * Every write of the Lease is bound to the version that was read.
 *
 * @module
 */

import type { KubeClient, WriteFence } from "../../shared/kube/client.ts";
import { isKubeError } from "../../shared/kube/kube_error.ts";
import {
  apiVersionOf,
  type KubeObject,
  type Resource,
} from "../../shared/kube/object.ts";
import type { Logger } from "../../shared/log.ts";
import type { Wait } from "../../shared/wait_on_timer.ts";
import { microTime } from "./micro_time.ts";
import { errorText } from "../../shared/error_text.ts";

/** Leases. */
export const LEASES: Resource = {
  group: "coordination.k8s.io",
  version: "v1",
  plural: "leases",
  kind: "Lease",
  namespaced: true,
};

/** Times of an election; milliseconds. */
export interface LeaseTiming {
  /** Without renewal for so long, others may take the lease. Whole seconds. */
  readonly leaseMs: number;
  /** Without renewal for so long, its holder writes no more. */
  readonly renewDeadlineMs: number;
  /** Time between two renewals, and between two looks of those who wait. */
  readonly retryMs: number;
}

/** What holds unless something else is given: takeover within 16 seconds. */
export const LEASE_TIMING: LeaseTiming = {
  leaseMs: 12_000,
  renewDeadlineMs: 8_000,
  retryMs: 2_000,
};

/** The two clocks of a machine; milliseconds. */
export interface Clocks {
  /** Never set, never backwards: `performance.now()`. */
  readonly monotonic: () => number;
  /** Since the epoch, as it was set: `Date.now()`. */
  readonly wall: () => number;
}

/** What an election needs. */
export interface LeaderElectionOptions {
  /** The API server; not behind a fence of ours. */
  readonly client: Pick<KubeClient, "get" | "create" | "replace">;
  /** Namespace of the lease. */
  readonly namespace: string;
  /** Name of the lease. */
  readonly name: string;
  /** Us; another one after each start, or a restart would pass for renewal. */
  readonly identity: string;
  /** Told when we begin to lead and when we have ceased to. */
  readonly onChange: (leads: boolean) => void;
  /** Clocks. */
  readonly clocks: Clocks;
  /** Waits. */
  readonly wait: Wait;
  /** At least 0, below 1. */
  readonly random: () => number;
  /** Log. */
  readonly log: Logger;
  /** Times. */
  readonly timing?: LeaseTiming;
}

/** A lease as it was read, and when it was first seen to be so. */
interface Seen {
  readonly resourceVersion: string;
  readonly holder: string;
  readonly durationMs: number;
  readonly transitions: number;
  readonly acquireTime: string | undefined;
  /** Monotonic. */
  readonly at: number;
}

/** When a renewal was sent that succeeded. */
interface Renewal {
  readonly monotonic: number;
  readonly wall: number;
}

/** One replica's part in an election. */
export class LeaderElection implements WriteFence {
  readonly #options: LeaderElectionOptions;
  readonly #timing: LeaseTiming;
  #seen: Seen | undefined;
  #renewal: Renewal | undefined;
  /** What was last told. */
  #told = false;
  #problem = "";

  /** Takes what it needs; runs for office when it is run. */
  constructor(options: LeaderElectionOptions) {
    this.#options = options;
    this.#timing = options.timing ?? LEASE_TIMING;
    const { leaseMs, renewDeadlineMs, retryMs } = this.#timing;
    if (retryMs >= renewDeadlineMs || renewDeadlineMs >= leaseMs) {
      throw new RangeError(
        "Cannot elect a leader: retry < renew deadline < lease does not hold",
      );
    }
  }

  /** Whether we lead, and a write may begin now. */
  get canWrite(): boolean {
    return this.msToWrite() > 0;
  }

  /** Who leads, as far as was heard; "" for nobody. */
  get holder(): string {
    return this.#seen?.holder ?? "";
  }

  /**
   * Milliseconds that a write which begins now may take: until shortly before
   * others may write. 0 where none may begin.
   */
  msToWrite(): number {
    if (this.#renewal === undefined) return 0;
    const { leaseMs, renewDeadlineMs } = this.#timing;
    const { monotonic, wall } = this.#options.clocks;
    const sinceMs = Math.max(
      monotonic() - this.#renewal.monotonic,
      wall() - this.#renewal.wall,
    );
    if (sinceMs >= renewDeadlineMs) return 0;
    // The rest, to be on the safe side, is for the write to be carried out.
    return (renewDeadlineMs + leaseMs) / 2 - sinceMs;
  }

  /**
   * Runs for office until the signal is aborted, then gives the lease back.
   * Whoever writes has to have ended by then. Never rejects.
   */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        // A request that hangs must not outlast our permission unnoticed.
        const late = AbortSignal.timeout(2 * this.#timing.retryMs);
        await this.#step(AbortSignal.any([signal, late]));
        this.#problem = "";
      } catch (error) {
        if (!signal.aborted) this.#report(error);
      }
      this.#tell();
      await this.#options.wait(this.#untilNextMs(), signal);
      this.#tell();
    }
    await this.#release();
  }

  /** Renews the lease, takes it, or learns who has it. */
  async #step(signal: AbortSignal): Promise<void> {
    // Bound to what was read last, a renewal needs no reading of its own.
    if (this.#seen?.holder !== this.#options.identity) await this.#look(signal);
    const seen = this.#seen;
    if (seen !== undefined && !this.#isFree(seen)) return;
    try {
      await this.#take(seen, signal);
    } catch (error) {
      if (!isKubeError(error, "conflict", "exists", "absent")) throw error;
      // Somebody was faster, or our own last renewal came through after all.
      await this.#look(signal);
      if (this.#seen?.holder !== this.#options.identity) {
        this.#renewal = undefined;
      }
    }
  }

  /** Reads the lease. */
  async #look(signal: AbortSignal): Promise<void> {
    const { client, namespace, name, clocks } = this.#options;
    const lease = await client.get(
      { resource: LEASES, namespace, name },
      signal,
    );
    if (lease === undefined) {
      this.#seen = undefined;
      return;
    }
    // The same version was first seen when it was: that is when its time began.
    if (lease.metadata.resourceVersion === this.#seen?.resourceVersion) return;
    this.#seen = readLease(lease, clocks.monotonic());
  }

  /** Whether we may take it: ours, given back, or not renewed in time. */
  #isFree({ holder, at, durationMs }: Seen): boolean {
    return holder === "" || holder === this.#options.identity ||
      this.#options.clocks.monotonic() - at > durationMs;
  }

  async #take(seen: Seen | undefined, signal: AbortSignal): Promise<void> {
    const { client, namespace, name, identity, clocks } = this.#options;
    const isOurs = seen?.holder === identity;
    // Before it is sent: from then on others may count its time.
    const renewal = { monotonic: clocks.monotonic(), wall: clocks.wall() };
    const time = microTime(clocks.wall());
    const lease: KubeObject = {
      apiVersion: apiVersionOf(LEASES),
      kind: LEASES.kind,
      metadata: {
        name,
        namespace,
        ...(seen === undefined
          ? {}
          : { resourceVersion: seen.resourceVersion }),
      },
      spec: {
        holderIdentity: identity,
        leaseDurationSeconds: Math.ceil(this.#timing.leaseMs / 1000),
        acquireTime: isOurs ? seen.acquireTime ?? time : time,
        renewTime: time,
        leaseTransitions: isOurs
          ? seen.transitions
          : (seen?.transitions ?? -1) + 1,
      },
    };
    const written =
      await (seen === undefined
        ? client.create(LEASES, lease, signal)
        : client.replace(LEASES, lease, signal));
    this.#seen = readLease(written, renewal.monotonic);
    this.#renewal = renewal;
  }

  /** Gives the lease back, so that nobody has to wait for its end. */
  async #release(): Promise<void> {
    const { client, namespace, name, identity, clocks, log } = this.#options;
    const seen = this.#seen;
    this.#renewal = undefined;
    this.#tell();
    if (seen?.holder !== identity) return;
    try {
      await client.replace(LEASES, {
        apiVersion: apiVersionOf(LEASES),
        kind: LEASES.kind,
        metadata: { name, namespace, resourceVersion: seen.resourceVersion },
        spec: {
          holderIdentity: "",
          leaseDurationSeconds: 1,
          renewTime: microTime(clocks.wall()),
          leaseTransitions: seen.transitions,
        },
      }, AbortSignal.timeout(this.#timing.retryMs));
      log.info("lease given back", { lease: `${namespace}/${name}` });
    } catch (error) {
      // It ends by itself.
      log.warn("lease not given back", {
        lease: `${namespace}/${name}`,
        error,
      });
    }
  }

  /** Milliseconds until the next step, or until our permission ends. */
  #untilNextMs(): number {
    const { retryMs } = this.#timing;
    const { clocks, random, identity } = this.#options;
    const jittered = retryMs * (0.8 + random() / 5);
    if (this.#renewal !== undefined) {
      const { renewDeadlineMs } = this.#timing;
      const leftMs = renewDeadlineMs -
        (clocks.monotonic() - this.#renewal.monotonic);
      // A renewal that failed is tried again soon.
      const nextMs = this.#problem === "" ? jittered : jittered / 2;
      return leftMs > 0 ? Math.min(nextMs, leftMs) : nextMs;
    }
    if (this.#seen === undefined || this.#seen.holder === identity) {
      return jittered;
    }
    // The moment at which it is free, where that is sooner.
    const freeInMs = this.#seen.at + this.#seen.durationMs -
      clocks.monotonic();
    return freeInMs > 0 ? Math.min(jittered, freeInMs + 10) : jittered;
  }

  /** Says whether we lead, where that has changed. */
  #tell(): void {
    const leads = this.canWrite;
    if (!leads) this.#renewal = undefined;
    if (leads === this.#told) return;
    this.#told = leads;
    const { log, identity, namespace, name, onChange } = this.#options;
    log.info(leads ? "leading" : "not leading any more", {
      lease: `${namespace}/${name}`,
      identity,
      holder: this.holder,
    });
    onChange(leads);
  }

  #report(error: unknown): void {
    const problem = errorText(error);
    if (problem !== this.#problem) {
      const { log, namespace, name } = this.#options;
      log.warn("lease not renewed", { lease: `${namespace}/${name}`, error });
    }
    this.#problem = problem;
  }
}

function readLease({ metadata, spec }: KubeObject, at: number): Seen {
  const {
    holderIdentity,
    leaseDurationSeconds,
    leaseTransitions,
    acquireTime,
  } = (spec ?? {}) as {
    readonly holderIdentity?: string;
    readonly leaseDurationSeconds?: number;
    readonly leaseTransitions?: number;
    readonly acquireTime?: string;
  };
  return {
    resourceVersion: metadata.resourceVersion ?? "",
    holder: holderIdentity ?? "",
    durationMs: (leaseDurationSeconds ?? 0) * 1000,
    transitions: leaseTransitions ?? 0,
    acquireTime,
    at,
  };
}
