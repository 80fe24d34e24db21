/**
 * Who listens without a session: all `subscriptions/listen` streams of this
 * process, each showing one view of the catalog.
 *
 * @module
 */

import type { ListCapability } from "../catalog/kinds.ts";
import type { RouteTable } from "../../shared/routing/route_table.ts";
import type { ConnectionLimits } from "../notifications/connection.ts";
import { Listen, type ListenOptions, type ListenOwner } from "./listen.ts";

/** What limits the streams. */
export interface ListenLimits extends ConnectionLimits {
  /** Streams at once in all, those of sessions too. */
  readonly streams: number;
  /** Streams of one identity; anonymous callers have no such limit. */
  readonly listensPerIdentity: number;
  /** Milliseconds after which a stream is ended, however busy. */
  readonly listenLifetimeMs: number;
}

/** What the streams of a process need. */
export interface ListensOptions {
  /** Their limits. */
  readonly limits: ListenLimits;
  /** What the last message of a stream says of the gateway. */
  readonly serverMeta: Readonly<Record<string, unknown>>;
  /** Number of streams that there are besides; none unless given. */
  readonly others?: () => number;
}

/** What is asked for. */
export type ListenRequest = Pick<ListenOptions, "id" | "owner" | "lists">;

/** All streams of this process. */
export class Listens {
  readonly #options: ListensOptions;
  readonly #open = new Map<Listen, ReturnType<typeof setTimeout>>();
  /** Streams of each identity that has some. */
  readonly #identities = new Map<string, number>();
  #messages = 0;
  #over = false;

  /** Begins without streams. */
  constructor(options: ListensOptions) {
    this.#options = options;
  }

  /** Number of open streams. */
  get count(): number {
    return this.#open.size;
  }

  /** Number of resources that they tell of, all together. */
  get resources(): number {
    return [...this.#open.keys()].reduce((sum, one) => sum + one.resources, 0);
  }

  /** Messages put on streams so far. */
  get messages(): number {
    return this.#messages;
  }

  /** Opens a stream; undefined where its identity, or all, have too many. */
  open(request: ListenRequest): Listen | undefined {
    const { identity } = request.owner;
    const { limits, serverMeta, others } = this.#options;
    const { streams, listensPerIdentity, listenLifetimeMs } = limits;
    const own = this.#identities.get(identity) ?? 0;
    if (this.#open.size + (others?.() ?? 0) >= streams) return undefined;
    if (identity !== "" && own >= listensPerIdentity) return undefined;
    const listen = new Listen({
      ...request,
      serverMeta,
      limits,
      onClose: (listen) => this.#forget(listen),
      onMessage: () => this.#messages++,
    });
    // Who may hear was decided when it was opened: not for ever.
    const timer = setTimeout(() => listen.end(), listenLifetimeMs);
    this.#open.set(listen, timer);
    this.#identities.set(identity, own + 1);
    // Its request was under way; nobody would end it any more.
    if (this.#over) listen.end();
    return listen;
  }

  /**
   * Tells each stream that shows one of these views of a change.
   *
   * @returns How many were told.
   */
  announce(views: readonly string[], capability: ListCapability): number {
    return this.#tell(capability, ({ view }) => views.includes(view));
  }

  /** Tells one caller of changes of lists that are its own. */
  tell(caller: string, capabilities: Iterable<ListCapability>): void {
    for (const capability of capabilities) {
      this.#tell(capability, (owner) => owner.caller === caller);
    }
  }

  /**
   * Ends the streams whose servers of resources are configured otherwise now,
   * or speak the other era: a client that comes back is told what holds then.
   */
  recheck(table: () => RouteTable | undefined): void {
    const watching = [...this.#open.keys()].filter(({ watches }) => watches);
    const now = watching.length === 0 ? undefined : table();
    if (now === undefined) return;
    for (const listen of watching) {
      if (!listen.isCurrent(now)) listen.end();
    }
  }

  /** Ends all streams, for good, each with the result that says so. */
  endAll(): void {
    this.#over = true;
    for (const listen of [...this.#open.keys()]) listen.end();
  }

  #tell(
    capability: ListCapability,
    concerns: (owner: ListenOwner) => boolean,
  ): number {
    let told = 0;
    for (const listen of [...this.#open.keys()]) {
      if (concerns(listen.owner) && listen.listChanged(capability)) told++;
    }
    return told;
  }

  #forget(listen: Listen): void {
    clearTimeout(this.#open.get(listen));
    this.#open.delete(listen);
    const { identity } = listen.owner;
    const left = (this.#identities.get(identity) ?? 1) - 1;
    if (left > 0) this.#identities.set(identity, left);
    else this.#identities.delete(identity);
  }
}
