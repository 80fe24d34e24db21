import { assertEquals, assertRejects } from "@std/assert";
import { fetchAbortably } from "./fetch_abortably.ts";

/** Sends one event, and then nothing for ever. */
function startStream() {
  return Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    () =>
      new Response(
        new ReadableStream({
          start: (controller) => controller.enqueue(Uint8Array.of(0x3a, 0x0a)),
        }),
        { headers: { "content-type": "text/event-stream" } },
      ),
  );
}

async function readToEnd(response: Response): Promise<string> {
  const reader = response.body!.getReader();
  try {
    while (!(await reader.read()).done);
    return "ended";
  } catch (error) {
    return (error as Error).name;
  }
}

async function within<T>(ms: number, outcome: Promise<T>): Promise<T | string> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve("never"), ms);
  });
  return await Promise.race([outcome, late])
    .finally(() => clearTimeout(timer));
}

Deno.test("fetchAbortably() ends answers with their signals, also behind a combined one, garbage or not", async () => {
  const server = startStream();
  const url = `http://127.0.0.1:${server.addr.port}/`;
  // `fetch` alone loses some aborts to the collector; the load test of both eras
  // shows that more surely than this can.
  for (let round = 0; round < 20; round++) {
    const outcomes = await Promise.all(
      Array.from({ length: 50 }, async (_, at) => {
        const ending = new AbortController();
        const signal = AbortSignal.any([
          ending.signal,
          new AbortController().signal,
        ]);
        const outcome = readToEnd(await fetchAbortably(url, { signal }));
        // Garbage, for the collector to come by.
        const garbage: unknown[] = [];
        for (let i = 0; i < 2_000; i++) garbage.push(new Array(50));
        await new Promise((resolve) => setTimeout(resolve, at % 30));
        ending.abort();
        return await within(10_000, outcome);
      }),
    );
    assertEquals(new Set(outcomes), new Set(["AbortError"]));
  }
  await server.shutdown();
});

Deno.test("fetchAbortably() lets an answer pass as it is", async () => {
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    (request) =>
      new URL(request.url).pathname === "/empty"
        ? new Response(null, { status: 204 })
        : new Response("é".repeat(100_000), {
          status: 404,
          headers: { "x-of-server": "1" },
        }),
  );
  const url = `http://127.0.0.1:${server.addr.port}`;
  const { signal } = new AbortController();
  const response = await fetchAbortably(url, { signal });
  assertEquals(
    [response.status, response.headers.get("x-of-server")],
    [404, "1"],
  );
  assertEquals(await response.text(), "é".repeat(100_000));
  assertEquals((await fetchAbortably(`${url}/empty`, { signal })).status, 204);
});

Deno.test("fetchAbortably() tells a server's broken stream from an end", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const served = (async () => {
    using connection = await listener.accept();
    await connection.read(new Uint8Array(1_024));
    await connection.write(new TextEncoder().encode(
      "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc",
    ));
  })();
  const { port } = listener.addr as Deno.NetAddr;
  const response = await fetchAbortably(`http://127.0.0.1:${port}/`, {
    signal: new AbortController().signal,
  });
  await assertRejects(() => response.text());
  await served;
  listener.close();
});

Deno.test("fetchAbortably() lets a body go that nobody wants", async () => {
  const server = startStream();
  const url = `http://127.0.0.1:${server.addr.port}/`;
  const response = await fetchAbortably(url, {
    signal: new AbortController().signal,
  });
  await response.body!.cancel();
  await server.shutdown();
});

Deno.test("fetchAbortably() reads into the reader's own buffer: a silent stream holds no larger one", async () => {
  const server = startStream();
  const url = `http://127.0.0.1:${server.addr.port}/`;
  const ending = new AbortController();
  const { body } = await fetchAbortably(url, { signal: ending.signal });
  const reader = body!.getReader({ mode: "byob" });
  const first = await reader.read(new Uint8Array(1_000));
  assertEquals(first.value?.buffer.byteLength, 1_000);
  assertEquals([...first.value!], [0x3a, 0x0a]);
  const waiting = reader.read(new Uint8Array(first.value!.buffer));
  ending.abort();
  await assertRejects(() => waiting, DOMException, "aborted");
  await server.shutdown();
});

Deno.test("fetchAbortably() tells the end of a body to a reader with its own buffer", async () => {
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    () => new Response("0123456789"),
  );
  const { body } = await fetchAbortably(
    `http://127.0.0.1:${server.addr.port}/`,
    { signal: new AbortController().signal },
  );
  const reader = body!.getReader({ mode: "byob" });
  let text = "";
  for (;;) {
    const { value, done } = await reader.read(new Uint8Array(4));
    if (done) break;
    text += new TextDecoder().decode(value);
  }
  assertEquals(text, "0123456789");
});
