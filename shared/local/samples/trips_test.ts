import { assertEquals, assertMatch } from "@std/assert";
import {
  Client,
  StreamableHTTPClientTransport,
} from "@modelcontextprotocol/client";
import { startTripsServer } from "./trips.ts";

async function connect(url: string, traveller?: string): Promise<Client> {
  const client = new Client({ name: "test", version: "1.0.0" }, {
    capabilities: { elicitation: {} },
    versionNegotiation: { mode: "auto" },
  });
  client.setRequestHandler(
    "elicitation/create",
    () =>
      traveller === undefined
        ? { action: "decline" }
        : { action: "accept", content: { name: traveller } },
  );
  await client.connect(new StreamableHTTPClientTransport(new URL(url)));
  return client;
}

async function say(
  client: Client,
  name: string,
  args: Record<string, unknown> = {},
): Promise<string> {
  const { content } = await client.callTool({ name, arguments: args });
  return (content as { text: string }[])[0]?.text ?? "";
}

Deno.test("startTripsServer() finds trips and books them for whoever travels", async () => {
  await using server = startTripsServer();
  const [ada, nobody] = [
    await connect(server.url, "Ada"),
    await connect(server.url),
  ];
  assertEquals(
    await say(ada, "search", { region: "europe", at_most: 400 }),
    "night-train-north (europe): 310 euros",
  );
  assertEquals(
    await say(nobody, "book", { trip: "hut-to-hut" }),
    "Nothing is booked",
  );
  assertEquals(
    await say(ada, "book", { trip: "hut-to-hut" }),
    "Booking 1: Ada, hut-to-hut (europe): 450 euros",
  );
  const { contents } = await ada.readResource({ uri: "trips://catalog" });
  assertMatch((contents[0] as { text: string }).text, /kyoto-gardens/);
  await ada.close();
  await nobody.close();
});

Deno.test("startTripsServer() has other tools in a sale, and speaks one revision", async () => {
  await using server = startTripsServer();
  const client = await connect(server.url, "Ada");
  const names = async () =>
    (await client.listTools()).tools.map(({ name }) => name).sort();
  assertEquals(await names(), ["begin_sale", "book", "search"]);
  await say(client, "begin_sale");
  assertEquals(await names(), ["book", "end_sale", "search"]);
  assertMatch(await say(client, "search", { region: "asia" }), /1024 euros/);
  await client.close();
  const old = await fetch(server.url, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
    },
    body: JSON.stringify({
      jsonrpc: "2.0",
      id: 1,
      method: "initialize",
      params: {
        protocolVersion: "2025-11-25",
        capabilities: {},
        clientInfo: { name: "old", version: "1" },
      },
    }),
  });
  assertEquals(old.status, 400);
  assertEquals((await old.json()).error.code, -32022);
});
