/**
 * A crowd: two hundred clients that give everything the same ids, on servers
 * that do so too and all ask at once. Every message names who it is for, so
 * that one which reaches somebody else tells on itself.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import {
  ConversingServer,
  type Heard,
  type ServerSession,
  type Tool,
  type ToolCall,
} from "../fixtures/conversing_server.ts";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import { proves, shared } from "../support/proves.ts";
import {
  RawClient,
  type RawListener,
  type RpcMessage,
} from "../support/raw_client.ts";

const CLIENTS = 200;
const SERVERS = ["one", "two"] as const;
/** A message of one of 200 has to wait for its turn: on two cores, a while. */
const DEADLINE_MS = 60_000;

/** What a server asks for: each of them at once, while its tool runs. */
const QUESTIONS = [
  "elicitation/create",
  "sampling/createMessage",
  "roots/list",
] as const;

/** Everything that went to a wrong party. */
const crossings: string[] = [];

/** Lets everybody go on as soon as all are there. */
class Meeting {
  readonly #all = Promise.withResolvers<void>();
  #missing: number;

  constructor(size: number) {
    this.#missing = size;
  }

  arrive(): Promise<void> {
    if (--this.#missing === 0) this.#all.resolve();
    return this.#all.promise;
  }
}

/** Puts the names of both parties into something that a client gets. */
function naming(client: string, server: string): { readonly _meta: object } {
  return { _meta: { party: `${client} at ${server}` } };
}

/** Notes where a message is for, or from, somebody else. */
function check(what: string, message: object | undefined, want: object): void {
  const { _meta } = (message ?? {}) as { readonly _meta?: { party?: string } };
  const { party } = (want as { readonly _meta: { party: string } })._meta;
  if (_meta?.party !== party) {
    crossings.push(`${what} of ${_meta?.party} reached ${party}`);
  }
}

/** A server and who its sessions belong to, as their first calls say. */
function startServer(name: string): ConversingServer {
  const owners = new Map<ServerSession, string>();
  const meetings = new Map<string, Meeting>();

  /** Whose call it is; waits until everybody's is there. */
  async function begin(tool: string, call: ToolCall): Promise<string> {
    const client = String(call.arguments.client);
    const owner = owners.get(call.session) ?? client;
    owners.set(call.session, owner);
    if (owner !== client) crossings.push(`a call of ${client}'s in ${owner}'s`);
    const meeting = meetings.get(tool) ?? new Meeting(CLIENTS);
    meetings.set(tool, meeting);
    await meeting.arrive();
    return client;
  }

  const asking =
    (tool: string, streamOf: (call: ToolCall) => Promise<Ask>) =>
    async (call: ToolCall): Promise<string> => {
      const client = await begin(tool, call);
      const parties = naming(client, name);
      const ask = await streamOf(call);
      call.progress(1, JSON.stringify(parties));
      await Promise.all(QUESTIONS.map(async (method) => {
        const answer = await ask(method, { ...parties, message: "Who?" });
        check(`an answer to ${method}`, answer.result, parties);
      }));
      call.progress(2, JSON.stringify(parties));
      return JSON.stringify(parties);
    };

  const tools: Record<string, Tool> = {
    ask: asking("ask", (call) => Promise.resolve(call.ask)),
    ask_apart: asking("ask_apart", async ({ session }) => {
      const stream = await session.listening();
      return (method, params) => session.ask(stream, method, params);
    }),
  };
  return new ConversingServer({ name, tools });
}

type Ask = (method: string, params: object) => Promise<Heard>;

/** Answers a server's request with the client's name, and notes whose it was. */
async function answer(
  client: RawClient,
  name: string,
  server: string,
  request: RpcMessage,
): Promise<void> {
  const parties = naming(name, server);
  check(String(request.method), request.params as object, parties);
  const reply = await client.send({
    jsonrpc: "2.0",
    id: request.id,
    result: { action: "accept", content: {}, roots: [], ...parties },
  });
  assertEquals(reply.status, 202, reply.text);
}

/** Reads the stream of a call to its end; counts what came on it. */
async function converse(
  client: RawClient,
  name: string,
  server: string,
  id: number,
  stream: RawListener,
): Promise<Record<string, number>> {
  const parties = naming(name, server);
  const counts: Record<string, number> = {};
  const answers: Promise<void>[] = [];
  while (true) {
    const message = await stream.next(DEADLINE_MS);
    const kind = message.method ?? "result";
    counts[kind] = (counts[kind] ?? 0) + 1;
    if (message.method === "notifications/progress") {
      const { progressToken, message: text } = message.params as {
        readonly progressToken: unknown;
        readonly message: string;
      };
      check("progress", JSON.parse(text), parties);
      assertEquals(progressToken, id);
    } else if (message.method !== undefined) {
      answers.push(answer(client, name, server, message));
    } else {
      assertEquals(message.id, id);
      const text = message.result?.content?.[0]?.text ?? "{}";
      check("a result", JSON.parse(text), parties);
      await Promise.all(answers);
      return counts;
    }
  }
}

/** Calls a tool of each server at once; ids and tokens are everybody's. */
function callAll(
  client: RawClient,
  name: string,
  tool: string,
): Promise<Record<string, number>[]> {
  return Promise.all(SERVERS.map(async (server, at) => {
    const id = at + 1;
    await using stream = await client.open({
      jsonrpc: "2.0",
      id,
      method: "tools/call",
      params: {
        name: `${server}_${tool}`,
        arguments: { client: name },
        _meta: { progressToken: id },
      },
    });
    return await converse(client, name, server, id, stream);
  }));
}

const setup = shared(async (stack) => {
  const servers = SERVERS.map((name) => stack.use(startServer(name)));
  const gateway = stack.use(
    await startGateway({
      servers: servers.map(({ url }, at) => ({
        name: SERVERS[at]!,
        url,
        prefix: `${SERVERS[at]}_`,
      })),
      // An answer seldom comes by the router that has the stream of its call.
      local: { routers: 2, brokers: 2 },
    }),
  );
  return { gateway, servers };
});

function connectCrowd(gateway: TestGateway): Promise<RawClient[]> {
  const capabilities = { elicitation: {}, sampling: {}, roots: {} };
  return Promise.all(
    Array.from({ length: CLIENTS }, () => gateway.connect({ capabilities })),
  );
}

/** What every client of the crowd got, where nothing was lost. */
function expectEqual(
  got: readonly (readonly Record<string, number>[])[],
  want: Record<string, number>,
): void {
  const lost = got.flat().filter((counts) =>
    JSON.stringify(Object.entries(counts).sort()) !==
      JSON.stringify(Object.entries(want).sort())
  );
  assertEquals(lost, []);
  assertEquals(got.flat().length, CLIENTS * SERVERS.length);
}

/** No session got an answer that it did not wait for. */
function expectNoStrays(): void {
  for (const server of setup().servers) {
    for (const { strays } of server.sessions.values()) assertEquals(strays, []);
  }
  assertEquals(crossings, []);
}

proves(
  "two hundred clients with equal ids and tokens, asked by two servers at once: every message reaches its own party, and none is lost",
  async () => {
    const clients = await connectCrowd(setup().gateway);
    const got = await Promise.all(
      clients.map((client, at) => callAll(client, `client ${at}`, "ask")),
    );
    expectNoStrays();
    expectEqual(got, {
      "notifications/progress": 2,
      ...Object.fromEntries(QUESTIONS.map((method) => [method, 1])),
      result: 1,
    });
  },
);

proves(
  "two hundred clients that two servers ask on their GET streams at once: every message reaches its own party, and none is lost",
  async () => {
    const clients = await connectCrowd(setup().gateway);
    const got = await Promise.all(clients.map(async (client, at) => {
      const name = `client ${at} apart`;
      await using stream = await client.listen();
      const asked = (async () => {
        const servers: string[] = [];
        for (let n = 0; n < SERVERS.length * QUESTIONS.length; n++) {
          const request = await stream.next(DEADLINE_MS);
          const { _meta } = request.params as { _meta: { party: string } };
          const server = _meta.party.split(" at ")[1] ?? "";
          servers.push(server);
          await answer(client, name, server, request);
        }
        return servers.sort();
      })();
      const [calls, servers] = await Promise.all([
        callAll(client, name, "ask_apart"),
        asked,
      ]);
      assertEquals(
        servers,
        SERVERS.flatMap((server) => QUESTIONS.map(() => server)).sort(),
      );
      return calls;
    }));
    expectNoStrays();
    expectEqual(got, { "notifications/progress": 2, result: 1 });
  },
);
