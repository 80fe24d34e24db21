/**
 * Watches resources of a server of the stateless era by a stream of
 * `subscriptions/listen`, opened again when it ends or breaks. Whoever watches
 * is then told of each resource: nobody knows what changed meanwhile.
 *
 * @see https://modelcontextprotocol.io/specification/2026-07-28/basic/patterns/subscriptions
 * @module
 */

import { applyEdits, editMembers } from "../../../shared/jsonrpc/edit.ts";
import { SERVER_JSON } from "../../../shared/jsonrpc/json_limits.ts";
import type { Span } from "../../../shared/jsonrpc/message.ts";
import {
  asString,
  elements,
  kindOf,
  members,
} from "../../../shared/jsonrpc/values.ts";
import {
  type Implementation,
  LATEST_STATELESS_REVISION,
  META,
} from "../../../shared/mcp.ts";
import {
  newRequest,
  writeRequest,
} from "../../../shared/stateless/write_request.ts";
import type { Wait } from "../../../shared/wait_on_timer.ts";
import { errorText } from "../../../shared/error_text.ts";
import {
  afterFailure,
  backoff,
  HEALTHY,
  type Patience,
} from "../../upstream/health.ts";
import type { ResourceWatch, WatchResources } from "../watch_resources.ts";
import { readAnswer } from "./read_answer.ts";
import { sendUpstream, type UpstreamAccess } from "./upstream_request.ts";

/** What watching takes. */
export interface WatchAccess extends UpstreamAccess {
  /** What the gateway calls itself. */
  readonly clientInfo: Implementation;
  /** Milliseconds that a server may take to acknowledge. */
  readonly acknowledgeMs: number;
  /** When streams that ended are opened again. */
  readonly reopening: Pick<Patience, "backoffMs" | "maxBackoffMs">;
  /** Waits. */
  readonly wait: Wait;
  /** At least 0, below 1. */
  readonly random: () => number;
  /** The next id of a request to a server, raw JSON. */
  readonly nextId: () => string;
}

/** How watching began. */
export type WatchStart =
  /** These are watched, until the signal aborts. */
  | { readonly kind: "watching"; readonly uris: readonly string[] }
  /** The server will not, and it is of no use to ask again soon. */
  | { readonly kind: "refused" }
  /** It cannot be told. */
  | { readonly kind: "unreachable" };

const METHOD = "subscriptions/listen";
const ACKNOWLEDGED = "notifications/subscriptions/acknowledged";
const UPDATED = "notifications/resources/updated";

const ENCODER = new TextEncoder();

/** Makes the way of watching resources of servers of the stateless era. */
export function watchResourcesStateless(access: WatchAccess): WatchResources {
  return async (watch) => {
    const start = await watchStateless(watch, access);
    return start.kind === "watching" ? start.uris : [];
  };
}

/** Begins to watch. Never rejects. */
export function watchStateless(
  watch: ResourceWatch,
  access: WatchAccess,
): Promise<WatchStart> {
  const { promise, resolve } = Promise.withResolvers<WatchStart>();
  follow(watch, access, resolve).catch((error: unknown) => {
    access.log.error("watch of resources failed", {
      server: watch.server.name,
      error,
    });
    resolve({ kind: "unreachable" });
  });
  return promise;
}

/** Follows one stream after the other. */
async function follow(
  watch: ResourceWatch,
  access: WatchAccess,
  begun: (start: WatchStart) => void,
): Promise<void> {
  const { reopening, wait, random, log } = access;
  const { signal, server } = watch;
  let isFirst = true;
  let health = HEALTHY;
  while (!signal.aborted) {
    let acknowledged = false;
    const end = await listen(watch, access, (uris) => {
      acknowledged = true;
      if (isFirst) {
        begun(
          uris.length === 0 ? { kind: "refused" } : { kind: "watching", uris },
        );
      } else {
        for (const uri of uris) watch.onUpdated(told(uri));
      }
      return uris.length > 0;
    });
    if (signal.aborted) break;
    log.debug("stream of resource updates is over", {
      server: server.name,
      ...end,
    });
    if (isFirst && (!acknowledged || end.kind === "refused")) {
      return begun({ kind: end.kind });
    }
    // Whoever was told before may be again: servers come and go.
    isFirst = false;
    health = acknowledged ? HEALTHY : health;
    health = afterFailure(health, 0);
    await wait(backoff(health, random(), reopening), signal);
  }
  begun({ kind: "unreachable" });
}

/** How a stream ended. */
interface StreamEnd {
  readonly kind: "refused" | "unreachable";
  readonly why: string;
}

/**
 * Opens one stream and reads it to its end. Never rejects.
 *
 * @param onAcknowledged Told what the server honours of what was asked for;
 * answers whether there is anything to wait for.
 */
async function listen(
  { server, uris, authorization, onUpdated, signal }: ResourceWatch,
  access: WatchAccess,
  onAcknowledged: (uris: readonly string[]) => boolean,
): Promise<StreamEnd> {
  const id = access.nextId();
  const params = JSON.stringify({
    notifications: { resourceSubscriptions: uris },
  });
  const written = writeRequest(newRequest(id, METHOD, params), {
    envelope: {
      revision: LATEST_STATELESS_REVISION,
      capabilities: {},
      clientInfo: access.clientInfo,
    },
  });
  const over = new AbortController();
  const open = new AbortController();
  void access.wait(access.acknowledgeMs, open.signal).then(() => {
    if (!open.signal.aborted) over.abort(new Error("no acknowledgement"));
  });
  let isRefused = false;
  const onNotification = (method: string, text: string) => {
    if (over.signal.aborted || signal.aborted) return;
    const bytes = ENCODER.encode(text);
    const whole = { start: 0, end: bytes.length };
    const params = members(bytes, whole, SERVER_JSON).get("params");
    if (method === ACKNOWLEDGED) {
      open.abort();
      const honoured = honouredIn(bytes, params);
      isRefused = !onAcknowledged(
        uris.filter((uri) => honoured.includes(uri)),
      );
      if (isRefused) over.abort(new Error("nothing of it is honoured"));
    } else if (
      method === UPDATED && params !== undefined &&
      kindOf(bytes, params) === "object"
    ) {
      onUpdated(withoutSubscription(bytes, params));
    }
  };
  try {
    const response = await sendUpstream(
      { server, authorization, written, onNotification },
      access,
      AbortSignal.any([signal, over.signal]),
    );
    if (response.kind === "another era") {
      // Or something on the way to it, for a while.
      return { kind: "unreachable", why: `HTTP ${response.status}` };
    }
    const answer = readAnswer(response.bytes, METHOD, id);
    return answer.kind === "error"
      ? { kind: "refused", why: `error ${answer.code}` }
      : { kind: "unreachable", why: "the server ended it" };
  } catch (error) {
    const kind = isRefused ? "refused" : "unreachable";
    return { kind, why: errorText(error) };
  } finally {
    open.abort();
  }
}

function honouredIn(
  bytes: Uint8Array,
  params: Span | undefined,
): readonly string[] {
  const inside = (span: Span | undefined, key: string) =>
    span !== undefined && kindOf(bytes, span) === "object"
      ? members(bytes, span, SERVER_JSON).get(key)
      : undefined;
  const list = inside(
    inside(params, "notifications"),
    "resourceSubscriptions",
  );
  if (list === undefined || kindOf(bytes, list) !== "array") return [];
  return elements(bytes, list, SERVER_JSON)
    .flatMap((one) => asString(bytes, one, SERVER_JSON) ?? []);
}

/** The parameters as whoever watches is told: it knows no such subscription. */
function withoutSubscription(bytes: Uint8Array, params: Span): Uint8Array {
  const meta = members(bytes, params, SERVER_JSON).get("_meta");
  if (meta === undefined || kindOf(bytes, meta) !== "object") {
    return bytes.slice(params.start, params.end);
  }
  const said = members(bytes, meta, SERVER_JSON);
  const isAlone = said.size === 1 && said.has(META.subscriptionId);
  const edits = isAlone
    ? editMembers(bytes, params, new Map([["_meta", undefined]]), SERVER_JSON)
    : editMembers(
      bytes,
      meta,
      new Map([[META.subscriptionId, undefined]]),
      SERVER_JSON,
    );
  return applyEdits(bytes, edits, params);
}

function told(uri: string): Uint8Array {
  return ENCODER.encode(JSON.stringify({ uri }));
}
