/**
 * Two routers and two brokers behind one Envoy, each of them told to stop and
 * started again, fifty times over, while clients of both eras call, list, come
 * and listen: none of them notices.
 *
 * @module
 */

import { proves, shared } from "../support/proves.ts";
import { Everybody, restart, startWorld } from "./_everybody.ts";

/** Restarts of a router, and as many of a broker. */
const RESTARTS = 50;
/** They come in so many parts: each is a test with a deadline. */
const PARTS = 5;

const world = shared((stack) =>
  startWorld(stack, {
    // Ten times what it takes to notice; less than the slowest call.
    drainDelaySeconds: 2,
    envoyOptions: { healthCheckSeconds: 0.2 },
  })
);

for (let part = 0; part < PARTS; part++) {
  const rounds = RESTARTS / PARTS;
  const from = part * rounds;
  const numbers = `${from + 1} to ${from + rounds}`;
  proves(
    `restarts ${numbers} of a router and a broker: no call fails, and nobody misses anything`,
    async () => {
      const { routers, brokers } = world().gateway.local;
      await using everybody = await Everybody.begin(world());
      for (let round = from; round < from + rounds; round++) {
        const router = routers[round % 2]!;
        const broker = brokers[round % 2]!;
        const tool = `of_round_${round}`;
        // When the broker's listeners are on their way to the other one.
        const change = broker.ended.then(() => everybody.changeTools(tool));
        await Promise.all([restart(router), restart(broker), change]);
        await everybody.know(tool);
      }
      await everybody.noticedNothing();
    },
  );
}
