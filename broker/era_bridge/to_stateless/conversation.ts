/**
 * One call of a client in a session at a server of the stateless era, from its
 * request to its answer: sent, and sent again with what the server asks for,
 * which the client is asked on the stream of its call.
 *
 * | the server answers | then |
 * |---|---|
 * | a complete result, an error | the client gets it, as its era has it |
 * | questions | the client is asked; the call is sent again with its answers |
 * | only a state | the call is sent again, after a pause |
 * | a question that the client cannot be asked, or does not answer | the call ends, and says so |
 * | that the headers are not the body's (−32020) | the tool is read again, the call sent again, once |
 * | that it does not speak the revision (−32022), or nothing of MCP | refused; whoever looks after the server is told |
 *
 * @see https://modelcontextprotocol.io/specification/2026-07-28/basic/patterns/mrtr
 * @module
 */

import type { ParamHeader } from "../../../shared/catalog.ts";
import {
  GatewayError,
  type Refusal,
  replyToRefusal,
} from "../../../shared/errors.ts";
import { isObject } from "../../../shared/jsonrpc/parsed.ts";
import { LATEST_STATELESS_REVISION } from "../../../shared/mcp.ts";
import type { Sessions } from "../../../shared/sessions/sessions.ts";
import { paramHeadersOf } from "../../../shared/stateless/param_headers.ts";
import type { RequestEnvelope } from "../../../shared/stateless/write_request.ts";
import type { Wait } from "../../../shared/wait_on_timer.ts";
import { kindsChangedBy, type ListKind } from "../../catalog/kinds.ts";
import type { SessionCall } from "../bridged_call.ts";
import type { BridgedCall } from "./calls.ts";
import { declaredFor } from "./capabilities.ts";
import type { ClientReply, WrittenAnswer } from "./client_reply.ts";
import { freshTool } from "./fresh_tool.ts";
import { readQuestionAnswer, whyNotAsked, writeQuestion } from "./questions.ts";
import { type Question, readAnswer, type ServerAnswer } from "./read_answer.ts";
import { sessionError } from "./session_error.ts";
import { sessionResult } from "./session_result.ts";
import { sendUpstream, type UpstreamAccess } from "./upstream_request.ts";
import { type Answers, writeCall } from "./write_call.ts";

/** What conversations take. */
export interface ConversationOptions extends UpstreamAccess {
  /** What clients said of themselves. */
  readonly sessions: Pick<Sessions, "details" | "logLevel">;
  /** Milliseconds that a call may take in all. */
  readonly bridgedCallMs: number;
  /** Milliseconds that a client may take to answer. */
  readonly parkMs: number;
  /** Times that a client is asked in one call. */
  readonly questionRounds: number;
  /** Pages of a list that are read. */
  readonly pagesPerServer: number;
  /** Writes the id of a question, raw JSON. */
  readonly questionId: (call: BridgedCall, question: number) => string;
  /** A name that nothing else has. */
  readonly uuid: () => string;
  /** The next id of a request to a server, raw JSON. */
  readonly nextId: () => string;
  /** Told that a server does not speak this era, it seems. */
  readonly onDoubt: (server: string) => void;
  /** Told which lists of a server changed, and which session heard so. */
  readonly relist: (
    server: string,
    lists: readonly ListKind[],
    session: string,
  ) => void;
  /** Waits. */
  readonly wait: Wait;
}

/** How a conversation ended. */
export type Outcome =
  /** With the server's own answer, a result or an error. */
  | "answered"
  /** Its server needed what its client did not give. */
  | "input missing"
  /** Without an answer of its server. */
  | "failed"
  | "cancelled";

/** Milliseconds until a call is sent again that waits for nothing; doubles. */
const PAUSE_MS = 100;
const MAX_PAUSE_MS = 2_000;

const DECODER = new TextDecoder();

/** What ends a call that cannot go on. */
class InputMissing extends Error {}

/** One call. */
export class Conversation {
  readonly #call: SessionCall;
  readonly #bridged: BridgedCall;
  readonly #reply: ClientReply;
  readonly #options: ConversationOptions;
  #outcome: Outcome = "failed";
  #round = 0;
  #progress = -Infinity;

  /** Begins one. */
  constructor(
    call: SessionCall,
    bridged: BridgedCall,
    reply: ClientReply,
    options: ConversationOptions,
  ) {
    this.#call = call;
    this.#bridged = bridged;
    this.#reply = reply;
    this.#options = options;
  }

  /** Carries it to its end, which the client gets to know. Never rejects. */
  async run(): Promise<Outcome> {
    const { bridgedCallMs, wait, log } = this.#options;
    const { server, session, request } = this.#call;
    const { cancelled } = this.#bridged;
    const late = new AbortController();
    const done = new AbortController();
    wait(bridgedCallMs, done.signal).then(() => {
      if (!done.signal.aborted) late.abort();
    });
    try {
      const signal = AbortSignal.any([cancelled, late.signal]);
      this.#reply.answer(await this.#answer(signal));
    } catch (error) {
      const shown = { server: server.name, session: session.id, error };
      if (cancelled.aborted) {
        this.#outcome = "cancelled";
        this.#reply.end();
      } else if (late.signal.aborted) {
        this.#refuse({ kind: "server timed out", detail: server.name });
      } else if (error instanceof InputMissing) {
        this.#outcome = "input missing";
        log.info("call between the eras ended for want of input", {
          ...shown,
          error: error.message,
          method: request.method,
        });
        this.#reply.answer(withoutInput(this.#call, error.message));
      } else if (error instanceof GatewayError) {
        log.debug("call between the eras failed", shown);
        this.#refuse(error.refusal);
      } else {
        log.error("call between the eras failed", shown);
        this.#refuse({ kind: "internal error" });
      }
    } finally {
      done.abort();
      this.#bridged.expectNothing();
    }
    return this.#outcome;
  }

  async #answer(signal: AbortSignal): Promise<WrittenAnswer> {
    const { questionRounds } = this.#options;
    const envelope = await this.#envelope();
    let headers = headersOf(this.#call);
    let reread = false;
    let answers: Answers | undefined;
    for (;;) {
      const answer = await this.#send(envelope, headers, answers, signal);
      switch (answer.kind) {
        case "complete":
          this.#outcome = "answered";
          return this.#result(answer);
        case "error": {
          const { method, id } = this.#call.request;
          const error = sessionError(answer, method);
          switch (error.kind) {
            case "error": {
              this.#outcome = "answered";
              const text = DECODER.decode(error.error);
              return {
                status: 200,
                text: `{"jsonrpc":"2.0","id":${id},"error":${text}}`,
              };
            }
            case "refused":
              throw new GatewayError(error.refusal);
            case "unsupported revision":
              throw this.#doubted(
                `it does not speak ${LATEST_STATELESS_REVISION}`,
              );
            case "header mismatch":
              if (reread) throw this.#refused("it finds other headers wanting");
              reread = true;
              headers = await this.#reread(envelope, signal);
              break;
            default:
              return error satisfies never;
          }
          break;
        }
        case "input required":
          if (++this.#round > questionRounds) {
            throw new InputMissing(
              `asks for something more than ${questionRounds} times`,
            );
          }
          answers = {
            responses: await this.#ask(answer.questions, envelope, signal),
            state: answer.state,
          };
          break;
        case "invalid":
          throw new GatewayError({
            kind: "invalid answer",
            detail: answer.why,
          });
        default:
          return answer satisfies never;
      }
    }
  }

  /** What the call says of itself and its client. */
  async #envelope(): Promise<RequestEnvelope> {
    const { sessions } = this.#options;
    const { session } = this.#call;
    const [{ capabilities, clientInfo }, logLevel] = await Promise.all([
      sessions.details(session),
      sessions.logLevel(session),
    ]);
    return {
      revision: LATEST_STATELESS_REVISION,
      capabilities: declaredFor(capabilities, session.revision),
      ...(clientInfo === undefined ? {} : { clientInfo }),
      ...(logLevel === undefined ? {} : { logLevel }),
    };
  }

  async #send(
    envelope: RequestEnvelope,
    paramHeaders: readonly ParamHeader[],
    answers: Answers | undefined,
    signal: AbortSignal,
  ): Promise<ServerAnswer> {
    const { server, authorization, request } = this.#call;
    const id = this.#options.nextId();
    const written = writeCall(this.#call, {
      envelope,
      id,
      paramHeaders,
      answers,
    });
    const response = await sendUpstream(
      {
        server,
        authorization,
        written,
        onNotification: (method, text) => this.#hear(method, text),
      },
      this.#options,
      signal,
    );
    if (response.kind === "another era") {
      throw this.#doubted(
        `it answered HTTP ${response.status}, and nothing of MCP`,
      );
    }
    return readAnswer(response.bytes, request.method, id);
  }

  #hear(method: string, text: string): void {
    const { relist } = this.#options;
    const { server, session } = this.#call;
    const lists = kindsChangedBy(method);
    if (lists.length > 0) return relist(server.name, lists, session.id);
    // Of subscriptions, of which this is none (2026-07-28, cancellation).
    if (method === "notifications/cancelled") return;
    if (method === "notifications/progress" && !this.#isProgress(text)) return;
    this.#reply.notify(text);
  }

  /** A call that is sent again begins anew; for its client it only goes on. */
  #isProgress(text: string): boolean {
    const message: unknown = JSON.parse(text);
    const params = isObject(message) ? message["params"] : undefined;
    const progress = isObject(params) ? params["progress"] : undefined;
    if (typeof progress !== "number") return true;
    if (this.#round > 0 && progress <= this.#progress) return false;
    this.#progress = Math.max(this.#progress, progress);
    return true;
  }

  /** The headers of the tool as its server lists it now. */
  async #reread(
    envelope: RequestEnvelope,
    signal: AbortSignal,
  ): Promise<readonly ParamHeader[]> {
    const { relist, log } = this.#options;
    const { server, name, authorization, session, request } = this.#call;
    if (request.method !== "tools/call") {
      throw this.#refused("it finds the headers wanting");
    }
    log.info("tool read again, whose headers its server finds wanting", {
      server: server.name,
      tool: name,
    });
    relist(server.name, ["tools"], session.id);
    const tool = await freshTool(
      { server, name, authorization, envelope },
      this.#options,
      signal,
    );
    if (tool === undefined) {
      throw new GatewayError({ kind: "unknown tool", detail: name });
    }
    return paramHeadersIn(tool);
  }

  /** Asks the client, and waits for all of its answers. */
  async #ask(
    questions: readonly Question[],
    { capabilities }: RequestEnvelope,
    signal: AbortSignal,
  ): Promise<Answers["responses"]> {
    const { wait, parkMs } = this.#options;
    if (questions.length === 0) {
      const pause = PAUSE_MS * 2 ** (this.#round - 1);
      await wait(Math.min(pause, MAX_PAUSE_MS), signal);
      signal.throwIfAborted();
      return [];
    }
    for (const question of questions) {
      const why = whyNotAsked(question, capabilities);
      if (why !== undefined) throw new InputMissing(`asks for ${why}`);
    }
    const open = new Set<string>();
    const over = new AbortController();
    const either = AbortSignal.any([signal, over.signal]);
    try {
      const answers = await Promise.race([
        Promise.all(questions.map((question) => this.#askOne(question, open))),
        wait(parkMs, either).then(() => undefined),
      ]);
      signal.throwIfAborted();
      if (answers !== undefined) return answers;
      throw new InputMissing("asks for what its client did not say in time");
    } finally {
      over.abort();
      // Nobody waits for them: what the client shows of them can go.
      for (const id of open) this.#reply.notify(cancellation(id));
    }
  }

  /** @param open Ids of questions that the client has not answered yet. */
  async #askOne(
    question: Question,
    open: Set<string>,
  ): Promise<readonly [key: string, json: string]> {
    const { questionId, uuid } = this.#options;
    const expected = this.#bridged.expect();
    const id = questionId(this.#bridged, expected.question);
    const { revision } = this.#call.session;
    const how = { id, elicitationId: uuid(), revision };
    if (!this.#reply.ask(writeQuestion(question, how))) {
      throw new InputMissing("asks for something, and its client is gone");
    }
    open.add(id);
    const { body, message } = await expected.response;
    open.delete(id);
    const answer = readQuestionAnswer(question, body, message);
    if (answer.kind === "failed") {
      throw new InputMissing(`needs an answer, and ${answer.why}`);
    }
    return [question.key, answer.result];
  }

  #result(
    { bytes, result }: Extract<ServerAnswer, { kind: "complete" }>,
  ): WrittenAnswer {
    const { request: { id, method }, session: { revision } } = this.#call;
    const written = sessionResult(bytes, result, { method, revision });
    const text = DECODER.decode(written);
    return {
      status: 200,
      text: `{"jsonrpc":"2.0","id":${id},"result":${text}}`,
    };
  }

  #refuse(refusal: Refusal): void {
    const { status, headers, body } = replyToRefusal(
      refusal,
      this.#call.request.id,
    );
    const rest = headers.filter(([name]) => name !== "content-type");
    this.#reply.answer({ status, text: body, headers: rest });
  }

  #refused(why: string): GatewayError {
    const detail = `${this.#call.server.name}: ${why}`;
    return new GatewayError({ kind: "server refused", detail });
  }

  #doubted(why: string): GatewayError {
    this.#options.onDoubt(this.#call.server.name);
    return this.#refused(why);
  }
}

/** @param id Of a request of ours, raw JSON. */
function cancellation(id: string): string {
  return `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":${id},"reason":"The call has ended"}}`;
}

function headersOf({ request, item }: SessionCall): readonly ParamHeader[] {
  return request.method === "tools/call" ? item?.paramHeaders ?? [] : [];
}

function paramHeadersIn(tool: Uint8Array): readonly ParamHeader[] {
  const outcome = paramHeadersOf(tool);
  return outcome.kind === "headers" ? outcome.headers : [];
}

/**
 * The end of a call whose server needs something that there is not: the result
 * of a tool can say so to whoever called it, which others have no way to.
 */
function withoutInput(
  { request: { id, method }, server }: SessionCall,
  why: string,
): WrittenAnswer {
  const detail = `${server.name} ${why}`;
  if (method !== "tools/call") {
    const { status, body } = replyToRefusal(
      { kind: "input missing", detail },
      id,
    );
    return { status, text: body };
  }
  const text = `The call has ended without a result: MCP server ${detail}`;
  const result = { content: [{ type: "text", text }], isError: true };
  return {
    status: 200,
    text: `{"jsonrpc":"2.0","id":${id},"result":${JSON.stringify(result)}}`,
  };
}
