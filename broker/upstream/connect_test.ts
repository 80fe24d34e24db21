import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { secretsOf } from "../../shared/_testing.ts";
import { server as serverConfig } from "../../shared/_testing.ts";
import { until } from "../_testing/until.ts";
import { startSdkServer } from "../_testing/sdk_server.ts";
import { startStatelessSdkServer } from "../_testing/stateless_sdk_server.ts";
import { HttpPool } from "../../shared/upstream/http_pool.ts";
import type { CredentialUse } from "../../shared/config/model.ts";
import { connectAsCaller, connectWith } from "./connect.ts";
import { UpstreamError } from "../../shared/upstream/upstream_error.ts";

const NEVER = new AbortController().signal;

Deno.test("a real server is initialized, listed, pinged and left", async () => {
  await using server = startSdkServer(["a", "b"]);
  const secrets = secretsOf({});
  using http = new HttpPool(secrets);
  const session = await connectWith(http, secrets)(
    serverConfig("s", { url: server.url }),
    () => {},
    NEVER,
  );
  assertEquals(session.introduction.revision, "2025-11-25");
  assertEquals((await session.list("tools", NEVER)).items.length, 2);
  await session.ping(NEVER);
  assertEquals(server.sessions.size, 1);
  await session.close();
  assertEquals(server.sessions.size, 0);
});

Deno.test("a real stateless server is discovered, listed, pinged and heard", async () => {
  await using server = startStatelessSdkServer(["a", "b"]);
  const secrets = secretsOf({});
  using http = new HttpPool(secrets);
  const heard: string[] = [];
  const upstream = await connectWith(http, secrets)(
    serverConfig("s", { url: server.url }),
    (method) => heard.push(method),
    NEVER,
  );
  assertEquals(upstream.introduction.revision, "2026-07-28");
  assertEquals(upstream.introduction.serverInfo.version, "1.2.3");
  assertEquals(upstream.kinds, ["tools"]);
  assertEquals((await upstream.list("tools", NEVER)).items.length, 2);
  await upstream.ping(NEVER);
  const ending = new AbortController();
  const opened = Promise.withResolvers<void>();
  const listening = upstream.listen(ending.signal, {
    onOpen: opened.resolve,
  }).catch(() => {}); // it is ended from here
  await opened.promise;
  server.setTools(["c"]);
  await until(() => heard.length > 0, "the news");
  assertEquals(heard, ["notifications/tools/list_changed"]);
  assertEquals((await upstream.list("tools", NEVER)).items.length, 1);
  ending.abort();
  await listening;
  await upstream.close();
});

Deno.test("a credential is read for each request, and no redirect gets it", async () => {
  const seen: (string | null)[] = [];
  await using elsewhere = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    () => {
      seen.push("elsewhere");
      return new Response();
    },
  );
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    async (request) => {
      await request.body?.cancel();
      seen.push(request.headers.get("authorization"));
      return Response.redirect(`http://127.0.0.1:${elsewhere.addr.port}/`, 307);
    },
  );
  const files: Record<string, string> = { token: "Bearer one" };
  const secrets = secretsOf(files);
  using http = new HttpPool(secrets);
  const open = connectWith(http, secrets);
  const config = serverConfig("s", {
    url: `http://127.0.0.1:${server.addr.port}/mcp`,
    headers: [{
      name: "authorization",
      value: { kind: "file", name: "token" },
    }],
  });
  const attempt = () =>
    assertRejects(() => open(config, () => {}, NEVER), UpstreamError);
  assertStringIncludes((await attempt()).message, "redirects are not followed");
  files["token"] = "Bearer two";
  await attempt();
  assertEquals(seen, ["Bearer one", "Bearer two"]);
  delete files["token"];
  const error = await attempt();
  assertStringIncludes(error.message, "file token");
  assertEquals(seen.length, 2);
});

const AS_CALLER: readonly {
  readonly name: string;
  readonly caller?: string;
  readonly credentialFor: readonly CredentialUse[];
  readonly sent: readonly (string | null)[];
}[] = [
  {
    name: "the caller's credential and none of the gateway's",
    caller: "Bearer alice",
    credentialFor: ["discovery"],
    sent: ["Bearer alice", null],
  },
  {
    name: "no credential for a caller without one",
    credentialFor: ["discovery"],
    sent: [null, null],
  },
  {
    name: "what the gateway puts on every call",
    caller: "Bearer alice",
    credentialFor: ["calls"],
    sent: ["Bearer gateway", "key"],
  },
];
for (const { name, caller, credentialFor, sent } of AS_CALLER) {
  Deno.test(`a server that lists by caller gets ${name}`, async () => {
    let seen: readonly (string | null)[] = [];
    await using server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      async (request) => {
        await request.body?.cancel();
        seen = ["authorization", "x-api-key"].map((header) =>
          request.headers.get(header)
        );
        return new Response(null, { status: 403 });
      },
    );
    const secrets = secretsOf({ token: "Bearer gateway", key: "key" });
    using http = new HttpPool(secrets);
    const config = serverConfig("s", {
      url: `http://127.0.0.1:${server.addr.port}/mcp`,
      credentialFor,
      headers: [
        { name: "authorization", value: { kind: "file", name: "token" } },
        { name: "x-api-key", value: { kind: "file", name: "key" } },
      ],
    });
    await assertRejects(
      () => connectAsCaller(http, secrets)(config, caller, NEVER),
      UpstreamError,
    );
    assertEquals(seen, sent);
  });
}
