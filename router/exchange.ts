/**
 * One HTTP request on its way through Envoy, phase by phase: reads it, asks
 * who answers it, sends it there, and looks at the answer. Decisions are made
 * in pure modules; what happens outside (sessions, servers) comes in as
 * {@linkcode ExchangePorts}.
 *
 * @module
 */

import { GatewayError } from "../shared/errors.ts";
import { scan } from "../shared/jsonrpc/scanner.ts";
import type { Era } from "../shared/mcp.ts";
import type { Answer, Continue, Phases } from "./answer.ts";
import { ClientRequest } from "./client_request.ts";
import { type BodyDecision, decideBody } from "./decide_body.ts";
import { decideBrokerResponse, type ResponseHead } from "./decide_response.ts";
import type { ExchangePorts } from "./exchange_ports.ts";
import { finished, refusal } from "./reply.ts";
import {
  decideHead,
  type ReadHead,
  readHead,
  type RequestHead,
  tooLarge,
} from "./request_head.ts";
import type { Route, Sent } from "./route.ts";
import { sendInSession, sendStateless } from "./send_message.ts";
import { resumeInSession } from "./session_resume.ts";
import { toBroker } from "./to_broker.ts";

/** Phases of a request that needs no further look. */
const NO_PHASES: Phases = { requestBody: false, responseHeaders: false };

/**
 * The exchange of one request. Each method answers one phase, in the order in
 * which Envoy sends them; phases that were not asked for do not come.
 */
export class Exchange {
  readonly #ports: ExchangePorts;
  #request: ClientRequest | undefined;
  /** How refusals are worded. */
  #era: Era = "session";
  /** The request's id, raw JSON. */
  #id: string | null = null;
  /** What becomes of the answer, where it is not the broker's. */
  #route: Route | undefined;

  /** Starts an exchange. */
  constructor(ports: ExchangePorts) {
    this.#ports = ports;
  }

  /** Answers the request's headers. */
  requestHeaders(head: RequestHead): Answer | Promise<Answer> {
    const read = readHead(head);
    const table = this.#ports.table();
    const decision = decideHead(
      read,
      head.endOfStream,
      this.#ports.settings,
      (host) => table?.isServerHost(host) ?? false,
    );
    switch (decision.kind) {
      case "pass":
        return stripped(read, NO_PHASES);
      case "refuse":
        return refusal(decision.refusal, null, decision.era);
      case "broker":
      case "read body":
      case "resume":
        break;
      default:
        return decision satisfies never;
    }
    if (table === undefined) return refusal({ kind: "not configured" }, null);
    const { virtualServer } = decision;
    if (virtualServer !== undefined && !table.hasVirtualServer(virtualServer)) {
      return refusal({ kind: "unknown virtual server" }, null);
    }
    const request = this.#request = new ClientRequest(this.#ports, read, {
      identity: this.#ports.identify(head, read.values),
      route: read.path,
      ...(virtualServer === undefined ? {} : { virtualServer }),
    });
    switch (decision.kind) {
      case "broker":
        return fromHead(toBroker(request), read);
      case "resume":
        return this.#settle(() =>
          resumeInSession(request, decision.after, table)
        );
      case "read body":
        return stripped(read, {
          requestBody: true,
          responseHeaders: decision.watchResponse,
        });
      default:
        return decision satisfies never;
    }
  }

  /** Answers the whole request body. */
  async requestBody(bytes: Uint8Array): Promise<Answer> {
    const request = this.#request;
    if (request === undefined) {
      throw new Error("Cannot answer a phase: the request was not for us");
    }
    const { maxBodyBytes } = this.#ports.settings;
    if (bytes.length > maxBodyBytes) {
      return refusal(tooLarge(maxBodyBytes), null);
    }
    const table = this.#ports.table();
    if (table === undefined) return refusal({ kind: "not configured" }, null);
    const { virtualServer } = request.caller;
    const decided = decideBody(scan(bytes), request.head, {
      bytes,
      table,
      virtualServer,
    });
    this.#era = decided.era;
    this.#id = idOf(decided);
    return await this.#settle(() =>
      decided.era === "session"
        ? sendInSession(request, decided.decision, bytes)
        : sendStateless(request, decided.decision, bytes)
    );
  }

  /** Answers the response's headers, where they were asked for. */
  async responseHeaders(head: ResponseHead): Promise<Answer> {
    const route = this.#route;
    if (route === undefined) {
      return finished(decideBrokerResponse(head), this.#id, this.#era);
    }
    return await this.#settle(async () => ({
      answer: await route.responseHeaders(head),
      route,
    }));
  }

  /** Answers a chunk of the response's body, where that is an event stream. */
  responseBody(chunk: Uint8Array, end: boolean): Continue {
    const stream = this.#route?.stream;
    if (stream === undefined) {
      throw new Error("Cannot answer a phase: no body was asked for");
    }
    const { bytes, letGo } = stream.push(chunk, end);
    return {
      kind: "continue",
      ...(bytes === chunk ? {} : { body: bytes }),
      ...(letGo ? { letGo } : {}),
    };
  }

  /** The exchange is over, however it ended. */
  close(): void {
    this.#request?.close();
  }

  /** Remembers who answers; turns an expected failure into its reply. */
  async #settle(send: () => Promise<Sent>): Promise<Answer> {
    try {
      const { answer, route } = await send();
      this.#route = route;
      return answer;
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      this.#ports.log.debug("request refused", { error });
      return refusal(error.refusal, this.#id, this.#era);
    }
  }
}

/** The id that an answer bears; null where nobody waits for one. */
function idOf({ decision }: BodyDecision): string | null {
  return "id" in decision ? decision.id : null;
}

/** Makes an answer to headers of one: what the client forged goes too. */
function fromHead({ answer }: Sent, { internal }: ReadHead): Answer {
  return answer.kind === "reply" ? answer : {
    ...answer,
    headers: { set: answer.headers?.set ?? [], remove: internal },
    phases: NO_PHASES,
  };
}

function stripped({ internal }: ReadHead, phases: Phases): Continue {
  return {
    kind: "continue",
    phases,
    ...(internal.length === 0
      ? {}
      : { headers: { set: [], remove: internal }, reroute: true }),
  };
}
