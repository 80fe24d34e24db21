/**
 * The benchmark's clients against a server that does not always answer as it
 * has to: they must not take that for an answer.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { available } from "../control_plane/_kube_tools.ts";
import { findBenchTools, runCampaign } from "./bench_tools.ts";
import { request, toolAnswer } from "./requests.ts";

const found = await available(findBenchTools);

const json = { headers: { "content-type": "application/json" } };
const answer = (id: unknown, text = "ok") =>
  `{"jsonrpc":"2.0","id":${id},"result":{"content":[{"type":"text","text":"${text}"}]}}`;
const event = (at: number) =>
  `data: {"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":0,` +
  `"progress":${at},"message":"1"}}\n\n`;
const stream = (...events: string[]) =>
  new Response(events.join(""), {
    headers: { "content-type": "text/event-stream" },
  });

interface Case {
  readonly name: string;
  readonly reply: (id: number) => Response;
  /** Events of the stream that is expected; no stream where left out. */
  readonly events?: number;
  readonly wrong: boolean;
}

const CASES: readonly Case[] = [
  {
    name: "the answer",
    reply: (id) => new Response(answer(id), json),
    wrong: false,
  },
  {
    name: "an answer to another request",
    reply: (id) => new Response(answer(id + 1), json),
    wrong: true,
  },
  {
    name: "another answer of the same length",
    reply: (id) => new Response(answer(id, "no"), json),
    wrong: true,
  },
  {
    name: "an error",
    reply: (id) =>
      Response.json({ jsonrpc: "2.0", id, error: { code: -32603 } }),
    wrong: true,
  },
  {
    name: "the answer under another status",
    reply: (id) => new Response(answer(id), { ...json, status: 202 }),
    wrong: true,
  },
  {
    name: "all events, then the answer",
    reply: (id) => stream(event(1), event(2), `data: ${answer(id)}\n\n`),
    events: 2,
    wrong: false,
  },
  {
    name: "events in another order",
    reply: (id) => stream(event(2), event(1), `data: ${answer(id)}\n\n`),
    events: 2,
    wrong: true,
  },
  {
    name: "an event too few",
    reply: (id) => stream(event(1), `data: ${answer(id)}\n\n`),
    events: 2,
    wrong: true,
  },
  {
    name: "a stream without the answer",
    reply: () => stream(event(1), event(2)),
    events: 2,
    wrong: true,
  },
];

for (const { name, reply, events, wrong } of CASES) {
  Deno.test({
    name: `clients count ${name} as ${wrong ? "a failure" : "answered"}`,
    ignore: found.kind === "missing",
    async fn() {
      if (found.kind === "missing") return;
      const ids = new Set<number>();
      await using server = Deno.serve(
        { hostname: "127.0.0.1", port: 0, onListen: () => {} },
        async (request) => {
          const { id } = await request.json();
          ids.add(id);
          return reply(id);
        },
      );
      const address = `127.0.0.1:${server.addr.port}`;
      const target = { path: "/mcp", host: address, headers: {} };
      const outcome = await runCampaign(found.tools, {
        address,
        connections: 2,
        iterations: 6,
        steps: [{
          ...request("session", "tools/call", { name: "t" }, target),
          ...toolAnswer("session", "ok"),
          timed: "request",
          ...(events === undefined ? {} : { events }),
        }],
      });
      assertEquals(ids.size, 6, "each request has an id of its own");
      assertEquals(outcome.failures, wrong ? 6 : 0, outcome.firstFailure);
      assertEquals(outcome.requests, wrong ? 0 : 6);
      assertEquals(outcome.timings["request"]?.count, wrong ? undefined : 6);
      assert(!wrong || outcome.firstFailure !== undefined);
    },
  });
}

Deno.test({
  name: "clients count a server that is not there as failures",
  ignore: found.kind === "missing",
  async fn() {
    if (found.kind === "missing") return;
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const address = `127.0.0.1:${listener.addr.port}`;
    listener.close();
    const target = { path: "/mcp", host: address, headers: {} };
    const { requests, failures } = await runCampaign(found.tools, {
      address,
      connections: 1,
      iterations: 3,
      steps: [{
        ...request("session", "ping", {}, target),
        status: 200,
      }],
    });
    assertEquals([requests, failures], [0, 3]);
  },
});
