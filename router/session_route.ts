/**
 * What all requests have in common that go to a server in a session of the
 * client's: where they go, where what comes back is from, and what is said
 * when Envoy takes them elsewhere.
 *
 * @module
 */

import type { ServerConfig } from "../shared/config/model.ts";
import type { Era } from "../shared/mcp.ts";
import type { Logger } from "../shared/log.ts";
import { backendTag, type MessageSource } from "../shared/relay/routed_id.ts";
import type {
  BackendSession,
  ClientSession,
} from "../shared/sessions/sessions.ts";
import type { Answer, Reply } from "./answer.ts";
import { AnswerStream } from "./answer_stream.ts";
import type { FinalResponseDecision } from "./decide_response.ts";
import { finished, refusal } from "./reply.ts";

/** A server, and the session with it in which something runs. */
export interface ServerSession {
  /** The server. */
  readonly server: ServerConfig;
  /** The client's session. */
  readonly session: ClientSession;
  /** The server's, opened for that. */
  readonly backend: BackendSession;
}

/** Which session of which server something comes from. */
export function sourceOf(
  { name, fingerprint }: ServerConfig,
  backend: BackendSession,
): MessageSource {
  return { server: name, tag: backendTag(fingerprint, backend.id) };
}

/** An answer that passes, and its body where that is to be rewritten. */
export interface PassedAnswer {
  /** What Envoy is told. */
  readonly answer: Answer;
  /** The body. */
  readonly stream?: AnswerStream;
}

/**
 * Lets an answer pass; an event stream through {@linkcode AnswerStream}.
 *
 * @param callId The call that it answers, raw id; none where a stream is taken
 * up again.
 */
export function passAnswer(
  decision: Extract<FinalResponseDecision, { kind: "pass" }>,
  { server, session, backend }: ServerSession,
  callId: string | undefined,
  mayLetGo: () => boolean,
): PassedAnswer {
  const answer = finished(decision, callId ?? null);
  if (answer.kind === "reply" || !decision.eventStream) return { answer };
  const stream = new AnswerStream({
    source: sourceOf(server, backend),
    callId,
    batches: session.revision === "2025-03-26",
    primes: session.revision === "2025-11-25",
    capabilities: session.capabilities,
    mayLetGo,
  });
  return { answer: { ...answer, streamBody: true }, stream };
}

/**
 * Envoy took a request to the broker that was meant for a server: nothing ran.
 * For a moment it may, where it learns of a server after the router.
 */
export function misrouted(
  server: ServerConfig,
  id: string | null,
  log: Logger,
  era: Era = "session",
): Reply {
  log.error("call reached the broker instead of its server", {
    server: server.name,
    remedy: `where this lasts, let Envoy's ext_proc filter change :authority ` +
      `(mutation_rules.allow_all_routing: true) and route the host ` +
      `${server.hostname} to the server; or match x-destination-mcp in ` +
      `routes and start the router with --steering header`,
  });
  return refusal(
    {
      kind: "server unreachable",
      detail: `Envoy does not route calls to ${server.name}`,
    },
    id,
    era,
  );
}
