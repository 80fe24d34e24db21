/**
 * Decides what becomes of a server's answer to a call, by its head. Pure.
 *
 * @module
 */

import { UNPREPARED_POLICY } from "../shared/envoy/prepared_routes.ts";
import type { Refusal } from "../shared/errors.ts";
import { ANSWERED_BY_HEADER, BROKER_DESTINATION } from "../shared/headers.ts";
import type { HeaderEntry } from "./answer.ts";

/** The head of a response. */
export interface ResponseHead {
  /** Headers in order, names lower case, `:status` included. */
  readonly headers: readonly HeaderEntry[];
  /**
   * Envoy's word on where the response comes from (`response.code_details`),
   * where the filter's configuration asks for it.
   */
  readonly codeDetails?: string;
}

/** What becomes of a response, once it is known whether the session lives. */
export type FinalResponseDecision = Exclude<
  ResponseDecision,
  { readonly kind: "session lost" | "session doubtful" | "misrouted" }
>;

/** What becomes of a response. */
export type ResponseDecision =
  /** It goes on to the client, without headers that are the server's business. */
  | {
    readonly kind: "pass";
    readonly remove: readonly string[];
    /** Its body is an event stream, in which ids are to be routed. */
    readonly eventStream: boolean;
  }
  /** The server does not know the session any more. */
  | { readonly kind: "session lost" }
  /** The broker answered: Envoy does not route calls as the router says. */
  | { readonly kind: "misrouted" }
  /**
   * The server may not know the session any more: many answer 400 then, as the
   * first SDKs' examples did. Where it does know it, `otherwise` holds.
   */
  | {
    readonly kind: "session doubtful";
    readonly otherwise: FinalResponseDecision;
  }
  /** The client gets an error of ours instead. */
  | {
    readonly kind: "refuse";
    readonly refusal: Refusal;
    /** Status to answer with, where the table's own does not fit. */
    readonly status?: number;
    /** Headers of the original that the client must see. */
    readonly headers: readonly HeaderEntry[];
  };

type Passed = Extract<ResponseDecision, { readonly kind: "pass" }>;
type Refused = Extract<ResponseDecision, { readonly kind: "refuse" }>;

/**
 * Response headers that cross to the client. All others are a server's own
 * business with whoever it takes us for: its session id (the client has the
 * gateway's), cookies, redirects, challenges, policies for browsers, and our
 * internal headers, forged.
 */
const MAY_CROSS: ReadonlySet<string> = new Set([
  ":status",
  "cache-control",
  "content-encoding",
  "content-language",
  "content-length",
  "content-type",
  "date",
  "retry-after",
  "server-timing",
  "traceparent",
  "tracestate",
  "transfer-encoding",
  "vary",
  "x-accel-buffering",
  "x-request-id",
]);

/** Tells whether a header of a server's answer may reach the client. */
function mayCross(name: string): boolean {
  // x-ratelimit-* is what Envoy's own filters say.
  return MAY_CROSS.has(name) || name.startsWith("x-ratelimit-");
}

/** Headers that an Envoy filter's own refusal is useless without. */
const POLICY_HEADERS = ["www-authenticate", "retry-after"];

/**
 * Decides about the head of the answer to a call.
 *
 * | answer | decision |
 * |---|---|
 * | the broker's | misrouted |
 * | 404 in a session, not known to be Envoy's own | session lost (2025-11-25, transports) |
 * | 400 in a session, not known to be Envoy's own | session doubtful |
 * | 200 with JSON or an event stream, an error with a JSON body | pass |
 * | 401, 403, 429 of an Envoy filter | refuse with that status, its challenge kept |
 * | 401, 403, 404, 421 of the server | refuse: its challenge, its session |
 * | 503, 504 of Envoy itself | refuse: unreachable, connection lost, timed out |
 * | anything else: redirects, 202, no JSON body | refuse: it is no answer |
 *
 * @param hadSession Whether the request carried a session id of that server.
 */
export function decideResponse(
  head: ResponseHead,
  serverName: string,
  hadSession: boolean,
): ResponseDecision {
  const values = new Map(head.headers);
  const status = Number(values.get(":status") ?? 0);
  const upstream = fromUpstream(head, values);
  if (values.get(ANSWERED_BY_HEADER) === BROKER_DESTINATION) {
    return { kind: "misrouted" };
  }
  if (status === 404 && hadSession && upstream !== false) {
    return { kind: "session lost" };
  }
  const final = decideFinal(head, serverName, OWN_MEANING);
  return status === 400 && hadSession && upstream !== false
    ? { kind: "session doubtful", otherwise: final }
    : final;
}

/**
 * Decides about the head of a server's answer to a call of the stateless era.
 *
 * | answer | decision |
 * |---|---|
 * | the broker's | misrouted |
 * | 200 with JSON or an event stream, an error with a JSON body | pass, as it is |
 * | 404 among them | pass: the method is not known (transports, protocol version header) |
 * | anything else | as with calls in sessions |
 */
export function decideStatelessResponse(
  head: ResponseHead,
  serverName: string,
): StatelessResponseDecision {
  const answeredBy = head.headers.find(([name]) => name === ANSWERED_BY_HEADER);
  if (answeredBy?.[1] === BROKER_DESTINATION) return { kind: "misrouted" };
  const decision = decideFinal(head, serverName, OWN_MEANING_STATELESS);
  // Nothing in it is rewritten: this era's streams have no requests, and their
  // events no ids.
  return decision.kind === "pass"
    ? { ...decision, eventStream: false }
    : decision;
}

/** What becomes of a server's answer to a call of the stateless era. */
export type StatelessResponseDecision = Extract<
  ResponseDecision,
  { readonly kind: "misrouted" | "pass" | "refuse" }
>;

function decideFinal(
  head: ResponseHead,
  serverName: string,
  ownMeaning: ReadonlySet<number>,
): FinalResponseDecision {
  const values = new Map(head.headers);
  const status = Number(values.get(":status") ?? 0);
  const upstream = fromUpstream(head, values);
  if (status === 200 && (isJson(values) || isEventStream(values))) {
    return pass(values);
  }
  if (upstream === false || (!upstream && status >= 400)) {
    return refuseLocal(status, head, serverName);
  }
  // A JSON-RPC error under an error status is an answer too.
  if (status >= 400 && !ownMeaning.has(status) && isJson(values)) {
    return pass(values);
  }
  return refuseServer(
    status,
    serverName,
    status === 200 ? " without JSON or an event stream" : "",
  );
}

/** A server's answer that is none. */
function refuseServer(
  status: number,
  serverName: string,
  why: string,
): Refused {
  return {
    kind: "refuse",
    refusal: {
      kind: "server refused",
      detail: `${serverName} answered HTTP ${status}${why}`,
    },
    headers: [],
  };
}

/**
 * Statuses that mean something between client and gateway, which a server must
 * not say in its place: challenges, "your session has ended", "wrong host".
 */
const OWN_MEANING: ReadonlySet<number> = new Set([401, 403, 404, 407, 421]);

/** Of those, the ones of an era without sessions. */
const OWN_MEANING_STATELESS: ReadonlySet<number> = new Set(
  [401, 403, 407, 421],
);

/** What becomes of a server's answer to a message that wants none. */
export type RelayDecision =
  /** The server has it, or never will: the client is done with it. */
  | { readonly kind: "accepted" }
  /** Nobody waits for it any more. */
  | { readonly kind: "gone" }
  | Extract<ResponseDecision, { readonly kind: "misrouted" | "refuse" }>;

/**
 * Decides about the head of the answer to a response or notification of the
 * client's.
 *
 * | answer | decision |
 * |---|---|
 * | the broker's | misrouted |
 * | 2xx of the server | accepted, whatever it says besides |
 * | 400, 404 of the server | gone: it has lost its session, or its question |
 * | anything else | refuse, as with calls |
 */
export function decideRelayResponse(
  head: ResponseHead,
  serverName: string,
): RelayDecision {
  const values = new Map(head.headers);
  const status = Number(values.get(":status") ?? 0);
  if (values.get(ANSWERED_BY_HEADER) === BROKER_DESTINATION) {
    return { kind: "misrouted" };
  }
  if (status >= 200 && status < 300) return { kind: "accepted" };
  const upstream = fromUpstream(head, values);
  if ((status === 400 || status === 404) && upstream !== false) {
    return { kind: "gone" };
  }
  return upstream === false || (!upstream && status >= 400)
    ? refuseLocal(status, head, serverName)
    : refuseServer(status, serverName, "");
}

/** What becomes of a server's answer to a client that takes a stream up again. */
export type ResumeDecision =
  | { readonly kind: "gone" }
  | Extract<
    ResponseDecision,
    { readonly kind: "misrouted" | "pass" | "refuse" }
  >;

/**
 * Decides about the head of the answer to a GET with `Last-Event-ID`.
 *
 * | answer | decision |
 * |---|---|
 * | the broker's | misrouted |
 * | 200 with an event stream | pass |
 * | 400, 404, 405 of the server | gone: its session, the stream, or all streams |
 * | anything else | refuse, as with calls |
 */
export function decideResumeResponse(
  head: ResponseHead,
  serverName: string,
): ResumeDecision {
  const values = new Map(head.headers);
  const status = Number(values.get(":status") ?? 0);
  if (values.get(ANSWERED_BY_HEADER) === BROKER_DESTINATION) {
    return { kind: "misrouted" };
  }
  if (status === 200 && isEventStream(values)) return pass(values);
  const upstream = fromUpstream(head, values);
  if ([400, 404, 405].includes(status) && upstream !== false) {
    return { kind: "gone" };
  }
  return upstream === false || (!upstream && status >= 400)
    ? refuseLocal(status, head, serverName)
    : refuseServer(
      status,
      serverName,
      status === 200 ? " without an event stream" : "",
    );
}

/**
 * Decides about the head of the broker's answer: what the broker says passes;
 * what Envoy says in its place becomes an error of ours.
 */
export function decideBrokerResponse(
  head: ResponseHead,
): FinalResponseDecision {
  const values = new Map(head.headers);
  const status = Number(values.get(":status") ?? 0);
  const upstream = fromUpstream(head, values);
  if (status < 400 || upstream || (upstream === undefined && isJson(values))) {
    return { kind: "pass", remove: [], eventStream: false };
  }
  return refuseLocal(status, head, "broker");
}

function isJson(values: ReadonlyMap<string, string>): boolean {
  return /^application\/json\b/i.test(values.get("content-type") ?? "");
}

function isEventStream(values: ReadonlyMap<string, string>): boolean {
  return /^text\/event-stream\b/i.test(values.get("content-type") ?? "");
}

function pass(values: ReadonlyMap<string, string>): Passed {
  // What is compressed cannot be rewritten; we ask for nothing of the kind.
  const eventStream = isEventStream(values) &&
    /^(identity)?$/i.test(values.get("content-encoding") ?? "");
  return {
    kind: "pass",
    remove: [...values.keys()].filter((name) =>
      // What is rewritten has another length.
      !mayCross(name) || (eventStream && name === "content-length")
    ),
    eventStream,
  };
}

/** An answer that Envoy, or a filter in it, gave in the server's place. */
function refuseLocal(
  status: number,
  { headers, codeDetails }: ResponseHead,
  serverName: string,
): Refused {
  if (codeDetails?.includes(`[${UNPREPARED_POLICY}]`)) {
    return {
      kind: "refuse",
      refusal: { kind: "server unreachable", detail: serverName },
      headers: [],
    };
  }
  switch (status) {
    case 401:
    case 403:
    case 429:
      return {
        kind: "refuse",
        refusal: { kind: "server refused", detail: "not allowed by policy" },
        status,
        headers: headers.filter(([name]) =>
          POLICY_HEADERS.includes(name) || name.startsWith("x-ratelimit-")
        ),
      };
    // A filter before ours takes bodies in whole, up to a limit of its own.
    case 413:
      return {
        kind: "refuse",
        refusal: { kind: "body too large" },
        headers: [],
      };
    case 504:
    case 408:
      return {
        kind: "refuse",
        refusal: { kind: "server timed out", detail: serverName },
        headers: [],
      };
    default:
      return {
        kind: "refuse",
        refusal: {
          kind: wasNeverSent(codeDetails)
            ? "server unreachable"
            : "connection lost",
          detail: serverName,
        },
        headers: [],
      };
  }
}

/**
 * Whether Envoy gave up before the request left it: only then can the client
 * be told that nothing was run.
 */
function wasNeverSent(codeDetails: string | undefined): boolean {
  return codeDetails !== undefined && NEVER_SENT.test(codeDetails);
}

const NEVER_SENT =
  /^(no_healthy_upstream|cluster_not_found|route_not_found)|(local|remote)_connection_failure|connection_timeout|overflow|remote_refused_stream_reset/;

/** Whether an upstream gave the answer; undefined where Envoy does not tell. */
function fromUpstream(
  head: ResponseHead,
  values: ReadonlyMap<string, string>,
): boolean | undefined {
  if (head.codeDetails !== undefined) {
    return head.codeDetails === "via_upstream";
  }
  // Envoy's router filter adds it to what an upstream sent, and only to that.
  return values.has("x-envoy-upstream-service-time") ? true : undefined;
}
