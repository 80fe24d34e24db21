/**
 * A server's event stream that a client of the session era takes up again
 * where it was left (GET with `Last-Event-ID`): sent to the server that has it.
 *
 * @module
 */

import { GatewayError } from "../shared/errors.ts";
import type { RoutedId } from "../shared/relay/routed_id.ts";
import type { Answer } from "./answer.ts";
import type { AnswerStream } from "./answer_stream.ts";
import type { ClientRequest } from "./client_request.ts";
import { decideResumeResponse, type ResponseHead } from "./decide_response.ts";
import { finished, refusal } from "./reply.ts";
import type { Route, Sent } from "./route.ts";
import type { RouteTable } from "../shared/routing/route_table.ts";
import {
  misrouted,
  passAnswer,
  type ServerSession,
  sourceOf,
} from "./session_route.ts";
import { sessionLabel } from "./session_label.ts";
import { steerResume } from "./steer.ts";

/**
 * Takes up a stream again.
 *
 * @throws {GatewayError} If nobody has it any more.
 */
export async function resumeInSession(
  request: ClientRequest,
  after: RoutedId,
  table: RouteTable,
): Promise<Sent> {
  const { ports, head } = request;
  const session = await request.session();
  const server = table.serverNamed(after.server);
  const backend = server && await ports.backendWith(session, server);
  if (
    server === undefined || backend === undefined ||
    after.tag !== sourceOf(server, backend).tag || !isHeaderValue(after.id)
  ) throw new GatewayError({ kind: "request gone" });
  request.takePlace("calls", session, { id: undefined, server });
  const own = await ports.callHeaders(server);
  const { steering } = ports.settings;
  const to = {
    server,
    backend,
    own,
    steering,
    session: sessionLabel(session),
  };
  return {
    answer: steerResume(to, after.id, head.internal),
    route: new ResumedStream(request, { server, session, backend }),
  };
}

/** Whether an event id can stand in a header. */
function isHeaderValue(id: string): boolean {
  // deno-lint-ignore no-control-regex -- those are what may not stand there
  return id !== "" && !/[\u0000-\u001f\u007f]/.test(id);
}

/** A stream that a server was asked for. */
class ResumedStream implements Route {
  stream: AnswerStream | undefined;
  readonly #request: ClientRequest;
  readonly #at: ServerSession;

  constructor(request: ClientRequest, at: ServerSession) {
    this.#request = request;
    this.#at = at;
  }

  responseHeaders(head: ResponseHead): Answer {
    const { ports } = this.#request;
    const { server } = this.#at;
    const decision = decideResumeResponse(head, server.name);
    switch (decision.kind) {
      case "gone":
        return refusal({ kind: "request gone" }, null);
      case "misrouted":
        return misrouted(server, null, ports.log);
      case "pass": {
        const passed = passAnswer(
          decision,
          this.#at,
          undefined,
          () => ports.mayLetGo(),
        );
        this.stream = passed.stream;
        return passed.answer;
      }
      default:
        return finished(decision, null);
    }
  }
}
