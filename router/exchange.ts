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
  PROMPT_HEADER,
  RESOURCE_HEADER,
  SESSION_HEADER,
  TOOL_HEADER,
  UPSTREAM_HEADER,
  VERSION_HEADER,
} from "../shared/headers.ts";
import { scan } from "../shared/jsonrpc/scanner.ts";
import type { Logger } from "../shared/log.ts";
import type {
  BackendSession,
  ClientSession,
} from "../shared/sessions/sessions.ts";
import type {
  Answer,
  Continue,
  HeaderEntry,
  Metadata,
  Phases,
  Reply,
} from "./answer.ts";
import {
  decideMessage,
  type ServerCall,
  type TargetKind,
} from "./decide_message.ts";
import {
  decideBrokerResponse,
  decideResponse,
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
import type { RouteTable } from "./route_table.ts";

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

/** Limits the number of calls in flight per session. */
export interface CallSlots {
  /** Takes a place; false when all are taken. */
  take(sessionId: string): boolean;
  /** Gives a place back. */
  free(sessionId: string): void;
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
    backend: BackendSession,
    headers: readonly HeaderEntry[],
    deadline: Deadline,
  ): Promise<FetchedAnswer>;
  /** Calls in flight. */
  readonly slots: CallSlots;
  /** Log of the exchange. */
  readonly log: Logger;
}

/** A call that is on its way to a server. */
interface RoutedCall {
  readonly call: ServerCall;
  readonly session: ClientSession;
  readonly backend: BackendSession;
  /** Request headers that a second attempt must carry too. */
  readonly headers: readonly HeaderEntry[];
}

/** Headers of the client's request that a repeated call keeps. */
const REPEATED_HEADERS = [
  "accept",
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
  #routed: RoutedCall | undefined;
  /** The request's id, raw JSON, where the broker answers. */
  #id: string | null = null;
  #slotOf: string | undefined;
  #closed = false;

  /** Starts an exchange. */
  constructor(ports: ExchangePorts) {
    this.#ports = ports;
  }

  /** Answers the request's headers. */
  requestHeaders(head: RequestHead): Answer {
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
    return decision.kind === "broker"
      ? this.#toBroker(undefined, read)
      : stripped(read, {
        requestBody: true,
        responseHeaders: decision.watchResponse,
      });
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
      default:
        return decision satisfies never;
    }
  }

  /** Answers the response's headers, where the request went to a server. */
  async responseHeaders(head: ResponseHead): Promise<Answer> {
    const routed = this.#routed;
    if (routed === undefined) {
      return finished(decideBrokerResponse(head), this.#id);
    }
    const { call, backend } = routed;
    const decision = decideResponse(
      head,
      call.server.name,
      backend.id !== undefined,
    );
    switch (decision.kind) {
      case "session lost":
        return await this.#recover(routed);
      case "misrouted":
        return this.#misrouted(call);
      case "session doubtful":
        return await this.#ports.knows(call.server, backend, routed.headers)
          ? finished(decision.otherwise, call.id)
          : await this.#recover(routed);
      default:
        return finished(decision, call.id);
    }
  }

  #misrouted({ server, id }: ServerCall): Answer {
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
    if (this.#slotOf === undefined) return;
    this.#ports.slots.free(this.#slotOf);
    this.#slotOf = undefined;
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
      // A client that left meanwhile gives back no place that it takes now.
      if (this.#closed) return refusal({ kind: "internal error" }, call.id);
      if (!this.#ports.slots.take(session.id)) {
        return refusal({ kind: "too many calls" }, call.id);
      }
      this.#slotOf = session.id;
      const own = await this.#ports.callHeaders(call.server);
      const backend = await this.#ports.open(
        session,
        call.server,
        this.#authorization(call.server),
        this.#ports.deadline(),
      );
      const values = this.#expectHead().values;
      this.#routed = {
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
      return forward(call, backend, own, original, this.#ports.settings);
    });
  }

  /**
   * Recovers a call that the server refused for its session, hence
   * did not run: in a new session, by the router itself, because a complete
   * reply is all that Envoy takes at this point.
   */
  async #recover(routed: RoutedCall): Promise<Answer> {
    const { call, session, backend } = routed;
    this.#ports.log.info("session lost by server", {
      server: call.server.name,
    });
    return await this.#guard(call.id, async () => {
      await this.#ports.forget(session, call.server, backend);
      return await this.#runAgain(routed);
    });
  }

  async #runAgain(routed: RoutedCall): Promise<Answer> {
    const { call, session, headers } = routed;
    // Envoy waits for one message only: both steps share the time of one.
    const deadline = this.#ports.deadline();
    const backend = await this.#ports.open(
      session,
      call.server,
      this.#authorization(call.server),
      deadline,
    );
    const answer = await this.#ports.run(call, backend, headers, deadline);
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

const TARGET_HEADERS: Readonly<Record<TargetKind, string>> = {
  tool: TOOL_HEADER,
  prompt: PROMPT_HEADER,
  resource: RESOURCE_HEADER,
};

function forward(
  call: ServerCall,
  backend: BackendSession,
  own: readonly HeaderEntry[],
  original: Uint8Array,
  { steering }: ExchangeSettings,
): Continue {
  const { server, method, target, name, body } = call;
  const url = new URL(server.url);
  const set: HeaderEntry[] = [
    ...(steering === "hostname"
      ? [[":authority", server.hostname] as const]
      : []),
    [":path", url.pathname + url.search],
    [DESTINATION_HEADER, server.name],
    [UPSTREAM_HEADER, server.fingerprint],
    [METHOD_HEADER, method],
    [TARGET_HEADERS[target], encodeHeaderValue(name)],
    [VERSION_HEADER, backend.revision],
    ...own,
  ];
  const remove: string[] = [];
  if (backend.id === undefined) remove.push(SESSION_HEADER);
  else set.push([SESSION_HEADER, backend.id]);
  const changed = body !== original;
  if (changed) set.push(["content-length", String(body.length)]);
  const metadata: Metadata = { server: server.name, method, [target]: name };
  return {
    kind: "continue",
    headers: { set, remove },
    reroute: true,
    metadata,
    ...(changed ? { body } : {}),
  };
}
