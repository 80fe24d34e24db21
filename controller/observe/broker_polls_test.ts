import { assertEquals } from "@std/assert";
import { BrokerPolls } from "./broker_polls.ts";

const TARGET = {
  extension: { namespace: "mcp", name: "main" },
  replica: "a",
  url: "http://10.0.0.1:9090",
};

const STATUS = { ready: true, servers: [], version: "1" };

function polls(
  answer: () => Promise<Response>,
): { polls: BrokerPolls; asked: string[] } {
  const asked: string[] = [];
  return {
    asked,
    polls: new BrokerPolls({
      targets: () => [TARGET],
      fetch: (url) => {
        asked.push(url);
        return answer();
      },
      onChange: () => {},
      active: () => true,
      everyMs: 1,
      wait: () => Promise.resolve(),
    }),
  };
}

for (
  const { name, answer, want } of [
    {
      name: "a status",
      answer: () => Promise.resolve(Response.json(STATUS)),
      want: undefined,
    },
    {
      name: "a refusal",
      answer: () => Promise.resolve(new Response("no", { status: 503 })),
      want: "it answers 503",
    },
    {
      name: "a redirect",
      answer: () =>
        Promise.resolve(
          new Response(null, { status: 302, headers: { location: "/" } }),
        ),
      want: "it answers 302",
    },
    {
      name: "a page",
      answer: () => Promise.resolve(new Response("<html>")),
      want: "it answers something else than a status",
    },
    {
      name: "a body that is too large",
      answer: () =>
        Promise.resolve(
          new Response("{}", { headers: { "content-length": "99999999" } }),
        ),
      want: "it answers something else than a status",
    },
    {
      name: "nothing in time",
      answer: () => Promise.reject(new DOMException("", "TimeoutError")),
      want: "no answer in 1500 ms",
    },
    {
      name: "no connection",
      answer: () => Promise.reject(new TypeError("tcp connect error 12345")),
      want: "no connection to its internal listener",
    },
  ]
) {
  Deno.test(`BrokerPolls reports ${name}`, async () => {
    const { polls: one } = polls(answer);
    const [report] = await one.reports(new AbortController().signal);
    assertEquals(report?.replica, "a");
    assertEquals(report?.error, want);
    assertEquals(report?.status?.ready, want === undefined ? true : undefined);
  });
}

Deno.test("BrokerPolls asks a replica that was heard only in its rounds", async () => {
  const { polls: one, asked } = polls(() =>
    Promise.resolve(Response.json(STATUS))
  );
  const { signal } = new AbortController();
  await one.reports(signal);
  await one.reports(signal);
  assertEquals(asked, ["http://10.0.0.1:9090/status"]);
});

Deno.test("BrokerPolls says that a replica says something else, and only then", async () => {
  const stop = new AbortController();
  const ready = [true, true, true, false, false, true];
  let rounds = 0;
  const told: number[] = [];
  const one = new BrokerPolls({
    targets: () => [TARGET],
    fetch: () =>
      Promise.resolve(Response.json({ ...STATUS, ready: ready[rounds] })),
    onChange: () => told.push(rounds),
    active: () => true,
    everyMs: 1,
    wait: () => {
      rounds++;
      if (rounds === ready.length) stop.abort();
      return Promise.resolve();
    },
  });
  await one.run(stop.signal);
  assertEquals(told, [0, 3, 5]);
});

Deno.test("BrokerPolls lets stand what a replica said until it could not be asked three times in a row", async () => {
  const stop = new AbortController();
  // Whether it answers, round by round.
  const answers = [true, false, false, true, false, false, false, false, true];
  let rounds = 0;
  const heard: (string | undefined)[] = [];
  const one = new BrokerPolls({
    targets: () => [TARGET],
    fetch: () =>
      answers[rounds]
        ? Promise.resolve(Response.json(STATUS))
        : Promise.reject(new TypeError("connection refused")),
    onChange: () => {},
    active: () => true,
    everyMs: 1,
    wait: async () => {
      const [report] = await one.reports(new AbortController().signal);
      heard.push(report?.error);
      rounds++;
      if (rounds === answers.length) stop.abort();
    },
  });
  await one.run(stop.signal);
  const away = "no connection to its internal listener";
  assertEquals(heard, [
    ...Array(6).fill(undefined),
    ...[away, away, undefined],
  ]);
});
