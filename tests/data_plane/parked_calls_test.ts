/**
 * Calls of clients of the stateless era that a server of the session era asks
 * about: answered `input_required`, kept by one of two brokers behind Envoy,
 * gone on with by the right retry, and never run twice, whatever happens.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { ConversingServer, type Heard } from "../fixtures/conversing_server.ts";
import { bearer } from "../support/bearer.ts";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import { proves, shared } from "../support/proves.ts";
import type { RawReply } from "../support/raw_client.ts";
import { StatelessClient } from "../support/stateless_client.ts";
import { eventually } from "../support/wait.ts";

const FORM = {
  message: "Go on?",
  requestedSchema: { type: "object", properties: {} },
};
const YES = { action: "accept", content: { sure: true } };

/** A server that asks, and counts what ran and what it was told. */
class Asking implements AsyncDisposable {
  /** How often each tool ran, by the key that it was called with. */
  readonly runs = new Map<string, number>();
  /** What was answered to its questions, by key. */
  readonly answers = new Map<string, Heard>();
  readonly #server = new ConversingServer({
    name: "asking",
    tools: {
      confirm: async ({ arguments: { key }, ask }) => {
        const name = String(key);
        this.runs.set(name, (this.runs.get(name) ?? 0) + 1);
        const answer = await ask("elicitation/create", FORM);
        this.answers.set(name, answer);
        return JSON.stringify(answer.result ?? answer.error);
      },
      hang: async ({ arguments: { key } }) => {
        this.runs.set(`hang ${key}`, 1);
        return await new Promise(() => {});
      },
      report: ({ progress }) => {
        progress(1, "begun");
        return "reported";
      },
      other: ({ arguments: { key } }) => {
        this.runs.set(`other ${key}`, 1);
        return "other";
      },
    },
  });

  get url(): string {
    return this.#server.url;
  }

  /** Requests that were cancelled, in all sessions. */
  get cancelled(): number {
    return [...this.#server.sessions.values()]
      .flatMap(({ notifications }) => notifications)
      .filter(({ method }) => method === "notifications/cancelled").length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server[Symbol.asyncDispose]();
  }
}

async function start(
  stack: AsyncDisposableStack,
  brokerArgs: readonly string[] = [],
): Promise<{ readonly server: Asking; readonly gateway: TestGateway }> {
  const server = stack.use(new Asking());
  const gateway = stack.use(
    await startGateway({
      servers: [{ name: "asking", url: server.url, prefix: "a_" }],
      local: { brokers: 2, brokerArgs },
    }),
  );
  return { server, gateway };
}

const setup = shared((stack) => start(stack));

/** A client that can be asked to fill in forms. */
function clientOf(url: string, subject = "alice"): StatelessClient {
  return new StatelessClient(url, {
    capabilities: { elicitation: {} },
    headers: bearer(subject),
  });
}

/** A call that was answered with a question. */
interface Asked {
  readonly key: string;
  readonly params: Readonly<Record<string, unknown>>;
  /** The params of the retry that answers it. */
  readonly retry: Readonly<Record<string, unknown>>;
}

async function begin(client: StatelessClient): Promise<Asked> {
  const key = crypto.randomUUID();
  const params = { name: "a_confirm", arguments: { key } };
  const reply = await client.request("tools/call", params);
  assertEquals(reply.status, 200, reply.text);
  const result = reply.message?.result as {
    readonly resultType: string;
    readonly inputRequests: Readonly<Record<string, unknown>>;
    readonly requestState: string;
  };
  assertEquals(result.resultType, "input_required", reply.text);
  const [question, ...others] = Object.keys(result.inputRequests);
  assertEquals(others, []);
  assertEquals(result.inputRequests[question!], {
    method: "elicitation/create",
    params: FORM,
  });
  const { requestState } = result;
  const inputResponses = { [question!]: YES };
  return { key, params, retry: { ...params, requestState, inputResponses } };
}

function goOn(
  client: StatelessClient,
  { retry }: Asked,
): Promise<RawReply> {
  return client.request("tools/call", retry);
}

function assertDone(reply: RawReply): void {
  assertEquals(reply.status, 200, reply.text);
  assertEquals(reply.message?.result?.["resultType"], "complete", reply.text);
  assertEquals(reply.message?.result?.content?.[0]?.text, JSON.stringify(YES));
}

function assertRefused(reply: RawReply): void {
  assertEquals(reply.status, 200, reply.text);
  assertEquals(reply.message?.error?.code, -32602, reply.text);
}

/** Where a parked call is, and where it is not. */
async function brokersOf(
  { local }: TestGateway,
  count: number,
): Promise<{ readonly owner: number; readonly other: number }> {
  const parked = await Promise.all(
    local.brokerInternalUrls.map(async (url) => {
      const status = await (await fetch(new URL("/status", url))).json();
      return status.bridge.parkedCalls as number;
    }),
  );
  assertEquals(parked[0]! + parked[1]!, count, JSON.stringify(parked));
  return parked[0]! > 0 ? { owner: 0, other: 1 } : { owner: 1, other: 0 };
}

/** A client that talks to one broker, past Envoy. */
function at({ local }: TestGateway, broker: number): StatelessClient {
  return clientOf(new URL("/mcp", local.brokerUrls[broker]).href);
}

proves(
  "a retry in time goes on with its call, whichever broker Envoy gives it to",
  async () => {
    const { server, gateway } = setup();
    const client = clientOf(gateway.url);
    for (let n = 0; n < 8; n++) {
      const asked = await begin(client);
      assertDone(await goOn(client, asked));
      assertEquals(server.runs.get(asked.key), 1);
    }
    await brokersOf(gateway, 0);
  },
);

proves(
  "a retry at the other broker is answered there, by the broker that has the call, once",
  async () => {
    const { server, gateway } = setup();
    const asked = await begin(clientOf(gateway.url));
    const { owner, other } = await brokersOf(gateway, 1);
    assertDone(await goOn(at(gateway, other), asked));
    for (const broker of [owner, other]) {
      assertRefused(await goOn(at(gateway, broker), asked));
    }
    assertEquals(server.runs.get(asked.key), 1);
  },
);

const WRONG: readonly {
  readonly name: string;
  readonly send: (gateway: TestGateway, asked: Asked) => Promise<RawReply>;
}[] = [
  {
    name: "an altered state",
    send: ({ url }, { params, retry }) => {
      const state = String(retry["requestState"]);
      const swapped = state[50] === "A" ? "B" : "A";
      const requestState = state.slice(0, 50) + swapped + state.slice(51);
      return clientOf(url).request("tools/call", {
        ...params,
        ...retry,
        requestState,
      });
    },
  },
  {
    name: "another caller's state",
    send: ({ url }, asked) => goOn(clientOf(url, "bob"), asked),
  },
  {
    name: "another tool's state",
    send: ({ url }, { retry }) =>
      clientOf(url).request("tools/call", { ...retry, name: "a_other" }),
  },
  {
    name: "the state of a call with other arguments",
    send: ({ url }, { key, retry }) =>
      clientOf(url).request("tools/call", {
        ...retry,
        arguments: { key, more: true },
      }),
  },
];
for (const { name, send } of WRONG) {
  proves(
    `a retry with ${name} is refused at every broker, and costs the call nothing`,
    async () => {
      const { server, gateway } = setup();
      const asked = await begin(clientOf(gateway.url));
      for (let n = 0; n < 4; n++) assertRefused(await send(gateway, asked));
      assertEquals(server.runs.get(asked.key), 1);
      assertEquals(server.runs.get(`other ${asked.key}`), undefined);
      assertDone(await goOn(clientOf(gateway.url), asked));
      assertEquals(server.runs.get(asked.key), 1);
    },
  );
}

proves(
  "of two retries at the same time one goes on, and the other is refused",
  async () => {
    const { server, gateway } = setup();
    const client = clientOf(gateway.url);
    for (let n = 0; n < 4; n++) {
      const asked = await begin(client);
      const replies = await Promise.all([1, 2].map(() => goOn(client, asked)));
      const done = replies.filter(({ message }) =>
        message?.result !== undefined
      );
      assertEquals(done.length, 1, replies.map(({ text }) => text).join("\n"));
      assertDone(done[0]!);
      assertRefused(replies.find((reply) => reply !== done[0])!);
      assertEquals(server.runs.get(asked.key), 1);
    }
  },
);

proves(
  "a client that disconnects while it is asked cancels nothing",
  async () => {
    const { server, gateway } = setup();
    const before = server.cancelled;
    // Its connection is closed with it.
    const http = Deno.createHttpClient({});
    const leaving = new StatelessClient(gateway.url, {
      capabilities: { elicitation: {} },
      headers: bearer("alice"),
      http,
    });
    const asked = await begin(leaving);
    http.close();
    assertDone(await goOn(clientOf(gateway.url), asked));
    assertEquals(server.runs.get(asked.key), 1);
    assertEquals(server.cancelled, before);
  },
);

proves(
  "a client that disconnects before anything came back cancels its call",
  async () => {
    const { server, gateway } = setup();
    const before = server.cancelled;
    const leaving = new AbortController();
    const key = crypto.randomUUID();
    const client = clientOf(gateway.url, "leaver");
    const call = client.call("a_hang", { key }, { signal: leaving.signal });
    await eventually(() => assertEquals(server.runs.get(`hang ${key}`), 1));
    leaving.abort();
    await call.catch(() => {});
    await eventually(() => assertEquals(server.cancelled, before + 1));
  },
);

proves(
  "an answer that its client has cancels nothing, however it came",
  async () => {
    const { server, gateway } = setup();
    const before = server.cancelled;
    const http = Deno.createHttpClient({});
    const client = new StatelessClient(gateway.url, {
      headers: bearer("alice"),
      http,
    });
    for (let n = 0; n < 4; n++) {
      const reply = await client.call("a_other", { key: n });
      assertEquals(reply.status, 200, reply.text);
      const meta = `${client.meta},"progressToken":${n}`;
      const streamed = await client.send(
        `{"jsonrpc":"2.0","id":${n},"method":"tools/call","params":{"name":"a_report","_meta":{${meta}}}}`,
        { headers: { "mcp-method": "tools/call", "mcp-name": "a_report" } },
      );
      const type = streamed.headers.get("content-type");
      assertEquals(type, "text/event-stream", streamed.text);
    }
    http.close();
    const asked = await begin(clientOf(gateway.url));
    assertDone(await goOn(clientOf(gateway.url), asked));
    assertEquals(server.cancelled, before);
  },
);

proves(
  "a client that never comes back, or late, costs an error to the question, a cancellation and a refusal",
  async () => {
    await using stack = new AsyncDisposableStack();
    const { server, gateway } = await start(stack, ["--park-seconds=1"]);
    const client = clientOf(gateway.url);
    const asked = await begin(client);
    await eventually(() => {
      assertEquals(server.answers.get(asked.key)?.error?.code, -32603);
      assertEquals(server.cancelled, 1);
    });
    await brokersOf(gateway, 0);
    for (let n = 0; n < 4; n++) assertRefused(await goOn(client, asked));
    assertEquals(server.runs.get(asked.key), 1);
  },
);

proves(
  "a broker that is killed takes its calls along: the retry is refused by the other one, and by itself when it is back",
  async () => {
    await using stack = new AsyncDisposableStack();
    const { server, gateway } = await start(stack);
    const client = clientOf(gateway.url);
    const asked = await begin(client);
    const { owner, other } = await brokersOf(gateway, 1);
    const killed = gateway.local.brokers[owner]!;
    killed.kill("SIGKILL");
    await killed.ended;
    assertRefused(await goOn(at(gateway, other), asked));
    await killed.restart();
    await gateway.serverIs("asking", "ready");
    for (const broker of [owner, other]) {
      assertRefused(await goOn(at(gateway, broker), asked));
    }
    for (let n = 0; n < 4; n++) {
      assertRefused(
        await eventually(async () => {
          const reply = await goOn(client, asked);
          assert(reply.status < 500, reply.text);
          return reply;
        }),
      );
    }
    assertEquals(server.runs.get(asked.key), 1);
    // What is asked anew works as before.
    assertDone(await goOn(client, await begin(client)));
  },
);

proves(
  "a broker that ends in an orderly way tells its servers so",
  async () => {
    await using stack = new AsyncDisposableStack();
    const { server, gateway } = await start(stack);
    const asked = await begin(clientOf(gateway.url));
    const { owner, other } = await brokersOf(gateway, 1);
    await gateway.local.brokers[owner]!.stop();
    assertEquals(server.answers.get(asked.key)?.error?.code, -32603);
    assertEquals(server.cancelled, 1);
    assertRefused(await goOn(at(gateway, other), asked));
    assertEquals(server.runs.get(asked.key), 1);
  },
);

proves(
  "metrics tell how many calls wait, and what became of them",
  async () => {
    await using stack = new AsyncDisposableStack();
    const { gateway } = await start(stack);
    const asked = await begin(clientOf(gateway.url));
    const { owner } = await brokersOf(gateway, 1);
    const metrics = async () => {
      const url = gateway.local.brokerInternalUrls[owner]!;
      return await (await fetch(new URL("/metrics", url))).text();
    };
    const shows = async (line: string) => {
      const text = await metrics();
      assert(text.includes(`${line}\n`), text);
    };
    await shows('mcp_gateway_bridged_calls{state="parked"} 1');
    await shows('mcp_gateway_bridge_sessions{state="used"} 1');
    assertDone(await goOn(at(gateway, owner), asked));
    await shows('mcp_gateway_bridged_calls{state="parked"} 0');
    await shows('mcp_gateway_bridge_sessions{state="idle"} 1');
    await shows('mcp_gateway_parked_calls_total{outcome="resumed"} 1');
  },
);
