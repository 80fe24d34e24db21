/**
 * What the broker does with one MCP server, of whichever era; and how it is
 * done with one of the session era: handshake with the minimum a server must
 * meet, lists read to the last page, ping, notifications.
 *
 * @see https://modelcontextprotocol.io/specification/2025-11-25/basic/lifecycle
 * @module
 */

import { isObject, member } from "../../shared/jsonrpc/parsed.ts";
import { LATEST_SESSION_REVISION } from "../../shared/mcp.ts";
import { handshake } from "../../shared/upstream/handshake.ts";
import type { Introduction } from "../../shared/upstream/introduction.ts";
import type {
  ListenOutcome,
  RequestLimits,
  ResultMessage,
} from "../../shared/upstream/http_answers.ts";
import {
  type ExchangeOptions,
  ServerExchange,
} from "../../shared/upstream/server_exchange.ts";
import { KINDS, LIST_KINDS, type ListKind } from "../catalog/kinds.ts";
import { type ListHints, strictestOf } from "../catalog/list_hints.ts";
import { type ListPage, readPage } from "./list_page.ts";
import { UpstreamError } from "../../shared/upstream/upstream_error.ts";

/** How much is read of a server, and how long it may take. */
export interface UpstreamLimits {
  /** Milliseconds to open a session. */
  readonly initializeMs: number;
  /** Milliseconds to read one list, all pages together. */
  readonly listMs: number;
  /** Milliseconds for a short request: ping, DELETE. */
  readonly pingMs: number;
  /** Bytes of one list, all pages together. */
  readonly listBytes: number;
  /** Items taken of one list. */
  readonly items: number;
  /** Pages read. */
  readonly pages: number;
}

/** What {@linkcode openUpstream} needs. */
export interface UpstreamOptions
  extends Omit<ExchangeOptions, "onNotification" | "maxBytes"> {
  /** The gateway's version, for `clientInfo`. */
  readonly version: string;
  /** Limits in size and time. */
  readonly limits: UpstreamLimits;
  /** Is told of each notification of the server. */
  readonly onNotification: (method: string) => void;
  /** Milliseconds since some point; for measuring. */
  readonly now: () => number;
}

/** A list as it was read. */
export interface UpstreamList {
  /** JSON text of each item, as the server wrote it, checked no further. */
  readonly items: readonly Uint8Array[];
  /** Where the list was cut, and why. */
  readonly problems: readonly string[];
  /** How long it may be kept, and for whom, where its server says so. */
  readonly hints?: ListHints;
  /** Milliseconds it took. */
  readonly tookMs: number;
}

/** What whoever listens is told. */
export interface ListenHooks {
  /** The server tells of changes from now on. */
  readonly onOpen: () => void;
  /** It will not tell of changes to the lists of these capabilities. */
  readonly onNotGranted?: (capabilities: readonly string[]) => void;
}

/** A server that was opened: a session with it, where it has sessions. */
export interface UpstreamSession {
  /** The server as it introduced itself. */
  readonly introduction: Introduction;
  /** Whether the server named a session. */
  readonly hasId: boolean;
  /** The lists that it has, going by the capabilities it declared. */
  readonly kinds: readonly ListKind[];
  /** Reads a whole list; empty where the server has no such list. */
  list(kind: ListKind, signal: AbortSignal): Promise<UpstreamList>;
  /** Asks for a sign of life. */
  ping(signal: AbortSignal): Promise<void>;
  /** Reads the notification stream until it ends. */
  listen(signal: AbortSignal, hooks: ListenHooks): Promise<ListenOutcome>;
  /** Ends the session at the server, as far as the server will. */
  close(): Promise<void>;
  /**
   * Whether the server speaks other eras by now than when it was opened, and
   * should better be opened anew; never rejects but with the signal's reason.
   * Absent where there is nothing to ask.
   */
  readonly speaksOtherwise?: (signal: AbortSignal) => Promise<boolean>;
}

/**
 * Opens a session.
 *
 * @throws {UpstreamError} `below minimum` where the server can be reached and
 * will not do; other kinds where it cannot be told.
 */
export async function openUpstream(
  options: UpstreamOptions,
  signal: AbortSignal,
): Promise<UpstreamSession> {
  const { limits } = options;
  const exchange = new ServerExchange({
    ...options,
    maxBytes: limits.listBytes,
  });
  try {
    const introduction = await handshake(exchange, {
      revision: LATEST_SESSION_REVISION,
      capabilities: {},
      clientInfo: { name: "mcp-gateway", version: options.version },
      timeoutMs: limits.initializeMs,
      now: options.now,
    }, signal);
    return new OpenSession(exchange, introduction, options);
  } catch (error) {
    // A server may have opened a session that we have no use for.
    await close(exchange, limits);
    throw error;
  }
}

class OpenSession implements UpstreamSession {
  readonly introduction: Introduction;
  readonly kinds: readonly ListKind[];
  readonly #exchange: ServerExchange;
  readonly #options: UpstreamOptions;

  constructor(
    exchange: ServerExchange,
    introduction: Introduction,
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
    return await readWholeList(
      kind,
      (params, limits) =>
        this.#exchange.request(KINDS[kind].method, params, {
          ...limits,
          signal,
        }),
      this.#options,
    );
  }

  async ping(signal: AbortSignal): Promise<void> {
    const timeoutMs = this.#options.limits.pingMs;
    try {
      await this.#exchange.request("ping", undefined, { signal, timeoutMs });
    } catch (error) {
      // Even "method not found" is a sign of life.
      if (error instanceof UpstreamError && error.kind === "rpc error") return;
      throw error;
    }
  }

  listen(
    signal: AbortSignal,
    { onOpen }: ListenHooks,
  ): Promise<ListenOutcome> {
    return this.#exchange.listen(signal, onOpen);
  }

  get hasId(): boolean {
    return this.#exchange.hasSession;
  }

  close(): Promise<void> {
    return close(this.#exchange, this.#options.limits);
  }
}

/** The lists that a server has, going by the capabilities it declared. */
export function declaredKinds(
  { capabilities }: Introduction,
): readonly ListKind[] {
  return LIST_KINDS.filter((kind) =>
    isObject(member(capabilities, KINDS[kind].capability))
  );
}

/**
 * Reads a whole list of a server.
 *
 * @param request Sends a request of the kind's method, params as raw JSON.
 */
export async function readWholeList(
  kind: ListKind,
  request: (
    params: string | undefined,
    limits: Omit<RequestLimits, "signal">,
  ) => Promise<ResultMessage>,
  { limits, now }: Pick<UpstreamOptions, "limits" | "now">,
): Promise<UpstreamList> {
  const { method, member } = KINDS[kind];
  const started = now();
  const { items, problems, hints } = await readList(
    async (cursor, maxBytes) => {
      const { bytes, result } = await request(
        cursor === undefined ? undefined : JSON.stringify({ cursor }),
        {
          timeoutMs: Math.max(1, limits.listMs - (now() - started)),
          maxBytes,
        },
      );
      const page = readPage(bytes, result, member);
      if (page !== undefined) return { ...page, size: bytes.byteLength };
      throw new UpstreamError("invalid answer", {
        message: `the answer is not MCP: ${method} has no array of ${member}`,
      });
    },
    limits,
  );
  return {
    items,
    problems: problems.map((problem) => `${method}: ${problem}`),
    ...(hints === undefined ? {} : { hints }),
    tookMs: Math.round(now() - started),
  };
}

/** A page, with the size of the message it came in. */
export interface SizedPage extends ListPage {
  /** Bytes of the message. */
  readonly size: number;
}

/**
 * Reads pages until there are no more, or a limit is reached: then what was
 * read so far is the list, and the limit is a problem.
 *
 * @param page Reads one page, of at most so many bytes.
 */
export async function readList(
  page: (cursor: string | undefined, maxBytes: number) => Promise<SizedPage>,
  limits: Pick<UpstreamLimits, "listBytes" | "items" | "pages">,
): Promise<Omit<UpstreamList, "tookMs">> {
  const items: Uint8Array[] = [];
  const seen = new Set<string>();
  let cursor: string | undefined;
  let left = limits.listBytes;
  let hints: ListHints | undefined;
  const list = (problems: readonly string[]) => ({
    items: items.slice(0, limits.items),
    problems,
    ...(hints === undefined ? {} : { hints }),
  });
  const cut = (why: string) => list([`the list is cut: ${why}`]);
  for (let pages = 0; pages < limits.pages; pages++) {
    let read: SizedPage;
    try {
      read = await page(cursor, left);
    } catch (error) {
      // Nothing read is no list; a later page too many is a cut one.
      if (
        pages > 0 && error instanceof UpstreamError &&
        error.kind === "too large"
      ) return cut(`it is larger than ${limits.listBytes} bytes`);
      throw error;
    }
    items.push(...read.items);
    hints = strictestOf([hints, read.hints]);
    left -= read.size;
    if (items.length > limits.items) {
      return cut(`it has more than ${limits.items} items`);
    }
    cursor = read.nextCursor;
    if (cursor === undefined) return list([]);
    if (seen.has(cursor)) return cut("its cursors go in a circle");
    seen.add(cursor);
    if (left <= 0) return cut(`it is larger than ${limits.listBytes} bytes`);
  }
  return cut(`it has more than ${limits.pages} pages`);
}

async function close(
  exchange: ServerExchange,
  limits: UpstreamLimits,
): Promise<void> {
  const signal = new AbortController().signal;
  // The server forgets it by itself, sooner or later.
  await exchange.delete({ signal, timeoutMs: limits.pingMs }).catch(() => {});
}
