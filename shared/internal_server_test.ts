import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  type InternalServer,
  type InternalServerOptions,
  listenProblem,
  serveInternal,
} from "./internal_server.ts";
import { createLogger } from "./log.ts";
import { Metrics } from "./telemetry.ts";

const LOCAL = { kind: "tcp", host: "127.0.0.1", port: 0 } as const;

interface Running extends AsyncDisposable {
  readonly server: InternalServer;
  readonly lines: string[];
  fetch(path: string, init?: RequestInit): Promise<Response>;
}

function serve(options: Partial<InternalServerOptions> = {}): Running {
  const lines: string[] = [];
  const server = serveInternal({
    address: LOCAL,
    ready: () => ({ ready: true, reasons: [] }),
    status: () => ({ version: "x" }),
    metrics: new Metrics(),
    log: createLogger({
      program: "p",
      level: "info",
      format: "json",
      write: (line) => lines.push(line),
    }),
    ...options,
  });
  assert(server.address.kind === "tcp");
  const { port } = server.address;
  return {
    server,
    lines,
    fetch: (path, init) => fetch(`http://127.0.0.1:${port}${path}`, init),
    [Symbol.asyncDispose]: () => server.close(),
  };
}

Deno.test("serveInternal() logs and returns the address it got", async () => {
  await using running = serve();
  const { address } = running.server;
  assert(address.kind === "tcp" && address.port > 0);
  const record = JSON.parse(running.lines[0]!);
  assertEquals(record.message, "listening");
  assertEquals(record.listener, "internal");
  assertEquals(record.address, `127.0.0.1:${address.port}`);
});

let ready = true;
const answers: readonly {
  name: string;
  path: string;
  init?: RequestInit;
  options?: Partial<InternalServerOptions>;
  status: number;
  body: unknown;
}[] = [
  {
    name: "/healthz with 200",
    path: "/healthz",
    status: 200,
    body: { status: "ok" },
  },
  {
    name: "/healthz with the program's own facts",
    path: "/healthz",
    options: { health: () => ({ config: "v1" }) },
    status: 200,
    body: { status: "ok", config: "v1" },
  },
  {
    name: "/readyz with 200",
    path: "/readyz",
    status: 200,
    body: { ready: true, reasons: [] },
  },
  {
    name: "/readyz with 503 and the reasons",
    path: "/readyz",
    options: { ready: () => ({ ready: false, reasons: ["no catalog yet"] }) },
    status: 503,
    body: { ready: false, reasons: ["no catalog yet"] },
  },
  {
    name: "/status, queries ignored",
    path: "/status?x=1",
    status: 200,
    body: { version: "x" },
  },
  {
    name: "other paths with 404",
    path: "/healthz/",
    status: 404,
    body: { error: "not found" },
  },
  {
    name: "other methods with 405",
    path: "/status",
    init: { method: "POST", body: "x" },
    status: 405,
    body: { error: "method not allowed" },
  },
  {
    name: "a program's own routes",
    path: "/catalog",
    options: { routes: { "/catalog": () => Response.json({ own: true }) } },
    status: 200,
    body: { own: true },
  },
  {
    name: "a handler that throws with 500, without its words",
    path: "/catalog",
    options: {
      routes: {
        "/catalog": () => {
          throw new Error("private");
        },
      },
    },
    status: 500,
    body: { error: "internal error" },
  },
  {
    name: "a status that cannot be written with 500",
    path: "/status",
    options: { status: () => ({ big: 1n }) },
    status: 500,
    body: { error: "internal error" },
  },
];

for (const { name, path, init, options, status, body } of answers) {
  Deno.test(`serveInternal() answers ${name}`, async () => {
    await using running = serve(options);
    const response = await running.fetch(path, init);
    assertEquals(response.status, status);
    assertEquals(response.headers.get("content-type"), "application/json");
    assertEquals(await response.json(), body);
    assertEquals(
      response.headers.get("allow"),
      status === 405 ? "GET, HEAD" : null,
    );
    assertEquals(running.lines.length, status === 500 ? 2 : 1);
  });
}

Deno.test("serveInternal() takes a POST where a program does, and nothing else there", async () => {
  await using running = serve({
    posts: {
      "/hint": async (request) => new Response(await request.text()),
    },
  });
  const taken = await running.fetch("/hint", { method: "POST", body: "x" });
  assertEquals([taken.status, await taken.text()], [200, "x"]);
  const refused = await running.fetch("/hint");
  await refused.body?.cancel();
  assertEquals([refused.status, refused.headers.get("allow")], [405, "POST"]);
});

Deno.test("serveInternal() asks for readiness each time", async () => {
  await using running = serve({ ready: () => ({ ready, reasons: [] }) });
  const statuses: number[] = [];
  for (ready of [true, false, true]) {
    const response = await running.fetch("/readyz");
    await response.body?.cancel();
    statuses.push(response.status);
  }
  assertEquals(statuses, [200, 503, 200]);
});

Deno.test("serveInternal() exposes metrics in Prometheus' format", async () => {
  const metrics = new Metrics();
  metrics.counter("calls_total", "Calls.").inc(3);
  await using running = serve({ metrics });
  const response = await running.fetch("/metrics");
  assertEquals(
    response.headers.get("content-type"),
    "text/plain; version=0.0.4; charset=utf-8",
  );
  assert((await response.text()).includes("\ncalls_total 3\n"));
});

Deno.test("serveInternal() answers HEAD without a body", async () => {
  await using running = serve();
  const response = await running.fetch("/readyz", { method: "HEAD" });
  assertEquals([response.status, await response.text()], [200, ""]);
});

Deno.test("serveInternal() lets a waiting request answer when its signal aborts", async () => {
  const stop = new AbortController();
  const waiting = Promise.withResolvers<void>();
  await using running = serve({
    signal: stop.signal,
    routes: {
      "/wait": (_request, closing) =>
        new Promise((resolve) => {
          closing.addEventListener(
            "abort",
            () => resolve(new Response("closing")),
          );
          waiting.resolve();
        }),
    },
  });
  const response = running.fetch("/wait");
  await waiting.promise;
  stop.abort();
  assertEquals(await (await response).text(), "closing");
  await running.server.close();
  let refused = false;
  try {
    await (await running.fetch("/healthz")).body?.cancel();
  } catch {
    refused = true;
  }
  assert(refused);
});

Deno.test("serveInternal() names the port that is taken, and the option", async () => {
  await using running = serve();
  const { address } = running.server;
  assert(address.kind === "tcp");
  assertThrows(
    () => serve({ address }),
    Error,
    `Cannot listen on 127.0.0.1:${address.port}: port ${address.port} is taken; choose another with --internal-listen`,
  );
});

Deno.test("serveInternal() listens on a unix socket", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const server = serveInternal({
      address: { kind: "unix", path: `${directory}/i.sock` },
      ready: () => ({ ready: true, reasons: [] }),
      status: () => ({}),
      metrics: new Metrics(),
      log: createLogger({
        program: "p",
        level: "error",
        format: "json",
      }),
    });
    assertEquals(server.address, { kind: "unix", path: `${directory}/i.sock` });
    using client = Deno.createHttpClient({
      proxy: { transport: "unix", path: `${directory}/i.sock` },
    });
    const response = await fetch("http://localhost/healthz", { client });
    assertEquals(await response.json(), { status: "ok" });
    await server.close();
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

for (
  const { cause, want } of [
    {
      cause: new Deno.errors.AddrNotAvailable("x"),
      want:
        "Cannot listen on a:1: this machine does not have that address; choose another with --listen",
    },
    {
      cause: new Deno.errors.PermissionDenied("x"),
      want: "Cannot listen on a:1: not permitted; choose another with --listen",
    },
    {
      cause: new Error("lookup failed"),
      want: "Cannot listen on a:1: lookup failed; choose another with --listen",
    },
  ]
) {
  Deno.test(`listenProblem() explains ${cause.name}`, () => {
    const address = { kind: "tcp", host: "a", port: 1 } as const;
    assertEquals(listenProblem(address, "--listen", cause), want);
  });
}
