/**
 * What one era has and the other has not, or has otherwise, as the official
 * SDKs' clients see it: structured content that is no object, URLs to open,
 * several questions at once and one after the other.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
// @ts-types="@modelcontextprotocol/sdk/server/mcp"
import { McpServer as McpServerV1 } from "@modelcontextprotocol/sdk/server/mcp.js";
// @ts-types="@modelcontextprotocol/sdk/types"
import { UrlElicitationRequiredError } from "@modelcontextprotocol/sdk/types.js";
import {
  createMcpHandler,
  inputRequired,
  inputResponse,
  McpServer,
} from "@modelcontextprotocol/server";
import { z } from "zod";
import { serveSessions } from "../../shared/local/samples/session_server.ts";
import type { Era } from "../../shared/mcp.ts";
import { startConformanceServer } from "../conformance/fixture_server.ts";
import { startStatelessConformanceServer } from "../conformance/stateless_fixture_server.ts";
import { text } from "../fixtures/desk.ts";
import { startGateway } from "../support/gateway.ts";
import { proves, shared } from "../support/proves.ts";
import { ERA_CLIENTS, type ToolResult } from "./_era_clients.ts";

const URL_TO_OPEN = "https://example.com/sign-in?a=1&b=2";

const gateway = shared(async (stack) => {
  const old = stack.use(serveSessions({ create: createOld }));
  const fresh = stack.use(startFresh());
  const askingOld = stack.use(startConformanceServer());
  const askingFresh = stack.use(startStatelessConformanceServer());
  return stack.use(
    await startGateway({
      servers: [
        { name: "old", url: old.url, prefix: "session_" },
        { name: "fresh", url: fresh.url, prefix: "stateless_" },
        { name: "asking-old", url: askingOld.url, prefix: "asksession_" },
        { name: "asking-fresh", url: askingFresh.url, prefix: "askstateless_" },
      ],
    }),
  );
});

/** A server of the session era: what it wants opened it says in an error. */
function createOld(): McpServerV1 {
  const server = new McpServerV1({ name: "old", version: "1.0.0" });
  server.registerTool(
    "sign_in",
    { inputSchema: { who: z.string() } },
    ({ who }) => {
      // Whoever comes for the second time has opened the URL.
      if (seen.has(who)) return text(`${who} is signed in`);
      seen.add(who);
      throw new UrlElicitationRequiredError([{
        mode: "url",
        message: "Sign in",
        url: URL_TO_OPEN,
        elicitationId: crypto.randomUUID(),
      }]);
    },
  );
  return server;
}
const seen = new Set<string>();

/** A server of the stateless era. */
function startFresh(): { readonly url: string } & AsyncDisposable {
  const handler = createMcpHandler(() => {
    const server = new McpServer({ name: "fresh", version: "1.0.0" });
    server.registerTool(
      "sign_in",
      { inputSchema: z.object({}) },
      (_, { mcpReq: { inputResponses } }) => {
        const opened = inputResponse(inputResponses, "open");
        if (opened.kind === "elicit") {
          return text(
            opened.action === "accept" ? "signed in" : "not signed in",
          );
        }
        return inputRequired({
          inputRequests: {
            open: inputRequired.elicitUrl({
              message: "Sign in",
              url: URL_TO_OPEN,
            }),
          },
        });
      },
    );
    server.registerTool(
      "primes",
      {
        inputSchema: z.object({}),
        outputSchema: z.array(z.int()) as never,
      },
      () => ({ ...text("[2,3,5]"), structuredContent: [2, 3, 5] }) as never,
    );
    return server;
  }, { legacy: "reject" });
  const listener = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    (request) => handler.fetch(request),
  );
  return {
    url: `http://127.0.0.1:${listener.addr.port}/mcp`,
    async [Symbol.asyncDispose]() {
      await handler.close();
      await listener.shutdown();
    },
  };
}

const ERAS: readonly Era[] = ["session", "stateless"];

for (const { name, era, connect } of ERA_CLIENTS) {
  proves(`${name} gets structured content that is no object`, async () => {
    await using client = await connect(gateway().url);
    // A client that checks content against its schema has to have that.
    assert((await client.list()).tools.includes("stateless_primes"));
    const { content, structuredContent } = await client.call(
      "stateless_primes",
      {},
    );
    assertEquals(content, text("[2,3,5]").content);
    assertEquals(
      structuredContent,
      // Clients with sessions know none but objects.
      era === "session" ? { result: [2, 3, 5] } : [2, 3, 5],
    );
  });

  for (const server of ERAS) {
    const pair = `${name} and a server of the ${server} era`;

    proves(`${pair}: several questions at once`, async () => {
      await using client = await connect(gateway().url);
      client.user({ action: "accept", content: { name: "Ada" } });
      const answer = textOf(
        await client.call(
          `ask${server}_test_input_required_result_multiple_inputs`,
          {},
        ),
      );
      const all = JSON.parse(/\{.*\}$/.exec(answer)?.[0] ?? "{}");
      assertEquals(all.user_name.content, { name: "Ada" });
      assertEquals(all.greeting.content.text, "sampled: Generate a greeting");
      assertEquals(all.client_roots.roots, [
        { uri: "file:///era", name: "era" },
      ]);
    });

    proves(`${pair}: one question after the other`, async () => {
      await using client = await connect(gateway().url);
      client.user({ action: "accept", content: { name: "Ada", color: "red" } });
      const result = await client.call(
        `ask${server}_test_input_required_result_multi_round`,
        {},
      );
      assertEquals(textOf(result), "Ada likes red");
      assertEquals(client.asked.map((question) => question.slice(0, 6)), [
        "Step 1",
        "Step 2",
      ]);
    });
  }

  proves(`${name} opens a URL for a server of the stateless era`, async () => {
    await using client = await connect(gateway().url);
    client.user({ action: "accept", content: {} });
    assertEquals(
      textOf(await client.call("stateless_sign_in", {})),
      "signed in",
    );
    client.user({ action: "decline" });
    assertEquals(
      textOf(await client.call("stateless_sign_in", {})),
      "not signed in",
    );
    // Only clients with sessions know a URL by an id.
    const asked = `Sign in: ${URL_TO_OPEN}${
      era === "session" ? " (named)" : ""
    }`;
    assertEquals(client.asked, [asked, asked]);
  });
}

proves(
  "a client of the stateless era opens a URL that a server of the session era says in an error, and the call is made again",
  async () => {
    const kind = ERA_CLIENTS.find(({ era }) => era === "stateless")!;
    await using client = await kind.connect(gateway().url);
    client.user({ action: "accept", content: {} });
    const result = await client.call("session_sign_in", { who: "Ada" });
    assertEquals(textOf(result), "Ada is signed in");
    assertEquals(client.asked, [`Sign in: ${URL_TO_OPEN}`]);
  },
);

function textOf({ content }: ToolResult): string {
  return content.find(({ type }) => type === "text")?.text ?? "";
}
