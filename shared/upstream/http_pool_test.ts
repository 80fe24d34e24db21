import { assertEquals, assertRejects } from "@std/assert";
import type { ServerConfig } from "../config/model.ts";
import type { SecretIo } from "../config/secrets.ts";
import { HttpPool } from "./http_pool.ts";

const fixture = (name: string): Promise<string> =>
  Deno.readTextFile(
    new URL(`../../tests/fixtures/tls/${name}`, import.meta.url),
  );

/** Secrets in memory. */
function secretsOf(files: Record<string, string>): SecretIo {
  return {
    secretsDir: "/secrets",
    readTextFile: (path) => {
      const text = files[path.slice("/secrets/".length)];
      return text === undefined
        ? Promise.reject(new Deno.errors.NotFound(path))
        : Promise.resolve(text);
    },
    env: () => undefined,
  };
}

function server(url: string, caCert?: ServerConfig["caCert"]): ServerConfig {
  return {
    name: "s",
    url,
    hostname: "s.mcp.local",
    prefix: "",
    state: "Enabled",
    headers: [],
    credentialFor: [],
    passthrough: false,
    era: "auto",
    initialization: "direct",
    userSpecificList: false,
    category: [],
    tags: [],
    fingerprint: "f",
    ...(caCert === undefined ? {} : { caCert }),
  };
}

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
  await assertRejects(() => pool.fetch(server(url), {}), TypeError);
  const own = server(url, { kind: "file", name: "ca.pem" });
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
    server(`http://127.0.0.1:${http.addr.port}/mcp`),
    { redirect: "follow" },
  );
  await response.body?.cancel();
  assertEquals([response.status, asked], [307, 1]);
});
