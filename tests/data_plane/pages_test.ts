/**
 * What clients see in lists: pages with cursors of the gateway's own, whichever
 * broker answers.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { startRawServer } from "../fixtures/raw_server.ts";
import { startGateway } from "../support/gateway.ts";
import { proves, shared } from "../support/proves.ts";
import type { RawClient, RpcMessage } from "../support/raw_client.ts";
import { eventually } from "../support/wait.ts";

const PAGE = 4;

const named = (prefix: string, count: number) =>
  Array.from({ length: count }, (_, n) => ({ name: `${prefix}${n}` }));

const world = shared(async (stack) => {
  const many = stack.use(startRawServer({
    name: "many",
    pages: [named("b", 5), named("a", 6)],
    prompts: named("p", 5),
    resources: named("r", 5).map(({ name }) => ({ name, uri: `r:${name}` })),
    templates: named("t", 5).map(({ name }) => ({
      name,
      uriTemplate: `t:${name}/{x}`,
    })),
    instructions: "Count first.",
  }));
  const few = stack.use(
    startRawServer({ name: "few", pages: [named("f", 2)] }),
  );
  const gateway = stack.use(
    await startGateway({
      servers: [
        { name: "many", url: many.url },
        { name: "few", url: few.url, prefix: "few_" },
      ],
      local: {
        brokers: 2,
        brokerArgs: ["--list-page-items", String(PAGE)],
      },
    }),
  );
  return { gateway, many };
});

type Listed = readonly { readonly name: string }[];

const MEMBERS = {
  "tools/list": "tools",
  "prompts/list": "prompts",
  "resources/list": "resources",
  "resources/templates/list": "resourceTemplates",
} as const;

/** Reads one page. */
async function pageOf(
  client: RawClient,
  method: keyof typeof MEMBERS,
  cursor?: unknown,
): Promise<{ readonly names: readonly string[]; readonly cursor: unknown }> {
  const params = cursor === undefined ? {} : { cursor };
  const { message, text } = await client.request(method, params);
  const items = message?.result?.[MEMBERS[method]] as Listed | undefined;
  assert(items !== undefined, text);
  return {
    names: items.map(({ name }) => name),
    cursor: message!.result!.nextCursor,
  };
}

const COUNTS = {
  "tools/list": 13,
  "prompts/list": 5,
  "resources/list": 5,
  "resources/templates/list": 5,
} as const;
for (const method of Object.keys(COUNTS) as (keyof typeof COUNTS)[]) {
  proves(
    `${method} leads through every page, whichever broker answers the next`,
    async () => {
      const { gateway } = world();
      const client = await gateway.connect();
      const brokers = gateway.local.brokerUrls.map((url) =>
        client.at(url + "/mcp")
      );
      const seen: string[] = [];
      let cursor: unknown;
      let pages = 0;
      do {
        // Through Envoy, then each broker by turns.
        const who = [client, ...brokers][pages % (brokers.length + 1)]!;
        const page = await pageOf(who, method, cursor);
        assert(page.names.length <= PAGE, "a page is too long");
        seen.push(...page.names);
        cursor = page.cursor;
        pages++;
      } while (cursor !== undefined && pages < 20);
      assertEquals(seen.length, COUNTS[method]);
      assertEquals(new Set(seen).size, COUNTS[method]);
      assertEquals(pages, Math.ceil(COUNTS[method] / PAGE));
    },
  );
}

const BAD: readonly {
  readonly name: string;
  readonly cursor: (clients: {
    readonly client: RawClient;
    readonly other: RawClient;
  }) => Promise<unknown> | unknown;
}[] = [
  { name: "garbage", cursor: () => "garbage" },
  { name: "empty text", cursor: () => "" },
  { name: "no text", cursor: () => 1 },
  {
    name: "another session's",
    cursor: async ({ other }) => (await pageOf(other, "tools/list")).cursor,
  },
  {
    name: "another list's",
    cursor: async ({ client }) => (await pageOf(client, "prompts/list")).cursor,
  },
  {
    name: "altered",
    cursor: async ({ client }) =>
      String((await pageOf(client, "tools/list")).cursor).replace(/.$/, "_"),
  },
];
for (const { name, cursor } of BAD) {
  proves(
    `a cursor that is ${name} is -32602 with the request's id`,
    async () => {
      const { gateway } = world();
      const client = await gateway.connect();
      const other = await gateway.connect();
      const reply = await client.send({
        jsonrpc: "2.0",
        id: "mine",
        method: "tools/list",
        params: { cursor: await cursor({ client, other }) },
      });
      assertEquals(reply.status, 200);
      assertEquals<unknown>(reply.message?.id, "mine");
      assertEquals(reply.message?.error?.code, -32602, reply.text);
    },
  );
}

proves(
  "a list that changes between two pages shows nothing twice and leaves nothing out that stays",
  async () => {
    const { gateway, many } = world();
    const client = await gateway.connect();
    const before = await client.toolNames();
    const first = await pageOf(client, "tools/list");
    // What was shown goes, what comes stands before and behind.
    many.changeTools([[
      { name: "0" },
      ...named("b", 5),
      ...named("a", 6).slice(2),
      { name: "z" },
    ]]);
    await eventually(async () => {
      for (const url of gateway.local.brokerInternalUrls) {
        const { servers } = await gateway.status(url);
        assertEquals(servers[0]?.tools, 11);
      }
      const fresh = await pageOf(client, "tools/list");
      assertEquals(fresh.names[0], "0");
    });
    const seen = [...first.names];
    for (let { cursor } = first; cursor !== undefined;) {
      const page = await pageOf(client, "tools/list", cursor);
      seen.push(...page.names);
      cursor = page.cursor;
    }
    assertEquals(seen, [...before, "z"]);
    many.changeTools([named("b", 5), named("a", 6)]);
  },
);

proves(
  "initialize says what the servers say of their use, and what is served",
  async () => {
    const { gateway } = world();
    const client = await gateway.connect();
    const { message } = await client.initialize();
    const result = message?.result as RpcMessage | undefined;
    assertEquals<unknown>(result?.["instructions"], "# many\n\nCount first.");
    assertEquals<unknown>(result?.["capabilities"], {
      tools: { listChanged: true },
      prompts: { listChanged: true },
      resources: { listChanged: true, subscribe: true },
      completions: {},
      logging: {},
    });
  },
);
