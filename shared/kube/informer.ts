/**
 * A copy of a kind's objects that follows the API server: a list in pages,
 * then a watch from that list's version, a new list whenever the watch cannot
 * go on. Says that an object changed, never how: whoever listens looks at what
 * is there now.
 *
 * | what happens | consequence |
 * |---|---|
 * | watch ends as the server was asked to | the next from the last version |
 * | connection lost, silent for too long, 5xx, 429 | the same, after a pause |
 * | 410 as an answer or within a watch | a new list replaces the copy |
 * | a whole watch without a bookmark, twice | the same: our version may be of the future |
 * | nobody serves the kind (404) | an empty copy; looked for now and then |
 * | forbidden | the copy stays, tried again |
 *
 * @module
 */

import { type BackoffBounds, backoffMs } from "../backoff.ts";
import type { Logger } from "../log.ts";
import type { Wait } from "../wait_on_timer.ts";
import type { KubeClient, Selection } from "./client.ts";
import { isKubeError } from "./kube_error.ts";
import { type KubeObject, objectKey, type Resource } from "./object.ts";
import { errorText } from "../error_text.ts";

/** How patient an informer is; milliseconds unless said otherwise. */
export interface InformerTiming {
  /** Seconds after which the server ends a watch, give or take a tenth. */
  readonly watchSeconds: number;
  /** Time beyond that without a byte after which a connection is dead. */
  readonly silenceMs: number;
  /** Pauses after failures. */
  readonly backoff: BackoffBounds;
  /** Time between two looks for a kind that nobody serves. */
  readonly absentMs: number;
  /** A watch that lived for so long was a good one. */
  readonly steadyMs: number;
}

/**
 * What holds unless something else is given: a dead connection is noticed
 * after 45 seconds, a server that is back is used within five.
 */
export const INFORMER_TIMING: InformerTiming = {
  watchSeconds: 30,
  silenceMs: 10_000,
  backoff: { firstMs: 100, maxMs: 5_000 },
  absentMs: 10_000,
  steadyMs: 1_000,
};

/** Objects of a page. An object may be a megabyte; most are some kilobytes. */
const PAGE = 500;
/** Whole watches without a sign that the server knows our version. */
const MAX_QUIET_WATCHES = 2;

/** What an informer needs. */
export interface InformerOptions<T> {
  /** The kind. */
  readonly resource: Resource;
  /** Which of its objects. */
  readonly selection?: Selection;
  /** The API server. */
  readonly client: Pick<KubeClient, "list" | "watch">;
  /** Makes of an object what is kept of it. One that it throws for is left out. */
  readonly read: (object: KubeObject) => T;
  /**
   * Told which objects are not what they were, by key; the copy is up to date
   * by then. Called once for the first list, be it empty.
   */
  readonly onChange: (keys: readonly string[]) => void;
  /** Log. */
  readonly log: Logger;
  /** Waits. */
  readonly wait: Wait;
  /** At least 0, below 1. */
  readonly random: () => number;
  /** Milliseconds from any start, never backwards. */
  readonly now: () => number;
  /** Patience. */
  readonly timing?: InformerTiming;
}

/** How an informer is doing. */
export interface InformerHealth {
  /** Whether there has been a whole list, if only of a kind that is not served. */
  readonly synced: boolean;
  /** Whether nobody serves the kind. */
  readonly absent: boolean;
  /** What keeps it from following, while something does. */
  readonly problem?: string;
  /** Lists so far. */
  readonly lists: number;
  /** Watches so far. */
  readonly watches: number;
  /** Failures so far. */
  readonly failures: number;
}

/** An object of the copy. */
interface Entry<T> {
  readonly uid: string | undefined;
  readonly resourceVersion: string | undefined;
  /** Absent where it could not be read. */
  readonly value?: T;
}

/** How a watch ended. */
type WatchEnd = "again" | "relist";

/** A copy of a kind's objects that follows the API server. */
export class Informer<T = KubeObject> {
  readonly #options: InformerOptions<T>;
  readonly #timing: InformerTiming;
  /** By {@linkcode objectKey}; replaced whole by a list. */
  #entries: Map<string, Entry<T>> = new Map();
  #synced = Promise.withResolvers<void>();
  #isSynced = false;
  #absent = false;
  #problem: string | undefined;
  #counts = { lists: 0, watches: 0, failures: 0 };
  /** In a row. */
  #failures = 0;
  #quietWatches = 0;
  /** Up to where the copy is; undefined where only a list can tell. */
  #version: string | undefined;

  /** Takes what it needs; asks nothing before {@linkcode Informer.run}. */
  constructor(options: InformerOptions<T>) {
    this.#options = options;
    this.#timing = options.timing ?? INFORMER_TIMING;
  }

  /** How it is doing. */
  get health(): InformerHealth {
    return {
      synced: this.#isSynced,
      absent: this.#absent,
      ...(this.#problem === undefined ? {} : { problem: this.#problem }),
      ...this.#counts,
    };
  }

  /** Resolves when there has been a whole list. */
  get synced(): Promise<void> {
    return this.#synced.promise;
  }

  /** The object of that name, as it was last heard of. */
  get(name: string, namespace?: string): T | undefined {
    return this.#entries.get(keyOf(name, namespace))?.value;
  }

  /** Whether there is an object of that name, readable or not. */
  has(name: string, namespace?: string): boolean {
    return this.#entries.has(keyOf(name, namespace));
  }

  /** All objects, in no order that means anything. */
  list(): T[] {
    const values: T[] = [];
    for (const { value } of this.#entries.values()) {
      if (value !== undefined) values.push(value);
    }
    return values;
  }

  /** Follows the API server until the signal is aborted; never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        if (this.#version === undefined) await this.#relist(signal);
        if (this.#version === undefined) {
          await this.#pause(this.#timing.absentMs, signal);
          continue;
        }
        const startedAt = this.#options.now();
        if (await this.#watch(this.#version, signal) === "relist") {
          this.#version = undefined;
        }
        const lived = this.#options.now() - startedAt;
        // A server, or a proxy before it, that ends every watch at once.
        if (lived < this.#timing.steadyMs) await this.#afterFailure(signal);
      } catch (error) {
        if (signal.aborted) return;
        await this.#failed(error, signal);
      }
    }
  }

  /** Replaces the copy by what the server has now. */
  async #relist(signal: AbortSignal): Promise<void> {
    const { resource } = this.#options;
    this.#counts.lists++;
    const found = await this.#listAll(signal);
    const { items = [], resourceVersion } = found ?? {};
    const before = this.#entries;
    const after = new Map<string, Entry<T>>();
    const changed: string[] = [];
    for (const object of items) {
      const key = objectKey(object.metadata);
      const known = before.get(key);
      const entry = known !== undefined && isSame(known, object)
        ? known
        : this.#entry(object);
      if (entry !== known) changed.push(key);
      after.set(key, entry);
    }
    for (const key of before.keys()) {
      if (!after.has(key)) changed.push(key);
    }
    this.#entries = after;
    this.#version = resourceVersion;
    this.#quietWatches = 0;
    const absent = found === undefined;
    if (absent !== this.#absent) {
      this.#options.log.info(absent ? "kind is not served" : "kind is served", {
        kind: resource.kind,
        group: resource.group,
      });
    }
    this.#absent = absent;
    if (absent) this.#recovered();
    if (this.#isSynced && changed.length === 0) return;
    this.#isSynced = true;
    this.#tell(changed);
    this.#synced.resolve();
  }

  /** Lists all pages; undefined where nobody serves the kind. */
  async #listAll(
    signal: AbortSignal,
  ): Promise<{ items: KubeObject[]; resourceVersion: string } | undefined> {
    const { client, resource, selection = {} } = this.#options;
    const items: KubeObject[] = [];
    let limit: number | undefined = PAGE;
    let rest: string | undefined;
    while (true) {
      try {
        const page = await client.list(resource, {
          ...selection,
          limit,
          continue: rest,
          signal,
        });
        items.push(...page.items);
        rest = page.continue;
        if (rest === undefined) {
          return { items, resourceVersion: page.resourceVersion };
        }
      } catch (error) {
        if (isKubeError(error, "absent")) return undefined;
        if (rest === undefined || !isKubeError(error, "gone")) throw error;
        // The pages before are of a version that is gone: all, and at once.
        items.length = 0;
        limit = undefined;
        rest = undefined;
      }
    }
  }

  /** Follows one watch to its end. */
  async #watch(from: string, signal: AbortSignal): Promise<WatchEnd> {
    const { client, resource, selection = {}, random, now } = this.#options;
    const { watchSeconds, silenceMs, steadyMs } = this.#timing;
    // All informers of all replicas need not come back at the same time.
    const seconds = watchSeconds * (0.9 + random() / 5);
    this.#counts.watches++;
    const startedAt = now();
    let heard = false;
    try {
      const events = client.watch(resource, {
        ...selection,
        resourceVersion: from,
        timeoutSeconds: Math.max(1, Math.round(seconds)),
        idleMs: seconds * 1000 + silenceMs,
        signal,
      });
      for await (const event of events) {
        if (event.kind === "opened") {
          this.#clearProblem();
          continue;
        }
        heard = true;
        this.#recovered();
        if (event.kind === "bookmark") {
          this.#version = event.resourceVersion;
          continue;
        }
        this.#version = event.object.metadata.resourceVersion;
        this.#take(event.kind, event.object);
      }
    } catch (error) {
      if (now() - startedAt >= steadyMs) this.#recovered();
      if (isKubeError(error, "gone", "absent")) {
        this.#options.log.info("watch cannot go on", {
          kind: resource.kind,
          error: error.message,
        });
        return "relist";
      }
      throw error;
    }
    if (now() - startedAt >= steadyMs) this.#recovered();
    this.#quietWatches = heard ? 0 : this.#quietWatches + 1;
    return this.#quietWatches < MAX_QUIET_WATCHES ? "again" : "relist";
  }

  /** Takes over what a watch told. */
  #take(kind: "object" | "deleted", object: KubeObject): void {
    const key = objectKey(object.metadata);
    const known = this.#entries.get(key);
    if (kind === "deleted") {
      if (known === undefined) return;
      this.#entries.delete(key);
    } else {
      if (known !== undefined && isSame(known, object)) return;
      this.#entries.set(key, this.#entry(object));
    }
    this.#tell([key]);
  }

  #entry(object: KubeObject): Entry<T> {
    const { uid, resourceVersion } = object.metadata;
    try {
      return { uid, resourceVersion, value: this.#options.read(object) };
    } catch (error) {
      this.#options.log.warn("object left out", {
        kind: this.#options.resource.kind,
        object: objectKey(object.metadata),
        error: String(error),
      });
      return { uid, resourceVersion };
    }
  }

  #tell(keys: readonly string[]): void {
    try {
      this.#options.onChange(keys);
    } catch (error) {
      this.#options.log.error("change not taken", {
        kind: this.#options.resource.kind,
        error,
      });
    }
  }

  /** The server is heard, or has been for a while: it is not about to fail. */
  #recovered(): void {
    this.#failures = 0;
    this.#clearProblem();
  }

  #clearProblem(): void {
    if (this.#problem === undefined) return;
    this.#problem = undefined;
    this.#options.log.info("watching again", {
      kind: this.#options.resource.kind,
    });
  }

  async #failed(error: unknown, signal: AbortSignal): Promise<void> {
    const problem = errorText(error);
    this.#counts.failures++;
    // Said once, and again when it is another.
    if (problem !== this.#problem) {
      this.#options.log.warn("not watching", {
        kind: this.#options.resource.kind,
        error: problem,
      });
    }
    this.#problem = problem;
    const asked = isKubeError(error) ? error.retryAfterMs ?? 0 : 0;
    await this.#afterFailure(signal, asked);
  }

  async #afterFailure(signal: AbortSignal, leastMs = 0): Promise<void> {
    const { random } = this.#options;
    const { backoff } = this.#timing;
    this.#failures++;
    const ms = backoffMs(this.#failures, random(), backoff);
    await this.#options.wait(
      Math.max(ms, Math.min(leastMs, backoff.maxMs)),
      signal,
    );
  }

  async #pause(ms: number, signal: AbortSignal): Promise<void> {
    await this.#options.wait(ms * (0.75 + this.#options.random() / 4), signal);
  }
}

function keyOf(name: string, namespace: string | undefined): string {
  return objectKey(namespace === undefined ? { name } : { name, namespace });
}

function isSame<T>(known: Entry<T>, object: KubeObject): boolean {
  const { uid, resourceVersion } = object.metadata;
  return known.uid === uid && known.resourceVersion === resourceVersion;
}
