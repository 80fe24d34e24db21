/**
 * Carries calls of clients of the stateless era to servers of the session era:
 * a new call, or one that its client goes on with, here or at the broker that
 * has it.
 *
 * @module
 */

import type { ServerConfig } from "../../../shared/config/model.ts";
import { GatewayError, type Refusal } from "../../../shared/errors.ts";
import { asString } from "../../../shared/jsonrpc/values.ts";
import { canBeAsked, type Implementation } from "../../../shared/mcp.ts";
import type { Listener } from "../../../shared/sessions/sessions.ts";
import {
  capabilitiesOf,
  clientInfoOf,
} from "../../../shared/stateless/envelope.ts";
import { Unfinished } from "../../held_streams/unfinished.ts";
import { LOG_LEVELS } from "../../relay/log_level.ts";
import type { StatelessCall } from "../bridged_call.ts";
import { type ObjectText, readObject } from "../object_text.ts";
import { type Forwarding, forwardToOwner, type Sealing } from "../owner.ts";
import type { ResourceWatch } from "../watch_resources.ts";
import { BridgeSession, type BridgeSessionOptions } from "./bridge_session.ts";
import { type BridgeSessionMode, BridgeSessions } from "./bridge_sessions.ts";
import { callDigest } from "./call_digest.ts";
import { towardsServer } from "./capabilities.ts";
import { ClientLeg, type LegSettings } from "./client_leg.ts";
import {
  type CallClient,
  mayAsk,
  OpenCall,
  type OpenCallOptions,
} from "./open_call.ts";
import {
  OpenCalls,
  type OpenCallsLimits,
  type OpenCallsOptions,
} from "./open_calls.ts";
import type { StateBinding } from "./request_state.ts";
import { ResourceWatches } from "./resource_watches.ts";

/** How much, how many, how long. */
export interface ToSessionLimits extends
  OpenCallsLimits,
  Pick<
    OpenCallOptions,
    | "askTogetherMs"
    | "bridgedCallMs"
    | "bridgedAnswerBytes"
    | "parkedBytesPerCall"
    | "questionRounds"
    | "questionsPerCall"
  >,
  Pick<LegSettings, "keepAliveMs" | "queueBytes">,
  Pick<BridgeSessionOptions, "initializeMs"> {
  /** Characters held of what one server has begun to say and not ended. */
  readonly bridgedUnfinishedBytes: number;
  /** Sessions in all. */
  readonly bridgeSessions: number;
  /** Sessions of one identity. */
  readonly bridgeSessionsPerIdentity: number;
  /** Milliseconds that a session is kept that nobody uses. */
  readonly bridgeSessionIdleMs: number;
}

/**
 * Milliseconds until the event stream of an answer begins. An error that comes
 * before has an HTTP status of its own; a client that leaves before is noticed
 * only then.
 */
const BEGIN_MS = 2_000;

/** What the bridge works with. */
export interface ToSessionOptions extends
  Sealing,
  Omit<
    BridgeSessionOptions,
    "answerBytes" | "initializeMs" | "unfinished" | "onAskedApart"
  >,
  Pick<OpenCallsOptions, "onUnparked"> {
  /** This broker. */
  readonly here: Listener;
  /** Whether callers' sessions outlive their calls. */
  readonly mode: BridgeSessionMode;
  /** Limits. */
  readonly limits: ToSessionLimits;
  /** What the gateway calls itself where a client does not say who it is. */
  readonly clientInfo: Implementation;
  /** Sends requests to other brokers. */
  readonly fetchBroker: Forwarding["fetch"];
  /** Milliseconds since the epoch. */
  readonly epoch: () => number;
}

/** The bridge to servers of the session era. */
export class ToSessionBridge {
  readonly #options: ToSessionOptions;
  readonly #sessions: BridgeSessions;
  readonly #calls: OpenCalls<CallClient>;
  readonly #watches: ResourceWatches;
  readonly #open = new Set<OpenCall>();
  readonly #unfinished: Unfinished;
  /** Servers that ask outside of the streams of calls, by fingerprint. */
  readonly #askApart = new Set<string>();

  /** Begins without calls. */
  constructor(options: ToSessionOptions) {
    this.#options = options;
    const { limits, mode, wait, log, epoch } = options;
    this.#unfinished = new Unfinished(limits.bridgedUnfinishedBytes);
    const sessionOptions = {
      ...options,
      unfinished: this.#unfinished,
      initializeMs: limits.initializeMs,
      answerBytes: limits.bridgedAnswerBytes,
      onAskedApart: (server: ServerConfig) =>
        void this.#askApart.add(server.fingerprint),
    };
    this.#sessions = new BridgeSessions({
      open: (owner) => BridgeSession.open(owner, sessionOptions),
      mode,
      idleMs: limits.bridgeSessionIdleMs,
      sessions: limits.bridgeSessions,
      perIdentity: limits.bridgeSessionsPerIdentity,
      wait,
      log,
    });
    this.#calls = new OpenCalls({ ...options, now: epoch });
    this.#watches = new ResourceWatches({
      ...options,
      sessions: this.#sessions,
    });
  }

  /** How many calls and sessions there are. */
  get counts(): {
    readonly running: number;
    readonly parked: number;
    readonly sessions: BridgeSessions["counts"];
  } {
    return {
      running: this.#calls.running,
      parked: this.#calls.parked,
      sessions: this.#sessions.counts,
    };
  }

  /** Carries a call. Refusals may be thrown as a `GatewayError`. */
  async call(call: StatelessCall): Promise<Response> {
    const { body, request } = call;
    const params = readObject(body, request.params);
    const level = readLevel(call);
    const binding = bindingOf(call);
    const state = params.get("requestState");
    return state === undefined || !mayAsk(request.method)
      ? await this.#begin(call, binding, level)
      : await this.#goOn(call, binding, level, readRetry(state, params));
  }

  /** Watches resources: see {@linkcode ResourceWatch}. */
  watch(watch: ResourceWatch): Promise<readonly string[]> {
    return this.#watches.watch(watch);
  }

  /**
   * Waits until no call is under way, nor waits for its client: here alone can
   * a client go on with it.
   */
  idle(signal: AbortSignal): Promise<void> {
    return this.#calls.idle(signal);
  }

  /** Ends everything: servers are told that nobody waits any more. */
  async close(): Promise<void> {
    this.#calls.close();
    for (const call of [...this.#open]) call.close();
    await Promise.all([...this.#open].map(({ finished }) => finished));
    await this.#sessions.close();
  }

  async #begin(
    call: StatelessCall,
    binding: StateBinding,
    level: number | undefined,
  ): Promise<Response> {
    const { body, envelope } = call;
    const askable = canBeAsked(capabilitiesOf(body, envelope));
    const place = this.#calls.begin(call.caller.identity, askable);
    const client = this.#client(call, level);
    this.#run(new OpenCall(client, binding, place, this.#callOptions(binding)));
    return await client.leg.response;
  }

  async #goOn(
    call: StatelessCall,
    binding: StateBinding,
    level: number | undefined,
    state: string,
  ): Promise<Response> {
    const found = this.#calls.find(binding, state);
    switch (found.kind) {
      case "here": {
        const client = this.#client(call, level);
        found.parked.resume(client);
        return await client.leg.response;
      }
      case "elsewhere": {
        const response = await this.#forward(call, found.owner);
        if (response === undefined) throw unknownState();
        return response;
      }
      case "unknown":
        throw unknownState();
      default:
        return found satisfies never;
    }
  }

  /** The owner shows life soon, whatever the call is doing, or it is gone. */
  async #forward(
    call: StatelessCall,
    owner: Listener,
  ): Promise<Response | undefined> {
    const { keys, fetchBroker, epoch, wait, limits } = this.#options;
    const late = new AbortController();
    const begun = new AbortController();
    void wait(2 * limits.keepAliveMs, begun.signal).then(() => {
      if (!begun.signal.aborted) late.abort();
    });
    try {
      return await forwardToOwner(
        owner,
        call,
        { keys, fetch: fetchBroker, now: epoch },
        AbortSignal.any([call.signal, late.signal]),
      );
    } finally {
      begun.abort();
    }
  }

  #client(call: StatelessCall, level: number | undefined): CallClient {
    const { limits, wait, clientInfo } = this.#options;
    const { body, envelope } = call;
    return {
      call,
      capabilities: towardsServer(capabilitiesOf(body, envelope)),
      clientInfo: clientInfoOf(body, envelope) ?? clientInfo,
      level,
      leg: new ClientLeg(call.signal, {
        ...limits,
        beginMs: Math.min(BEGIN_MS, limits.keepAliveMs),
        wait,
      }),
    };
  }

  #callOptions(binding: StateBinding): OpenCallOptions {
    const { limits, wait, log } = this.#options;
    return {
      ...limits,
      unfinished: this.#unfinished,
      sessions: this.#sessions,
      calls: this.#calls,
      asksApart: ({ fingerprint }) => this.#askApart.has(fingerprint),
      again: (client, rounds) => this.#again(client, binding, rounds),
      wait,
      log,
    };
  }

  #again(client: CallClient, binding: StateBinding, rounds: number): void {
    try {
      const place = this.#calls.begin(binding.identity, true);
      const options = this.#callOptions(binding);
      this.#run(new OpenCall(client, binding, place, options, rounds));
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      client.leg.refuse(client.call.request.id, error.refusal);
    }
  }

  #run(call: OpenCall): void {
    this.#open.add(call);
    void call.finished.then(() => this.#open.delete(call));
  }
}

function bindingOf(call: StatelessCall): StateBinding {
  const { body, request, server, name, caller } = call;
  return {
    identity: caller.identity,
    digest: callDigest(body, request, server.name, name),
  };
}

/** The level of log messages that a request wants, as its index. */
function readLevel({ body, envelope }: StatelessCall): number | undefined {
  if (envelope.logLevel === undefined) return undefined;
  const level = LOG_LEVELS.indexOf(asString(body, envelope.logLevel) ?? "");
  if (level >= 0) return level;
  throw invalid(`logLevel is none of ${LOG_LEVELS.join(", ")}`);
}

/** What a retry brings along; nothing is used up while it is wrong. */
function readRetry(state: string, params: ObjectText): string {
  if (!state.startsWith('"')) throw invalid("requestState is not a string");
  const responses = params.get("inputResponses");
  if (responses !== undefined && !responses.startsWith("{")) {
    throw invalid("inputResponses is not an object");
  }
  return JSON.parse(state);
}

function invalid(detail: string): GatewayError {
  const refusal: Refusal = { kind: "invalid params", detail };
  return new GatewayError(refusal);
}

function unknownState(): GatewayError {
  return new GatewayError({ kind: "unknown request state" });
}
