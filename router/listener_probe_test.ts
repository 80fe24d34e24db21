import { assertEquals } from "@std/assert";
import {
  probeHttp2,
  type ProbeOutcome,
  watchListener,
} from "./listener_probe.ts";

/** Number of tries until the listener was given up; 0 where it never was. */
async function givenUpAfter(outcomes: readonly ProbeOutcome[]) {
  const stop = new AbortController();
  let tries = 0;
  let dead = 0;
  await watchListener({
    probe: () => {
      const outcome = outcomes[tries++];
      if (tries === outcomes.length) stop.abort();
      return Promise.resolve(outcome ?? "answers");
    },
    delay: () => Promise.resolve(),
    onDead: () => dead = tries,
    signal: stop.signal,
  });
  return dead;
}

const cases: readonly { outcomes: ProbeOutcome[]; want: number }[] = [
  { outcomes: ["answers", "answers", "answers", "answers"], want: 0 },
  { outcomes: ["silent", "silent", "answers", "silent", "silent"], want: 0 },
  { outcomes: ["answers", "silent", "silent", "silent", "answers"], want: 4 },
  {
    outcomes: ["silent", "unknown", "silent", "unknown", "silent", "answers"],
    want: 5,
  },
];

for (const { outcomes, want } of cases) {
  Deno.test(`watchListener() on ${outcomes.join(", ")}`, async () => {
    assertEquals(await givenUpAfter(outcomes), want);
  });
}

Deno.test("probeHttp2() tells a listener that speaks from one that does not", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  const connect = () => Deno.connect({ hostname: "127.0.0.1", port });

  const speaking = probeHttp2(connect);
  using first = await listener.accept();
  await first.write(new Uint8Array([0]));
  assertEquals(await speaking, "answers");

  const closing = probeHttp2(connect);
  (await listener.accept()).close();
  assertEquals(await closing, "silent");

  listener.close();
  assertEquals(await probeHttp2(connect), "silent");
  assertEquals(
    await probeHttp2(() => Promise.reject(new Error("too many open files"))),
    "unknown",
  );
});

Deno.test("probeHttp2() greets a server that waits for that", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  const answer = probeHttp2(() =>
    Deno.connect({ hostname: "127.0.0.1", port })
  );
  using connection = await listener.accept();
  const greeting = new Uint8Array(33);
  for (let length = 0; length < greeting.length;) {
    length += await connection.read(greeting.subarray(length)) ?? 0;
  }
  assertEquals(
    new TextDecoder().decode(greeting.subarray(0, 24)),
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
  );
  await connection.write(new Uint8Array([0]));
  assertEquals(await answer, "answers");
});
