import { assert, assertEquals, assertRejects } from "@std/assert";
import { FencedError, KubeClient, type WatchEvent } from "./client.ts";
import { KubeError, type KubeErrorKind } from "./kube_error.ts";
import { CONFIG_MAPS, type KubeObject } from "./object.ts";
import type { KubeRequest, KubeTransport } from "./transport.ts";

/** Answers every request in the same way. */
class FakeTransport implements KubeTransport {
  readonly requests: KubeRequest[] = [];
  reconnects = 0;
  readonly #answer: (request: KubeRequest) => Response | Promise<Response>;

  constructor(answer: (request: KubeRequest) => Response | Promise<Response>) {
    this.#answer = answer;
  }

  async send(request: KubeRequest): Promise<Response> {
    this.requests.push(request);
    return await this.#answer(request);
  }

  reconnect(): void {
    this.reconnects++;
  }

  close(): void {}
}

/** Never answers, as a connection that is dead without saying so. */
function silence({ signal }: KubeRequest): Promise<Response> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason));
  });
}

const NEVER = new AbortController().signal;

const OBJECT: KubeObject = {
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name: "a", namespace: "n", resourceVersion: "7" },
};

function status(code: number, reason: string, details = {}): Response {
  return Response.json(
    { kind: "Status", code, reason, message: "said", details },
    { status: code },
  );
}

const REQUESTS: {
  name: string;
  send: (client: KubeClient) => Promise<unknown>;
  want: string;
  type?: string;
  body?: unknown;
}[] = [
  {
    name: "get()",
    send: (client) =>
      client.get({ resource: CONFIG_MAPS, namespace: "n", name: "a" }),
    want: "GET /api/v1/namespaces/n/configmaps/a",
  },
  {
    name: "list()",
    send: (client) =>
      client.list(CONFIG_MAPS, {
        namespace: "n",
        labelSelector: "a=b",
        limit: 5,
        continue: "c",
        signal: NEVER,
      }),
    want:
      "GET /api/v1/namespaces/n/configmaps?labelSelector=a%3Db&limit=5&continue=c",
  },
  {
    name: "create()",
    send: (client) => client.create(CONFIG_MAPS, OBJECT),
    want: "POST /api/v1/namespaces/n/configmaps",
    type: "application/json",
    body: OBJECT,
  },
  {
    name: "replace()",
    send: (client) => client.replace(CONFIG_MAPS, OBJECT),
    want: "PUT /api/v1/namespaces/n/configmaps/a",
    type: "application/json",
    body: OBJECT,
  },
  {
    name: "apply()",
    send: (client) =>
      client.apply(CONFIG_MAPS, OBJECT, { fieldManager: "us", force: false }),
    want:
      "PATCH /api/v1/namespaces/n/configmaps/a?fieldManager=us&force=false&fieldValidation=Strict",
    type: "application/apply-patch+yaml",
    body: OBJECT,
  },
  {
    name: "patchStatus()",
    send: (client) =>
      client.patchStatus(
        { resource: CONFIG_MAPS, namespace: "n", name: "a" },
        "7",
        { conditions: [] },
      ),
    want: "PATCH /api/v1/namespaces/n/configmaps/a/status",
    type: "application/merge-patch+json",
    body: { metadata: { resourceVersion: "7" }, status: { conditions: [] } },
  },
  {
    name: "delete()",
    send: (client) =>
      client.delete(
        { resource: CONFIG_MAPS, namespace: "n", name: "a" },
        { uid: "u", resourceVersion: "7" },
      ),
    want: "DELETE /api/v1/namespaces/n/configmaps/a",
    type: "application/json",
    body: {
      apiVersion: "v1",
      kind: "DeleteOptions",
      preconditions: { uid: "u", resourceVersion: "7" },
    },
  },
];
for (const { name, send, want, type, body } of REQUESTS) {
  Deno.test(`KubeClient.${name} sends ${want}`, async () => {
    const transport = new FakeTransport(() =>
      Response.json({ items: [], metadata: { resourceVersion: "1" } })
    );
    await send(new KubeClient({ transport }));
    const [request] = transport.requests;
    assert(request);
    assertEquals(`${request.method} ${request.path}`, want);
    assertEquals(request.headers["content-type"], type);
    assertEquals(
      request.body === undefined ? undefined : JSON.parse(request.body),
      body,
    );
  });
}

const REFUSALS: { answer: () => Response; want: KubeErrorKind }[] = [
  { answer: () => status(401, "Unauthorized"), want: "forbidden" },
  { answer: () => status(403, "Forbidden"), want: "forbidden" },
  { answer: () => status(409, "Conflict"), want: "conflict" },
  { answer: () => status(409, "AlreadyExists"), want: "exists" },
  { answer: () => status(410, "Expired"), want: "gone" },
  { answer: () => status(413, "RequestEntityTooLarge"), want: "tooLarge" },
  { answer: () => status(422, "Invalid"), want: "invalid" },
  {
    answer: () =>
      status(422, "Invalid", {
        causes: [{
          reason: "FieldValueTooLong",
          message: "Too long: may not be more than 1048576 bytes",
        }],
      }),
    want: "tooLarge",
  },
  {
    answer: () =>
      status(422, "Invalid", {
        causes: [{ reason: "FieldValueTooLong", message: "more than 64" }],
      }),
    want: "invalid",
  },
  { answer: () => status(429, "TooManyRequests"), want: "busy" },
  { answer: () => status(500, "InternalError"), want: "busy" },
  {
    answer: () =>
      Response.json(
        { code: 500, message: "etcdserver: request is too large" },
        { status: 500 },
      ),
    want: "tooLarge",
  },
  { answer: () => status(504, "Timeout"), want: "busy" },
  {
    answer: () =>
      status(504, "Timeout", {
        causes: [{ reason: "ResourceVersionTooLarge", message: "" }],
      }),
    want: "gone",
  },
  {
    answer: () => new Response("404 page not found", { status: 404 }),
    want: "absent",
  },
  {
    answer: () => new Response("<html>", { status: 200 }),
    want: "unreachable",
  },
  {
    answer: () => {
      throw new TypeError("connection refused");
    },
    want: "unreachable",
  },
];
for (const { answer, want } of REFUSALS) {
  const described = (() => {
    try {
      const { status, headers } = answer();
      return `${status} ${headers.get("content-type") ?? ""}`;
    } catch (error) {
      return String(error);
    }
  })();
  Deno.test(`KubeClient makes ${described} a refusal of kind ${want}`, async () => {
    const client = new KubeClient({ transport: new FakeTransport(answer) });
    const error = await assertRejects(
      () => client.list(CONFIG_MAPS, { signal: NEVER }),
      KubeError,
    );
    assertEquals(error.kind, want);
    assert(error.message.startsWith("Cannot list configmaps: "));
  });
}

Deno.test("KubeClient.get() answers undefined for what is not there", async () => {
  const transport = new FakeTransport(() => status(404, "NotFound"));
  const found = await new KubeClient({ transport }).get({
    resource: CONFIG_MAPS,
    name: "a",
  });
  assertEquals(found, undefined);
});

Deno.test("KubeClient passes on when a server wants to be asked again", async () => {
  const transport = new FakeTransport(() =>
    new Response("{}", { status: 429, headers: { "retry-after": "3" } })
  );
  const error = await assertRejects(
    () => new KubeClient({ transport }).list(CONFIG_MAPS, { signal: NEVER }),
    KubeError,
  );
  assertEquals(error.retryAfterMs, 3_000);
});

Deno.test("KubeClient gives up a request that is not answered, and its connections", async () => {
  const transport = new FakeTransport(silence);
  const client = new KubeClient({ transport, timeoutMs: 20 });
  const error = await assertRejects(
    () => client.get({ resource: CONFIG_MAPS, name: "a" }),
    KubeError,
  );
  assertEquals(error.kind, "unreachable");
  assertEquals(transport.reconnects, 1);
});

Deno.test("KubeClient.fenced() begins no write behind a closed fence, and lets reads pass", async () => {
  const transport = new FakeTransport(() => Response.json(OBJECT));
  const client = new KubeClient({ transport });
  let ms = 0;
  const fenced = client.fenced({ msToWrite: () => ms });
  await assertRejects(() => fenced.create(CONFIG_MAPS, OBJECT), FencedError);
  await fenced.get({ resource: CONFIG_MAPS, name: "a" });
  assertEquals(transport.requests.map(({ method }) => method), ["GET"]);
  ms = 5_000;
  await fenced.create(CONFIG_MAPS, OBJECT);
  assertEquals(transport.requests.length, 2);
});

Deno.test("KubeClient.fenced() gives up a write when the fence would close", async () => {
  const client = new KubeClient({ transport: new FakeTransport(silence) });
  const fenced = client.fenced({ msToWrite: () => 20 });
  const error = await assertRejects(
    () => fenced.create(CONFIG_MAPS, OBJECT),
    KubeError,
  );
  assertEquals(error.kind, "unreachable");
});

/** A watch whose body comes in these pieces. */
function watching(...pieces: string[]): FakeTransport {
  return new FakeTransport(({ signal }) =>
    new Response(
      new ReadableStream({
        start(controller) {
          for (const piece of pieces) {
            if (piece === "…") {
              signal.addEventListener(
                "abort",
                () => controller.error(signal.reason),
              );
              return;
            }
            controller.enqueue(new TextEncoder().encode(piece));
          }
          controller.close();
        },
      }),
    )
  );
}

async function events(
  transport: FakeTransport,
  idleMs = 10_000,
  signal = NEVER,
): Promise<{ seen: WatchEvent[]; error: unknown }> {
  const seen: WatchEvent[] = [];
  try {
    const watch = new KubeClient({ transport }).watch(CONFIG_MAPS, {
      resourceVersion: "7",
      timeoutSeconds: 30,
      idleMs,
      signal,
    });
    for await (const event of watch) seen.push(event);
    return { seen, error: undefined };
  } catch (error) {
    return { seen, error };
  }
}

function line(type: string, object: unknown = OBJECT): string {
  return `${JSON.stringify({ type, object })}\n`;
}

Deno.test("KubeClient.watch() reads events, however their bytes are cut", async () => {
  const text = line("ADDED") + line("MODIFIED") + line("UNHEARD_OF") +
    line("DELETED") + line("BOOKMARK", { metadata: { resourceVersion: "9" } });
  const transport = watching(...text);
  const { seen, error } = await events(transport);
  assertEquals(error, undefined);
  assertEquals(seen, [
    { kind: "opened" },
    { kind: "object", object: OBJECT },
    { kind: "object", object: OBJECT },
    { kind: "deleted", object: OBJECT },
    { kind: "bookmark", resourceVersion: "9" },
  ]);
  assertEquals(
    transport.requests[0]?.path,
    "/api/v1/configmaps?watch=1&allowWatchBookmarks=true&resourceVersion=7&timeoutSeconds=30",
  );
});

const BROKEN: { name: string; pieces: string[]; want: KubeErrorKind }[] = [
  {
    name: "an ERROR of 410",
    pieces: [line("ADDED"), line("ERROR", { code: 410, reason: "Expired" })],
    want: "gone",
  },
  {
    name: "an ERROR of 500",
    pieces: [line("ADDED"), line("ERROR", { code: 500 })],
    want: "busy",
  },
  {
    name: "a line that is cut off",
    pieces: [line("ADDED"), '{"type":"ADDED","obj'],
    want: "unreachable",
  },
  {
    name: "a line that is no JSON",
    pieces: [line("ADDED"), "<html>\n"],
    want: "unreachable",
  },
  { name: "silence", pieces: [line("ADDED"), "…"], want: "unreachable" },
];
for (const { name, pieces, want } of BROKEN) {
  Deno.test(`KubeClient.watch() ends with ${want} at ${name}, after what came before`, async () => {
    const { seen, error } = await events(watching(...pieces), 30);
    assertEquals(seen.map(({ kind }) => kind), ["opened", "object"]);
    assert(error instanceof KubeError);
    assertEquals(error.kind, want);
  });
}

Deno.test("KubeClient.watch() ends when it is told to", async () => {
  const stop = new AbortController();
  const ended = events(watching(line("ADDED"), "…"), 10_000, stop.signal);
  stop.abort();
  const { error } = await ended;
  assert(error instanceof KubeError);
});

Deno.test("KubeClient.watch() ends its request when nobody listens any more", async () => {
  const transport = watching(line("ADDED"), line("ADDED"), "…");
  const watch = new KubeClient({ transport }).watch(CONFIG_MAPS, {
    resourceVersion: "7",
    timeoutSeconds: 30,
    idleMs: 10_000,
    signal: NEVER,
  });
  for await (const { kind } of watch) if (kind === "object") break;
  assertEquals(transport.requests[0]?.signal.aborted, true);
});
