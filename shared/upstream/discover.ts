/**
 * How a server of the stateless era introduces itself: `server/discover`, and
 * the revision that is spoken with it.
 *
 * @see https://modelcontextprotocol.io/specification/2026-07-28/server/discover
 * @module
 */

import { isObject, member } from "../jsonrpc/parsed.ts";
import { parseValue } from "../jsonrpc/values.ts";
import {
  isStatelessRevision,
  isUpstreamRevision,
  META,
  STATELESS_REVISIONS,
  type StatelessRevision,
} from "../mcp.ts";
import { invalid, type RequestLimits } from "./http_answers.ts";
import {
  below,
  type Introduction,
  readSelf,
  shownRevision,
} from "./introduction.ts";
import type { StatelessExchange } from "./stateless_exchange.ts";
import { UpstreamError } from "./upstream_error.ts";

/** A server as it introduced itself at `server/discover`. */
export interface Discovered extends Introduction {
  /** It has no sessions. */
  readonly era: "stateless";
  /** The revision that is spoken with it. */
  readonly revision: StatelessRevision;
}

/** The revision that a server does not speak (2026-07-28, errors). */
const UNSUPPORTED_REVISION = -32022;

/**
 * Asks a server what it is. Afterwards the exchange names the revision that
 * both speak.
 *
 * @throws {UpstreamError} `other era` where it says that it has sessions only,
 * `below minimum` where it will not do, other kinds where it cannot be told.
 */
export async function discover(
  exchange: StatelessExchange,
  limits: RequestLimits,
): Promise<Discovered> {
  const introduction = await ask(exchange, limits);
  exchange.revision = introduction.revision;
  return introduction;
}

async function ask(
  exchange: StatelessExchange,
  limits: RequestLimits,
): Promise<Discovered> {
  const once = async () => {
    const { bytes, result } = await exchange.request(
      "server/discover",
      undefined,
      limits,
    );
    return readDiscovered(parseValue(bytes, result));
  };
  try {
    return await once();
  } catch (error) {
    if (
      !(error instanceof UpstreamError) || error.code !== UNSUPPORTED_REVISION
    ) throw error;
    // Once more even in the revision that it has just refused: a server that
    // is being replaced says so of what its successor speaks.
    exchange.revision = common(supportedBy(error), error);
    return await once();
  }
}

/** Reads a DiscoverResult and holds it against the minimum. */
export function readDiscovered(result: unknown): Discovered {
  const versions = isObject(result)
    ? member(result, "supportedVersions")
    : undefined;
  if (!isObject(result) || !Array.isArray(versions)) {
    throw invalid("server/discover has no array of supportedVersions");
  }
  const revision = common(versions);
  const meta = member(result, "_meta");
  const info = isObject(meta) ? member(meta, META.serverInfo) : undefined;
  return { era: "stateless", revision, ...readSelf(result, info) };
}

function supportedBy({ data }: UpstreamError): readonly unknown[] {
  if (data === undefined) return [];
  const parsed: unknown = JSON.parse(data);
  const supported = isObject(parsed) ? member(parsed, "supported") : undefined;
  return Array.isArray(supported) ? supported : [];
}

/** The newest revision that both speak. */
function common(
  theirs: readonly unknown[],
  cause?: unknown,
): StatelessRevision {
  const revision = STATELESS_REVISIONS.find((one) => theirs.includes(one));
  if (revision !== undefined) return revision;
  if (theirs.some(isUpstreamRevision)) {
    throw new UpstreamError("other era", {
      message: "the server has sessions only",
      cause,
    });
  }
  const spoken = theirs.filter((one) => !isStatelessRevision(one)).slice(0, 5)
    .map(shownRevision).join(", ");
  throw below(
    `it speaks ${
      spoken === "" ? "no revision at all" : `revision ${spoken}`
    }, which the gateway does not`,
  );
}
