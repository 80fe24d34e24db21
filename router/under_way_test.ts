import { assertEquals } from "@std/assert";
import {
  type LetGoPace,
  NO_PACE,
  NODE_HTTP2_PACE,
  UnderWay,
  type UnderWayExchange,
} from "./under_way.ts";

class Exchange implements UnderWayExchange {
  isDone: boolean;
  wasLetGo = false;

  constructor(isDone: boolean) {
    this.isDone = isDone;
  }

  letGo(): void {
    this.wasLetGo = true;
  }
}

/** Exchanges under way, and a clock that does something at each look. */
function underWay(
  exchanges: readonly Exchange[],
  pace: LetGoPace = NO_PACE,
) {
  const all = new UnderWay();
  for (const one of exchanges) all.add(one);
  let looks = 0;
  const { signal } = new AbortController();
  return {
    all,
    /** Drains; answers how often it had to wait. */
    async drain(onLook: (look: number) => void): Promise<number> {
      await all.drain(
        () => {
          onLook(++looks);
          return Promise.resolve();
        },
        signal,
        pace,
      );
      return looks;
    },
  };
}

const letGo = (exchanges: readonly Exchange[]): number =>
  exchanges.filter(({ wasLetGo }) => wasLetGo).length;

Deno.test("UnderWay.drain() is over at once where there is no exchange", async () => {
  assertEquals(await underWay([]).drain(() => {}), 0);
});

Deno.test("UnderWay.drain() lets go of exchanges that are done, and waits for the others", async () => {
  const [done, asking] = [new Exchange(true), new Exchange(false)];
  const { all, drain } = underWay([done, asking]);
  const looks = await drain((look) => {
    assertEquals([done.wasLetGo, asking.wasLetGo], [true, false]);
    if (look === 3) all.delete(asking);
  });
  assertEquals(looks, 3);
  assertEquals(asking.wasLetGo, false);
});

Deno.test("UnderWay.drain() lets go of an exchange that is done meanwhile", async () => {
  const exchange = new Exchange(false);
  const { drain } = underWay([exchange]);
  assertEquals(await drain(() => exchange.isDone = true), 1);
  assertEquals(exchange.wasLetGo, true);
});

Deno.test("UnderWay.drain() lets go of so many that Envoy's resets stay below what node:http2 takes", async () => {
  const exchanges = Array.from({ length: 710 }, () => new Exchange(true));
  const { all, drain } = underWay(exchanges, NODE_HTTP2_PACE);
  const looks = await drain((look) => {
    assertEquals(letGo(exchanges), 699 + look);
  });
  assertEquals(looks, 10);
  assertEquals([letGo(exchanges), all.size], [710, 0]);
});

Deno.test("UnderWay.drain() waits no longer than it is told to", async () => {
  const asking = new Exchange(false);
  const all = new UnderWay();
  all.add(asking);
  const over = new AbortController();
  await all.drain(() => {
    over.abort();
    return Promise.resolve();
  }, over.signal);
  assertEquals([all.size, asking.wasLetGo], [1, false]);
});

Deno.test("UnderWay.drain() lets all go at once where any number of resets is taken", async () => {
  const exchanges = Array.from({ length: 5_000 }, () => new Exchange(true));
  const { all, drain } = underWay(exchanges);
  assertEquals(await drain(() => {}), 0);
  assertEquals([letGo(exchanges), all.size], [5_000, 0]);
});
