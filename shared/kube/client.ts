/**
 * What is asked of an API server: lists, watches, single objects, server-side
 * apply, changes of status. Every request has a deadline, every refusal is a
 * {@linkcode KubeError}; nothing is tried twice and nothing is remembered.
 *
 * @module
 */

import {
  isKubeError,
  KubeError,
  parseStatus,
  readStatus,
} from "./kube_error.ts";
import { readLines } from "./_lines.ts";
import {
  apiVersionOf,
  type KubeObject,
  type Resource,
  resourcePath,
} from "./object.ts";
import type { KubeRequest, KubeTransport } from "./transport.ts";

/** Which objects of a kind are listed or watched. */
export interface Selection {
  /** Namespace; all of them where left out. */
  readonly namespace?: string | undefined;
  /** `app=mcp,tier in (a,b)`. */
  readonly labelSelector?: string | undefined;
  /** `metadata.name=gateway`. */
  readonly fieldSelector?: string | undefined;
}

/** What to list. */
export interface ListQuery extends Selection {
  /** Objects in a page; all where left out. */
  readonly limit?: number | undefined;
  /** Where the page before ended. */
  readonly continue?: string | undefined;
  /** Gives up. */
  readonly signal: AbortSignal;
}

/** A page of objects. */
export interface KubeList {
  /** The objects. */
  readonly items: readonly KubeObject[];
  /** Version of the whole list, to watch from. */
  readonly resourceVersion: string;
  /** Where the next page begins; absent on the last one. */
  readonly continue?: string;
}

/** What to watch. */
export interface WatchQuery extends Selection {
  /** Version that is known already. */
  readonly resourceVersion: string;
  /** When the server shall end the watch. */
  readonly timeoutSeconds: number;
  /** Milliseconds without a byte after which the connection counts as dead. */
  readonly idleMs: number;
  /** Ends the watch. */
  readonly signal: AbortSignal;
}

/** What a watch tells. */
export type WatchEvent =
  /** The server has accepted the watch. */
  | { readonly kind: "opened" }
  /** An object is as it is now. */
  | { readonly kind: "object"; readonly object: KubeObject }
  /** An object is gone; this is how it last was. */
  | { readonly kind: "deleted"; readonly object: KubeObject }
  /** Nothing happened up to this version. */
  | { readonly kind: "bookmark"; readonly resourceVersion: string };

/** Which object, and how it is written. */
export interface WriteTarget {
  /** Its kind. */
  readonly resource: Resource;
  /** Its namespace. */
  readonly namespace?: string | undefined;
  /** Its name. */
  readonly name: string;
}

/** How an object is applied. */
export interface ApplyQuery {
  /** Whose fields these are from now on. */
  readonly fieldManager: string;
  /** Whether fields of others are taken over. */
  readonly force: boolean;
  /** Refuse fields that the kind does not have, rather than drop them. */
  readonly strict?: boolean;
}

/** What an object must still be for a deletion to be right. */
export interface DeletePreconditions {
  /** Its uid. */
  readonly uid: string;
  /** Its version. */
  readonly resourceVersion: string;
}

/**
 * A version to apply an object with that must not be there yet. No object ever
 * has it, so that one which is there is a conflict, and one which is not is
 * made: exactly one of two writers makes it.
 */
export const NOT_THERE = "1";

/** Whether we may write, and for how long yet. */
export interface WriteFence {
  /** Milliseconds that a write may take now; 0 or less: none may begin. */
  readonly msToWrite: () => number;
}

/** A write was not begun, since somebody else may be writing by now. */
export class FencedError extends Error {
  /** Builds an error. */
  constructor(action: string) {
    super(`Cannot ${action}: this replica does not lead`);
    this.name = "FencedError";
  }
}

/** What a client is made from. */
export interface KubeClientOptions {
  /** The way to the server. */
  readonly transport: KubeTransport;
  /** Milliseconds that any request but a watch may take. Default 10,000. */
  readonly timeoutMs?: number;
  /** Asked before every write; none is held back where left out. */
  readonly fence?: WriteFence;
}

const TIMEOUT_MS = 10_000;
const JSON_TYPE = "application/json";

/** Asks one API server. */
export class KubeClient {
  readonly #options: KubeClientOptions;
  readonly #transport: KubeTransport;
  readonly #timeoutMs: number;

  /** Takes the way to the server; asks nothing. */
  constructor(options: KubeClientOptions) {
    this.#options = options;
    this.#transport = options.transport;
    this.#timeoutMs = options.timeoutMs ?? TIMEOUT_MS;
  }

  /** The same client, whose writes are held back behind a fence. */
  fenced(fence: WriteFence): KubeClient {
    return new KubeClient({ ...this.#options, fence });
  }

  /**
   * Lists a page of a kind's objects, as they are now.
   *
   * @throws {KubeError} `absent` where nobody serves the kind; `gone` where the
   * pages before are too old to go on from.
   */
  async list(resource: Resource, query: ListQuery): Promise<KubeList> {
    const answer = await this.#ask({
      action: `list ${resource.plural}`,
      method: "GET",
      path: resourcePath(resource, query),
      query: {
        ...selectors(query),
        limit: query.limit?.toString(),
        continue: query.continue,
      },
      signal: query.signal,
    });
    const { items, metadata } = answer as {
      items: readonly KubeObject[] | null;
      metadata: { resourceVersion: string; continue?: string };
    };
    const rest = metadata.continue;
    return {
      // A list leaves out what would be the same in all of its objects.
      items: (items ?? []).map((item) => ({
        ...item,
        apiVersion: apiVersionOf(resource),
        kind: resource.kind,
      })),
      resourceVersion: metadata.resourceVersion,
      ...(rest === undefined || rest === "" ? {} : { continue: rest }),
    };
  }

  /**
   * Watches a kind's objects until the server ends it.
   *
   * @throws {KubeError} `gone`, at once or later, where the version to watch
   * from is too old; `unreachable` where the connection is lost or silent.
   */
  async *watch(
    resource: Resource,
    query: WatchQuery,
  ): AsyncGenerator<WatchEvent> {
    const action = `watch ${resource.plural}`;
    const { signal, idleMs } = query;
    const ended = new AbortController();
    const end = () => ended.abort(signal.reason);
    const silent = () => {
      this.#transport.reconnect();
      ended.abort(new Error("nothing came for too long"));
    };
    signal.addEventListener("abort", end);
    if (signal.aborted) end();
    let timer = setTimeout(silent, this.#timeoutMs);
    const alive = () => {
      clearTimeout(timer);
      timer = setTimeout(silent, idleMs);
    };
    try {
      const response = await this.#send(action, {
        method: "GET",
        path: withQuery(resourcePath(resource, query), {
          ...selectors(query),
          watch: "1",
          allowWatchBookmarks: "true",
          resourceVersion: query.resourceVersion,
          timeoutSeconds: String(query.timeoutSeconds),
        }),
        headers: { accept: JSON_TYPE },
        signal: ended.signal,
      });
      if (!response.ok) throw await refusal(action, response);
      alive();
      yield { kind: "opened" };
      if (response.body === null) return;
      for await (const line of readLines(response.body, alive)) {
        const event = readEvent(action, line);
        if (event !== undefined) yield event;
      }
    } catch (error) {
      if (isKubeError(error)) throw error;
      throw KubeError.unreachable(action, ended.signal.reason ?? error);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      // Closes the connection where whoever listened has left.
      ended.abort();
    }
  }

  /** Reads an object; undefined where it is not there. */
  async get(
    { resource, namespace, name }: WriteTarget,
    signal?: AbortSignal,
  ): Promise<KubeObject | undefined> {
    try {
      return await this.#ask({
        action: `get ${resource.plural} ${name}`,
        method: "GET",
        path: resourcePath(resource, { namespace, name }),
        signal,
      }) as KubeObject;
    } catch (error) {
      if (isKubeError(error, "absent")) return undefined;
      throw error;
    }
  }

  /**
   * Makes an object.
   *
   * @throws {KubeError} `exists` where it is there already.
   */
  async create(
    resource: Resource,
    object: KubeObject,
    signal?: AbortSignal,
  ): Promise<KubeObject> {
    const { name, namespace } = object.metadata;
    return await this.#write({
      action: `create ${resource.plural} ${name}`,
      method: "POST",
      path: resourcePath(resource, { namespace }),
      body: object,
      signal,
    });
  }

  /**
   * Replaces an object whole. The version in it is what it must still be.
   *
   * @throws {KubeError} `conflict` where it is another by now.
   */
  async replace(
    resource: Resource,
    object: KubeObject,
    signal?: AbortSignal,
  ): Promise<KubeObject> {
    const { name, namespace } = object.metadata;
    return await this.#write({
      action: `replace ${resource.plural} ${name}`,
      method: "PUT",
      path: resourcePath(resource, { namespace, name }),
      body: object,
      signal,
    });
  }

  /**
   * Applies what is wanted of an object (server-side apply). With
   * `metadata.resourceVersion` it must still be what it was, or, with
   * {@linkcode NOT_THERE}, not be there.
   *
   * @throws {KubeError} `conflict` where it is another by now, or where
   * somebody else holds a field and it is not forced.
   */
  async apply(
    resource: Resource,
    object: KubeObject,
    { fieldManager, force, strict = true }: ApplyQuery,
    signal?: AbortSignal,
  ): Promise<KubeObject> {
    const { name, namespace } = object.metadata;
    return await this.#write({
      action: `apply ${resource.plural} ${name}`,
      method: "PATCH",
      path: resourcePath(resource, { namespace, name }),
      query: {
        fieldManager,
        force: String(force),
        fieldValidation: strict ? "Strict" : "Warn",
      },
      type: "application/apply-patch+yaml",
      body: object,
      signal,
    });
  }

  /**
   * Changes some members of an object's status, if the object is still what it
   * was.
   *
   * @param resourceVersion What it was.
   * @param status Members to set; null removes one. Lists are replaced whole.
   * @throws {KubeError} `conflict` where it is another by now.
   */
  async patchStatus(
    { resource, namespace, name }: WriteTarget,
    resourceVersion: string,
    status: Readonly<Record<string, unknown>>,
    signal?: AbortSignal,
  ): Promise<KubeObject> {
    return await this.#write({
      action: `patch status of ${resource.plural} ${name}`,
      method: "PATCH",
      path: resourcePath(resource, { namespace, name, subresource: "status" }),
      type: "application/merge-patch+json",
      body: { metadata: { resourceVersion }, status },
      signal,
    });
  }

  /**
   * Deletes an object, if it is still what it was. One that is not there is
   * none that fails.
   *
   * @throws {KubeError} `conflict` where it is another by now.
   */
  async delete(
    { resource, namespace, name }: WriteTarget,
    preconditions: DeletePreconditions,
    signal?: AbortSignal,
  ): Promise<void> {
    try {
      await this.#write({
        action: `delete ${resource.plural} ${name}`,
        method: "DELETE",
        path: resourcePath(resource, { namespace, name }),
        body: { apiVersion: "v1", kind: "DeleteOptions", preconditions },
        signal,
      });
    } catch (error) {
      if (!isKubeError(error, "absent")) throw error;
    }
  }

  /** Closes idle connections. */
  close(): void {
    this.#transport.close();
  }

  async #write(asked: Asked): Promise<KubeObject> {
    const msToWrite = this.#options.fence?.msToWrite() ?? Infinity;
    if (msToWrite <= 0) throw new FencedError(asked.action);
    return await this.#ask(asked, msToWrite) as KubeObject;
  }

  /** Sends a request and reads the whole of its answer in time. */
  async #ask(asked: Asked, atMostMs = Infinity): Promise<unknown> {
    const { action, method, path, query = {}, type, body, signal } = asked;
    const late = new AbortController();
    const end = () => late.abort(signal?.reason);
    signal?.addEventListener("abort", end);
    if (signal?.aborted) end();
    const ms = Math.min(this.#timeoutMs, atMostMs);
    const timer = setTimeout(() => {
      // Whatever else waits on such a connection waits for nothing.
      this.#transport.reconnect();
      late.abort(new Error(`no answer in ${Math.round(ms)} ms`));
    }, ms);
    try {
      const response = await this.#send(action, {
        method,
        path: withQuery(path, query),
        headers: {
          accept: JSON_TYPE,
          ...(body === undefined ? {} : { "content-type": type ?? JSON_TYPE }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: late.signal,
      });
      if (!response.ok) throw await refusal(action, response);
      return await response.json();
    } catch (error) {
      if (isKubeError(error)) throw error;
      throw KubeError.unreachable(action, late.signal.reason ?? error);
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
    }
  }

  async #send(action: string, request: KubeRequest): Promise<Response> {
    try {
      return await this.#transport.send(request);
    } catch (error) {
      throw KubeError.unreachable(action, request.signal.reason ?? error);
    }
  }
}

/** A request as the methods put it. */
interface Asked {
  readonly action: string;
  readonly method: KubeRequest["method"];
  readonly path: string;
  readonly query?: Query;
  readonly type?: string;
  readonly body?: unknown;
  readonly signal?: AbortSignal | undefined;
}

type Query = Readonly<Record<string, string | undefined>>;

function selectors({ labelSelector, fieldSelector }: Selection): Query {
  return { labelSelector, fieldSelector };
}

function withQuery(path: string, query: Query): string {
  const given = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) given.set(name, value);
  }
  return given.size === 0 ? path : `${path}?${given}`;
}

async function refusal(action: string, response: Response): Promise<KubeError> {
  const text = await response.text();
  const retryAfter = response.headers.get("retry-after");
  return new KubeError(action, parseStatus(response.status, text, retryAfter));
}

/** Reads a line of a watch; undefined for what we do not know. */
function readEvent(action: string, line: string): WatchEvent | undefined {
  const { type, object } = JSON.parse(line) as {
    type: string;
    object: KubeObject;
  };
  switch (type) {
    case "ADDED":
    case "MODIFIED":
      return { kind: "object", object };
    case "DELETED":
      return { kind: "deleted", object };
    case "BOOKMARK":
      return {
        kind: "bookmark",
        resourceVersion: object.metadata.resourceVersion ?? "",
      };
    case "ERROR":
      // The connection was answered with 200 long ago: this is the status.
      throw new KubeError(action, readStatus(object));
    default:
      return undefined;
  }
}
