import { assertEquals } from "@std/assert";
import { waitOnTimer } from "../../shared/wait_on_timer.ts";
import { Alarm } from "./alarm.ts";

const NEVER = new AbortController().signal;
const DAY = 86_400_000;

Deno.test("an alarm wakes who waits, once", async () => {
  const alarm = new Alarm();
  const waiting = alarm.wait(waitOnTimer, DAY, NEVER);
  alarm.ring();
  alarm.ring();
  assertEquals(await waiting, true);
  assertEquals(await alarm.wait(waitOnTimer, 1, NEVER), false);
});

Deno.test("an alarm that rang before wakes the next who waits", async () => {
  const alarm = new Alarm();
  alarm.ring();
  assertEquals(await alarm.wait(waitOnTimer, DAY, NEVER), true);
  alarm.ring();
  alarm.reset();
  assertEquals(await alarm.wait(waitOnTimer, 1, NEVER), false);
});

Deno.test("waiting ends with its signal", async () => {
  const controller = new AbortController();
  const waiting = new Alarm().wait(waitOnTimer, DAY, controller.signal);
  controller.abort();
  assertEquals(await waiting, false);
  await waitOnTimer(DAY, controller.signal);
});
