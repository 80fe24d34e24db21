import { assert, assertEquals } from "@std/assert";
import { head, request, sizedCall } from "./requests.ts";

const target = { path: "/mcp", host: "h:1", headers: { "x-a": "b" } };
const sent = (body = "") => body.replace("{id}", "123456789");

for (const bytes of [300, 65_536]) {
  Deno.test(`sizedCall() in a session is ${bytes} bytes as it is sent`, () => {
    const { body } = sizedCall("session", "session_echo", bytes, target);
    assertEquals(sent(body).length, bytes);
    assertEquals(JSON.parse(sent(body)).params.name, "session_echo");
  });
}

Deno.test("sizedCall() without a session is no smaller than its envelope", () => {
  const { body } = sizedCall("stateless", "echo", 10, target);
  assert(sent(body).length > 200);
  const { params } = JSON.parse(sent(body));
  assertEquals(Object.keys(params), ["name", "arguments", "_meta"]);
});

Deno.test("request() mirrors the name in a header where there are no sessions", () => {
  const { head } = request("stateless", "tools/call", { name: "t" }, target);
  assert(head.includes("mcp-name: t\r\nx-a: b\r\n"), head);
});

Deno.test("head() begins with the request line and has no empty line", () => {
  assertEquals(
    head("GET", target, {}),
    "GET /mcp HTTP/1.1\r\nhost: h:1\r\naccept: text/event-stream\r\nx-a: b\r\n",
  );
});
for (const era of ["session", "stateless"] as const) {
  Deno.test(`request() of ${era} without parameters is JSON`, () => {
    JSON.parse(sent(request(era, "ping", {}, target).body));
  });
}
