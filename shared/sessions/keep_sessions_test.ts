import { assertEquals } from "@std/assert";
import { SILENT } from "../_testing.ts";
import { keepSessions } from "./keep_sessions.ts";

Deno.test("keepSessions() keeps, time and again, what has calls in flight then, and tells what has ended", async () => {
  const life = new AbortController();
  const kept: string[] = [];
  const ended: string[] = [];
  const rounds = [["a"], [], ["store away", "b"], ["a", "gone", "b"]];
  const waits: number[] = [];
  await keepSessions({
    sessions: () => rounds.shift()!.map((id) => ({ id })),
    keep: ({ id }) => {
      if (id === "store away") return Promise.reject(new Error(id));
      kept.push(id);
      return Promise.resolve(id !== "gone");
    },
    onEnded: ({ id }) => ended.push(id),
    everyMs: 60_000,
    delay: (ms) => {
      waits.push(ms);
      if (rounds.length === 0) life.abort();
      return Promise.resolve();
    },
    signal: life.signal,
    log: SILENT,
  });
  assertEquals(kept, ["a", "a", "gone", "b"]);
  assertEquals(ended, ["gone"]);
  assertEquals(new Set(waits), new Set([60_000]));
});
