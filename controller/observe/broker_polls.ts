/**
 * Asks each broker replica for its status, again and again, and says when the
 * answers are others. What one said stands until it could not be asked three
 * times in a row. Which replicas there are is found out elsewhere.
 *
 * @module
 */

import { readBody } from "../../shared/body.ts";
import { STATUS_PATH } from "../../shared/status.ts";
import type { Wait } from "../../shared/wait_on_timer.ts";
import type { BrokerReport } from "../plan/world.ts";
import { keyOf, type ObjectName } from "../resources/meta.ts";
import { readBrokerStatus } from "./broker_status.ts";

/** One broker replica, and whom it serves. */
export interface BrokerTarget {
  /** The MCPGatewayExtension. */
  readonly extension: ObjectName;
  /** Name of the replica, for messages. */
  readonly replica: string;
  /** Its internal listener, without a path. */
  readonly url: string;
}

/** What polls need. */
export interface BrokerPollsOptions {
  /** The replicas there are now. */
  readonly targets: () => readonly BrokerTarget[];
  /** Asks. */
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
  /** Told that a replica says something else than before. */
  readonly onChange: () => void;
  /** Whether to ask at all now. */
  readonly active: () => boolean;
  /** Milliseconds between two rounds. */
  readonly everyMs: number;
  /** Waits. */
  readonly wait: Wait;
}

/** Milliseconds that an answer may take. */
const ANSWER_MS = 1_500;
/**
 * Times in a row that a replica cannot be asked before that is news: one that
 * is slow for a moment would turn every server's status, and turn it back.
 */
const MISSES = 3;
/** Bytes that it may have: a thousand servers take some hundred kilobytes. */
const MAX_BYTES = 16 * 1024 * 1024;

/** Asks broker replicas. */
export class BrokerPolls {
  readonly #options: BrokerPollsOptions;
  /** By extension, replica and URL. */
  #reports: ReadonlyMap<string, BrokerReport> = new Map();
  /** How often in a row each could not be asked. */
  #missed = new Map<string, number>();

  /** Takes what it needs; asks when it is run. */
  constructor(options: BrokerPollsOptions) {
    this.#options = options;
  }

  /** Asks until the signal is aborted; never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      if (this.#options.active()) {
        const before = JSON.stringify([...this.#reports]);
        await this.#ask(this.#options.targets(), signal);
        if (signal.aborted) return;
        if (JSON.stringify([...this.#reports]) !== before) {
          this.#options.onChange();
        }
      } else {
        // What was heard long ago is no news when we lead again.
        this.#reports = new Map();
        this.#missed = new Map();
      }
      await this.#options.wait(this.#options.everyMs, signal);
    }
  }

  /** What the replicas there are now say; those not heard yet are asked. */
  async reports(signal: AbortSignal): Promise<readonly BrokerReport[]> {
    const targets = this.#options.targets();
    if (targets.some((one) => !this.#reports.has(idOf(one)))) {
      await this.#ask(targets, signal);
    }
    return targets.flatMap((one) => this.#reports.get(idOf(one)) ?? []);
  }

  async #ask(
    targets: readonly BrokerTarget[],
    signal: AbortSignal,
  ): Promise<void> {
    const asked = await Promise.all(
      targets.map(async (one) => [idOf(one), await this.#report(one, signal)]),
    ) as [string, BrokerReport][];
    if (signal.aborted) return;
    const before = this.#reports;
    const missed = this.#missed;
    this.#missed = new Map();
    this.#reports = new Map(asked.map(([id, report]) => {
      if (report.error === undefined) return [id, report];
      const times = (missed.get(id) ?? 0) + 1;
      this.#missed.set(id, times);
      const last = before.get(id);
      return [id, times < MISSES && last !== undefined ? last : report];
    }));
  }

  async #report(
    { extension, replica, url }: BrokerTarget,
    signal: AbortSignal,
  ): Promise<BrokerReport> {
    const about = { extension, replica };
    try {
      const response = await this.#options.fetch(`${url}${STATUS_PATH}`, {
        signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]),
        // It could lead us anywhere.
        redirect: "manual",
      });
      if (!response.ok) {
        await response.body?.cancel();
        return { ...about, error: `it answers ${response.status}` };
      }
      const declared = response.headers.get("content-length");
      const body = await readBody(response.body, declared, MAX_BYTES);
      const status = body === undefined
        ? undefined
        : readBrokerStatus(JSON.parse(new TextDecoder().decode(body)));
      return status === undefined
        ? { ...about, error: "it answers something else than a status" }
        : { ...about, status };
    } catch (error) {
      return { ...about, error: describe(error) };
    }
  }
}

function idOf({ extension, replica, url }: BrokerTarget): string {
  return `${keyOf(extension)} ${replica} ${url}`;
}

/** Always the same words for the same fault: a condition repeats them. */
function describe(error: unknown): string {
  if (error instanceof DOMException && error.name === "TimeoutError") {
    return `no answer in ${ANSWER_MS} ms`;
  }
  return error instanceof SyntaxError
    ? "it answers something else than a status"
    : "no connection to its internal listener";
}
