/**
 * Router, broker and a server are killed and come back in the middle of a
 * conversation: what the protocol lets survive survives, and the client is told
 * the truth about the rest.
 *
 * @module
 */

import { assert, assertEquals, assertNotEquals } from "@std/assert";
import {
  type SessionFacts,
  TalkingProcess,
  TalkingServer,
} from "../fixtures/talking_server.ts";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import { proves } from "../support/proves.ts";
import type {
  RawClient,
  RawListener,
  RawReply,
  RpcMessage,
} from "../support/raw_client.ts";
import { eventually } from "../support/wait.ts";

const UPDATED = "notifications/resources/updated";
const NAME = "speaker";

/** What a client sees of a call in the end. */
type Ending =
  | { readonly kind: "answered"; readonly message: RpcMessage }
  | { readonly kind: "broken" };

/** A call whose stream is open. */
interface OpenCall {
  readonly id: number;
  readonly stream: RawListener;
  /** What came first: its progress, or the server's question. */
  readonly first: RpcMessage;
}

/** A conversation in full swing with two servers, `a` and `b`. */
interface Conversation extends AsyncDisposable {
  readonly gateway: TestGateway;
  readonly client: RawClient;
  /** Another client, which nobody can ask anything. */
  readonly plain: RawClient;
  /** The client's GET stream. */
  readonly events: RawListener;
  /** `work` at each server, in flight: by the name of the server. */
  readonly work: Readonly<Record<string, OpenCall>>;
  /** `work` at each server, of which nothing was heard yet. */
  readonly late: Readonly<Record<string, Promise<RawReply>>>;
  /** `ask` at each server, its question not answered yet. */
  readonly ask: Readonly<Record<string, OpenCall>>;
  /** `work` of the other client at each server. */
  readonly plainWork: Readonly<Record<string, OpenCall>>;
  /** What each server knew of the client's session. */
  readonly before: Readonly<Record<string, SessionFacts>>;
}

/** Servers that a conversation is held with. */
interface Talkers {
  readonly a: { readonly url: string };
  readonly b: TalkingServer;
}

const NAMES = ["a", "b"] as const;

async function converse({ a, b }: Talkers): Promise<Conversation> {
  await using owned = new AsyncDisposableStack();
  const gateway = owned.use(
    await startGateway({
      servers: [
        { name: "a", url: a.url, prefix: "a_" },
        { name: "b", url: b.url, prefix: "b_" },
      ],
    }),
  );
  const client = await gateway.connect({
    name: NAME,
    capabilities: { elicitation: {} },
  });
  const plain = await gateway.connect({ name: "plain" });
  const events = owned.use(await client.listen());
  let lastId = 100;
  const open = async (
    caller: RawClient,
    tool: string,
    args: object,
  ): Promise<OpenCall> => {
    const id = ++lastId;
    const stream = owned.use(
      await caller.open({
        jsonrpc: "2.0",
        id,
        method: "tools/call",
        params: { name: tool, arguments: args, _meta: { progressToken: id } },
      }),
    );
    return { id, stream, first: await stream.next() };
  };
  const each = async <T>(make: (server: string) => Promise<T>) =>
    Object.fromEntries(
      await Promise.all(
        NAMES.map(async (name) => [name, await make(name)] as const),
      ),
    ) as Readonly<Record<string, T>>;

  for (const name of NAMES) {
    succeeded(
      await client.request("resources/subscribe", { uri: `${name}://state` }),
    );
  }
  succeeded(await client.request("logging/setLevel", { level: "warning" }));
  const late = Object.fromEntries(NAMES.map((name) => {
    const reply = client.call(`${name}_work`, { key: NAME, late: true });
    reply.catch(() => {}); // whoever waits for it will see
    return [name, reply];
  }));
  const conversation = {
    gateway,
    client,
    plain,
    events,
    late,
    work: await each((name) => open(client, `${name}_work`, { key: NAME })),
    ask: await each((name) => open(client, `${name}_ask`, {})),
    plainWork: await each((name) => open(plain, `${name}_work`, { key: "p" })),
    before: await each((name) => factsOf(client, name)),
  };
  for (const name of NAMES) {
    await eventually(async () =>
      assertEquals((await factsOf(client, name)).running, 2)
    );
    assertEquals(conversation.ask[name]?.first.method, "elicitation/create");
    assertEquals(conversation.before[name], {
      ...conversation.before[name]!,
      logLevel: "warning",
      subscriptions: [`${name}://state`],
      listening: true,
      strays: 0,
    });
    await hears(conversation, name);
  }
  const everything = owned.move();
  return {
    ...conversation,
    [Symbol.asyncDispose]: () => everything.disposeAsync(),
  };
}

function succeeded(reply: RawReply): RawReply {
  assertEquals(reply.status, 200, reply.text);
  assert(reply.message?.result !== undefined, reply.text);
  return reply;
}

async function factsOf(
  client: RawClient,
  server: string,
): Promise<SessionFacts> {
  const reply = succeeded(await client.call(`${server}_facts`));
  return JSON.parse(reply.message?.result?.content?.[0]?.text ?? "");
}

/** Has a server say something on its GET stream, and hears it. */
async function hears(
  { client, events }: Pick<Conversation, "client" | "events">,
  server: string,
): Promise<void> {
  const uri = `${server}://${crypto.randomUUID()}`;
  succeeded(await client.call(`${server}_announce`, { uri }));
  const { params } = await events.nextOf(UPDATED);
  assertEquals(params, { uri });
}

/** Reads a call's stream until it is answered, or breaks; never hangs. */
async function ending({ stream }: OpenCall): Promise<Ending> {
  while (true) {
    try {
      const message = await stream.next();
      if (message.method === undefined) return { kind: "answered", message };
    } catch (error) {
      // It did not break, nor end: nobody told the client anything.
      const hangs = error instanceof Error && /nothing within/.test(
        error.message,
      );
      if (hangs) throw error;
      return { kind: "broken" };
    }
  }
}

/** A call that came through: its result. */
async function completes(call: OpenCall, text: string): Promise<void> {
  const end = await ending(call);
  assert(end.kind === "answered", "the stream broke");
  assertEquals(end.message.id, call.id);
  assertEquals(end.message.result?.content?.[0]?.text, text);
}

/** A call whose stream broke, taken up behind its last event. */
async function takenUp(
  client: RawClient,
  { id, stream, first }: OpenCall,
): Promise<OpenCall & AsyncDisposable> {
  assert(stream.lastEventId !== undefined, "its events have no ids");
  const rest = await client.listen({
    headers: { "last-event-id": stream.lastEventId },
  });
  return {
    id,
    stream: rest,
    first,
    [Symbol.asyncDispose]: () => rest[Symbol.asyncDispose](),
  };
}

/** A call that was lost: its client knows, by an error or a broken stream. */
async function isKnownToBeLost(call: OpenCall): Promise<void> {
  const end = await ending(call);
  if (end.kind === "broken") return;
  assertEquals(end.message.id, call.id);
  assert(end.message.error !== undefined, JSON.stringify(end.message));
}

function answerTo(client: RawClient, call: OpenCall): Promise<RawReply> {
  return client.send({
    jsonrpc: "2.0",
    id: call.first.id,
    result: { action: "accept", content: { yes: call.id } },
  });
}

/** Says what is wrong, that it may be tried again, and never 404. */
function isHonest(
  { status, text, message }: RawReply,
  retryable: boolean,
): void {
  assert(status >= 500, `${status} ${text}`);
  assertEquals(message?.error?.code, -32603, text);
  assertEquals(message?.error?.data?.retryable ?? false, retryable, text);
}

/** The session goes on with both servers as it was. */
async function isAsItWas(conversation: Conversation): Promise<void> {
  const { client, before } = conversation;
  for (const name of NAMES) {
    const facts = await eventually(() => factsOf(client, name));
    assertEquals(facts.id, before[name]?.id, "the session was opened anew");
    assertEquals(facts.logLevel, "warning");
    assertEquals(facts.subscriptions, [`${name}://state`]);
    assertEquals(facts.strays, 0);
  }
  succeeded(await client.request("tools/list"));
}

proves(
  "the router is killed in the middle of a conversation",
  async () => {
    await using a = new TalkingServer("a");
    await using b = new TalkingServer("b", { resumable: true });
    await using talk = await converse({ a, b });
    const { gateway, client, plain } = talk;
    gateway.local.router.kill("SIGKILL");
    await gateway.local.router.ended;

    // Calls that the router was reading are lost, and their client knows.
    for (const name of NAMES) {
      await isKnownToBeLost(talk.work[name]!);
      await isKnownToBeLost(talk.ask[name]!);
      // It may have run, whoever it was that broke off.
      isHonest(await talk.late[name]!, false);
    }
    for (
      const reply of [
        await client.call("a_facts"),
        await client.request("tools/list"),
        await client.get(),
      ]
    ) isHonest(reply, true);
    // Those that it was not reading, and the GET stream, do not need it.
    a.release("p");
    await completes(talk.plainWork.a!, "done");
    const session = a.of(NAME).at(-1)!;
    session.get?.send({ method: UPDATED, params: { uri: "a://meanwhile" } });
    assertEquals(
      (await talk.events.nextOf(UPDATED)).params,
      { uri: "a://meanwhile" },
    );

    await gateway.local.router.restart();
    await eventually(async () => succeeded(await client.call("a_facts")));
    await isAsItWas(talk);
    await hears(talk, "a");
    await hears(talk, "b");
    // The servers still wait for their answers, and get them.
    for (const name of NAMES) {
      assertEquals((await answerTo(client, talk.ask[name]!)).status, 202);
    }
    assertEquals((await factsOf(client, "a")).strays, 0);
    // Where a server keeps its events, nothing is lost: not even the calls.
    b.release("p");
    b.release(NAME);
    await using work = await takenUp(client, talk.work.b!);
    await using ask = await takenUp(client, talk.ask.b!);
    await using plainWork = await takenUp(plain, talk.plainWork.b!);
    await completes(work, "done");
    await completes(ask, JSON.stringify({ yes: talk.ask.b!.id }));
    await completes(plainWork, "done");
    // Who does not want its lost call any more can still say so.
    const { id } = talk.work.a!;
    const cancelled = await client.send({
      jsonrpc: "2.0",
      method: "notifications/cancelled",
      params: { requestId: id },
    });
    assertEquals(cancelled.status, 202);
    await eventually(async () =>
      assertEquals((await factsOf(client, "a")).cancelled, [id])
    );
    assertEquals((await factsOf(plain, "a")).cancelled, []);
  },
);

proves(
  "the broker is killed in the middle of a conversation",
  async () => {
    await using a = new TalkingServer("a");
    await using b = new TalkingServer("b");
    await using talk = await converse({ a, b });
    const { gateway, client } = talk;
    const { lastEventId } = talk.events;
    gateway.local.broker.kill("SIGKILL");
    await gateway.local.broker.ended;

    // The GET stream was the broker's, and its end is seen.
    await isKnownToBeLost({ id: 0, stream: talk.events, first: {} });
    for (
      const reply of [
        await client.request("tools/list"),
        await client.get(),
      ]
    ) isHonest(reply, true);
    // Calls go from client to server, questions and answers too.
    a.release(NAME);
    await completes(talk.work.a!, "done");
    succeeded(await talk.late.a!);
    assertEquals((await answerTo(client, talk.ask.a!)).status, 202);
    await completes(talk.ask.a!, JSON.stringify({ yes: talk.ask.a!.id }));

    await gateway.local.broker.restart();
    await gateway.serverIs("a", "ready");
    // What the stream was taken up by, this broker does not know: a fresh one.
    const headers = lastEventId === undefined
      ? {}
      : { "last-event-id": lastEventId };
    await using events = await eventually(() => client.listen({ headers }));
    // They may have changed while nobody listened.
    const updated = [await events.nextOf(UPDATED), await events.nextOf(UPDATED)]
      .map(({ params }) => (params as { readonly uri: string }).uri);
    assertEquals(updated.sort(), ["a://state", "b://state"]);
    await hears({ client, events }, "a");
    await hears({ client, events }, "b");
    b.release(NAME);
    await completes(talk.work.b!, "done");
    assertEquals((await answerTo(client, talk.ask.b!)).status, 202);
    await completes(talk.ask.b!, JSON.stringify({ yes: talk.ask.b!.id }));
    await isAsItWas(talk);
    for (const server of [a, b]) {
      server.release("p");
      assertEquals(server.of(NAME).length, 1);
    }
    await completes(talk.plainWork.a!, "done");
    await completes(talk.plainWork.b!, "done");
  },
);

proves(
  "a server is killed in the middle of a conversation",
  async () => {
    await using a = await TalkingProcess.start("a");
    await using b = new TalkingServer("b");
    await using talk = await converse({ a, b });
    const { gateway, client } = talk;
    a.process.kill("SIGKILL");
    await a.process.ended;

    for (const call of [talk.work.a!, talk.ask.a!, talk.plainWork.a!]) {
      await isKnownToBeLost(call);
    }
    isHonest(await talk.late.a!, false);
    // With a session open it is Envoy that cannot reach it: nothing was run.
    isHonest(await client.call("a_facts"), true);
    isHonest(await (await gateway.connect()).call("a_facts"), true);
    // The other server's calls do not notice.
    b.release(NAME);
    await completes(talk.work.b!, "done");
    succeeded(await talk.late.b!);
    await hears(talk, "b");

    await a.process.restart();
    // An answer to who has lost the question: refused, not "no such session".
    const gone = await answerTo(client, talk.ask.a!);
    const facts = await eventually(() => factsOf(client, "a"));
    assertNotEquals(facts.id, talk.before.a?.id);
    assertEquals(facts.logLevel, "warning");
    assertEquals(facts.subscriptions, ["a://state"]);
    assertEquals(facts.notifications, ["notifications/initialized"]);
    assertEquals(gone.status, 400, gone.text);
    assertEquals(gone.message?.error?.code, -32600, gone.text);
    const late = await answerTo(client, talk.ask.a!);
    assertEquals(late.status, 400, late.text);
    assertEquals((await factsOf(client, "a")).strays, 0);
    // The client's GET stream stayed open, and has the new session's messages.
    await hears(talk, "a");

    assertEquals((await answerTo(client, talk.ask.b!)).status, 202);
    await completes(talk.ask.b!, JSON.stringify({ yes: talk.ask.b!.id }));
    assertEquals((await factsOf(client, "b")).id, talk.before.b?.id);
    b.release("p");
    await completes(talk.plainWork.b!, "done");
    await gateway.serverIs("a", "ready");
    succeeded(await client.request("tools/list"));
  },
);

proves(
  "a server is killed, and who only listens learns to read again what it subscribed to",
  async () => {
    await using a = await TalkingProcess.start("a");
    await using b = new TalkingServer("b");
    await using talk = await converse({ a, b });
    const { client, events } = talk;
    a.process.kill("SIGKILL");
    await a.process.ended;
    await a.process.restart();
    // Nobody is subscribed at the server that came back: no update would come.
    const { params } = await events.nextOf(UPDATED);
    assertEquals(params, { uri: "a://state" });
    // Who reads it is subscribed again.
    succeeded(await client.request("resources/read", { uri: "a://state" }));
    const facts = await factsOf(client, "a");
    assertEquals(facts.subscriptions, ["a://state"]);
    await hears(talk, "a");
    assertEquals((await factsOf(client, "b")).id, talk.before.b?.id);
  },
);

proves(
  "router, broker and a server are killed in turn in the middle of a conversation",
  async () => {
    await using a = await TalkingProcess.start("a");
    await using b = new TalkingServer("b");
    await using talk = await converse({ a, b });
    const { gateway, client } = talk;
    for (const one of [gateway.local.router, gateway.local.broker, a.process]) {
      one.kill("SIGKILL");
      await one.ended;
      await one.restart();
    }
    // The session, and with it everything that belongs to it.
    await eventually(async () => succeeded(await client.request("tools/list")));
    for (const name of NAMES) {
      const facts = await eventually(() => factsOf(client, name));
      assertEquals(facts.id === talk.before[name]?.id, name === "b");
      assertEquals(facts.logLevel, "warning");
      assertEquals(facts.subscriptions, [`${name}://state`]);
    }
    for (const call of [talk.work.a!, talk.ask.a!, talk.work.b!, talk.ask.b!]) {
      await isKnownToBeLost(call);
    }
    await using events = await client.listen();
    await hears({ client, events }, "a");
    await hears({ client, events }, "b");
    b.release("p");
    await completes(talk.plainWork.b!, "done");
    assertEquals((await answerTo(client, talk.ask.b!)).status, 202);
    assertEquals((await answerTo(client, talk.ask.a!)).status, 400);
  },
);
