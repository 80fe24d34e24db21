import { assertEquals } from "@std/assert";
import { SILENT } from "../shared/_testing.ts";
import { createBrokerHint } from "./broker_hint.ts";

function hint(answer: () => Promise<Response>) {
  const world = { now: 0, asked: [] as [url: string, body: unknown][] };
  const tell = createBrokerHint({
    url: "http://broker.test:9090/",
    fetch: (url, init) => {
      world.asked.push([String(url), JSON.parse(String(init?.body))]);
      return answer();
    },
    now: () => world.now,
    log: SILENT,
  });
  return { world, tell };
}

Deno.test("createBrokerHint() tells the broker whose session it is, and with whom", async () => {
  const { world, tell } = hint(() =>
    Promise.resolve(new Response(null, { status: 204 }))
  );
  await tell("client-1", "weather");
  assertEquals(world.asked, [[
    "http://broker.test:9090/held-streams",
    { session: "client-1", server: "weather" },
  ]]);
});

Deno.test("createBrokerHint() tells the broker that the client listens at, whoever else is not there", async () => {
  let there = false;
  const { world, tell } = hint(() =>
    there
      ? Promise.resolve(new Response(null, { status: 204 }))
      : Promise.reject(new TypeError("refused"))
  );
  await tell("client-1", "weather");
  there = true;
  await tell("client-1", "weather", "http://other.test:9090");
  await tell("client-1", "weather");
  assertEquals(world.asked.map(([url]) => url), [
    "http://broker.test:9090/held-streams",
    "http://other.test:9090/held-streams",
  ]);
});

const answers: readonly {
  name: string;
  answer: () => Promise<Response>;
  asked: readonly [at: number, times: number][];
}[] = [
  {
    name: "holds no such stream",
    answer: () => Promise.resolve(new Response("no", { status: 404 })),
    asked: [[0, 1], [1, 2]],
  },
  {
    name: "is slow",
    answer: () => Promise.reject(new DOMException("late", "TimeoutError")),
    asked: [[0, 1], [1, 2]],
  },
  {
    name: "is not there, for a while",
    answer: () => Promise.reject(new TypeError("refused")),
    asked: [[0, 1], [1, 1], [4_999, 1], [5_000, 2], [5_001, 2]],
  },
];

for (const { name, answer, asked } of answers) {
  Deno.test(`createBrokerHint() goes on where the broker ${name}`, async () => {
    const { world, tell } = hint(answer);
    for (const [at, times] of asked) {
      world.now = at;
      await tell("client-1", "weather");
      assertEquals(world.asked.length, times, `at ${at}`);
    }
  });
}
