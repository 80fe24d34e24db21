/**
 * Servers and clients of both eras that say, in everything, whose it is: an
 * answer that reaches somebody else tells on itself.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { ConversingServer } from "../fixtures/conversing_server.ts";
import {
  rpcResult,
  StatelessRawServer,
  type StatelessRequest,
} from "../fixtures/stateless_raw_server.ts";
import { delay } from "../../shared/wait.ts";
import type { RawClient, RawReply, RpcMessage } from "./raw_client.ts";
import type { StatelessClient } from "./stateless_client.ts";

/** What a call is about: both go through the server and come back. */
export interface Args {
  /** Name of the client. */
  readonly caller: string;
  /** Number of the call, of that client. */
  readonly n: number;
}

/** What a client answers a question with. */
export type Action = "accept" | "decline";

/** The text of every result, as JSON. */
interface Told {
  readonly server: string;
  readonly args: Args;
  readonly action?: string;
  readonly who?: string;
}

/** The question that `ask` asks. */
const question = (args: Args) => ({
  mode: "form",
  message: `Who is ${args.caller}, call ${args.n}?`,
  requestedSchema: {
    type: "object",
    properties: { who: { type: "string" } },
  },
});

/** What a client answers. */
const answerOf = (args: Args, action: Action) =>
  action === "accept"
    ? { action, content: { who: `${args.caller}/${args.n}` } }
    : { action };

/** Milliseconds that `slow` takes. */
export const SLOW_MS = 2_500;

/**
 * A server with sessions: `echo`, `slow`, which takes its time, `ask`, and
 * `hang`, which ends by leaving.
 */
export function sessionServer(): ConversingServer {
  return new ConversingServer({
    name: "old",
    tools: {
      echo: ({ arguments: args }) => JSON.stringify({ server: "old", args }),
      slow: async ({ arguments: args }) => {
        await delay(SLOW_MS);
        return JSON.stringify({ server: "old", args });
      },
      ask: async (call) => {
        const args = call.arguments as unknown as Args;
        const { result } = await call.ask("elicitation/create", question(args));
        const content = result?.content as { who?: string } | undefined;
        return JSON.stringify({
          server: "old",
          args,
          action: result?.action,
          ...content,
        });
      },
      hang: async ({ stream, progress }) => {
        progress(1, "hanging");
        await stream.ended;
        return "";
      },
    },
  });
}

/** A server without, of the same tools. */
export class ModernServer extends StatelessRawServer {
  /** Calls of `hang` that are under way. */
  hanging = 0;

  /** Starts it. */
  constructor() {
    super({
      name: "new",
      tools: ["echo", "slow", "ask", "hang"].map((name) => ({ name })),
    });
    this.script = (request) => {
      if (request.rpc !== "tools/call") return undefined;
      // Ten thousand of them would be kept.
      this.requests.length = 0;
      return this.#call(request);
    };
  }

  #call(request: StatelessRequest): Response | Promise<Response> {
    const text = new TextDecoder().decode(request.body);
    const { params } = JSON.parse(text);
    const args: Args = params.arguments;
    const result = (told: Told) =>
      rpcResult(request, {
        content: [{ type: "text", text: JSON.stringify(told) }],
      });
    if (params.name === "hang") {
      return this.#hang(params._meta?.progressToken);
    }
    if (params.name === "echo") return result({ server: "new", args });
    if (params.name === "slow") {
      return delay(SLOW_MS).then(() => result({ server: "new", args }));
    }
    if (params.inputResponses === undefined) {
      return rpcResult(request, {
        resultType: "input_required",
        inputRequests: {
          who: { method: "elicitation/create", params: question(args) },
        },
        requestState: JSON.stringify(args),
      });
    }
    const { action, content } = params.inputResponses.who;
    const same = params.requestState === JSON.stringify(args);
    return result({
      server: same ? "new" : "another call's state",
      args,
      action,
      ...content,
    });
  }

  #hang(progressToken: unknown): Response {
    this.hanging++;
    const progress = JSON.stringify({
      jsonrpc: "2.0",
      method: "notifications/progress",
      params: { progressToken, progress: 1, message: "hanging" },
    });
    const body = new ReadableStream<Uint8Array>({
      start: (controller) =>
        controller.enqueue(new TextEncoder().encode(`data: ${progress}\n\n`)),
      cancel: () => {
        this.hanging--;
      },
    });
    return new Response(body, {
      headers: { "content-type": "text/event-stream" },
    });
  }
}

/** A client of either era that calls a tool and answers what it is asked. */
export interface MixedClient {
  /** Its name. */
  readonly name: string;
  /** Calls `echo`. */
  echo(server: string, n: number): Promise<string | undefined>;
  /** Calls `slow`. */
  slow(server: string, n: number): Promise<string | undefined>;
  /** Calls `ask`, and answers. */
  ask(
    server: string,
    n: number,
    action: Action,
  ): Promise<string | undefined>;
  /** Calls `hang`, and leaves as soon as it is heard of. */
  leave(server: string, n: number): Promise<void>;
  /** Calls `ask`, and goes away when it is asked. */
  abandon(server: string, n: number): Promise<void>;
}

const argsOf = (caller: string, n: number): Args => ({ caller, n });

/** What is wrong with an answer; undefined for nothing. */
function wrongWith(
  reply: RawReply | undefined,
  message: RpcMessage | undefined,
  want: Told,
): string | undefined {
  const text = message?.result?.content?.[0]?.text;
  try {
    assertEquals(JSON.parse(text ?? ""), want);
    return undefined;
  } catch {
    const got = reply === undefined
      ? JSON.stringify(message)
      : `${reply.status} ${reply.text}`;
    return `${want.args.caller} call ${want.args.n} at ${want.server}: ${got}`;
  }
}

function asked(name: string, n: number, params: unknown): string | undefined {
  const { message } = (params ?? {}) as { readonly message?: string };
  const want = question(argsOf(name, n)).message;
  return message === want
    ? undefined
    : `${name} call ${n} was asked: ${JSON.stringify(params)}`;
}

function toldOf(server: string, args: Args, action?: Action): Told {
  return {
    server,
    args,
    ...action === undefined ? {} : { action },
    ...action === "accept" ? { who: `${args.caller}/${args.n}` } : {},
  };
}

/** A client with a session. */
export function inSession(name: string, client: RawClient): MixedClient {
  const open = (tool: string, args: Args) =>
    client.open({
      jsonrpc: "2.0",
      id: args.n,
      method: "tools/call",
      params: { name: tool, arguments: args, _meta: { progressToken: args.n } },
    });
  const call = async (server: string, tool: string, n: number) => {
    const args = argsOf(name, n);
    const reply = await client.send({
      jsonrpc: "2.0",
      id: n,
      method: "tools/call",
      params: { name: `${server}_${tool}`, arguments: args },
    });
    const { message } = reply;
    return message?.id === n
      ? wrongWith(reply, message, toldOf(server, args))
      : `${name} call ${n}: ${reply.status} ${reply.text}`;
  };
  return {
    name,
    echo: (server, n) => call(server, "echo", n),
    slow: (server, n) => call(server, "slow", n),
    async ask(server, n, action) {
      const args = argsOf(name, n);
      await using stream = await open(`${server}_ask`, args);
      while (true) {
        const message = await stream.next(PATIENCE_MS);
        if (message.method === "elicitation/create") {
          const wrong = asked(name, n, message.params);
          if (wrong !== undefined) return wrong;
          const reply = await client.send({
            jsonrpc: "2.0",
            id: message.id,
            result: answerOf(args, action),
          });
          if (reply.status !== 202) {
            return `${name} answer ${n}: ${reply.status} ${reply.text}`;
          }
        } else if (message.method === undefined) {
          return message.id === n
            ? wrongWith(undefined, message, toldOf(server, args, action))
            : `${name} call ${n} got ${JSON.stringify(message)}`;
        }
      }
    },
    async leave(server, n) {
      // Leaving is no cancelling in this era.
      {
        await using _stream = await open(`${server}_hang`, argsOf(name, n));
      }
      await client.send({
        jsonrpc: "2.0",
        method: "notifications/cancelled",
        params: { requestId: n },
      });
    },
    async abandon(server, n) {
      await using stream = await open(`${server}_ask`, argsOf(name, n));
      await stream.nextOf("elicitation/create", PATIENCE_MS);
    },
  };
}

/** A client without. */
export function sessionless(
  name: string,
  client: StatelessClient,
): MixedClient {
  const call = async (server: string, tool: string, n: number) => {
    const args = argsOf(name, n);
    const reply = await client.call(`${server}_${tool}`, args);
    return wrongWith(reply, reply.message, toldOf(server, args));
  };
  return {
    name,
    echo: (server, n) => call(server, "echo", n),
    slow: (server, n) => call(server, "slow", n),
    async ask(server, n, action) {
      const args = argsOf(name, n);
      const call = { name: `${server}_ask`, arguments: args };
      const first = await client.request("tools/call", call);
      const result = first.message?.result;
      const requests = Object.entries(
        (result?.inputRequests ?? {}) as Record<string, { params: unknown }>,
      );
      const [only] = requests;
      if (only === undefined || requests.length !== 1) {
        return `${name} call ${n}: ${first.status} ${first.text}`;
      }
      const wrong = asked(name, n, only[1].params);
      if (wrong !== undefined) return wrong;
      const reply = await client.request("tools/call", {
        ...call,
        inputResponses: { [only[0]]: answerOf(args, action) },
        requestState: result?.requestState,
      });
      return wrongWith(reply, reply.message, toldOf(server, args, action));
    },
    async leave(server, n) {
      await using _stream = await client.open("tools/call", {
        name: `${server}_hang`,
        arguments: argsOf(name, n),
        _meta: { progressToken: n },
      });
    },
    async abandon(server, n) {
      const reply = await client.call(`${server}_ask`, argsOf(name, n));
      assertEquals(reply.message?.result?.resultType, "input_required");
    },
  };
}

/** Milliseconds for the next message, on a machine under load. */
const PATIENCE_MS = 60_000;
