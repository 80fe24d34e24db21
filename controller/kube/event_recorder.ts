/**
 * Tells whoever reads `kubectl describe` what happened to an object, through
 * Events. They are a courtesy: one that cannot be written, or is one too many,
 * is counted and dropped.
 *
 * @module
 */

import type { KubeClient } from "../../shared/kube/client.ts";
import type { KubeObject, Resource } from "../../shared/kube/object.ts";
import type { Logger } from "../../shared/log.ts";
import { MANAGED_BY } from "../resources/groups.ts";
import { microTime } from "./micro_time.ts";

/** Events. */
export const EVENTS: Resource = {
  group: "events.k8s.io",
  version: "v1",
  plural: "events",
  kind: "Event",
  namespaced: true,
};

/** Something that happened to an object. */
export interface Happening {
  /** What it happened to. */
  readonly regarding: KubeObject;
  /** `Warning` where somebody should do something. */
  readonly type: "Normal" | "Warning";
  /** Why, in one word: the reason of a condition. */
  readonly reason: string;
  /** What we did: `Reconcile`. */
  readonly action: string;
  /** For people. */
  readonly note: string;
}

/** How many Events there may be. */
export interface EventLimits {
  /** At once, of all objects. */
  readonly burst: number;
  /** Per second, of all objects. */
  readonly perSecond: number;
  /** At once, of one object. */
  readonly objectBurst: number;
  /** Per second, of one object. */
  readonly objectPerSecond: number;
}

/** What holds unless something else is given. */
export const EVENT_LIMITS: EventLimits = {
  burst: 50,
  perSecond: 5,
  objectBurst: 10,
  objectPerSecond: 1 / 30,
};

/** What a recorder needs. */
export interface EventRecorderOptions {
  /** The API server, behind the fence of whoever leads. */
  readonly client: Pick<KubeClient, "create">;
  /** Us: which of several replicas. */
  readonly instance: string;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Milliseconds from any start, never backwards. */
  readonly monotonic: () => number;
  /** A text that no other call returns, of letters and digits. */
  readonly unique: () => string;
  /** Log. */
  readonly log: Logger;
  /** Limits. */
  readonly limits?: EventLimits;
}

/** An Event of `events.k8s.io/v1`. */
interface KubeEvent extends KubeObject {
  readonly eventTime: string;
  readonly reportingController: string;
  readonly reportingInstance: string;
  readonly action: string;
  readonly reason: string;
  readonly note: string;
  readonly type: string;
  readonly regarding: Readonly<Record<string, unknown>>;
}

/** Objects whose Events are counted by themselves; the oldest is forgotten. */
const MAX_OBJECTS = 2_000;
/** Bytes that the API server takes of a note. */
const MAX_NOTE = 1_024;

/** Writes Events. */
export class EventRecorder {
  readonly #options: EventRecorderOptions;
  readonly #limits: EventLimits;
  readonly #all: TokenBucket;
  /** By uid. */
  readonly #objects = new Map<string, TokenBucket>();
  readonly #pending = new Set<Promise<void>>();
  #dropped = 0;

  /** Takes what it needs. */
  constructor(options: EventRecorderOptions) {
    this.#options = options;
    this.#limits = options.limits ?? EVENT_LIMITS;
    const { burst, perSecond } = this.#limits;
    this.#all = new TokenBucket(burst, perSecond, options.monotonic());
  }

  /** Events that were not written: too many, or refused. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Writes an Event without anybody waiting for it. */
  record(happening: Happening): void {
    const now = this.#options.monotonic();
    const { uid = "" } = happening.regarding.metadata;
    if (!this.#bucketOf(uid, now).take(now) || !this.#all.take(now)) {
      this.#dropped++;
      return;
    }
    const written = this.#write(happening).finally(() =>
      this.#pending.delete(written)
    );
    this.#pending.add(written);
  }

  /** Resolves when all that was recorded is written or dropped. */
  async finish(): Promise<void> {
    await Promise.all(this.#pending);
  }

  async #write(happening: Happening): Promise<void> {
    const { client, log } = this.#options;
    try {
      await client.create(EVENTS, this.#event(happening));
    } catch (error) {
      this.#dropped++;
      log.debug("event not written", { reason: happening.reason, error });
    }
  }

  #event({ regarding, type, reason, action, note }: Happening): KubeEvent {
    const { now, unique, instance } = this.#options;
    const { apiVersion, kind, metadata } = regarding;
    const { name, namespace, uid, resourceVersion } = metadata;
    return {
      apiVersion: "events.k8s.io/v1",
      kind: "Event",
      metadata: {
        name: `${name.slice(0, 200)}.${unique()}`,
        // Those of objects without a namespace are kept there.
        namespace: namespace ?? "default",
      },
      eventTime: microTime(now()),
      reportingController: MANAGED_BY,
      reportingInstance: instance.slice(0, 128),
      action: action.slice(0, 128),
      reason: reason.slice(0, 128),
      note: cut(note, MAX_NOTE),
      type,
      regarding: { apiVersion, kind, name, namespace, uid, resourceVersion },
    };
  }

  #bucketOf(uid: string, now: number): TokenBucket {
    let bucket = this.#objects.get(uid);
    if (bucket === undefined) {
      const { objectBurst, objectPerSecond } = this.#limits;
      bucket = new TokenBucket(objectBurst, objectPerSecond, now);
    } else {
      this.#objects.delete(uid);
    }
    // The order of a Map is that of insertion: this is the youngest now.
    this.#objects.set(uid, bucket);
    if (this.#objects.size > MAX_OBJECTS) {
      const [oldest] = this.#objects.keys();
      if (oldest !== undefined) this.#objects.delete(oldest);
    }
    return bucket;
  }
}

/** So many at once, so many per second. */
class TokenBucket {
  readonly #burst: number;
  readonly #perSecond: number;
  #tokens: number;
  #at: number;

  constructor(burst: number, perSecond: number, now: number) {
    this.#burst = burst;
    this.#perSecond = perSecond;
    this.#tokens = burst;
    this.#at = now;
  }

  /** Takes one, if there is one. */
  take(now: number): boolean {
    const grown = (now - this.#at) / 1000 * this.#perSecond;
    this.#tokens = Math.min(this.#burst, this.#tokens + grown);
    this.#at = now;
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}

/** The beginning of a text, of at most so many bytes of UTF-8. */
function cut(text: string, bytes: number): string {
  const buffer = new Uint8Array(bytes);
  const { read } = new TextEncoder().encodeInto(text, buffer);
  return text.slice(0, read);
}
