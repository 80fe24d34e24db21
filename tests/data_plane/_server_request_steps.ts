/**
 * Steps in which the server asks and the client answers, on the stream of a
 * call and on the session's.
 *
 * @module
 */

import type { Answerer, RecordingClient } from "./_recording_client.ts";
import { ask, call, type Feature, shown, type Step } from "./_steps.ts";
import { at, type JsonObject } from "./_transcript.ts";

/** The steps. */
export function serverRequestSteps(): Step[] {
  const sampling = {
    messages: [{ role: "user", content: { type: "text", text: "Say \u00fc" } }],
    maxTokens: 100,
    systemPrompt: "Be brief",
    modelPreferences: { hints: [{ name: "small" }], costPriority: 0.5 },
    _meta: { "example.com/why": { deep: [1] } },
    vendor: { unknown: true },
  };
  const sampled = {
    role: "assistant",
    content: { type: "text", text: "\u00fc" },
    model: "small-1",
    stopReason: "endTurn",
    _meta: { "example.com/cost": 3 },
    vendor: [null],
  };
  const form = {
    mode: "form",
    message: "Who are you?",
    requestedSchema: {
      type: "object",
      properties: {
        name: { type: "string", title: "Name", default: "nobody" },
        age: { type: "integer", minimum: 0 },
        colour: { type: "string", enum: ["red", "green"] },
      },
      required: ["name"],
    },
  };
  const url = {
    mode: "url",
    elicitationId: "e-1",
    url: "https://example.com/sign-in?x=1",
    message: "Sign in",
  };
  const steps: readonly {
    readonly step: string;
    readonly needs?: readonly Feature[];
    readonly asked: JsonObject;
    readonly answer: (client: RecordingClient) => Answerer;
    readonly then?: (client: RecordingClient) => Promise<void>;
  }[] = [
    {
      step: "sampling on the call's stream",
      asked: {
        stream: "call",
        method: "sampling/createMessage",
        params: sampling,
      },
      answer: answering({ result: sampled }),
    },
    {
      step: "sampling on the GET stream",
      asked: {
        stream: "session",
        method: "sampling/createMessage",
        params: sampling,
      },
      answer: answering({ result: sampled }),
    },
    ...(["call", "session"] as const).map((stream) => ({
      step: `sampling with progress of the client, on the ${stream}'s stream`,
      asked: {
        stream,
        method: "sampling/createMessage",
        params: sampling,
        progress: true,
      },
      answer: (client: RecordingClient): Answerer => async (request) => {
        const progressToken = at(request, "params", "_meta", "progressToken");
        for (const progress of [1, 2]) {
          await client.notify("notifications/progress", {
            progressToken,
            progress,
            total: 2,
            message: "thinking",
          });
        }
        await client.respond(request, { result: sampled });
      },
    })),
    {
      step: "the client refuses",
      asked: {
        stream: "call",
        method: "sampling/createMessage",
        params: sampling,
      },
      answer: answering({
        error: {
          code: -1,
          message: "User rejected \u00fc",
          data: { why: [1] },
        },
      }),
    },
    {
      step: "roots",
      asked: { stream: "call", method: "roots/list" },
      answer: answering({
        result: {
          roots: [{ uri: "file:///home", name: "home", _meta: { k: 1 } }],
        },
      }),
    },
    {
      step: "roots that the client does not have",
      asked: { stream: "session", method: "roots/list" },
      answer: answering({
        error: { code: -32601, message: "Roots not supported" },
      }),
    },
    ...["accept", "decline", "cancel"].map((action) => ({
      step: `a form: ${action}`,
      needs: ["forms"] as const,
      asked: { stream: "call", method: "elicitation/create", params: form },
      answer: answering({
        result: {
          action,
          ...action === "accept"
            ? { content: { name: "J\u00fc", age: 7, colour: "red" } }
            : {},
          _meta: { "example.com/k": action },
        },
      }),
    })),
    {
      step: "a form on the GET stream",
      needs: ["forms"],
      asked: { stream: "session", method: "elicitation/create", params: form },
      answer: answering({ result: { action: "decline" } }),
    },
    {
      step: "a URL",
      needs: ["urls"],
      asked: { stream: "call", method: "elicitation/create", params: url },
      answer: answering({ result: { action: "accept" } }),
    },
    ...(["call", "session"] as const).map((stream) => ({
      step: `a request that nobody knows, on the ${stream}'s stream`,
      asked: {
        stream,
        method: "vendor/question",
        params: { id: 1, method: "x", name: "y", _meta: { k: [{}] } },
      },
      answer: answering({ result: { vendor: { id: 2, error: null } } }),
    })),
    {
      step: "the client answers twice",
      asked: { stream: "call", method: "roots/list" },
      answer: (client) => async (request) => {
        for (const uri of ["file:///first", "file:///second"]) {
          await client.respond(request, { result: { roots: [{ uri }] } });
        }
      },
    },
    {
      step: "a ping on the call's stream",
      asked: { stream: "call", method: "ping" },
      answer: answering({ result: {} }),
    },
    ...(["call", "session"] as const).map((stream, before) => ({
      step: `withdrawn by the server, on the ${stream}'s stream`,
      asked: {
        stream,
        method: "sampling/createMessage",
        params: sampling,
        withdrawnAfter: before + 1,
      },
      answer: (client: RecordingClient): Answerer => () =>
        client.notify("notifications/vendor/withdraw", { which: stream }),
      ...stream === "session"
        ? {
          then: (client: RecordingClient) =>
            shown(client, "notifications/cancelled"),
        }
        : {},
    })),
  ];
  return [
    ...steps.map(({ step, needs = [], asked, answer, then }): Step => ({
      step,
      needs: ["asked", ...needs],
      act: async (client) => {
        client.answer = answer(client);
        await ask(client, asked);
        await then?.(client);
      },
    })),
    {
      step: "the URL is done with",
      needs: ["asked", "urls"],
      act: async (client) => {
        const method = "notifications/elicitation/complete";
        await call(client, "notify", {
          notifications: ["session", "call"].map((stream) => ({
            stream,
            method,
            params: { elicitationId: "e-1" },
          })),
        });
        await shown(client, method);
      },
    },
    {
      step: "an answer to what nobody asked",
      act: async (client) => {
        await client.respond({ id: 4711 }, { result: {} });
      },
    },
  ];
}
function answering(
  outcome: { readonly result: unknown } | { readonly error: unknown },
): (client: RecordingClient) => Answerer {
  return (client) => (request) => client.respond(request, outcome);
}
