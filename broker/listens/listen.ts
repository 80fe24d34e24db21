/**
 * One `subscriptions/listen` stream: acknowledged first, then whatever its
 * client asked for and was granted, each said once however often it happens
 * while the client does not read.
 *
 * @see https://modelcontextprotocol.io/specification/2026-07-28/basic/patterns/subscriptions
 * @module
 */

import type { ServerConfig } from "../../shared/config/model.ts";
import type { Era } from "../../shared/mcp.ts";
import type { RouteTable } from "../../shared/routing/route_table.ts";
import { writeComment, writeEvent } from "../../shared/sse/write_event.ts";
import type { ListCapability } from "../catalog/kinds.ts";
import {
  ClientConnection,
  type ConnectionLimits,
} from "../notifications/connection.ts";
import {
  acknowledgement,
  completion,
  listChanged,
  resourceUpdated,
} from "./frames.ts";

/** Whose stream it is. */
export interface ListenOwner {
  /** Hash of issuer and subject, or "" for an anonymous caller. */
  readonly identity: string;
  /** What stands for the caller, with its credential, in lists of its own. */
  readonly caller: string;
  /** Key of the view that it sees. */
  readonly view: string;
}

/** What a stream is. */
export interface ListenOptions {
  /** Id of the request that opened it: raw JSON. */
  readonly id: string;
  /** Whose it is. */
  readonly owner: ListenOwner;
  /** The lists whose changes it tells of. */
  readonly lists: readonly ListCapability[];
  /** What its last message says of the gateway. */
  readonly serverMeta: Readonly<Record<string, unknown>>;
  /** Its limits. */
  readonly limits: ConnectionLimits;
  /** Called once, however it ends. */
  readonly onClose: (listen: Listen) => void;
  /** Called for each message that is put on it. */
  readonly onMessage: () => void;
}

/** A server that tells a stream of its resources. */
interface Watched {
  readonly server: ServerConfig;
  readonly era: Era;
}

/** An open stream. */
export class Listen {
  readonly #options: ListenOptions;
  readonly #connection: ClientConnection;
  readonly #ending = new AbortController();
  /** What happened before it was acknowledged; undefined from then on. */
  #early: Map<string, string> | undefined = new Map();
  /** Resources that it tells of; none until it is acknowledged. */
  #uris: readonly string[] = [];
  readonly #watched: Watched[] = [];
  #over = false;

  /** Opens it. */
  constructor(options: ListenOptions) {
    this.#options = options;
    this.#connection = new ClientConnection(
      options.limits,
      // Some clients and proxies believe in a stream once its first byte came.
      writeComment("open"),
      () => {
        this.#ending.abort();
        options.onClose(this);
      },
    );
  }

  /** Whose it is. */
  get owner(): ListenOwner {
    return this.#options.owner;
  }

  /** What goes out. */
  get body(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return this.#connection.body;
  }

  /** Aborts when it is over, whoever ended it. */
  get signal(): AbortSignal {
    return this.#ending.signal;
  }

  /** Number of resources that it tells of. */
  get resources(): number {
    return this.#uris.length;
  }

  /** Whether servers tell it of resources, or are about to. */
  get watches(): boolean {
    return this.#watched.length > 0;
  }

  /** Takes note of a server that is asked to tell it of resources. */
  watch(server: ServerConfig, era: Era): void {
    this.#watched.push({ server, era });
  }

  /**
   * Whether each server that tells it of resources is still configured as it
   * was, and speaks the same era as far as is known.
   */
  isCurrent(table: RouteTable): boolean {
    return this.#watched.every(({ server, era }) => {
      const now = table.serverNamed(server.name);
      return now !== undefined &&
        (now === server || JSON.stringify(now) === JSON.stringify(server)) &&
        (table.eraFor(now, "stateless") ?? era) === era;
    });
  }

  /**
   * Says what is granted, and then what has happened meanwhile.
   *
   * @param uris The resources whose servers tell of updates.
   */
  acknowledge(uris: readonly string[]): void {
    const early = this.#early;
    if (early === undefined) return;
    const { id, lists } = this.#options;
    this.#early = undefined;
    this.#uris = uris;
    this.#send(acknowledgement(id, { lists, uris }));
    for (const [key, message] of early) {
      const uri = uriOf(key);
      if (uri === undefined || isAmong(uris, uri)) this.#send(message, key);
    }
    if (this.#over) this.#complete();
  }

  /**
   * Tells that lists of a capability have changed.
   *
   * @returns False where its client did not ask for that.
   */
  listChanged(capability: ListCapability): boolean {
    const { id, lists } = this.#options;
    if (!lists.includes(capability)) return false;
    this.#tell(`list ${capability}`, listChanged(id, capability));
    return true;
  }

  /**
   * Tells that a resource was updated, where its client asked for that: of the
   * resource itself, or of one below it.
   *
   * @param params What the server said of it.
   */
  resourceUpdated(params: Uint8Array): void {
    const update = resourceUpdated(this.#options.id, params);
    if (update === undefined) return;
    if (this.#early === undefined && !isAmong(this.#uris, update.uri)) return;
    this.#tell(`${URI_KEY}${update.uri}`, update.message);
  }

  /** Ends it in an orderly way, behind its acknowledgement. */
  end(): void {
    if (this.#over) return;
    this.#over = true;
    if (this.#early === undefined) this.#complete();
  }

  #tell(key: string, message: string): void {
    if (this.#over) return;
    if (this.#early === undefined) this.#send(message, key);
    else if (this.#early.size < this.#options.limits.queueEvents) {
      this.#early.set(key, message);
    }
  }

  #send(message: string, key?: string): void {
    this.#connection.send(writeEvent({ data: message }), key);
    this.#options.onMessage();
  }

  #complete(): void {
    const { id, serverMeta } = this.#options;
    this.#send(completion(id, serverMeta));
    this.#connection.end();
  }
}

const URI_KEY = "updated ";

function uriOf(key: string): string | undefined {
  return key.startsWith(URI_KEY) ? key.slice(URI_KEY.length) : undefined;
}

/** A server may tell of a part of what was asked for (2026-07-28, schema). */
function isAmong(uris: readonly string[], uri: string): boolean {
  return uris.some((one) => uri.startsWith(one));
}
