/**
 * One call of a client of the stateless era at a server with sessions, from
 * its first request to its answer: what the server asks in between becomes
 * `input_required`, the client's retry goes on where it stopped, and nothing
 * ever runs the call twice.
 *
 * | meanwhile | the client waits | it was asked, and is away |
 * |---|---|---|
 * | the server asks | others that ask at once are waited for, then the client is asked | it is asked when it is back |
 * | the server withdraws a question | it is not asked | its answer is not passed on |
 * | progress, log messages | passed on, as wanted | dropped |
 * | the answer, or the end of the connection | passed on | kept for when it is back |
 * | the client leaves | the call is cancelled | nothing |
 * | too much time has passed | the call is cancelled | likewise |
 *
 * @see https://modelcontextprotocol.io/specification/2026-07-28/basic/patterns/mrtr
 * @module
 */

import { GatewayError, type Refusal } from "../../../shared/errors.ts";
import { errorText } from "../../../shared/error_text.ts";
import { SERVER_JSON } from "../../../shared/jsonrpc/json_limits.ts";
import { elements, text } from "../../../shared/jsonrpc/values.ts";
import type { ServerConfig } from "../../../shared/config/model.ts";
import type { Logger } from "../../../shared/log.ts";
import {
  canBeAsked,
  type ClientCapabilities,
  type Implementation,
} from "../../../shared/mcp.ts";
import { readServerMessage } from "../../../shared/upstream/server_message.ts";
import type { Wait } from "../../../shared/wait_on_timer.ts";
import type { Unfinished } from "../../held_streams/unfinished.ts";
import { LOG_LEVELS } from "../../relay/log_level.ts";
import type { StatelessCall } from "../bridged_call.ts";
import { readObject, readObjectText, writeObject } from "../object_text.ts";
import type { BridgeSession, SessionCall } from "./bridge_session.ts";
import type { BridgeSessions, Lease } from "./bridge_sessions.ts";
import { callMessages, noAnswer } from "./call_messages.ts";
import type { ClientLeg } from "./client_leg.ts";
import type { OpenCalls, Parked, Place } from "./open_calls.ts";
import {
  canOpenUrls,
  decideRequest,
  elicitUrl,
  type ServerRequest,
} from "./questions.ts";
import type { StateBinding } from "./request_state.ts";
import { errorOf, paramsOf } from "./said.ts";
import {
  type ServerInfo,
  writeError,
  writeInputRequired,
  writeResult,
} from "./write_answer.ts";
import { writeCall } from "./write_call.ts";

/** A request of a client: the first of a call, or one that goes on with it. */
export interface CallClient {
  /** The request. */
  readonly call: StatelessCall;
  /** What the client can be asked. */
  readonly capabilities: ClientCapabilities;
  /** What it calls itself. */
  readonly clientInfo: Implementation;
  /** Index of the level of log messages that it wants. */
  readonly level: number | undefined;
  /** Where it waits. */
  readonly leg: ClientLeg;
}

/** What an open call works with. */
export interface OpenCallOptions {
  /** Sessions with servers. */
  readonly sessions: Pick<BridgeSessions, "lease">;
  /** Where it is kept while its client is away. */
  readonly calls: OpenCalls<CallClient>;
  /** Begins a call anew, of which the client was asked so many times. */
  readonly again: (client: CallClient, rounds: number) => void;
  /** What is held of what servers have not finished. */
  readonly unfinished: Unfinished;
  /** Whether a server asks outside of the streams of calls. */
  readonly asksApart: (server: ServerConfig) => boolean;
  /** Milliseconds that others may take to ask at the same time. */
  readonly askTogetherMs: number;
  /** Times that a client is asked in one call. */
  readonly questionRounds: number;
  /** Questions of one call that wait for an answer at once. */
  readonly questionsPerCall: number;
  /** Characters kept of one call. */
  readonly parkedBytesPerCall: number;
  /** Milliseconds that the whole call may take. */
  readonly bridgedCallMs: number;
  /** Largest answer in JSON, or event, bytes. */
  readonly bridgedAnswerBytes: number;
  /** Waits. */
  readonly wait: Wait;
  /** Told of what goes on. */
  readonly log: Logger;
}

/** Something that the server asked. */
interface Question {
  /** What the server's request is answered by. */
  readonly from: ServerRequest;
  /** As the client is asked, raw JSON. */
  readonly request: string;
  /** Whether the client has it. */
  asked: boolean;
}

/** How a call ended. */
type Outcome =
  | { readonly kind: "result"; readonly result: string }
  | { readonly kind: "error"; readonly error: string }
  | { readonly kind: "refused"; readonly refusal: Refusal };

/** The methods whose answer may be that input is required. */
const MAY_ASK: readonly string[] = [
  "tools/call",
  "prompts/get",
  "resources/read",
];

const METHOD_NOT_FOUND = -32601;
const INTERNAL_ERROR = -32603;
/** A URL is to be opened before the call can succeed (2025-11-25). */
const URL_ELICITATION_REQUIRED = -32042;

/** Whether a server may ask in a call of this method. */
export function mayAsk(method: string): boolean {
  return MAY_ASK.includes(method);
}

/** An open call. */
export class OpenCall implements SessionCall, Parked<CallClient> {
  /** What its client has to show to go on with it. */
  readonly binding: StateBinding;
  /** Whether its answer may be that the client is asked something. */
  readonly mayAsk: boolean;
  /** Settles once nothing of it goes on. */
  readonly finished: Promise<void>;
  readonly #options: OpenCallOptions;
  readonly #place: Place;
  readonly #first: StatelessCall;
  readonly #over = new AbortController();
  readonly #questions = new Map<string, Question>();
  /** Who waits for it now. */
  #client: CallClient | undefined;
  /** Who waited for it last. */
  #latest: CallClient;
  #server: ServerInfo = { name: "", version: "" };
  /** Where it runs, once it was sent. */
  #running:
    | { readonly session: BridgeSession; readonly id: string }
    | undefined;
  #outcome: Outcome | undefined;
  #rounds: number;
  #lastQuestion = 0;
  #held = 0;
  #gathering = false;

  /**
   * Begins.
   *
   * @param rounds How often the client was asked already.
   */
  constructor(
    client: CallClient,
    binding: StateBinding,
    place: Place,
    options: OpenCallOptions,
    rounds = 0,
  ) {
    this.binding = binding;
    this.#options = options;
    this.#place = place;
    this.mayAsk = mayAsk(client.call.request.method);
    this.#first = client.call;
    this.#latest = client;
    this.#rounds = rounds;
    this.#attend(client);
    this.finished = this.#carry(client);
  }

  /** The server asks something, on whatever stream. */
  asked(request: ServerRequest): void {
    const { session } = this.#running ?? {};
    if (session === undefined) return;
    const refuse = (code: number, why: string) =>
      session.refuse(request.id, code, why);
    if (this.#over.signal.aborted) {
      return refuse(METHOD_NOT_FOUND, "The call is over");
    }
    if (request.method !== "ping" && !this.mayAsk) {
      return refuse(
        METHOD_NOT_FOUND,
        "The client cannot be asked in this call",
      );
    }
    const outcome = decideRequest(request, this.#latest.capabilities);
    switch (outcome.kind) {
      case "answered":
        return session.reply(request.id);
      case "refused":
        return refuse(outcome.code, outcome.message);
      case "question": {
        if (this.#rounds >= this.#options.questionRounds) {
          return refuse(INTERNAL_ERROR, "The client was asked too many times");
        }
        if (
          this.#questions.size >= this.#options.questionsPerCall ||
          !this.#hold(outcome.request.length)
        ) return refuse(INTERNAL_ERROR, "Too much is asked of clients now");
        const key = `${outcome.about}-${++this.#lastQuestion}`;
        const { request: written } = outcome;
        this.#questions.set(key, {
          from: request,
          request: written,
          asked: false,
        });
        void this.#gather();
        return;
      }
      default:
        outcome satisfies never;
    }
  }

  /** The server tells something, on whatever stream. */
  told(method: string, message: Uint8Array): void {
    const params = paramsOf(message);
    if (params === undefined) return;
    switch (method) {
      case "notifications/progress":
        return this.#progressed(params);
      case "notifications/message":
        return this.#logged(params, message);
      case "notifications/cancelled":
        return this.#withdrawn(readObjectText(params).get("requestId"));
      case "notifications/resources/updated":
        return this.#running?.session.updated(params);
    }
  }

  /** The client has come back, with answers or without. */
  resume(client: CallClient): void {
    this.#rounds++;
    this.#attend(client);
    if (!client.leg.waiting) return;
    if (this.#outcome !== undefined) {
      return this.#deliver(client, this.#outcome);
    }
    this.#passOn(client);
    void this.#gather();
  }

  /** The client did not come back in time, or cannot any more. */
  expire(why: "expired" | "closed"): void {
    if (why === "closed") return this.close();
    this.#options.log.info("client did not answer in time", {
      server: this.#first.server.name,
    });
    this.#giveUp("The client did not answer in time");
  }

  /** The gateway ends. */
  close(): void {
    this.#giveUpWith("The gateway ends", {
      kind: "connection lost",
      detail: "the gateway ends",
    });
  }

  #attend(client: CallClient): void {
    this.#client = client;
    this.#latest = client;
    client.leg.onGone = () => {
      if (this.#client === client) this.#giveUp("The client has left");
    };
    if (!client.leg.waiting) this.#giveUp("The client has left");
  }

  /** Runs the call, and once more where its session was lost before. */
  async #carry(client: CallClient): Promise<void> {
    const { wait, bridgedCallMs, log } = this.#options;
    const { signal } = this.#over;
    const { server } = this.#first;
    void wait(bridgedCallMs, signal).then(() => {
      if (signal.aborted) return;
      this.#giveUpWith("The call took too long", {
        kind: "server timed out",
        detail: server.name,
      });
    });
    try {
      for (let lost = 0; lost < 2; lost++) {
        if (signal.aborted || await this.#attempt(client)) return;
      }
      this.#finish({
        kind: "refused",
        refusal: { kind: "session lost", detail: server.name },
      });
    } catch (error) {
      if (!(error instanceof GatewayError)) {
        log.error("bridged call failed", { server: server.name, error });
        // Whoever waits must not do so because of a defect of ours.
        const waiting = this.#client;
        waiting?.leg.refuse(waiting.call.request.id, {
          kind: "internal error",
        });
      } else if (!signal.aborted) {
        log.info("bridged call not answered", {
          server: server.name,
          why: errorText(error),
          cause: error.cause === undefined ? undefined : errorText(error.cause),
        });
      }
      this.#finish({ kind: "refused", refusal: refusalOf(error) });
    } finally {
      this.#place.giveBack();
    }
  }

  /** Runs it in a session; false where the server had lost that. */
  async #attempt(client: CallClient): Promise<boolean> {
    const { call, capabilities, clientInfo, level } = client;
    const { server, authorization, caller, envelope } = call;
    const { sessions, asksApart } = this.#options;
    // Of two calls in one session nobody could tell which one is meant.
    const alone = this.mayAsk && canBeAsked(capabilities) && asksApart(server);
    const lease: Lease = await sessions.lease(caller.identity, {
      server,
      capabilities,
      clientInfo,
      authorization,
    }, alone);
    const { session } = lease;
    const { signal } = this.#over;
    this.#server = session.introduction.serverInfo;
    const id = session.newId();
    try {
      const reports = envelope.progressToken !== undefined;
      await session.prepare(id, { level, reports });
      if (signal.aborted) return true;
      const written = writeCall(call.body, call.request, {
        id,
        name: call.name,
        progressToken: reports ? id : undefined,
      });
      this.#running = { session, id };
      const sent = await session.send(id, this, written, authorization, signal);
      if (sent.kind === "lost") return false;
      await this.#read(session, sent.response);
      return true;
    } finally {
      this.#running = undefined;
      session.leave(id);
      lease.release();
    }
  }

  async #read(session: BridgeSession, response: Response): Promise<void> {
    const { bridgedAnswerBytes, unfinished, wait, log } = this.#options;
    const { signal } = this.#over;
    const { status } = response;
    const messages = callMessages(response, {
      server: session.server.name,
      resume: (after, signal) => session.resume(after, signal),
      answerBytes: bridgedAnswerBytes,
      mayHold: unfinished.share(session.server.name),
      wait,
      log,
    }, signal);
    for await (const message of messages) {
      this.#hear(message);
      if (signal.aborted) return;
    }
    if (signal.aborted) return;
    throw noAnswer(session.server.name, status);
  }

  #hear(bytes: Uint8Array): void {
    const message = readServerMessage(bytes);
    switch (message.kind) {
      case "request": {
        const { id, method } = message;
        return this.asked({ id, method, params: paramsOf(bytes) });
      }
      case "notification":
        return this.told(message.method, bytes);
      case "result":
        if (message.id !== this.#running?.id) return;
        return this.#finish({
          kind: "result",
          result: text(message.bytes, message.result),
        });
      case "error":
        // Who cannot read a request cannot name its id either.
        if (message.id !== this.#running?.id && message.id !== "null") return;
        return this.#finish({ kind: "error", error: errorOf(bytes) });
      case "malformed":
        this.#options.log.debug("message of a server dropped", {
          server: this.#first.server.name,
          why: message.reason,
        });
        return;
      default:
        message satisfies never;
    }
  }

  #progressed(given: string): void {
    const { call, leg } = this.#client ?? {};
    const token = call?.envelope.progressToken;
    const params = readObjectText(given);
    if (
      token === undefined || params.get("progressToken") !== this.#running?.id
    ) {
      return;
    }
    params.set("progressToken", token.text);
    leg?.notify(writeObject([
      ["jsonrpc", '"2.0"'],
      ["method", '"notifications/progress"'],
      ["params", writeObject(params)],
    ]));
  }

  #logged(params: string, message: Uint8Array): void {
    const { leg, level } = this.#client ?? {};
    const written = readObjectText(params).get("level");
    const index = written?.startsWith('"')
      ? LOG_LEVELS.indexOf(JSON.parse(written))
      : -1;
    if (level === undefined || index < level) return;
    leg?.notify(new TextDecoder().decode(message));
  }

  #withdrawn(requestId: string | undefined): void {
    for (const [key, { from }] of this.#questions) {
      if (from.id === requestId) this.#drop(key);
    }
  }

  /** Passes on what a client that is back has answered. */
  #passOn({ call, capabilities, level }: CallClient): void {
    const { session, id } = this.#running ?? {};
    if (session === undefined || id === undefined) return;
    const params = readObject(call.body, call.request.params);
    const responses = readObjectText(params.get("inputResponses"));
    const answers: (readonly [string, string])[] = [];
    for (const [key, question] of [...this.#questions]) {
      const response = responses.get(key);
      if (question.asked && response?.startsWith("{")) {
        answers.push([question.from.id, response]);
        this.#drop(key);
        continue;
      }
      // What is asked now has to be what this request allows.
      const decided = decideRequest(question.from, capabilities);
      if (decided.kind !== "refused") continue;
      session.refuse(question.from.id, decided.code, decided.message);
      this.#drop(key);
    }
    void (async () => {
      // What is logged from now on may be wanted from another level on.
      await session.prepare(id, { level, reports: false });
      await this.#answer(session, answers, call.authorization);
    })();
  }

  async #answer(
    session: BridgeSession,
    answers: readonly (readonly [string, string])[],
    authorization: string | undefined,
  ): Promise<void> {
    try {
      for (const [id, result] of answers) {
        await session.answer(id, result, authorization);
      }
    } catch (error) {
      this.#finish({ kind: "refused", refusal: refusalOf(error) });
    }
  }

  /** Asks the client, as soon as whoever asks at once has asked. */
  async #gather(): Promise<void> {
    if (this.#gathering || this.#questions.size === 0) return;
    this.#gathering = true;
    await this.#options.wait(this.#options.askTogetherMs, this.#over.signal);
    this.#gathering = false;
    const client = this.#client;
    if (this.#over.signal.aborted || client === undefined) return;
    if (this.#questions.size === 0) return;
    for (const question of this.#questions.values()) question.asked = true;
    this.#ask(
      client,
      Array.from(this.#questions, ([key, { request }]) => [key, request]),
    );
  }

  #ask(
    { call, leg }: CallClient,
    requests: readonly (readonly [string, string])[],
  ): void {
    this.#client = undefined;
    const state = this.#options.calls.park(this);
    const { id } = call.request;
    leg.answer(writeInputRequired(id, { requests, state }, this.#server));
    this.#options.log.debug("client asked", {
      server: call.server.name,
      questions: requests.length,
    });
  }

  #finish(outcome: Outcome): void {
    if (this.#over.signal.aborted) return;
    this.#over.abort();
    for (const key of [...this.#questions.keys()]) this.#drop(key);
    const client = this.#client;
    if (client !== undefined) return this.#deliver(client, outcome);
    const size = sizeOf(outcome);
    this.#outcome = this.#hold(size) ? outcome : {
      kind: "refused",
      refusal: {
        kind: "invalid answer",
        detail: "it came while the client was away, and is too large",
      },
    };
  }

  #deliver(client: CallClient, outcome: Outcome): void {
    this.#release();
    const { call, leg } = client;
    const { id, method, params } = call.request;
    switch (outcome.kind) {
      case "result":
        if (!outcome.result.startsWith("{")) {
          const detail = `${call.server.name}: its result is no object`;
          return leg.refuse(id, { kind: "invalid answer", detail });
        }
        return leg.answer(
          writeResult(id, method, outcome.result, this.#server),
        );
      case "error":
        if (codeOf(outcome.error) === URL_ELICITATION_REQUIRED) {
          return this.#requireUrls(client, outcome.error);
        }
        return leg.answer(writeError(id, outcome.error, params?.uri?.value));
      case "refused":
        return leg.refuse(id, outcome.refusal);
      default:
        outcome satisfies never;
    }
  }

  /** The call is over; when the client is back, it is called again. */
  #requireUrls(client: CallClient, error: string): void {
    const { call, leg, capabilities } = client;
    const { id } = call.request;
    const urls = elicitationsIn(error);
    if (!this.mayAsk || urls.length === 0) {
      return leg.answer(writeError(id, error, undefined));
    }
    if (!canOpenUrls(capabilities)) {
      return leg.refuse(id, {
        kind: "capability missing",
        data: { requiredCapabilities: { elicitation: { url: {} } } },
      });
    }
    if (this.#rounds >= this.#options.questionRounds) {
      return leg.answer(writeError(id, error, undefined));
    }
    const again: Parked<CallClient> = {
      binding: this.binding,
      resume: (client) => this.#options.again(client, this.#rounds + 1),
      expire: () => {},
    };
    const requests = urls.map((url, index) =>
      [`elicitation-${index + 1}`, elicitUrl(url)] as const
    );
    const state = this.#options.calls.park(again);
    leg.answer(writeInputRequired(id, { requests, state }, this.#server));
  }

  /** Nobody may wait for the answer any more: both are told. */
  #giveUpWith(reason: string, refusal: Refusal): void {
    const client = this.#client;
    this.#giveUp(reason);
    if (client === undefined) this.#outcome = { kind: "refused", refusal };
    else client.leg.refuse(client.call.request.id, refusal);
  }

  /** Nobody waits for the answer any more: the server is told. */
  #giveUp(reason: string): void {
    this.#release();
    if (this.#over.signal.aborted) return;
    const asked = Array.from(
      this.#questions.values(),
      ({ from }) => from.id,
    );
    this.#questions.clear();
    this.#client = undefined;
    this.#running?.session.giveUp(this.#running.id, asked, reason);
    this.#over.abort();
  }

  #drop(key: string): void {
    const question = this.#questions.get(key);
    if (question === undefined) return;
    this.#questions.delete(key);
    this.#held -= question.request.length;
    this.#options.calls.free(question.request.length);
  }

  #hold(size: number): boolean {
    const { calls, parkedBytesPerCall } = this.#options;
    if (this.#held + size > parkedBytesPerCall || !calls.hold(size)) {
      return false;
    }
    this.#held += size;
    return true;
  }

  /** Nothing is kept any more. */
  #release(): void {
    this.#options.calls.free(this.#held);
    this.#held = 0;
  }
}

function sizeOf(outcome: Outcome): number {
  switch (outcome.kind) {
    case "result":
      return outcome.result.length;
    case "error":
      return outcome.error.length;
    case "refused":
      return 0;
    default:
      return outcome satisfies never;
  }
}

function codeOf(error: string): number {
  return Number(readObjectText(error).get("code"));
}

/** The elicitations of a −32042, raw JSON of objects. */
function elicitationsIn(error: string): readonly string[] {
  const data = readObjectText(readObjectText(error).get("data"));
  const list = data.get("elicitations");
  if (!list?.startsWith("[")) return [];
  const bytes = new TextEncoder().encode(list);
  return elements(bytes, { start: 0, end: bytes.byteLength }, SERVER_JSON)
    .map((span) => text(bytes, span))
    .filter((one) => one.startsWith("{"));
}

function refusalOf(error: unknown): Refusal {
  return error instanceof GatewayError
    ? error.refusal
    : { kind: "internal error" };
}
