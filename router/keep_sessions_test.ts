import { assertEquals } from "@std/assert";
import { SILENT } from "../shared/_testing.ts";
import { session } from "./_testing.ts";
import { keepSessions } from "./keep_sessions.ts";

Deno.test("keepSessions() touches every minute what has calls in flight then", async () => {
  const life = new AbortController();
  const touched: string[] = [];
  const rounds = [["a"], [], ["store away", "b"], ["a", "b"]];
  const waits: number[] = [];
  await keepSessions({
    sessions: () => rounds.shift()!.map((id) => ({ ...session, id })),
    touch: ({ id }) => {
      if (id === "store away") return Promise.reject(new Error(id));
      touched.push(id);
      return Promise.resolve();
    },
    delay: (ms) => {
      waits.push(ms);
      if (rounds.length === 0) life.abort();
      return Promise.resolve();
    },
    signal: life.signal,
    log: SILENT,
  });
  assertEquals(touched, ["a", "a", "b"]);
  assertEquals(new Set(waits), new Set([60_000]));
});
