/**
 * What clients do and what came of it, as `bench_tools load` reads and says
 * it. Pure.
 *
 * @module
 */

/** One request and what has to come back. */
export interface Step {
  /**
   * Request line and headers, each line with its end, without content-length;
   * `{session}` stands for the client's session.
   */
  readonly head: string;
  /** Body; `{id}` stands for the request's id. None for GET and DELETE. */
  readonly body?: string;
  /** Name that its time is kept under; not measured where left out. */
  readonly timed?: string;
  /** The one right status. */
  readonly status: number;
  /** The one right body: what stands before the id in it. */
  readonly before?: string;
  /** What stands behind the id. */
  readonly after?: string;
  /** The answer is a stream of so many events, then the body above. */
  readonly events?: number;
  /** A session id is in the answer's header, and holds from then on. */
  readonly opens?: boolean;
}

/** What clients do. */
export interface Campaign {
  /** `HOST:PORT`. */
  readonly address: string;
  /** Clients, each with a connection of its own. */
  readonly connections: number;
  /** Milliseconds that they go on; or */
  readonly durationMs?: number;
  /** how often the steps are gone through, by all of them together. */
  readonly iterations?: number;
  /** Sessions that they are in, by turns. */
  readonly sessions?: readonly string[];
  /** What each does, again and again. */
  readonly steps: readonly Step[];
  /** Have it told which sessions were opened. */
  readonly tellSessions?: boolean;
}

/** How long something took, microseconds. */
export interface Timing {
  /** How often. */
  readonly count: number;
  /** Half of them took no longer. */
  readonly p50: number;
  /** 99 of 100. */
  readonly p99: number;
  /** All. */
  readonly max: number;
}

/** What came of it. */
export interface Outcome {
  /** Requests that were answered as they had to be. */
  readonly requests: number;
  /** Requests that were not. */
  readonly failures: number;
  /** What the first of these got. */
  readonly firstFailure?: string;
  /** Seconds from the first request to the last answer. */
  readonly seconds: number;
  /** By the name of a step; `event` is how long events of streams took. */
  readonly timings: Readonly<Record<string, Timing>>;
  /** Sessions that were opened. */
  readonly sessions?: readonly string[];
  /** CPU time that the clients themselves took, microseconds. */
  readonly cpuUs: number;
}

/** What failed in several campaigns, together. */
export function failuresOf(
  outcomes: readonly Outcome[],
): Pick<Outcome, "failures" | "firstFailure"> {
  const failed = outcomes.find(({ failures }) => failures > 0);
  return {
    failures: outcomes.reduce((sum, { failures }) => sum + failures, 0),
    ...(failed?.firstFailure === undefined
      ? {}
      : { firstFailure: failed.firstFailure }),
  };
}
