import { assertEquals } from "@std/assert";
import { ResetWatch } from "./reset_watch.ts";

/** Numbers of the streams at which somebody is told. */
function told(
  streams: number,
  isReset: (stream: number) => boolean,
  msPerStream = 1,
): number[] {
  const watch = new ResetWatch();
  return Array.from({ length: streams }, (_, i) => i + 1)
    .filter((stream) => watch.note(isReset(stream), stream * msPerStream));
}

const cases: readonly { name: string; got: number[]; want: number[] }[] = [
  { name: "streams that are closed", got: told(1000, () => false), want: [] },
  {
    name: "clients who go away now and then",
    got: told(1000, (stream) => stream % 2 === 0),
    want: [],
  },
  { name: "a start that is all resets", got: told(199, () => true), want: [] },
  { name: "resets all over, once", got: told(1000, () => true), want: [200] },
  {
    name: "resets all over, again after ten minutes",
    got: told(1000, () => true, 1000),
    want: [200, 800],
  },
];

for (const { name, got, want } of cases) {
  Deno.test(`ResetWatch.note() on ${name}`, () => assertEquals(got, want));
}
