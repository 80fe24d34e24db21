/**
 * From Kubernetes to a client, with Envoy Gateway: what the controller makes is
 * taken by it, and what a client of the gateway sees of that.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { findEnvoy } from "../../shared/local/envoy_binary.ts";
import { RawClient } from "../support/raw_client.ts";
import { provesWhatClientsArePromised, untilCallsPass } from "./_contract.ts";
import { HOME } from "./_controller.ts";
import { type EnvoyGateway, startEnvoyGateway } from "./_envoy_gateway.ts";
import { findEnvoyGateway } from "./_gateway_tools.ts";
import {
  ADDRESS,
  GATEWAY,
  Installation,
  TEAM,
  URL_FOR_CLIENTS,
} from "./_installation.ts";
import { available, findKubeTools, there } from "./_kube_tools.ts";
import { measured, ownNetwork } from "./_network.ts";

interface World {
  readonly installation: Installation;
  readonly envoyGateway: EnvoyGateway;
}

const kube = await available(findKubeTools);
const tools = await available(findEnvoyGateway);
const envoy = await available(findEnvoy);
const { proves: provesInside, shared } = await ownNetwork(import.meta.url, [
  ...[kube, tools, envoy],
]);

const world = shared<World>(async (stack) => {
  const startedAt = performance.now();
  const installation = stack.use(
    await Installation.start(there(kube), {
      definitions: [there(tools).definitions],
      routerArgs: ["--steering=header"],
    }),
  );
  await installation.applySample("gateway-envoy-gateway");
  await installation.applySample("server");
  await installation.routeToFeatures();
  const envoyGateway = stack.use(
    await startEnvoyGateway(installation.cluster, {
      executable: there(tools).executable,
      envoy: there(envoy),
      namespace: HOME,
      gateway: GATEWAY,
      address: ADDRESS.envoy,
    }),
  );
  measured("everything started", startedAt);
  await untilCallsPass();
  measured("first call through Envoy", startedAt);
  return { installation, envoyGateway };
});

/** Declares a test; where it fails, all programs' last lines are shown. */
function proves(sentence: string, test: (world: World) => Promise<void>): void {
  provesInside(sentence, async () => {
    try {
      await test(world());
    } catch (cause) {
      const { installation, envoyGateway } = world();
      console.error(installation.lastLines(envoyGateway.process));
      throw cause;
    }
  });
}

provesWhatClientsArePromised(
  (sentence, test) =>
    proves(sentence, ({ installation }) => test(installation)),
  {
    by: "Envoy Gateway",
    configDump: () => world().envoyGateway.configDump(),
  },
);

proves(
  "With the router gone, nobody who says what it says gets to a server",
  async ({ installation: { programs: { router } } }) => {
    const client = await RawClient.connect(URL_FOR_CLIENTS);
    await router.stop();
    try {
      for (const headers of [{}, { "x-destination-mcp": `${TEAM}/weather` }]) {
        const { status, text } = await client.call("echo", { a: 1 }, {
          headers,
        });
        assert(status >= 500, `${status} ${text}`);
      }
    } finally {
      await router.start();
    }
    await untilCallsPass();
    assertEquals((await client.request("ping")).status, 200);
  },
);
