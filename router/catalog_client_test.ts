import { assertEquals } from "@std/assert";
import { followCatalog } from "./catalog_client.ts";
import { SILENT } from "../shared/_testing.ts";

function catalog(version: string) {
  return {
    version,
    config: "c",
    complete: true,
    servers: [],
    urisComplete: true,
    tools: {},
    prompts: {},
    resources: {},
    templates: [],
  };
}

/**
 * Follows a broker that answers as scripted, then stops. Returns what was
 * asked (the version that was known), what was taken over, and the waits.
 */
async function follow(script: readonly (() => Response | never)[]) {
  const stop = new AbortController();
  const asked: (string | null)[] = [];
  const taken: string[] = [];
  const waits: number[] = [];
  let attempts = 0;
  await followCatalog({
    url: "http://broker.test:9090/",
    onCatalog: ({ version }) => taken.push(version),
    onAttempt: () => {
      attempts++;
      if (asked.length === script.length) stop.abort();
    },
    signal: stop.signal,
    fetch: (input, init) => {
      assertEquals(String(input), "http://broker.test:9090/catalog");
      const headers = new Headers(init?.headers);
      const next = script[asked.length];
      asked.push(headers.get("if-none-match"));
      return Promise.try(() => next!());
    },
    delay: (ms) => {
      waits.push(ms);
      return Promise.resolve();
    },
    log: SILENT,
  });
  return { asked, taken, waits, attempts };
}

const gone = () => {
  throw new TypeError("connection refused");
};

Deno.test("followCatalog() asks again with the version it knows", async () => {
  const { asked, taken, waits } = await follow([
    () => Response.json(catalog("1")),
    () => new Response(null, { status: 304 }),
    () => Response.json(catalog("2")),
  ]);
  assertEquals(asked, [null, '"1"', '"1"']);
  assertEquals(taken, ["1", "2"]);
  assertEquals(waits, []);
});

Deno.test("followCatalog() keeps the last one while the broker is away", async () => {
  const { asked, taken, waits, attempts } = await follow([
    () => Response.json(catalog("1")),
    gone,
    () => new Response("starting", { status: 503 }),
    () => Response.json({ nonsense: true }),
    gone,
    gone,
    gone,
    () => Response.json(catalog("2")),
    gone,
  ]);
  assertEquals(taken, ["1", "2"]);
  assertEquals(asked.at(-2), '"1"');
  // Backs off to a second, and begins anew once the broker was there.
  assertEquals(waits, [50, 100, 200, 400, 800, 1000, 50]);
  assertEquals(attempts, 9);
});
