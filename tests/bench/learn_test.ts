import { assertEquals, assertThrows } from "@std/assert";
import { aroundId, learn } from "./learn.ts";
import { request } from "./requests.ts";

Deno.test("aroundId() finds the id wherever it stands", () => {
  assertEquals(aroundId('{"result":{},"id":123456789}'), {
    before: '{"result":{},"id":',
    after: "}",
  });
});

for (
  const text of [
    '{"id":123456789,"error":{}}',
    '{"id":1,"result":{}}',
    '{"id":123456789,"result":[123456789]}',
  ]
) {
  Deno.test(`aroundId() learns nothing from ${text}`, () => {
    assertThrows(() => aroundId(text), Error, "Cannot learn");
  });
}

Deno.test("learn() sends a step's request in a session, and adds what came back", async () => {
  await using server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen: () => {} },
    async (request) =>
      Response.json({
        result: [request.url.replace(/^.*\d/, ""), request.method],
        session: request.headers.get("mcp-session-id"),
        id: (await request.json()).id,
      }, { status: 201 }),
  );
  const target = { path: "/mcp?a=b", host: "elsewhere", headers: {} };
  const asked = request("session", "ping", {}, target);
  const { step } = await learn(asked, `127.0.0.1:${server.addr.port}`, "s-1");
  assertEquals(step, {
    ...asked,
    status: 201,
    before: '{"result":["/mcp?a=b","POST"],"session":"s-1","id":',
    after: "}",
  });
});
