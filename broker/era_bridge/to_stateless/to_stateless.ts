/**
 * Carries calls of clients in sessions to servers of the stateless era, and
 * what those clients send meanwhile to the calls that it concerns: answers to
 * questions, and cancellations, wherever in the gateway they come in.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { type Refusal, refusalResponse } from "../../../shared/errors.ts";
import type {
  NotificationMessage,
  ResponseMessage,
} from "../../../shared/jsonrpc/message.ts";
import type {
  ClientSession,
  Listener,
  Sessions,
} from "../../../shared/sessions/sessions.ts";
import type { RequestCaller } from "../../caller.ts";
import { acceptedResponse } from "../../responses.ts";
import type { SessionCall, ToStateless } from "../bridged_call.ts";
import { type ClientRequest, isForwarded, type Sealing } from "../owner.ts";
import { type BridgedCall, BridgedCalls, type CallLimits } from "./calls.ts";
import { ClientReply, type ReplySettings } from "./client_reply.ts";
import {
  Conversation,
  type ConversationOptions,
  type Outcome,
} from "./conversation.ts";
import {
  isQuestionId,
  readQuestionId,
  writeQuestionId,
} from "./question_id.ts";

/** What the bridge works with. */
export interface StatelessBridgeOptions
  extends
    Omit<ConversationOptions, "questionId" | "uuid" | "nextId" | "sessions">,
    ReplySettings,
    CallLimits,
    Sealing {
  /** Client sessions. */
  readonly sessions: Pick<
    Sessions,
    "details" | "logLevel" | "addBridge" | "bridges" | "touch"
  >;
  /** Answers resources/subscribe and resources/unsubscribe. */
  readonly subscriptions: (call: SessionCall) => Promise<Response>;
  /** This broker, as others reach it. */
  readonly here: Listener;
  /** Passes a request on to another broker; undefined where it is gone. */
  readonly forward: (
    owner: Listener,
    request: ClientRequest,
  ) => Promise<Response | undefined>;
  /** Told of each call that is over. */
  readonly onOutcome?: (method: string, outcome: Outcome) => void;
}

/** A message of a client that is no request, in a session. */
export interface ClientMessage {
  /** The body that it stands in. */
  readonly body: Uint8Array;
  /** The message. */
  readonly message: NotificationMessage | ResponseMessage;
  /** Headers of the request that it came in. */
  readonly headers: Headers;
  /** Who sent it. */
  readonly caller: RequestCaller;
  /** In which session. */
  readonly session: ClientSession;
}

/** Sessions of which this broker remembers that it has told the store. */
const MAX_NOTED = 20_000;

/** The bridge. */
export class StatelessBridge {
  /** Carries a call. */
  readonly carry: ToStateless;
  readonly #options: StatelessBridgeOptions;
  readonly #conversation: ConversationOptions;
  readonly #calls: BridgedCalls;
  /** Sessions of the calls on their way. */
  readonly #sessions = new Map<BridgedCall, ClientSession>();
  readonly #noted = new Set<string>();
  readonly #running = new Set<Promise<void>>();
  #lastId = 0;

  /** Begins without calls. */
  constructor(options: StatelessBridgeOptions) {
    this.#options = options;
    const { randomBytes, here } = options;
    const random = () => Buffer.from(randomBytes(12)).toString("base64url");
    this.#calls = new BridgedCalls(options, random);
    this.#conversation = {
      ...options,
      questionId: (call, question) =>
        writeQuestionId(options, call.session, {
          owner: here,
          call: call.name,
          question,
        }),
      uuid: random,
      nextId: () => String(++this.#lastId),
    };
    this.carry = (call) => this.#carry(call);
  }

  /** Calls on their way, and answers of clients that are waited for. */
  get counts(): { readonly calls: number; readonly questions: number } {
    return { calls: this.#calls.count, questions: this.#calls.waiting };
  }

  /** Ids of sessions that have calls on their way. */
  get sessions(): readonly string[] {
    return this.#calls.sessions;
  }

  async #carry(call: SessionCall): Promise<Response> {
    const { request: { id, method }, session, signal } = call;
    if (SUBSCRIBING.includes(method)) {
      return await this.#options.subscriptions(call);
    }
    const bridged = this.#calls.begin(session.id, id);
    if (bridged === undefined) return refuse({ kind: "too many calls" }, id);
    this.#sessions.set(bridged, session);
    this.#note(session);
    const reply = new ClientReply(signal, this.#options);
    this.#track(this.#run(call, bridged, reply));
    return await reply.response;
  }

  async #run(
    call: SessionCall,
    bridged: BridgedCall,
    reply: ClientReply,
  ): Promise<void> {
    const conversation = new Conversation(
      call,
      bridged,
      reply,
      this.#conversation,
    );
    const outcome = await conversation.run();
    this.#calls.end(bridged);
    this.#sessions.delete(bridged);
    this.#options.onOutcome?.(call.request.method, outcome);
  }

  /**
   * Takes what a client sends besides requests.
   *
   * @returns The response where it concerned nobody but this bridge.
   */
  async hear(sent: ClientMessage): Promise<Response | undefined> {
    const { message } = sent;
    if (message.kind === "response") {
      const { id } = message;
      return id !== null && isQuestionId(id)
        ? await this.#answer(sent, message, id)
        : undefined;
    }
    const id = message.params?.requestId?.text;
    return message.method === "notifications/cancelled" && id !== undefined
      ? this.#cancel(sent, id)
      : undefined;
  }

  /**
   * Records that sessions are in use whose calls are on their way, which no
   * request shows. Never rejects.
   */
  async touch(): Promise<void> {
    const { sessions, log } = this.#options;
    const all = [...this.#sessions.values()];
    const each = new Map(all.map((session) => [session.id, session]));
    for (const session of each.values()) {
      try {
        await sessions.touch(session);
      } catch (error) {
        const { id } = session;
        log.warn("session activity not recorded", { session: id, error });
      }
    }
  }

  /** Cancels all calls of a session, which its client has ended. */
  endSession(session: string): void {
    this.#noted.delete(session);
    this.#calls.endSession(session);
  }

  /** Ends the calls that are under way: no other broker can go on with them. */
  async close(): Promise<void> {
    this.#calls.endAll();
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  async #answer(
    sent: ClientMessage,
    message: ResponseMessage,
    id: string,
  ): Promise<Response> {
    const { keys, here } = this.#options;
    const { body, session } = sent;
    // Only in the session that was asked is it an id at all.
    const asked = readQuestionId(keys, session.id, id);
    if (asked === undefined) return refuse({ kind: "request gone" });
    const { owner, call, question } = asked;
    if (owner.broker !== here.broker) {
      return await this.#pass(owner, sent) ?? refuse({ kind: "request gone" });
    }
    return this.#calls.take(call, question, { body, message })
      ? acceptedResponse()
      : refuse({ kind: "request gone" });
  }

  #cancel(sent: ClientMessage, requestId: string): Response | undefined {
    const { session, headers } = sent;
    if (this.#calls.cancel(session.id, requestId) || isForwarded(headers)) {
      return acceptedResponse();
    }
    // In the background: it may be of a call at a server of the client's own
    // era, which is to hear of it now.
    this.#track(this.#cancelElsewhere(sent));
    return undefined;
  }

  async #cancelElsewhere(sent: ClientMessage): Promise<void> {
    const brokers = await this.#others(sent.session);
    await Promise.all(brokers.map(async (broker) => {
      await (await this.#pass(broker, sent))?.body?.cancel();
    }));
  }

  /** Remembers what goes on in the background, which never rejects. */
  #track(work: Promise<void>): void {
    const running: Promise<void> = work
      .finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  /** Other brokers that may have calls of a session. */
  async #others(session: ClientSession): Promise<readonly Listener[]> {
    const { sessions, here, log } = this.#options;
    try {
      const brokers = await sessions.bridges(session);
      return brokers.filter(({ broker }) => broker !== here.broker);
    } catch (error) {
      log.warn("brokers with calls of a session not known", {
        session: session.id,
        error,
      });
      return [];
    }
  }

  #pass(
    owner: Listener,
    { body, message: { span }, headers, caller }: ClientMessage,
  ): Promise<Response | undefined> {
    const alone = body.subarray(span.start, span.end);
    return this.#options.forward(owner, { headers, body: alone, caller });
  }

  /** Notes, once, that this broker has calls of a session. */
  #note(session: ClientSession): void {
    const { sessions, here, log } = this.#options;
    if (here.url === undefined || this.#noted.has(session.id)) return;
    if (this.#noted.size >= MAX_NOTED) this.#noted.clear();
    this.#noted.add(session.id);
    sessions.addBridge(session, here).catch((error: unknown) => {
      this.#noted.delete(session.id);
      log.debug("broker with calls of a session not noted", {
        session: session.id,
        error,
      });
    });
  }
}

const SUBSCRIBING: readonly string[] = [
  "resources/subscribe",
  "resources/unsubscribe",
];

function refuse(refusal: Refusal, id: string | null = null): Response {
  return refusalResponse(refusal, id);
}
