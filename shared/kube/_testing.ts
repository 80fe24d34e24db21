/**
 * An API server of one kind in memory, with versions, history and watches, and
 * time that passes only when a test says so.
 *
 * @module
 */

import type { LogFields, Logger } from "../log.ts";
import {
  type KubeClient,
  type KubeList,
  type ListQuery,
  NOT_THERE,
  type WatchEvent,
  type WatchQuery,
  type WriteTarget,
} from "./client.ts";
import { KubeError } from "./kube_error.ts";
import { type KubeObject, objectKey, type Resource } from "./object.ts";

/** A refusal as an API server would word it. */
export function refused(
  code: number,
  reason = "",
  message = "refused by a test",
): KubeError {
  return new KubeError("do it", { code, reason, message, causes: [] });
}

/** A log that keeps its records as `LEVEL MESSAGE FIELDS`. */
export function memoryLog(lines: string[] = []): Logger {
  const write =
    (level: string) => (message: string, fields: LogFields = {}) => {
      lines.push(`${level} ${message} ${JSON.stringify(fields)}`);
    };
  const log: Logger = {
    debug: write("debug"),
    info: write("info"),
    warn: write("warn"),
    error: write("error"),
    with: () => log,
  };
  return log;
}

/** Time that passes only when a test says so. */
export class FakeTime {
  /** Milliseconds. */
  now = 0;
  readonly #sleepers = new Set<{ at: number; wake: () => void }>();

  /** Waits as `waitOnTimer` does. */
  readonly wait = (ms: number, signal: AbortSignal): Promise<void> => {
    if (signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const sleeper = {
        at: this.now + ms,
        wake: () => {
          this.#sleepers.delete(sleeper);
          signal.removeEventListener("abort", sleeper.wake);
          resolve();
        },
      };
      this.#sleepers.add(sleeper);
      signal.addEventListener("abort", sleeper.wake);
    });
  };

  /** Lets everything happen that happens without time passing. */
  async settle(): Promise<void> {
    for (let i = 0; i < 3; i++) {
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
  }

  /** Lets time pass. */
  async advance(ms: number): Promise<void> {
    const end = this.now + ms;
    while (true) {
      await this.settle();
      const [next] = [...this.#sleepers].sort((a, b) => a.at - b.at);
      if (next === undefined || next.at > end) break;
      this.now = Math.max(this.now, next.at);
      next.wake();
    }
    this.now = end;
    await this.settle();
  }
}

interface Watcher {
  readonly queue: WatchEvent[];
  ended: boolean;
  error: unknown;
  wake: () => void;
}

/** An API server in memory that serves one kind. */
export class FakeApi implements
  Pick<
    KubeClient,
    "list" | "watch" | "get" | "create" | "replace" | "apply" | "delete"
  > {
  /** Version of the newest change. */
  version = 10;
  /** Objects of a page, whatever is asked for; all where left out. */
  page: number | undefined;
  /** Whether the kind is served. */
  served = true;
  /** Thrown by the next requests, in their order. */
  readonly refusals: unknown[] = [];
  /** Requests so far: `list`, `watch 10`, `apply a`. */
  readonly requests: string[] = [];
  /** Runs before a write is judged: another writer who was faster. */
  beforeWrite: (() => void) | undefined;
  readonly #objects = new Map<string, KubeObject>();
  readonly #history: { version: number; event: WatchEvent }[] = [];
  readonly #watchers = new Set<Watcher>();
  #oldest = 0;
  #uids = 0;

  /** Changes or makes an object, behind everybody's back. */
  put(object: KubeObject): KubeObject {
    const key = objectKey(object.metadata);
    const before = this.#objects.get(key);
    const after: KubeObject = {
      ...object,
      metadata: {
        ...object.metadata,
        uid: before?.metadata.uid ?? `uid-${++this.#uids}`,
        resourceVersion: String(++this.version),
      },
    };
    this.#objects.set(key, after);
    this.#tell({ kind: "object", object: after });
    return after;
  }

  /** Deletes an object. */
  drop(key: string): void {
    const before = this.#objects.get(key);
    if (before === undefined) return;
    this.#objects.delete(key);
    const metadata = {
      ...before.metadata,
      resourceVersion: String(++this.version),
    };
    this.#tell({ kind: "deleted", object: { ...before, metadata } });
  }

  /** An object as it is. */
  at(key: string): KubeObject | undefined {
    return this.#objects.get(key);
  }

  /** Tells all watches that nothing happened so far. */
  bookmark(): void {
    const event = { kind: "bookmark", resourceVersion: `${++this.version}` };
    for (const one of this.#watchers) {
      one.queue.push(event as WatchEvent);
      one.wake();
    }
  }

  /** Ends all watches, with an error if there is one. */
  hangUp(error?: unknown): void {
    for (const one of this.#watchers) {
      one.ended = true;
      one.error = error;
      one.wake();
    }
    // What happens from now on is not heard.
    this.#watchers.clear();
  }

  /** Forgets all history: watches from now on only. */
  compact(): void {
    this.#oldest = this.version;
  }

  /** Watches that are open. */
  get watching(): number {
    return this.#watchers.size;
  }

  /** Lists. */
  async list(_: Resource, query: ListQuery): Promise<KubeList> {
    await this.#request("list");
    if (!this.served) throw refused(404);
    const all = [...this.#objects.values()];
    const from = Number(query.continue ?? 0);
    const limit = query.limit === undefined ? undefined : this.page;
    const to = limit === undefined ? all.length : from + limit;
    return {
      items: all.slice(from, to),
      resourceVersion: String(this.version),
      ...(to < all.length ? { continue: String(to) } : {}),
    };
  }

  /** Watches. */
  async *watch(_: Resource, query: WatchQuery): AsyncGenerator<WatchEvent> {
    const from = Number(query.resourceVersion);
    await this.#request(`watch ${from}`);
    if (!this.served) throw refused(404);
    yield { kind: "opened" };
    if (from < this.#oldest) throw refused(410, "Expired");
    const watcher: Watcher = {
      queue: this.#history.filter(({ version }) => version > from)
        .map(({ event }) => event),
      ended: false,
      error: undefined,
      wake: () => {},
    };
    const abort = () => {
      watcher.ended = true;
      watcher.error = query.signal.reason;
      watcher.wake();
    };
    query.signal.addEventListener("abort", abort);
    this.#watchers.add(watcher);
    try {
      while (true) {
        const event = watcher.queue.shift();
        if (event !== undefined) {
          yield event;
          continue;
        }
        if (watcher.ended) {
          if (watcher.error !== undefined) throw watcher.error;
          return;
        }
        await new Promise<void>((resolve) => watcher.wake = resolve);
      }
    } finally {
      this.#watchers.delete(watcher);
      query.signal.removeEventListener("abort", abort);
    }
  }

  /** Reads an object. */
  async get({ name, namespace }: WriteTarget): Promise<KubeObject | undefined> {
    await this.#request(`get ${name}`);
    return this.at(keyOf(name, namespace));
  }

  /** Makes an object. */
  async create(_: Resource, object: KubeObject): Promise<KubeObject> {
    await this.#request(`create ${object.metadata.name}`);
    this.beforeWrite?.();
    if (this.at(objectKey(object.metadata))) {
      throw refused(409, "AlreadyExists");
    }
    return this.put(object);
  }

  /** Replaces an object. */
  async replace(_: Resource, object: KubeObject): Promise<KubeObject> {
    await this.#request(`replace ${object.metadata.name}`);
    this.beforeWrite?.();
    const before = this.at(objectKey(object.metadata));
    if (before === undefined) throw refused(404);
    this.#precondition(before, object.metadata.resourceVersion);
    return this.put(object);
  }

  /** Applies an object; all of its members are the writer's. */
  async apply(_: Resource, object: KubeObject): Promise<KubeObject> {
    await this.#request(`apply ${object.metadata.name}`);
    this.beforeWrite?.();
    const before = this.at(objectKey(object.metadata));
    const { resourceVersion } = object.metadata;
    if (before !== undefined) this.#precondition(before, resourceVersion);
    return this.put(object);
  }

  /** Changes the status of an object. */
  async patchStatus(
    { name, namespace }: WriteTarget,
    resourceVersion: string,
    status: Readonly<Record<string, unknown>>,
  ): Promise<KubeObject> {
    await this.#request(`status ${name}`);
    this.beforeWrite?.();
    const before = this.at(keyOf(name, namespace));
    if (before === undefined) throw refused(404);
    this.#precondition(before, resourceVersion);
    const had = before.status as Record<string, unknown> | undefined;
    return this.put({ ...before, status: { ...had, ...status } });
  }

  /** Deletes an object. */
  async delete(
    { name, namespace }: WriteTarget,
    { resourceVersion }: { readonly resourceVersion: string },
  ): Promise<void> {
    await this.#request(`delete ${name}`);
    this.beforeWrite?.();
    const key = keyOf(name, namespace);
    const before = this.at(key);
    if (before !== undefined) this.#precondition(before, resourceVersion);
    this.drop(key);
  }

  #precondition(before: KubeObject, version: string | undefined): void {
    if (version === undefined) return;
    if (version === NOT_THERE || version !== before.metadata.resourceVersion) {
      throw refused(409, "Conflict");
    }
  }

  async #request(request: string): Promise<void> {
    this.requests.push(request);
    await Promise.resolve();
    const refusal = this.refusals.shift();
    if (refusal !== undefined) throw refusal;
  }

  #tell(event: WatchEvent): void {
    this.#history.push({ version: this.version, event });
    for (const one of this.#watchers) {
      one.queue.push(event);
      one.wake();
    }
  }
}

function keyOf(name: string, namespace: string | undefined): string {
  return objectKey(namespace === undefined ? { name } : { name, namespace });
}
