/**
 * Has kube-apiserver, etcd and kubectl built before tests run, so that what
 * goes on is seen meanwhile.
 *
 * @module
 */

import { availableKubectl, availableKubeTools } from "./_kube_tools.ts";

if (import.meta.main) {
  const found = await availableKubeTools();
  if (found.kind === "missing") {
    console.error(`Tests of the control plane are left out. ${found.reason}`);
  } else {
    await availableKubectl();
  }
}
