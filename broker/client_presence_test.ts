import { assertEquals, assertRejects } from "@std/assert";
import { until } from "./_testing/until.ts";
import { ClientPresence } from "./client_presence.ts";

function events(
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
): Response {
  return new Response(body, {
    headers: { "content-type": "text/event-stream" },
  });
}

const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test("a client that leaves before it has an answer is gone", () => {
  const request = new AbortController();
  const presence = new ClientPresence(request.signal);
  assertEquals(presence.signal.aborted, false);
  request.abort();
  assertEquals(presence.signal.aborted, true);
});

Deno.test("a client that left before anybody looked is gone", () => {
  assertEquals(new ClientPresence(AbortSignal.abort()).signal.aborted, true);
});

Deno.test("a request that ends behind its answer is no leaving", () => {
  const request = new AbortController();
  const presence = new ClientPresence(request.signal);
  const answer = Response.json({});
  assertEquals(presence.pass(answer), answer);
  request.abort();
  assertEquals(presence.signal.aborted, false);
});

Deno.test("a client that leaves a stream is gone, and the stream is let go", async () => {
  const request = new AbortController();
  const presence = new ClientPresence(request.signal);
  let reason: unknown;
  const answer = presence.pass(events(
    new ReadableStream({
      start: (controller) => controller.enqueue(bytes(": open\n\n")),
      cancel: (why) => void (reason = why),
    }),
  ));
  const reader = answer.body!.getReader();
  await reader.read();
  assertEquals(presence.signal.aborted, false);
  await reader.cancel("left");
  assertEquals([presence.signal.aborted, reason], [true, "left"]);
});

Deno.test("a connection that is lost while a stream is open is a leaving", async () => {
  const request = new AbortController();
  const presence = new ClientPresence(request.signal);
  const answer = presence.pass(events(new ReadableStream()));
  request.abort();
  assertEquals(presence.signal.aborted, true);
  await answer.body!.cancel();
});

Deno.test("a request that ends behind its whole stream is no leaving", async () => {
  const request = new AbortController();
  const presence = new ClientPresence(request.signal);
  const answer = presence.pass(events(
    ReadableStream.from([bytes("data: 1\n\n"), bytes("data: 2\n\n")]),
  ));
  assertEquals(answer.headers.get("content-type"), "text/event-stream");
  assertEquals(await answer.text(), "data: 1\n\ndata: 2\n\n");
  request.abort();
  assertEquals(presence.signal.aborted, false);
});

Deno.test("a stream that fails, fails at the client, and is no leaving", async () => {
  const request = new AbortController();
  const presence = new ClientPresence(request.signal);
  const answer = presence.pass(events(
    new ReadableStream({
      pull: () => Promise.reject(new Error("broken off")),
    }),
  ));
  const failed = await answer.text().catch((error: Error) => error.message);
  request.abort();
  assertEquals([failed, presence.signal.aborted], ["broken off", false]);
});

/** A server that follows its clients, for one request. */
function follow(
  answer: (presence: ClientPresence) => Promise<Response> | Response,
): {
  readonly url: string;
  readonly presence: () => ClientPresence | undefined;
  /** Resolves when Deno says that the answer is out, or its client gone. */
  readonly ended: Promise<void>;
} & AsyncDisposable {
  let presence: ClientPresence | undefined;
  const ended = Promise.withResolvers<void>();
  const listener = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    async (request, info) => {
      void info.completed.then(() => ended.resolve());
      await request.text();
      presence = new ClientPresence(request.signal);
      request.signal.addEventListener("abort", () => ended.resolve());
      return presence.pass(await answer(presence));
    },
  );
  return {
    url: `http://127.0.0.1:${listener.addr.port}`,
    presence: () => presence,
    ended: ended.promise,
    [Symbol.asyncDispose]: () => listener.shutdown(),
  };
}

/** A stream that goes on until it is cancelled. */
function endless(): Response {
  return events(
    new ReadableStream({
      start: (controller) => controller.enqueue(bytes(": open\n\n")),
    }),
  );
}

const ANSWERS: readonly { name: string; answer: () => Response }[] = [
  { name: "one JSON message", answer: () => Response.json({ ok: true }) },
  {
    name: "a stream",
    answer: () => events(ReadableStream.from([bytes("data: 1\n\n")])),
  },
];
for (const { name, answer } of ANSWERS) {
  Deno.test(`a real client that got ${name} has not left`, async () => {
    await using server = follow(answer);
    const response = await fetch(server.url, { method: "POST", body: "{}" });
    await response.text();
    await server.ended;
    assertEquals(server.presence()!.signal.aborted, false);
  });
}

Deno.test("a real client that waits no longer has left", async () => {
  const leaving = new AbortController();
  await using server = follow(({ signal }) => {
    leaving.abort();
    return new Promise((resolve) =>
      signal.addEventListener("abort", () => resolve(Response.json({})))
    );
  });
  await assertRejects(() =>
    fetch(server.url, { method: "POST", body: "{}", signal: leaving.signal })
  );
  await server.ended;
  assertEquals(server.presence()!.signal.aborted, true);
});

Deno.test("a real client that closes its stream has left", async () => {
  await using server = follow(endless);
  const response = await fetch(server.url, { method: "POST", body: "{}" });
  const reader = response.body!.getReader();
  await reader.read();
  assertEquals(server.presence()!.signal.aborted, false);
  await reader.cancel();
  await until(
    () => server.presence()!.signal.aborted,
    "the server notices that",
  );
});
