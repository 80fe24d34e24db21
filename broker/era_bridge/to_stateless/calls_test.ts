import { assert, assertEquals } from "@std/assert";
import { scan } from "../../../shared/jsonrpc/scanner.ts";
import { BridgedCalls, type ClientResponse } from "./calls.ts";

function callsOf(
  limits = { callsPerSession: 2, bridgedCalls: 3 },
): BridgedCalls {
  let names = 0;
  return new BridgedCalls(limits, () => `call-${++names}`);
}

function responseOf(json: string): ClientResponse {
  const body = new TextEncoder().encode(json);
  const message = scan(body);
  assert(message.kind === "response");
  return { body, message };
}
const RESPONSE = responseOf('{"jsonrpc":"2.0","id":"x","result":{}}');

Deno.test("begin() takes so many calls of one session, and so many in all", () => {
  const calls = callsOf();
  const first = calls.begin("a", "1");
  assert(first !== undefined && calls.begin("a", "2") !== undefined);
  assertEquals(calls.begin("a", "3"), undefined);
  assert(calls.begin("b", "1") !== undefined);
  assertEquals(calls.begin("b", "2"), undefined);
  calls.end(first);
  assertEquals(calls.count, 2);
  assert(calls.begin("b", "2") !== undefined);
  calls.end(first);
  assertEquals(calls.count, 3);
});

Deno.test("cancel() cancels the request of that id in that session, and no other", () => {
  const calls = callsOf();
  const [one, other] = [calls.begin("a", "1")!, calls.begin("a", '"1"')!];
  const foreign = calls.begin("b", "1")!;
  assertEquals(calls.cancel("a", "7"), false);
  assertEquals(calls.cancel("c", "1"), false);
  assertEquals(calls.cancel("a", "1"), true);
  assertEquals(one.cancelled.aborted, true);
  assertEquals(other.cancelled.aborted, false);
  assertEquals(foreign.cancelled.aborted, false);
});

Deno.test("endSession() cancels all of a session", () => {
  const calls = callsOf();
  const [one, other] = [calls.begin("a", "1")!, calls.begin("b", "1")!];
  calls.endSession("a");
  assertEquals([one.cancelled.aborted, other.cancelled.aborted], [true, false]);
});

Deno.test("take() brings each answer once to who waits for it", async () => {
  const calls = callsOf();
  const call = calls.begin("a", "1")!;
  const [one, other] = [call.expect(), call.expect()];
  assertEquals(calls.waiting, 2);
  assertEquals(calls.take("call-9", one.question, RESPONSE), false);
  assertEquals(calls.take(call.name, 99, RESPONSE), false);
  assertEquals(calls.take(call.name, one.question, RESPONSE), true);
  assertEquals(await one.response, RESPONSE);
  assertEquals(calls.take(call.name, one.question, RESPONSE), false);
  assertEquals(calls.waiting, 1);
  call.expectNothing();
  assertEquals(calls.take(call.name, other.question, RESPONSE), false);
  calls.end(call);
  assertEquals(calls.take(call.name, other.question, RESPONSE), false);
});

Deno.test("sessions are those that have calls", () => {
  const calls = callsOf();
  const [one, other] = [calls.begin("a", "1")!, calls.begin("b", "1")!];
  assertEquals(calls.sessions, ["a", "b"]);
  calls.end(one);
  assertEquals(calls.sessions, ["b"]);
  calls.end(other);
  assertEquals(calls.sessions, []);
});
