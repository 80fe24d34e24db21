/**
 * A call of a client of the session era at a server of that era: opens the
 * session that it needs, sends it there, and recovers it where the server has
 * lost that session.
 *
 * @module
 */

import type { ServerConfig } from "../shared/config/model.ts";
import { GatewayError } from "../shared/errors.ts";
import type {
  BackendSession,
  ClientSession,
} from "../shared/sessions/sessions.ts";
import type { Answer, HeaderEntry } from "./answer.ts";
import type { AnswerStream } from "./answer_stream.ts";
import type { ClientRequest } from "./client_request.ts";
import type { ServerCall } from "./decide_call.ts";
import {
  decideResponse,
  type FinalResponseDecision,
  type ResponseHead,
} from "./decide_response.ts";
import type { Deadline, ExchangePorts } from "./exchange_ports.ts";
import { finished, refusal } from "./reply.ts";
import type { Route, Sent } from "./route.ts";
import { misrouted, passAnswer, type ServerSession } from "./session_route.ts";
import { sessionLabel } from "./session_label.ts";
import { steerCall } from "./steer.ts";

/** Headers of the client's request that a repeated call keeps. */
const REPEATED_HEADERS = [
  "accept-language",
  "user-agent",
  "traceparent",
  "tracestate",
  "baggage",
];

/** What Envoy calls an answer that a server gave. */
const FROM_SERVER = "via_upstream";

/**
 * Sends a call.
 *
 * @param original The body that the client sent.
 * @throws {GatewayError} If it cannot be sent.
 */
export async function callInSession(
  request: ClientRequest,
  call: ServerCall,
  original: Uint8Array,
): Promise<Sent> {
  const { ports } = request;
  const { server } = call;
  const session = await request.session();
  request.takePlace("calls", session, call);
  const own = await ports.callHeaders(server);
  const backend = await openFor(request, server, session, ports.deadline());
  await remember(ports, session, call);
  const { steering } = ports.settings;
  return {
    answer: steerCall(
      call,
      { server, backend, own, steering, session: sessionLabel(session) },
      original,
    ),
    route: new SessionCall(
      request,
      call,
      { server, session, backend },
      repeatedHeaders(request, server, own),
    ),
  };
}

/** The session in which a call is to run, opened where there is none. */
async function openFor(
  request: ClientRequest,
  server: ServerConfig,
  session: ClientSession,
  deadline: Deadline,
): Promise<BackendSession> {
  const backend = await request.ports.open(
    session,
    server,
    request.authorization(server),
    deadline,
  );
  // No server can be told of it: this is where a cancelled call ends.
  if (request.cancelled) throw new GatewayError({ kind: "call cancelled" });
  return backend;
}

/** Subscriptions outlive the session with the server. */
async function remember(
  ports: ExchangePorts,
  session: ClientSession,
  { method, server, name }: ServerCall,
): Promise<void> {
  if (method === "resources/subscribe") {
    await ports.subscribe(session, server, name);
  } else if (method === "resources/unsubscribe") {
    await ports.unsubscribe(session, server, name);
  }
}

/** Request headers that a second attempt must carry too. */
function repeatedHeaders(
  request: ClientRequest,
  server: ServerConfig,
  own: readonly HeaderEntry[],
): readonly HeaderEntry[] {
  const authorization = request.authorization(server);
  return [
    ...REPEATED_HEADERS.flatMap((name) => {
      const value = request.head.values.get(name);
      return value === undefined ? [] : [[name, value] as const];
    }),
    ...(authorization === undefined
      ? []
      : [["authorization", authorization] as const]),
    ...own,
  ];
}

/** A call that is on its way to its server. */
class SessionCall implements Route {
  stream: AnswerStream | undefined;
  readonly #request: ClientRequest;
  readonly #call: ServerCall;
  readonly #at: ServerSession;
  readonly #headers: readonly HeaderEntry[];

  constructor(
    request: ClientRequest,
    call: ServerCall,
    at: ServerSession,
    headers: readonly HeaderEntry[],
  ) {
    this.#request = request;
    this.#call = call;
    this.#at = at;
    this.#headers = headers;
  }

  async responseHeaders(head: ResponseHead): Promise<Answer> {
    const { ports } = this.#request;
    const { server, backend } = this.#at;
    const { id } = this.#call;
    // Envoy waits for one message only: all that is asked shares its time.
    const deadline = ports.deadline();
    const decision = decideResponse(
      head,
      server.name,
      backend.id !== undefined,
    );
    switch (decision.kind) {
      case "session lost":
        return await this.#recover(deadline);
      case "misrouted":
        return misrouted(server, id, ports.log);
      case "session doubtful":
        return await ports.knows(server, backend, this.#headers)
          ? finished(decision.otherwise, id)
          : await this.#recover(deadline);
      case "pass":
        return this.#pass(decision);
      default:
        return finished(decision, id);
    }
  }

  #pass(decision: Extract<FinalResponseDecision, { kind: "pass" }>): Answer {
    const { ports } = this.#request;
    const passed = passAnswer(
      decision,
      this.#at,
      this.#call.id,
      () => ports.mayLetGo(),
    );
    this.stream = passed.stream;
    return passed.answer;
  }

  /**
   * Recovers a call that the server refused for its session, hence
   * did not run: in a new session, by the router itself, because a complete
   * reply is all that Envoy takes at this point.
   */
  async #recover(deadline: Deadline): Promise<Answer> {
    const { ports } = this.#request;
    const { server, session, backend } = this.#at;
    ports.log.info("session lost by server", { server: server.name });
    await ports.forget(session, server, backend);
    return await this.#runAgain(deadline);
  }

  async #runAgain(deadline: Deadline): Promise<Answer> {
    const { ports } = this.#request;
    const { server, session } = this.#at;
    const { id } = this.#call;
    const backend = await openFor(this.#request, server, session, deadline);
    const answer = await ports.run(
      this.#call,
      session,
      backend,
      this.#headers,
      deadline,
    );
    const decision = decideResponse(
      {
        headers: [[":status", String(answer.status)], ...answer.headers],
        codeDetails: FROM_SERVER,
      },
      server.name,
      backend.id !== undefined,
    );
    switch (decision.kind) {
      case "session lost":
      case "session doubtful":
        await ports.forget(session, server, backend);
        return refusal({ kind: "session lost", detail: server.name }, id);
      case "misrouted": // a header that only the broker sets
        return refusal({ kind: "server refused", detail: server.name }, id);
      case "refuse":
        return finished(decision, id);
      case "pass":
        return {
          kind: "reply",
          status: answer.status,
          headers: answer.headers.filter(([name]) => name === "content-type"),
          body: answer.body,
          details: "mcp_session_reopened",
        };
      default:
        return decision satisfies never;
    }
  }
}
