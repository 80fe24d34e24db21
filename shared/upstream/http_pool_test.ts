import { assertEquals, assertRejects } from "@std/assert";
import { secretsOf, server } from "../_testing.ts";
import { HttpPool } from "./http_pool.ts";

const fixture = (name: string): Promise<string> =>
  Deno.readTextFile(
    new URL(`../../tests/fixtures/tls/${name}`, import.meta.url),
  );

Deno.test("HttpPool checks a server's certificate against its own authority", async () => {
  await using tls = Deno.serve({
    hostname: "127.0.0.1",
    port: 0,
    cert: await fixture("server.pem"),
    key: await fixture("server.key"),
    onListen: () => {},
  }, () => new Response("hello"));
  const url = `https://localhost:${tls.addr.port}/mcp`;
  const files: Record<string, string> = {};
  using pool = new HttpPool(secretsOf(files));
  await assertRejects(() => pool.fetch(server("s", { url }), {}), TypeError);
  const own = server("s", {
    url,
    caCert: { kind: "file", name: "ca.pem" },
  });
  await assertRejects(() => pool.fetch(own, {}), Error, "ca.pem");
  // A certificate that comes later is in force at once.
  files["ca.pem"] = await fixture("ca.pem");
  assertEquals(await (await pool.fetch(own, {})).text(), "hello");
});

Deno.test("HttpPool follows no redirect, whatever the caller asks for", async () => {
  let asked = 0;
  await using http = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    (request) => {
      asked++;
      return Response.redirect(new URL("/elsewhere", request.url), 307);
    },
  );
  using pool = new HttpPool(secretsOf({}));
  const response = await pool.fetch(
    server("s", { url: `http://127.0.0.1:${http.addr.port}/mcp` }),
    { redirect: "follow" },
  );
  await response.body?.cancel();
  assertEquals([response.status, asked], [307, 1]);
});
