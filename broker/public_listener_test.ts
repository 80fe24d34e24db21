import { assertEquals } from "@std/assert";
import { publicListener } from "./public_listener.ts";

const URL_BASE = "http://broker";

/** A broker behind its public listener. */
function listener() {
  const state = { ready: true };
  const draining = new AbortController();
  const handle = publicListener(
    ({ url }) => Promise.resolve(new Response(new URL(url).pathname)),
    { ready: () => state.ready, draining: draining.signal },
  );
  const ask = (path: string, method = "GET") =>
    handle(new Request(`${URL_BASE}${path}`, { method }));
  return { state, draining, ask };
}

for (
  const { ready, want } of [
    { ready: true, want: 200 },
    { ready: false, want: 503 },
  ]
) {
  Deno.test(`publicListener() answers a health check ${want} where ready is ${ready}, and says no more`, async () => {
    const { state, ask } = listener();
    state.ready = ready;
    const response = await ask("/readyz?verbose");
    assertEquals([response.status, await response.text()], [want, ""]);
  });
}

for (
  const [path, method] of [
    ["/mcp", "GET"],
    ["/readyz", "POST"],
    ["/readyz/x", "GET"],
  ] as const
) {
  Deno.test(`publicListener() passes ${method} ${path} on`, async () => {
    const { ask } = listener();
    const response = await ask(path, method);
    assertEquals(await response.text(), path);
    assertEquals(response.headers.get("connection"), null);
  });
}

Deno.test("publicListener() parts with connections from when the broker is about to stop", async () => {
  const { draining, ask } = listener();
  draining.abort();
  for (const path of ["/mcp", "/readyz"]) {
    const response = await ask(path);
    assertEquals(response.headers.get("connection"), "close");
    await response.body?.cancel();
  }
});
