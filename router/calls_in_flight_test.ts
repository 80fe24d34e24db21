import { assert, assertEquals } from "@std/assert";
import { server } from "../shared/_testing.ts";
import type { ClientSession } from "../shared/sessions/sessions.ts";
import { session } from "./_testing.ts";
import { createCallsInFlight } from "./calls_in_flight.ts";

const a = { ...session, id: "a" };
const b = { ...session, id: "b" };
const weather = server("weather");
const memo = server("memo");

Deno.test("createCallsInFlight() knows calls by session and id", () => {
  const calls = createCallsInFlight(2);
  const end = calls.begin(a, { id: "1", server: weather });
  calls.begin(b, { id: "1", server: memo });
  const who = (session: ClientSession, id: string) => calls.cancel(session, id);
  assertEquals(
    [who(a, "1"), who(b, "1"), who(a, '"1"'), who(session, "1")],
    [weather, memo, undefined, undefined],
  );
  end?.giveBack();
  assertEquals([who(a, "1"), who(b, "1")], [undefined, memo]);
  assertEquals(calls.sessions(), [b]);
});

Deno.test("createCallsInFlight() limits each session, and counts each place once", () => {
  const calls = createCallsInFlight(2);
  const call = { id: "1", server: weather };
  const ends = [calls.begin(a, call), calls.begin(a, call)];
  assertEquals(calls.begin(a, call), undefined);
  assert(calls.begin(b, call));
  ends[0]?.giveBack();
  ends[0]?.giveBack();
  assert(calls.begin(a, call));
  assertEquals(calls.begin(a, call), undefined);
});

Deno.test("createCallsInFlight() does not guess which of two calls an id means", () => {
  const calls = createCallsInFlight(3);
  calls.begin(a, { id: "1", server: weather });
  calls.begin(a, { id: "1", server: weather });
  assertEquals(calls.cancel(a, "1"), weather);
  calls.begin(a, { id: "1", server: memo });
  assertEquals(calls.cancel(a, "1"), undefined);
});

Deno.test("createCallsInFlight() gives a place back to the session that has it", () => {
  const calls = createCallsInFlight(1);
  const first = calls.begin(a, { id: "1", server: weather });
  first?.giveBack();
  calls.begin(a, { id: "2", server: memo });
  first?.giveBack();
  assertEquals(calls.cancel(a, "2"), memo);
  assertEquals(calls.begin(a, { id: "3", server: memo }), undefined);
});

Deno.test("createCallsInFlight() marks the call that is cancelled, and no other", () => {
  const calls = createCallsInFlight(3);
  const one = calls.begin(a, { id: "1", server: weather });
  const other = calls.begin(a, { id: "2", server: weather });
  const theirs = calls.begin(b, { id: "1", server: weather });
  const doubtful = calls.begin(b, { id: "3", server: weather });
  calls.begin(b, { id: "3", server: memo });
  calls.cancel(a, "1");
  calls.cancel(b, "3");
  assertEquals(
    [one, other, theirs, doubtful].map((place) => place?.cancelled),
    [true, false, false, false],
  );
});
