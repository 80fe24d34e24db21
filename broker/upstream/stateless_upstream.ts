/**
 * An MCP server of the stateless era, as the broker looks after servers: asked
 * what it is, lists read to the last page, signs of life, notifications.
 *
 * @see https://modelcontextprotocol.io/specification/2026-07-28/server/discover
 * @module
 */

import { isObject, member } from "../../shared/jsonrpc/parsed.ts";
import { LATEST_STATELESS_REVISION } from "../../shared/mcp.ts";
import { discover, type Discovered } from "../../shared/upstream/discover.ts";
import type {
  ListenOutcome,
  RequestLimits,
  ResultMessage,
} from "../../shared/upstream/http_answers.ts";
import {
  type NotificationFilter,
  StatelessExchange,
} from "../../shared/upstream/stateless_exchange.ts";
import { UpstreamError } from "../../shared/upstream/upstream_error.ts";
import { KINDS, type ListKind } from "../catalog/kinds.ts";
import { STRICTEST } from "../catalog/list_hints.ts";
import { evidenceIn } from "./era_evidence.ts";
import {
  declaredKinds,
  type ListenHooks,
  readWholeList,
  type UpstreamList,
  type UpstreamOptions,
  type UpstreamSession,
} from "./upstream_session.ts";

/** The capability whose list a member of the filter is about. */
const FILTER: readonly (readonly [keyof NotificationFilter, string])[] = [
  ["toolsListChanged", "tools"],
  ["promptsListChanged", "prompts"],
  ["resourcesListChanged", "resources"],
];

/** Headers did not fit the body: somebody changed them on the way. */
const HEADER_MISMATCH = -32020;
/** It tells nobody of changes. */
const METHOD_NOT_FOUND = -32601;
/** It does not speak, any more, the revision that was agreed on. */
const UNSUPPORTED_REVISION = -32022;

/**
 * Asks a server what it is.
 *
 * @throws {UpstreamError} `below minimum` where the server can be reached and
 * will not do; other kinds where it cannot be told, or is of the other era:
 * `evidenceIn` tells.
 */
export async function openStateless(
  options: UpstreamOptions,
  signal: AbortSignal,
): Promise<UpstreamSession> {
  const { limits, version } = options;
  const exchange = new StatelessExchange({
    ...options,
    revision: LATEST_STATELESS_REVISION,
    capabilities: {},
    clientInfo: { name: "mcp-gateway", version },
    maxBytes: limits.listBytes,
  });
  const introduction = await discover(exchange, {
    signal,
    timeoutMs: limits.pingMs,
  });
  return new StatelessUpstream(exchange, introduction, options);
}

class StatelessUpstream implements UpstreamSession {
  readonly introduction: Discovered;
  readonly hasId = false;
  readonly kinds: readonly ListKind[];
  readonly #exchange: StatelessExchange;
  readonly #options: UpstreamOptions;

  constructor(
    exchange: StatelessExchange,
    introduction: Discovered,
    options: UpstreamOptions,
  ) {
    this.#exchange = exchange;
    this.introduction = introduction;
    this.kinds = declaredKinds(introduction);
    this.#options = options;
  }

  async list(kind: ListKind, signal: AbortSignal): Promise<UpstreamList> {
    if (!this.kinds.includes(kind)) {
      return { items: [], problems: [], tookMs: 0 };
    }
    const list = await readWholeList(
      kind,
      (params, limits) =>
        this.#request(KINDS[kind].method, params, { ...limits, signal }),
      this.#options,
    );
    // It has to say (2026-07-28, caching).
    return { hints: STRICTEST, ...list };
  }

  /** Asks again what the server is where that may help, and once more then. */
  async #request(
    method: string,
    params: string | undefined,
    limits: RequestLimits,
  ): Promise<ResultMessage> {
    try {
      return await this.#exchange.request(method, params, limits);
    } catch (error) {
      if (!(error instanceof UpstreamError)) throw error;
      if (error.kind === "refused" && evidenceIn(error) === "session") {
        throw otherEra(error);
      }
      if (
        error.code !== HEADER_MISMATCH && error.code !== UNSUPPORTED_REVISION
      ) throw error;
      await discover(this.#exchange, limits);
      return await this.#exchange.request(method, params, limits);
    }
  }

  /** There is no ping in this era: asking what it is does as well. */
  async ping(signal: AbortSignal): Promise<void> {
    const timeoutMs = this.#options.limits.pingMs;
    try {
      await discover(this.#exchange, { signal, timeoutMs });
    } catch (error) {
      throw error instanceof UpstreamError && evidenceIn(error) === "session"
        ? otherEra(error)
        : error;
    }
  }

  async listen(
    signal: AbortSignal,
    { onOpen, onNotGranted }: ListenHooks,
  ): Promise<ListenOutcome> {
    const { capabilities } = this.introduction;
    const wanted = FILTER.filter(([, name]) =>
      isObject(member(capabilities, name))
    );
    const filter = Object.fromEntries(wanted.map(([key]) => [key, true]));
    try {
      return await this.#exchange.listen(filter, signal, (agreed) => {
        const missing = wanted.filter(([key]) => !agreed.includes(key));
        if (missing.length > 0) {
          onNotGranted?.(missing.map(([, capability]) => capability));
        }
        onOpen();
      });
    } catch (error) {
      // Its lists are asked for instead.
      const has = !(error instanceof UpstreamError) ||
        error.code !== METHOD_NOT_FOUND;
      if (has) throw error;
      return { kind: "unsupported" };
    }
  }

  /** There is nothing to end. */
  close(): Promise<void> {
    return Promise.resolve();
  }
}

function otherEra(cause: UpstreamError): UpstreamError {
  return new UpstreamError("other era", {
    message:
      `the server does not seem to be stateless any more: ${cause.message}`,
    cause,
    ...(cause.status === undefined ? {} : { status: cause.status }),
    ...(cause.code === undefined ? {} : { code: cause.code }),
  });
}
