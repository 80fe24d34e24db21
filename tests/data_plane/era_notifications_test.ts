/**
 * What servers say by themselves, and how much of it a client wants to hear, in
 * all four combinations of eras: a client of either era listens to a server of
 * either era through the gateway.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import type { Era } from "../../shared/mcp.ts";
import { startEveryFeatureStateless } from "../fixtures/every_feature_stateless.ts";
import { startEveryFeatureV1 } from "../fixtures/every_feature_v1.ts";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import { proves, shared } from "../support/proves.ts";
import type {
  RawListener,
  RawReply,
  RpcMessage,
} from "../support/raw_client.ts";
import { StatelessClient } from "../support/stateless_client.ts";

const ERAS: readonly Era[] = ["session", "stateless"];
const WATCHED = "feature://watched";
const UNWATCHED = "feature://text";
const UPDATED = "notifications/resources/updated";

/** One gateway to a server of each era: both have the same resources. */
const gateways = shared(async (stack) => {
  const session = stack.use(startEveryFeatureV1());
  const stateless = stack.use(startEveryFeatureStateless());
  const open = async (url: string): Promise<TestGateway> =>
    stack.use(
      await startGateway({ servers: [{ name: "features", url, prefix: "" }] }),
    );
  return {
    session: await open(session.url),
    stateless: await open(stateless.url),
  } satisfies Record<Era, TestGateway>;
});

/** Opens what a client of an era listens with, to everything of one server. */
async function listen(
  era: Era,
  gateway: TestGateway,
): Promise<RawListener> {
  if (era === "session") {
    const client = await gateway.connect();
    const stream = await client.listen();
    // A session is with those servers that it called.
    await client.call("echo");
    const reply = await client.request("resources/subscribe", { uri: WATCHED });
    assertEquals(reply.message?.result, {}, reply.text);
    return stream;
  }
  const stream = await new StatelessClient(gateway.url).open(
    "subscriptions/listen",
    {
      notifications: {
        toolsListChanged: true,
        promptsListChanged: true,
        resourcesListChanged: true,
        resourceSubscriptions: [WATCHED, "nowhere://x"],
      },
    },
  );
  const { params } = await stream.next() as {
    readonly params?: { readonly notifications: unknown };
  };
  assertEquals(params?.notifications, {
    toolsListChanged: true,
    promptsListChanged: true,
    resourcesListChanged: true,
    resourceSubscriptions: [WATCHED],
  });
  return stream;
}

for (const server of ERAS) {
  proves(
    `a resource of a server of the ${server} era is updated: clients of both eras hear of it, once, and of no other`,
    async () => {
      const gateway = gateways()[server];
      await using old = await listen("session", gateway);
      await using fresh = await listen("stateless", gateway);
      const caller = new StatelessClient(gateway.url);
      for (const uri of [UNWATCHED, WATCHED, UNWATCHED]) {
        succeeded(await caller.call("touch", { uri }));
      }
      succeeded(await caller.call("grow", { kind: "prompts" }));
      for (const stream of [old, fresh]) {
        const updates = await messagesUntil(
          stream,
          "notifications/prompts/list_changed",
        );
        assertEquals(updates.map(uriOf), [WATCHED]);
      }
    },
  );

  for (const kind of ["tools", "resources"] as const) {
    proves(
      `the list of ${kind} of a server of the ${server} era changes: clients of both eras hear of it, and see it`,
      async () => {
        const gateway = gateways()[server];
        await using old = await listen("session", gateway);
        await using fresh = await listen("stateless", gateway);
        const stateless = new StatelessClient(gateway.url);
        const session = await gateway.connect();
        succeeded(await session.call("grow", { kind }));
        for (const stream of [old, fresh]) {
          await stream.nextOf(`notifications/${kind}/list_changed`);
        }
        for (const client of [session, stateless]) {
          const list = await allOf(client, `${kind}/list`, kind);
          assertEquals(
            list.filter(({ name }) => name === "late").length,
            1,
            `${kind} of a client`,
          );
        }
      },
    );
  }

  proves(
    `a server of the ${server} era logs: each client of the stateless era hears what it asked for with each request`,
    async () => {
      const { url } = gateways()[server];
      const wanted = { none: 0, emergency: 1, error: 4, debug: 8 };
      const heard = await Promise.all(
        Object.keys(wanted).map(async (level) => {
          const client = new StatelessClient(url, {
            meta: level === "none"
              ? {}
              : { "io.modelcontextprotocol/logLevel": level },
          });
          const reply = await client.call("log");
          return [level, logsOf(reply)];
        }),
      );
      assertEquals(Object.fromEntries(heard), wanted);
    },
  );

  proves(
    `a server of the ${server} era logs: each client of the session era hears from the level on that it set`,
    async () => {
      const gateway = gateways()[server];
      const wanted = { emergency: 1, error: 4, debug: 8 };
      const heard = await Promise.all(
        Object.keys(wanted).map(async (level) => {
          const client = await gateway.connect();
          succeeded(await client.request("logging/setLevel", { level }));
          return [level, logsOf(await client.call("log"))];
        }),
      );
      assertEquals(Object.fromEntries(heard), wanted);
    },
  );
}

/** What both clients have in common here. */
interface Client {
  request(method: string, params?: Record<string, unknown>): Promise<RawReply>;
}

async function allOf(
  client: Client,
  method: string,
  member: string,
): Promise<{ readonly name: string }[]> {
  const items: { readonly name: string }[] = [];
  let cursor: unknown;
  do {
    const reply = await client.request(
      method,
      cursor === undefined ? {} : { cursor },
    );
    const result = reply.message?.result;
    items.push(...result?.[member] as { readonly name: string }[]);
    cursor = result?.["nextCursor"];
  } while (cursor !== undefined);
  return items;
}

async function messagesUntil(
  stream: RawListener,
  method: string,
): Promise<RpcMessage[]> {
  const messages: RpcMessage[] = [];
  while (true) {
    const message = await stream.next();
    if (message.method === method) return messages;
    if (message.method === UPDATED) messages.push(message);
  }
}

function uriOf({ params }: RpcMessage): unknown {
  return (params as { readonly uri?: unknown }).uri;
}

/** How many log messages came with an answer. */
function logsOf(reply: RawReply): number {
  succeeded(reply);
  return reply.text.match(/"notifications\/message"/g)?.length ?? 0;
}

function succeeded({ message, text }: RawReply): void {
  assertEquals(message?.error, undefined, text);
  assertEquals(message?.result?.isError ?? false, false, text);
}
