/**
 * A sample MCP server of the stateless era: trips to book, on the v2 SDK, at
 * 2026-07-28 and nothing older. `search` has its region mirrored in a header,
 * `book` asks who travels, `sale` changes which tools there are, so that a
 * client can watch its subscription.
 *
 * @module
 */

import {
  acceptedContent,
  type CallToolResult,
  createMcpHandler,
  inputRequired,
  McpServer,
} from "@modelcontextprotocol/server";
import { z } from "zod";

/** A server that runs. */
export interface TripsServer extends AsyncDisposable {
  /** Where clients connect: `http://127.0.0.1:PORT/mcp`. */
  readonly url: string;
}

interface Trip {
  readonly name: string;
  readonly region: string;
  readonly price: number;
}

const REGIONS = ["africa", "americas", "asia", "europe"] as const;

const TRIPS: readonly Trip[] = [
  { name: "atlas-trail", region: "africa", price: 740 },
  { name: "coast-of-maine", region: "americas", price: 990 },
  { name: "kyoto-gardens", region: "asia", price: 1280 },
  { name: "night-train-north", region: "europe", price: 310 },
  { name: "hut-to-hut", region: "europe", price: 450 },
];

const TRAVELLER = z.object({ name: z.string().min(1).max(200) });

/** Starts the server; all clients share its sale and its bookings. */
export function startTripsServer(
  options: { readonly port?: number } = {},
): TripsServer {
  const agency = { sale: false, bookings: 0 };
  const handler = createMcpHandler(
    () => createServer(agency, () => handler.notify.toolsChanged()),
    { legacy: "reject" },
  );
  const listener = Deno.serve(
    { hostname: "127.0.0.1", port: options.port ?? 0, onListen: () => {} },
    (request, { completed }) => {
      if (new URL(request.url).pathname !== "/mcp") {
        return new Response("Not found", { status: 404 });
      }
      // Who leaves before the end of the answer cancels; Deno's own signal
      // says that of everybody.
      const left = new AbortController();
      completed.catch(() => left.abort());
      const { url, method, headers, body } = request;
      const { signal } = left;
      return handler.fetch(
        new Request(url, { method, headers, body, signal }),
      );
    },
  );
  return {
    url: `http://127.0.0.1:${listener.addr.port}/mcp`,
    async [Symbol.asyncDispose]() {
      await handler.close();
      await listener.shutdown();
    },
  };
}

/** What is the same for all requests. */
interface Agency {
  sale: boolean;
  bookings: number;
}

/** Builds the server of one request. */
function createServer(agency: Agency, changed: () => void): McpServer {
  const server = new McpServer({ name: "trips", version: "1.0.0" }, {
    capabilities: {
      tools: { listChanged: true },
      resources: {},
    },
    instructions: "Trips to find and to book. Nobody travels anywhere.",
  });
  const priceOf = ({ price }: Trip) => agency.sale ? price * 0.8 : price;
  const written = (trip: Trip) =>
    `${trip.name} (${trip.region}): ${priceOf(trip)} euros`;

  server.registerTool("search", {
    description: "Finds trips in a region of the world",
    inputSchema: z.object({
      region: z.enum(REGIONS).meta({ "x-mcp-header": "Region" }),
      at_most: z.number().optional().describe("Euros"),
    }),
  }, ({ region, at_most = Infinity }) => {
    const found = TRIPS.filter((trip) =>
      trip.region === region && priceOf(trip) <= at_most
    );
    return say(found.map(written).join("\n") || "No such trip");
  });

  server.registerTool("book", {
    description: "Books a trip; asks who travels",
    inputSchema: z.object({ trip: z.string() }),
  }, ({ trip }, { mcpReq }) => {
    const chosen = TRIPS.find(({ name }) => name === trip);
    if (chosen === undefined) {
      return { ...say(`There is no trip ${trip}`), isError: true };
    }
    const answers = mcpReq.inputResponses;
    if (answers === undefined) {
      return inputRequired({
        inputRequests: {
          traveller: inputRequired.elicit({
            message: `Who travels? ${written(chosen)}`,
            requestedSchema: TRAVELLER,
          }),
        },
      });
    }
    const traveller = acceptedContent(answers, "traveller", TRAVELLER);
    if (traveller === undefined) return say("Nothing is booked");
    return say(
      `Booking ${++agency.bookings}: ${traveller.name}, ${written(chosen)}`,
    );
  });

  const title = agency.sale ? "Ends the sale" : "Begins a sale: a fifth less";
  server.registerTool(agency.sale ? "end_sale" : "begin_sale", {
    description: title,
  }, () => {
    agency.sale = !agency.sale;
    changed();
    return say(agency.sale ? "The sale has begun" : "The sale is over");
  });

  server.registerResource("catalog", "trips://catalog", {
    description: "All trips",
    mimeType: "text/plain",
  }, ({ href }) => ({
    contents: [{
      uri: href,
      mimeType: "text/plain",
      text: TRIPS.map(written).join("\n"),
    }],
  }));
  return server;
}

function say(text: string): CallToolResult {
  return { content: [{ type: "text", text }] };
}
