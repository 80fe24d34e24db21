import { assert, assertEquals } from "@std/assert";
import { waitOnTimer } from "../../../shared/wait_on_timer.ts";
import { ClientLeg, type LegSettings } from "./client_leg.ts";

const SETTINGS: LegSettings = {
  beginMs: 60_000,
  keepAliveMs: 60_000,
  queueBytes: 100,
  wait: waitOnTimer,
};

Deno.test("ClientLeg answers in JSON what nothing went before, with its own status", async () => {
  const leg = new ClientLeg(new AbortController().signal, SETTINGS);
  leg.refuse("7", { kind: "too many calls" });
  // One answer only.
  leg.answer({ status: 200, text: "{}" });
  leg.notify("{}");
  const response = await leg.response;
  assertEquals(response.status, 429);
  assertEquals(response.headers.get("content-type"), "application/json");
  assertEquals(response.headers.get("retry-after"), "1");
  assertEquals((await response.json()).id, 7);
});

Deno.test("ClientLeg drops notifications that a slow client does not take, and never the answer", async () => {
  const leg = new ClientLeg(new AbortController().signal, SETTINGS);
  for (let n = 0; n < 50; n++) leg.notify(`{"n":${n}}`);
  leg.answer({ status: 404, text: '{"answer":true}' });
  const response = await leg.response;
  // Its status was chosen when the stream began.
  assertEquals(response.status, 200);
  const events = (await response.text()).trim().split("\n\n");
  assert(events.length < 20, `${events.length} events`);
  assertEquals(events[0], 'data: {"n":0}');
  assertEquals(events.at(-1), 'data: {"answer":true}');
});

Deno.test("ClientLeg tells once that its client left before the answer", async () => {
  for (const begun of [false, true]) {
    const client = new AbortController();
    const leg = new ClientLeg(client.signal, SETTINGS);
    let told = 0;
    leg.onGone = () => told++;
    if (begun) leg.notify("{}");
    client.abort();
    const response = await leg.response;
    await response.body?.cancel();
    assertEquals([told, leg.waiting], [1, false]);
  }
});

Deno.test("ClientLeg does not take the end of an answered request for a leaving", async () => {
  const client = new AbortController();
  const leg = new ClientLeg(client.signal, SETTINGS);
  let told = 0;
  leg.onGone = () => told++;
  leg.notify("{}");
  leg.answer({ status: 200, text: "{}" });
  client.abort();
  await (await leg.response).body?.cancel();
  assertEquals(told, 0);
});

Deno.test("ClientLeg knows a client that left before it began", async () => {
  const leg = new ClientLeg(AbortSignal.abort(), SETTINGS);
  assertEquals(leg.waiting, false);
  assertEquals((await leg.response).status, 499);
});
