/**
 * One HTTP request on its way through Envoy, phase by phase: reads it, asks
 * who answers it, opens the session a call needs, and looks at the answer.
 * Decisions are made in pure modules; what happens outside (sessions, servers)
 * comes in as {@linkcode ExchangePorts}.
 *
 * @module
 */

import type { ServerConfig } from "../shared/config/model.ts";
import {
  GatewayError,
  type Refusal,
  replyToRefusal,
} from "../shared/errors.ts";
import {
  BROKER_DESTINATION,
  CALLER_HEADER,
  DESTINATION_HEADER,
  encodeHeaderValue,
  METHOD_HEADER,
  SESSION_HEADER,
} from "../shared/headers.ts";
import { scan } from "../shared/jsonrpc/scanner.ts";
import type { Logger } from "../shared/log.ts";
import {
  backendTag,
  type MessageSource,
  type RoutedId,
} from "../shared/relay/routed_id.ts";
import type {
  BackendSession,
  ClientSession,
} from "../shared/sessions/sessions.ts";
import type { Answer, Continue, HeaderEntry, Phases, Reply } from "./answer.ts";
import { AnswerStream } from "./answer_stream.ts";
import {
  type Cancellation,
  decideMessage,
  type Relay,
  type RelayedKind,
  type ServerCall,
} from "./decide_message.ts";
import {
  decideBrokerResponse,
  decideRelayResponse,
  decideResponse,
  decideResumeResponse,
  type FinalResponseDecision,
  type ResponseHead,
} from "./decide_response.ts";
import {
  decideHead,
  type HeadSettings,
  type ReadHead,
  readHead,
  type RequestHead,
  tooLarge,
} from "./request_head.ts";
import type { RouteTable } from "../shared/routing/route_table.ts";
import {
  type Destination,
  steerCall,
  steerRelay,
  steerResume,
} from "./steer.ts";

/** Who makes a request and where: what sessions are bound to. */
export interface Caller {
  /** Hash of issuer and subject, or "". */
  readonly identity: string;
  /** Path of the request. */
  readonly route: string;
  /** Virtual server that was asked for. */
  readonly virtualServer?: string;
}

/** A complete answer of a server, fetched by the router itself. */
export interface FetchedAnswer {
  /** HTTP status. */
  readonly status: number;
  /** Its headers; what of them may cross is not decided yet. */
  readonly headers: readonly HeaderEntry[];
  /** The whole body. */
  readonly body: Uint8Array;
}

/** A point in time. */
export interface Deadline {
  /** Milliseconds that are left, never negative. */
  left(): number;
}

/** The calls in flight at this router, of which each session has so many. */
export interface CallsInFlight {
  /**
   * Takes a place.
   *
   * @param call Its id, raw JSON, and who answers it; a stream that is taken
   * up again has no id.
   * @returns The place; undefined when all are taken.
   */
  begin(
    session: ClientSession,
    call: { readonly id: string | undefined; readonly server: ServerConfig },
  ): CallPlace | undefined;
  /**
   * Marks a call as cancelled.
   *
   * @returns Who answers it; undefined where that is not known, or not for
   * sure: then nothing is marked.
   */
  cancel(session: ClientSession, id: string): ServerConfig | undefined;
}

/** A call's place among those in flight. */
export interface CallPlace {
  /** Whether the client has cancelled the call. */
  readonly cancelled: boolean;
  /** Gives it back; once more does nothing. */
  giveBack(): void;
}

/** Settings of the router. */
export interface ExchangeSettings extends HeadSettings {
  /** Whether the router changes `:authority`, or leaves that to routes. */
  readonly steering: "hostname" | "header";
}

/** What an exchange needs from outside. */
export interface ExchangePorts {
  /** The table in force; undefined while there is no configuration. */
  table(): RouteTable | undefined;
  /** Settings that do not change while the program runs. */
  readonly settings: ExchangeSettings;
  /** Who calls, by the configured source of identity. */
  identify(head: RequestHead, values: ReadonlyMap<string, string>): string;
  /** Signs what the router knows about a caller, for the broker. */
  signCaller(caller: Caller): string;
  /** The client's session; a refusal is thrown as {@linkcode GatewayError}. */
  verify(token: string | undefined, caller: Caller): Promise<ClientSession>;
  /** The server's session for this client's, opened where there is none. */
  open(
    session: ClientSession,
    server: ServerConfig,
    authorization: string | undefined,
    deadline: Deadline,
  ): Promise<BackendSession>;
  /** The server's session for this client's, where there is one. */
  backendWith(
    session: ClientSession,
    server: ServerConfig,
  ): Promise<BackendSession | undefined>;
  /** Remembers that the client wants to hear of a resource. */
  subscribe(
    session: ClientSession,
    server: ServerConfig,
    uri: string,
  ): Promise<void>;
  /** Remembers that it does not any more. */
  unsubscribe(
    session: ClientSession,
    server: ServerConfig,
    uri: string,
  ): Promise<void>;
  /** When an answer must be there that Envoy waits for from now on. */
  deadline(): Deadline;
  /** Forgets a backend session that its server does not know any more. */
  forget(
    session: ClientSession,
    server: ServerConfig,
    backend: BackendSession,
  ): Promise<void>;
  /** Whether a server still knows a session; true where it cannot be told. */
  knows(
    server: ServerConfig,
    backend: BackendSession,
    headers: readonly HeaderEntry[],
  ): Promise<boolean>;
  /** Headers that the gateway itself sets on calls to a server. */
  callHeaders(server: ServerConfig): Promise<readonly HeaderEntry[]>;
  /** Runs a call without Envoy and returns the whole answer. */
  run(
    call: ServerCall,
    session: ClientSession,
    backend: BackendSession,
    headers: readonly HeaderEntry[],
    deadline: Deadline,
  ): Promise<FetchedAnswer>;
  /** Whether one more exchange may be ended before Envoy ends it. */
  mayLetGo(): boolean;
  /** Calls in flight. */
  readonly calls: CallsInFlight;
  /** Answers and notifications of clients on their way to a server. */
  readonly relays: Pick<CallsInFlight, "begin">;
  /** Log of the exchange. */
  readonly log: Logger;
}

/** A request that is on its way to a server. */
type Routed =
  | RoutedCall
  /** Something that the client says to a server, which answers by a status. */
  | {
    readonly kind: "relay";
    readonly message: RelayedKind;
    readonly server: ServerConfig;
  }
  /** A stream that the client takes up again. */
  | {
    readonly kind: "resume";
    readonly server: ServerConfig;
    readonly session: ClientSession;
    readonly backend: BackendSession;
  };

/** A call that is on its way to a server. */
interface RoutedCall {
  readonly kind: "call";
  readonly call: ServerCall;
  readonly session: ClientSession;
  readonly backend: BackendSession;
  /** Request headers that a second attempt must carry too. */
  readonly headers: readonly HeaderEntry[];
}

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

/** Phases of a request that needs no further look. */
const NO_PHASES: Phases = { requestBody: false, responseHeaders: false };

/**
 * The exchange of one request. Each method answers one phase, in the order in
 * which Envoy sends them; phases that were not asked for do not come.
 */
export class Exchange {
  readonly #ports: ExchangePorts;
  #head: ReadHead | undefined;
  #caller: Caller | undefined;
  #routed: Routed | undefined;
  /** The request's id, raw JSON, where the broker answers. */
  #id: string | null = null;
  /** The answer, where it is an event stream of a server's. */
  #stream: AnswerStream | undefined;
  /** Gives back the place of what is under way. */
  #place: CallPlace | undefined;
  #closed = false;

  /** Starts an exchange. */
  constructor(ports: ExchangePorts) {
    this.#ports = ports;
  }

  /** Answers the request's headers. */
  requestHeaders(head: RequestHead): Answer | Promise<Answer> {
    const read = this.#head = readHead(head);
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
        return refusal(decision.refusal, null);
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
    this.#caller = {
      identity: this.#ports.identify(head, read.values),
      route: read.path,
      ...(virtualServer === undefined ? {} : { virtualServer }),
    };
    switch (decision.kind) {
      case "broker":
        return this.#toBroker(undefined, read);
      case "resume":
        return this.#resume(decision.after, table, read);
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
    const table = this.#ports.table();
    const { maxBodyBytes } = this.#ports.settings;
    if (bytes.length > maxBodyBytes) {
      return refusal(tooLarge(maxBodyBytes), null);
    }
    if (table === undefined) return refusal({ kind: "not configured" }, null);
    const caller = this.#expectCaller();
    const decision = decideMessage(scan(bytes), {
      bytes,
      table,
      virtualServer: caller.virtualServer,
    });
    switch (decision.kind) {
      case "refuse":
        return await this.#refuseInSession(decision.refusal, decision.id);
      case "broker":
        this.#id = decision.id;
        return this.#toBroker(decision.method);
      case "call":
        return await this.#toServer(decision, bytes);
      case "relay":
        return await this.#guard(
          null,
          async () => await this.#relay(await this.#session(), decision),
        );
      case "cancel":
        return await this.#guard(
          null,
          async () => await this.#cancel(decision, bytes),
        );
      default:
        return decision satisfies never;
    }
  }

  /** Answers the response's headers, where they were asked for. */
  async responseHeaders(head: ResponseHead): Promise<Answer> {
    const routed = this.#routed;
    switch (routed?.kind) {
      case undefined:
        return finished(decideBrokerResponse(head), this.#id);
      case "call":
        return await this.#callAnswered(routed, head);
      case "relay":
        return this.#relayAnswered(routed.message, routed.server, head);
      case "resume":
        return this.#resumeAnswered(routed, head);
      default:
        return routed satisfies never;
    }
  }

  /** Answers a chunk of the response's body, where that is an event stream. */
  responseBody(chunk: Uint8Array, end: boolean): Continue {
    if (this.#stream === undefined) {
      throw new Error("Cannot answer a phase: no body was asked for");
    }
    const { bytes, letGo } = this.#stream.push(chunk, end);
    return {
      kind: "continue",
      ...(bytes === chunk ? {} : { body: bytes }),
      ...(letGo ? { letGo } : {}),
    };
  }

  async #callAnswered(
    routed: RoutedCall,
    head: ResponseHead,
  ): Promise<Answer> {
    const { call, backend } = routed;
    // Envoy waits for one message only: all that is asked shares its time.
    const deadline = this.#ports.deadline();
    const decision = decideResponse(
      head,
      call.server.name,
      backend.id !== undefined,
    );
    switch (decision.kind) {
      case "session lost":
        return await this.#recover(routed, deadline);
      case "misrouted":
        return this.#misrouted(call.server, call.id);
      case "session doubtful":
        return await this.#ports.knows(call.server, backend, routed.headers)
          ? finished(decision.otherwise, call.id)
          : await this.#recover(routed, deadline);
      case "pass":
        return this.#pass(decision, call.server, routed, call.id);
      default:
        return finished(decision, call.id);
    }
  }

  #relayAnswered(
    message: RelayedKind,
    server: ServerConfig,
    head: ResponseHead,
  ): Answer {
    const decision = decideRelayResponse(head, server.name);
    switch (decision.kind) {
      case "accepted":
        return ACCEPTED;
      case "gone":
        return gone(message);
      case "misrouted":
        return this.#misrouted(server, null);
      default:
        return finished(decision, null);
    }
  }

  #resumeAnswered(
    routed: Extract<Routed, { kind: "resume" }>,
    head: ResponseHead,
  ): Answer {
    const { server } = routed;
    const decision = decideResumeResponse(head, server.name);
    switch (decision.kind) {
      case "gone":
        return refusal({ kind: "request gone" }, null);
      case "misrouted":
        return this.#misrouted(server, null);
      case "pass":
        return this.#pass(decision, server, routed, undefined);
      default:
        return finished(decision, null);
    }
  }

  /** Lets an answer pass; an event stream through {@linkcode AnswerStream}. */
  #pass(
    decision: Extract<FinalResponseDecision, { kind: "pass" }>,
    server: ServerConfig,
    { session, backend }: {
      readonly session: ClientSession;
      readonly backend: BackendSession;
    },
    callId: string | undefined,
  ): Answer {
    const answer = finished(decision, callId ?? null);
    if (answer.kind === "reply" || !decision.eventStream) return answer;
    this.#stream = new AnswerStream({
      source: sourceOf(server, backend),
      callId,
      batches: session.revision === "2025-03-26",
      primes: session.revision === "2025-11-25",
      capabilities: session.capabilities,
      mayLetGo: () => this.#ports.mayLetGo(),
    });
    return { ...answer, streamBody: true };
  }

  #misrouted(server: ServerConfig, id: string | null): Answer {
    this.#ports.log.error("call reached the broker instead of its server", {
      server: server.name,
      remedy: `let Envoy's ext_proc filter change :authority ` +
        `(mutation_rules.allow_all_routing: true) and route the host ` +
        `${server.hostname} to the server; or match x-destination-mcp in ` +
        `routes and start the router with --steering header`,
    });
    return refusal({
      kind: "internal error",
      detail: `Envoy does not route calls to ${server.name}`,
    }, id);
  }

  /** The exchange is over, however it ended. */
  close(): void {
    this.#closed = true;
    this.#place?.giveBack();
    this.#place = undefined;
  }

  /**
   * Sends the request to the broker. With `head` this is the answer to the
   * request's headers, and removes what the client forged.
   */
  #toBroker(method: string | undefined, head?: ReadHead): Continue {
    const caller = this.#expectCaller();
    const set: HeaderEntry[] = [
      [DESTINATION_HEADER, BROKER_DESTINATION],
      [CALLER_HEADER, this.#ports.signCaller(caller)],
    ];
    if (method !== undefined) {
      set.push([METHOD_HEADER, encodeHeaderValue(method)]);
    }
    return {
      kind: "continue",
      headers: { set, remove: head?.internal ?? [] },
      reroute: true,
      metadata: {
        server: BROKER_DESTINATION,
        ...(method === undefined ? {} : { method }),
      },
      ...(head === undefined ? {} : { phases: NO_PHASES }),
    };
  }

  /**
   * Refuses a message. Who holds no session learns nothing about names: a
   * missing or unknown session is the first thing wrong with a call.
   */
  async #refuseInSession(reason: Refusal, id: string | null): Promise<Answer> {
    if (reason.kind === "parse error" || reason.kind === "invalid request") {
      return refusal(reason, id);
    }
    return await this.#guard(id, async () => {
      await this.#session();
      return refusal(reason, id);
    });
  }

  #toServer(call: ServerCall, original: Uint8Array): Promise<Answer> {
    return this.#guard(call.id, async () => {
      const session = await this.#session();
      const refused = this.#takePlace("calls", session, call);
      if (refused !== undefined) return refused;
      const own = await this.#ports.callHeaders(call.server);
      const deadline = this.#ports.deadline();
      const backend = await this.#open(call, session, deadline);
      await this.#remember(session, call);
      const values = this.#expectHead().values;
      this.#routed = {
        kind: "call",
        call,
        session,
        backend,
        headers: [
          ...REPEATED_HEADERS.flatMap((name) => {
            const value = values.get(name);
            return value === undefined ? [] : [[name, value] as const];
          }),
          ...(call.server.passthrough && values.has("authorization")
            ? [["authorization", values.get("authorization") ?? ""] as const]
            : []),
          ...own,
        ],
      };
      return steerCall(call, this.#at(call.server, backend, own), original);
    });
  }

  /** The session in which a call is to run, opened where there is none. */
  async #open(
    { server }: ServerCall,
    session: ClientSession,
    deadline: Deadline,
  ): Promise<BackendSession> {
    const backend = await this.#ports.open(
      session,
      server,
      this.#authorization(server),
      deadline,
    );
    // No server can be told of it: this is where a cancelled call ends.
    if (this.#place?.cancelled) {
      throw new GatewayError({ kind: "call cancelled" });
    }
    return backend;
  }

  /** What the client is told where it may not have another one under way. */
  #takePlace(
    among: "calls" | "relays",
    session: ClientSession,
    { id, server }: Parameters<CallsInFlight["begin"]>[1],
  ): Reply | undefined {
    // A client that left meanwhile gives back no place that it takes now.
    if (this.#closed) return refusal({ kind: "internal error" }, id ?? null);
    this.#place = this.#ports[among].begin(session, { id, server });
    return this.#place === undefined
      ? refusal({ kind: "too many calls" }, id ?? null)
      : undefined;
  }

  /** Subscriptions outlive the session with the server. */
  async #remember(
    session: ClientSession,
    { method, server, name }: ServerCall,
  ): Promise<void> {
    if (method === "resources/subscribe") {
      await this.#ports.subscribe(session, server, name);
    } else if (method === "resources/unsubscribe") {
      await this.#ports.unsubscribe(session, server, name);
    }
  }

  /**
   * Passes on what the client says to a server that asked it something, in the
   * very session in which it did.
   */
  async #relay(
    session: ClientSession,
    { server, tag, message, body }: Omit<Relay, "kind" | "tag"> & {
      readonly tag?: string;
    },
  ): Promise<Answer> {
    const backend = server &&
      await this.#ports.backendWith(session, server);
    if (
      server === undefined || backend === undefined ||
      tag !== undefined && tag !== sourceOf(server, backend).tag
    ) return gone(message);
    const refused = this.#takePlace("relays", session, {
      id: undefined,
      server,
    });
    if (refused !== undefined) return refused;
    const own = await this.#ports.callHeaders(server);
    this.#routed = { kind: "relay", message, server };
    return steerRelay(this.#at(server, backend, own), body);
  }

  /** Passes a cancellation on to who has the call; the broker asks everybody. */
  async #cancel(
    { requestId }: Cancellation,
    body: Uint8Array,
  ): Promise<Answer> {
    const session = await this.#session();
    const server = this.#ports.calls.cancel(session, requestId);
    return server === undefined
      ? this.#toBroker("notifications/cancelled")
      : await this.#relay(session, { message: "notification", server, body });
  }

  /** Takes up a stream again where it was left, at the server that has it. */
  #resume(after: RoutedId, table: RouteTable, head: ReadHead): Promise<Answer> {
    return this.#guard(null, async () => {
      const session = await this.#session();
      const server = table.serverNamed(after.server);
      const backend = server &&
        await this.#ports.backendWith(session, server);
      if (
        server === undefined || backend === undefined ||
        after.tag !== sourceOf(server, backend).tag ||
        !isHeaderValue(after.id)
      ) return refusal({ kind: "request gone" }, null);
      const refused = this.#takePlace("calls", session, {
        id: undefined,
        server,
      });
      if (refused !== undefined) return refused;
      const own = await this.#ports.callHeaders(server);
      this.#routed = { kind: "resume", server, session, backend };
      const to = this.#at(server, backend, own);
      return steerResume(to, after.id, head.internal);
    });
  }

  /**
   * Recovers a call that the server refused for its session, hence
   * did not run: in a new session, by the router itself, because a complete
   * reply is all that Envoy takes at this point.
   */
  async #recover(routed: RoutedCall, deadline: Deadline): Promise<Answer> {
    const { call, session, backend } = routed;
    this.#ports.log.info("session lost by server", {
      server: call.server.name,
    });
    return await this.#guard(call.id, async () => {
      await this.#ports.forget(session, call.server, backend);
      return await this.#runAgain(routed, deadline);
    });
  }

  async #runAgain(routed: RoutedCall, deadline: Deadline): Promise<Answer> {
    const { call, session, headers } = routed;
    const backend = await this.#open(call, session, deadline);
    const answer = await this.#ports.run(
      call,
      session,
      backend,
      headers,
      deadline,
    );
    const decision = decideResponse(
      {
        headers: [[":status", String(answer.status)], ...answer.headers],
        codeDetails: FROM_SERVER,
      },
      call.server.name,
      backend.id !== undefined,
    );
    switch (decision.kind) {
      case "session lost":
      case "session doubtful":
        await this.#ports.forget(session, call.server, backend);
        return refusal(
          { kind: "session lost", detail: call.server.name },
          call.id,
        );
      case "misrouted": // a header that only the broker sets
        return refusal(
          { kind: "server refused", detail: call.server.name },
          call.id,
        );
      case "refuse":
        return finished(decision, call.id);
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

  #at(
    server: ServerConfig,
    backend: BackendSession,
    own: readonly HeaderEntry[],
  ): Destination {
    const { steering } = this.#ports.settings;
    return { server, backend, own, steering };
  }

  #session(): Promise<ClientSession> {
    return this.#ports.verify(
      this.#expectHead().values.get(SESSION_HEADER),
      this.#expectCaller(),
    );
  }

  /** The client's credentials, for a server that is to have them. */
  #authorization(server: ServerConfig): string | undefined {
    return server.passthrough
      ? this.#expectHead().values.get("authorization")
      : undefined;
  }

  /** Turns an expected failure into its reply. */
  async #guard(
    id: string | null,
    work: () => Promise<Answer>,
  ): Promise<Answer> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      this.#ports.log.debug("request refused", { error });
      return refusal(error.refusal, id);
    }
  }

  #expectHead(): ReadHead {
    if (this.#head === undefined) {
      throw new Error("Cannot answer a phase: request headers did not come");
    }
    return this.#head;
  }

  #expectCaller(): Caller {
    if (this.#caller === undefined) {
      throw new Error("Cannot answer a phase: the request was not for us");
    }
    return this.#caller;
  }
}

/** Writes a refusal as an answer to Envoy. */
export function refusal(reason: Refusal, id: string | null): Reply {
  const { status, headers, body } = replyToRefusal(reason, id);
  return {
    kind: "reply",
    status,
    headers,
    body,
    details: `mcp_${reason.kind.replaceAll(" ", "_")}`,
  };
}

/** Answers response headers by what was decided about them. */
function finished(decision: FinalResponseDecision, id: string | null): Answer {
  switch (decision.kind) {
    case "pass":
      return decision.remove.length === 0
        ? { kind: "continue" }
        : { kind: "continue", headers: { set: [], remove: decision.remove } };
    case "refuse": {
      const reply = refusal(decision.refusal, id);
      return {
        ...reply,
        status: decision.status ?? reply.status,
        headers: [...reply.headers, ...decision.headers],
      };
    }
    default:
      return decision satisfies never;
  }
}

function stripped(head: ReadHead, phases: Phases): Continue {
  return {
    kind: "continue",
    phases,
    ...(head.internal.length === 0
      ? {}
      : { headers: { set: [], remove: head.internal }, reroute: true }),
  };
}

/** Which session of which server something comes from. */
function sourceOf(
  { name, fingerprint }: ServerConfig,
  backend: BackendSession,
): MessageSource {
  return { server: name, tag: backendTag(fingerprint, backend.id) };
}

/** The server has what the client said, or does not want it any more. */
const ACCEPTED: Reply = {
  kind: "reply",
  status: 202,
  headers: [],
  body: "",
  details: "mcp_accepted",
};

/** Nobody waits for what the client says: only who answers needs to know. */
function gone(message: RelayedKind): Reply {
  return message === "response"
    ? refusal({ kind: "request gone" }, null)
    : ACCEPTED;
}

/** Whether an event id can stand in a header. */
function isHeaderValue(id: string): boolean {
  // deno-lint-ignore no-control-regex -- those are what may not stand there
  return id !== "" && !/[\u0000-\u001f\u007f]/.test(id);
}
