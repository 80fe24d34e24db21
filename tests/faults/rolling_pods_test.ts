/**
 * The same as in `rolling_restarts_test.ts` where Envoy checks nothing itself,
 * as in Kubernetes: a pod that is told to stop goes on for as long as it takes
 * until Envoy is told that it is no endpoint any more.
 *
 * @module
 */

import { proves } from "../support/proves.ts";
import { Everybody, restart, startWorld } from "./_everybody.ts";
import { Pods } from "./_pods.ts";

/** Restarts of a pod: a router and a broker. */
const RESTARTS = 10;

proves(
  `ten restarts of pods whose endpoints come and go with their readiness: no call fails, and nobody misses anything`,
  async () => {
    await using owned = new AsyncDisposableStack();
    const world = await startWorld(owned, {
      routerTransport: "network",
      drainDelaySeconds: 2,
    });
    const { gateway } = world;
    const pods = owned.use(await Pods.replaceChecks(gateway));
    const everybody = owned.use(await Everybody.begin(world));
    for (let round = 0; round < RESTARTS; round++) {
      const router = gateway.local.routers[round % 2]!;
      const broker = gateway.local.brokers[round % 2]!;
      const tool = `of_round_${round}`;
      const change = broker.ended.then(() => everybody.changeTools(tool));
      await Promise.all([
        ...[restart(router), restart(broker), change],
        pods.areKnown(1),
      ]);
      await everybody.know(tool);
      await pods.areKnown(2);
    }
    await everybody.noticedNothing();
  },
);
