/**
 * Finds out which era a server speaks while opening it, and speaks that: asks
 * `server/discover` first, `initialize` where that means a server with
 * sessions. Never calls anything.
 *
 * @see https://modelcontextprotocol.io/specification/2026-07-28/basic/versioning#backward-compatibility-with-initialization-based-versions
 * @module
 */

import type { ServerConfig } from "../../shared/config/model.ts";
import type { Era } from "../../shared/mcp.ts";
import { UpstreamError } from "../../shared/upstream/upstream_error.ts";
import { evidenceIn, mayBeStateless, mayHaveSessions } from "./era_evidence.ts";
import { openStateless } from "./stateless_upstream.ts";
import {
  openUpstream,
  type UpstreamOptions,
  type UpstreamSession,
} from "./upstream_session.ts";

/**
 * Opens a server.
 *
 * | configured, or known | asked | where that fails |
 * |---|---|---|
 * | configured session | initialize | |
 * | configured stateless | discover | |
 * | known session | initialize | discover, where it was heard and said no |
 * | known stateless | discover | initialize, on evidence of sessions |
 * | nothing known | discover | initialize, unless the server is stateless by its own words, or not there |
 *
 * An answer to `initialize` is evidence too: a server with sessions may have
 * nothing better than an HTTP 500 for a method that it does not know.
 *
 * @param era What the configuration says.
 * @param known The era that it spoke lately, where that is to be relied on.
 * @param asksForSessions Whether to find out if a stateless server keeps
 * sessions too.
 * @throws {UpstreamError} As {@linkcode openUpstream}.
 */
export async function openServer(
  options: UpstreamOptions,
  era: ServerConfig["era"],
  known: Era | undefined,
  signal: AbortSignal,
  asksForSessions = true,
): Promise<UpstreamSession> {
  const session = async () => {
    const opened = await openUpstream(options, signal);
    return era === "auto"
      ? watched(opened, (signal) => isStateless(options, signal))
      : opened;
  };
  const stateless = async () => {
    const opened = await openStateless(options, signal);
    if (era !== "auto" || !asksForSessions) return opened;
    const sessions = await keepsSessions(options, signal);
    return watched(
      opened,
      async (signal) => await keepsSessions(options, signal) !== sessions,
      sessions,
    );
  };
  if (era !== "auto") {
    return await asConfigured(era, era === "session" ? session : stateless);
  }
  return known === "session"
    ? await eitherWay(session, stateless, {
      goesOn: mayBeStateless,
      tells: (error, second) =>
        second.kind === "below minimum" ? second : error,
    })
    : await eitherWay(stateless, session, {
      goesOn: (error) => {
        const evidence = evidenceIn(error);
        return evidence === "session" ||
          (evidence === undefined && known === undefined &&
            mayHaveSessions(error));
      },
      tells: (error, second) =>
        evidenceIn(error) === "session" || evidenceIn(second) !== "stateless" ||
          second.kind === "below minimum"
          ? second
          : error,
    });
}

/** Opens in the one way that is configured, and says so where it is no use. */
async function asConfigured(
  era: Era,
  open: () => Promise<UpstreamSession>,
): Promise<UpstreamSession> {
  try {
    return await open();
  } catch (error) {
    if (!(error instanceof UpstreamError)) throw error;
    const isOther = era === "session"
      ? error.code === METHOD_NOT_FOUND ||
        (error.kind === "refused" && error.code !== undefined &&
          mayBeStateless(error))
      : evidenceIn(error) === "session";
    if (!isOther || error.kind === "below minimum") throw error;
    throw new UpstreamError("below minimum", {
      message:
        `era is ${era}, which the server does not seem to speak: ${error.message}`,
      cause: error,
    });
  }
}

/** JSON-RPC: what a server may say to a handshake that it has not. */
const METHOD_NOT_FOUND = -32601;

/** Opens in one way, and in the other where the failure speaks for it. */
async function eitherWay(
  one: () => Promise<UpstreamSession>,
  other: () => Promise<UpstreamSession>,
  { goesOn, tells }: {
    readonly goesOn: (error: UpstreamError) => boolean;
    /** Which of two failures says more. */
    readonly tells: (
      error: UpstreamError,
      second: UpstreamError,
    ) => UpstreamError;
  },
): Promise<UpstreamSession> {
  try {
    return await one();
  } catch (error) {
    if (!(error instanceof UpstreamError) || !goesOn(error)) throw error;
    try {
      return await other();
    } catch (second) {
      throw second instanceof UpstreamError ? tells(error, second) : second;
    }
  }
}

/** Whether a server is stateless, whatever else it is. */
async function isStateless(
  options: UpstreamOptions,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    await openStateless(options, signal);
    return true;
  } catch (error) {
    if (error instanceof UpstreamError) return false;
    throw error;
  }
}

/**
 * Whether a stateless server keeps sessions for clients that want one. One
 * that answers `initialize` without naming a session does not: it could ask
 * its client nothing, and to translate does more for that client.
 */
async function keepsSessions(
  options: UpstreamOptions,
  signal: AbortSignal,
): Promise<boolean> {
  const { limits } = options;
  try {
    const session = await openUpstream({
      ...options,
      limits: { ...limits, initializeMs: limits.pingMs },
    }, signal);
    await session.close();
    return session.hasId;
  } catch (error) {
    if (error instanceof UpstreamError) return false;
    throw error;
  }
}

/** A server that can be asked whether it speaks otherwise by now. */
function watched(
  session: UpstreamSession,
  speaksOtherwise: (signal: AbortSignal) => Promise<boolean>,
  sessions = false,
): UpstreamSession {
  return {
    introduction: sessions
      ? { ...session.introduction, sessions }
      : session.introduction,
    hasId: session.hasId,
    kinds: session.kinds,
    list: (kind, signal) => session.list(kind, signal),
    ping: (signal) => session.ping(signal),
    listen: (signal, hooks) => session.listen(signal, hooks),
    close: () => session.close(),
    speaksOtherwise,
  };
}
