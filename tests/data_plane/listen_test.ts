/**
 * Clients of the stateless era list and listen at one gateway, whichever era
 * its servers speak.
 *
 * @see https://modelcontextprotocol.io/specification/2026-07-28/basic/patterns/subscriptions
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import {
  Client,
  StreamableHTTPClientTransport,
} from "@modelcontextprotocol/client";
import { startEveryFeatureV1 } from "../fixtures/every_feature_v1.ts";
import { startGrowingStatelessServer } from "../fixtures/growing_stateless_server.ts";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import { proves, shared } from "../support/proves.ts";
import { StatelessClient } from "../support/stateless_client.ts";
import { LIMITS } from "../../shared/limits.ts";
import { eventually } from "../support/wait.ts";

/** A client of the stateless era, and what it was told. */
class Told implements AsyncDisposable {
  readonly client: Client;
  readonly changes: string[] = [];

  private constructor(client: Client) {
    this.client = client;
    for (
      const method of [
        "notifications/tools/list_changed",
        "notifications/prompts/list_changed",
        "notifications/resources/list_changed",
      ] as const
    ) {
      client.setNotificationHandler(
        method,
        () => void this.changes.push(method),
      );
    }
    client.setNotificationHandler(
      "notifications/resources/updated",
      ({ params }) => void this.changes.push(params.uri),
    );
  }

  static async connect({ url }: TestGateway): Promise<Told> {
    const client = new Client({ name: "listener", version: "1.0.0" }, {
      versionNegotiation: { mode: { pin: "2026-07-28" } },
    });
    const told = new Told(client);
    await client.connect(new StreamableHTTPClientTransport(new URL(url)));
    return told;
  }

  async hears(change: string): Promise<void> {
    await eventually(() => assert(this.changes.includes(change), change));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client.close();
  }
}

const gateway = shared(async (stack) => {
  const sessions = stack.use(startEveryFeatureV1());
  const stateless = stack.use(startGrowingStatelessServer());
  return stack.use(
    await startGateway({
      servers: [
        { name: "sessions", url: sessions.url, prefix: "s_" },
        { name: "stateless", url: stateless.url, prefix: "m_" },
      ],
    }),
  );
});

const SERVERS = [
  {
    era: "session",
    prefix: "s_",
    watched: "feature://watched",
    other: "feature://text",
  },
  {
    era: "stateless",
    prefix: "m_",
    watched: "growing://watched",
    other: "growing://other",
  },
] as const;

proves(
  "a client of the stateless era finds out about the gateway, and lists everything",
  async () => {
    await using told = await Told.connect(gateway());
    const { client } = told;
    assertEquals(client.getServerVersion()?.name, "mcp-gateway");
    assertEquals(client.getServerCapabilities()?.resources, {
      listChanged: true,
      subscribe: true,
    });
    const { tools } = await client.listTools();
    const { prompts } = await client.listPrompts();
    for (const { prefix } of SERVERS) {
      assert(tools.some(({ name }) => name === `${prefix}echo`));
      assert(prompts.some(({ name }) => name.startsWith(prefix)));
    }
    const { resources } = await client.listResources();
    assert(resources.length > 0);
    const { resourceTemplates } = await client.listResourceTemplates();
    assert(resourceTemplates.length > 0);
  },
);

proves(
  "a list may be kept no longer, and for no more, than its servers allow",
  async () => {
    const client = new StatelessClient(gateway().url);
    const hintsOf = async (method: string) => {
      const { message } = await client.request(method);
      const { ttlMs, cacheScope } = message?.result ?? {};
      return { ttlMs, cacheScope };
    };
    assertEquals(await hintsOf("tools/list"), {
      ttlMs: 1_234,
      cacheScope: "public",
    });
    assertEquals(await hintsOf("prompts/list"), {
      ttlMs: LIMITS.listTtlMs,
      cacheScope: "private",
    });
  },
);

for (const { era, prefix } of SERVERS) {
  proves(
    `a client that listens hears of lists of a server of the ${era} era`,
    async () => {
      await using told = await Told.connect(gateway());
      const { client } = told;
      const wanted = { promptsListChanged: true, resourcesListChanged: true };
      const subscription = await client.listen(wanted);
      assertEquals(subscription.honoredFilter, wanted);
      const grow = (kind: string) =>
        client.callTool({ name: `${prefix}grow`, arguments: { kind } });
      await grow("tools");
      await grow("prompts");
      await told.hears("notifications/prompts/list_changed");
      await grow("resources");
      await told.hears("notifications/resources/list_changed");
      assertEquals([...new Set(told.changes)].sort(), [
        "notifications/prompts/list_changed",
        "notifications/resources/list_changed",
      ]);
      await subscription.close();
    },
  );
}

for (const { era, prefix, watched, other } of SERVERS) {
  proves(
    `a client that listens hears of resources of a server of the ${era} era`,
    async () => {
      await using told = await Told.connect(gateway());
      const { client } = told;
      const subscription = await client.listen({
        resourceSubscriptions: [watched, "no-such:1"],
      });
      assertEquals(subscription.honoredFilter, {
        resourceSubscriptions: [watched],
      });
      const touch = (uri: string) =>
        client.callTool({ name: `${prefix}touch`, arguments: { uri } });
      await touch(other);
      await touch(watched);
      await told.hears(watched);
      assertEquals([...new Set(told.changes)], [watched]);
      await subscription.close();
    },
  );
}

proves(
  "a stream of resources ends, in good order, when their server is no longer there",
  async () => {
    await using own = startGrowingStatelessServer();
    await using passing = await startGateway({
      servers: [{ name: "passing", url: own.url }],
    });
    const client = new StatelessClient(passing.url);
    await using stream = await client.open("subscriptions/listen", {
      notifications: { resourceSubscriptions: ["growing://watched"] },
    });
    const { params } = await stream.next();
    assertEquals(
      (params as { readonly notifications: unknown }).notifications,
      { resourceSubscriptions: ["growing://watched"] },
    );
    await passing.config.write([]);
    const { result } = await stream.next();
    assertEquals(result?.["resultType"], "complete");
  },
);
