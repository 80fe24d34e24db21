/**
 * Has the programs of others built before tests run, so that what goes on is
 * seen meanwhile.
 *
 * @module
 */

import { findEnvoyGateway, findIstio } from "./_gateway_tools.ts";
import { available, findKubectl, findKubeTools } from "./_kube_tools.ts";

if (import.meta.main) {
  for (
    const find of [findKubeTools, findKubectl, findIstio, findEnvoyGateway]
  ) {
    const found = await available<unknown>(find);
    if (found.kind === "missing") {
      console.error(`Some tests are left out. ${found.reason}`);
    }
  }
}
