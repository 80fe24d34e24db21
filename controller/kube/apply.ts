/**
 * Makes objects what they shall be, by server-side apply, and only where they
 * are not so already. Every write is bound to what was read.
 *
 * | object on the server | what happens |
 * |---|---|
 * | not there | made, unless somebody else makes it first |
 * | as wanted | nothing |
 * | ours and different | applied, taking over fields that others wrote into it |
 * | not ours | {@linkcode ForeignObjectError} |
 * | another than was read, with the content that was read | the same, anew |
 * | another than was read, with another content | what is wanted is asked for anew, or refused as a conflict |
 *
 * The last row is what keeps a replica that knows less from undoing what one
 * that knows more has written.
 *
 * @module
 */

import {
  type KubeClient,
  NOT_THERE,
  type WriteTarget,
} from "../../shared/kube/client.ts";
import { isKubeError } from "../../shared/kube/kube_error.ts";
import {
  type KubeObject,
  objectKey,
  type Resource,
} from "../../shared/kube/object.ts";
import type { Logger } from "../../shared/log.ts";
import { MANAGED_BY, MANAGED_BY_LABEL } from "../resources/groups.ts";
import { contentHash, covers } from "./same_content.ts";

/** Annotation with the hash of what was last applied. */
export const CONTENT_HASH = "mcp.kuadrant.io/content-hash";
/** Annotation that counts how often the content was changed. */
export const CONTENT_GENERATION = "mcp.kuadrant.io/content-generation";

/** An object of that name is there, and nobody said that it is ours. */
export class ForeignObjectError extends Error {
  /** Builds an error. */
  constructor(kind: string, key: string) {
    super(
      `Cannot write ${kind} ${key}: it is there without the label ` +
        `${MANAGED_BY_LABEL}=${MANAGED_BY}. Remedy: delete it, or label it`,
    );
    this.name = "ForeignObjectError";
  }
}

/** An object is larger than an API server keeps. */
export class ObjectTooLargeError extends Error {
  /** Bytes that were to be written. */
  readonly bytes: number;

  /** Builds an error; `cause` is what the API server said. */
  constructor(kind: string, key: string, bytes: number, options: ErrorOptions) {
    super(`Cannot write ${kind} ${key}: it is ${bytes} bytes large`, options);
    this.name = "ObjectTooLargeError";
    this.bytes = bytes;
  }
}

/**
 * What is wanted of an object, or what makes that of the object as it is: then
 * it is asked again whenever somebody else was faster.
 */
export type Wanted =
  | KubeObject
  | ((live: KubeObject | undefined) => KubeObject);

/** What became of an object. */
export interface ApplyOutcome {
  /** Whether something was written. */
  readonly kind: "unchanged" | "created" | "changed";
  /** The object as it is now. */
  readonly object: KubeObject;
}

/** What an applier needs. */
export interface ApplierOptions {
  /** The API server, behind the fence of whoever leads. */
  readonly client: Pick<KubeClient, "get" | "apply" | "delete">;
  /** Log. */
  readonly log: Logger;
}

/** Attempts, each after somebody else wrote in between. */
const MAX_ATTEMPTS = 8;

/** Makes objects what they shall be. */
export class Applier {
  readonly #options: ApplierOptions;
  /**
   * Version that our last write led to, by kind and key: an API server that
   * writes a value in another way than we do is not written to again and again.
   */
  readonly #written = new Map<string, string>();

  /** Takes what it needs. */
  constructor(options: ApplierOptions) {
    this.#options = options;
  }

  /**
   * Makes an object what it shall be.
   *
   * @param wanted What is wanted of it, and nothing else: without status,
   * version and the like; or what makes that of the object as it is. The label
   * that makes it ours is added.
   * @param known The object as it was last heard of, if it is there.
   * @throws {ForeignObjectError} If it is not ours.
   * @throws {ObjectTooLargeError} If it is larger than can be kept.
   * @throws {KubeError} `conflict` where somebody else has changed its content
   * and what is wanted does not depend on it: plan again. Other kinds where it
   * is refused.
   */
  async apply(
    resource: Resource,
    wanted: Wanted,
    known: KubeObject | undefined,
    signal?: AbortSignal,
  ): Promise<ApplyOutcome> {
    const { client, log } = this.#options;
    let live = known;
    for (let attempt = 1;; attempt++) {
      const ours = withLabel(
        typeof wanted === "function" ? wanted(live) : wanted,
      );
      const target = targetOf(resource, ours);
      const key = objectKey(ours.metadata);
      if (live !== undefined && !isOurs(live)) {
        // What was heard may be old; what is there decides.
        live = await client.get(target, signal);
        if (live !== undefined && !isOurs(live)) {
          throw new ForeignObjectError(resource.kind, key);
        }
      }
      const id = `${resource.group}/${resource.plural}/${key}`;
      const hash = contentHash(ours);
      if (live !== undefined && this.#isAsWanted(id, live, ours, hash)) {
        return { kind: "unchanged", object: live };
      }
      const body = stamped(ours, hash, live);
      try {
        const object = await client.apply(resource, body, {
          fieldManager: MANAGED_BY,
          // Fields that somebody else wrote into an object of ours.
          force: true,
        }, signal);
        const { resourceVersion } = object.metadata;
        if (resourceVersion !== undefined) {
          this.#written.set(id, resourceVersion);
        }
        log.info("object written", { kind: resource.kind, object: key, hash });
        return { kind: live === undefined ? "created" : "changed", object };
      } catch (error) {
        if (isKubeError(error, "tooLarge")) {
          const bytes = new TextEncoder().encode(JSON.stringify(body)).length;
          throw new ObjectTooLargeError(resource.kind, key, bytes, {
            cause: error,
          });
        }
        if (!isKubeError(error, "conflict") || attempt >= MAX_ATTEMPTS) {
          throw error;
        }
        const now = await client.get(target, signal);
        if (now !== undefined && isOurs(now)) {
          if (this.#isAsWanted(id, now, ours, hash)) {
            return { kind: "unchanged", object: now };
          }
          if (typeof wanted !== "function" && !hasContentOf(now, live)) {
            throw error;
          }
        }
        live = now;
      }
    }
  }

  /**
   * Deletes an object, if it is ours.
   *
   * @param known The object as it was last heard of.
   * @returns Whether it was ours.
   */
  async remove(
    resource: Resource,
    known: KubeObject,
    signal?: AbortSignal,
  ): Promise<boolean> {
    const { client, log } = this.#options;
    const target = targetOf(resource, known);
    const key = objectKey(known.metadata);
    let live: KubeObject | undefined = known;
    for (let attempt = 1; live !== undefined; attempt++) {
      if (!isOurs(live)) return false;
      const { uid = "", resourceVersion = "" } = live.metadata;
      try {
        await client.delete(target, { uid, resourceVersion }, signal);
        log.info("object deleted", { kind: resource.kind, object: key });
        break;
      } catch (error) {
        if (!isKubeError(error, "conflict") || attempt >= MAX_ATTEMPTS) {
          throw error;
        }
        live = await client.get(target, signal);
      }
    }
    this.#written.delete(`${resource.group}/${resource.plural}/${key}`);
    return true;
  }

  #isAsWanted(
    id: string,
    live: KubeObject,
    wanted: KubeObject,
    hash: string,
  ): boolean {
    const { annotations, resourceVersion } = live.metadata;
    // The hash tells of members that are not wanted any more; whether somebody
    // else has changed one, only the content does.
    if (annotations?.[CONTENT_HASH] !== hash) return false;
    return this.#written.get(id) === resourceVersion || covers(live, wanted);
  }
}

/** Whether an object says that it is ours. */
export function isOurs({ metadata }: KubeObject): boolean {
  return metadata.labels?.[MANAGED_BY_LABEL] === MANAGED_BY;
}

/** Whether an object has the content that we read, whatever else of it changed. */
function hasContentOf(now: KubeObject, read: KubeObject | undefined): boolean {
  const hash = now.metadata.annotations?.[CONTENT_HASH];
  return hash !== undefined &&
    hash === read?.metadata.annotations?.[CONTENT_HASH];
}

function targetOf(resource: Resource, { metadata }: KubeObject): WriteTarget {
  return { resource, namespace: metadata.namespace, name: metadata.name };
}

function withLabel(wanted: KubeObject): KubeObject {
  const { metadata } = wanted;
  return {
    ...wanted,
    metadata: {
      ...metadata,
      labels: { ...metadata.labels, [MANAGED_BY_LABEL]: MANAGED_BY },
    },
  };
}

/** What is sent: what is wanted, what it must still be, and how often it was. */
function stamped(
  wanted: KubeObject,
  hash: string,
  live: KubeObject | undefined,
): KubeObject {
  const before = Number(live?.metadata.annotations?.[CONTENT_GENERATION] ?? 0);
  const generation = Number.isSafeInteger(before) ? before + 1 : 1;
  return {
    ...wanted,
    metadata: {
      ...wanted.metadata,
      annotations: {
        ...wanted.metadata.annotations,
        [CONTENT_HASH]: hash,
        [CONTENT_GENERATION]: String(generation),
      },
      resourceVersion: live?.metadata.resourceVersion ?? NOT_THERE,
    },
  };
}
