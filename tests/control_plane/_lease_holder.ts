/**
 * A program that runs for office and, whenever it leads, writes its name and
 * the next number into a ConfigMap. Says on standard output when it leads and
 * when it does not. Arguments: server, file of its certificate, token,
 * identity, namespace.
 *
 * @module
 */

import { LeaderElection } from "../../controller/kube/leader_election.ts";
import { FencedError, KubeClient } from "../../shared/kube/client.ts";
import { isKubeError } from "../../shared/kube/kube_error.ts";
import { CONFIG_MAPS } from "../../shared/kube/object.ts";
import { HttpTransport } from "../../shared/kube/transport.ts";
import { createLogger } from "../../shared/log.ts";
import { waitOnTimer } from "../../shared/wait_on_timer.ts";

const [server = "", caFile = "", token = "", identity = "", namespace = ""] =
  Deno.args;
const caCert = await Deno.readTextFile(caFile);
const client = new KubeClient({
  transport: new HttpTransport({
    server,
    namespace,
    credentials: () =>
      Promise.resolve({
        headers: { authorization: `Bearer ${token}` },
        caCert,
      }),
  }),
});
const log = createLogger({ program: identity, level: "info", format: "human" });
const stop = new AbortController();
const election = new LeaderElection({
  client,
  namespace,
  name: "leader",
  identity,
  onChange: (leads) => console.log(leads ? "leading" : "not leading"),
  clocks: { monotonic: () => performance.now(), wall: Date.now },
  wait: waitOnTimer,
  random: Math.random,
  log,
});
const running = election.run(stop.signal);
const fenced = client.fenced(election);

async function write(): Promise<void> {
  const target = { resource: CONFIG_MAPS, namespace, name: "ledger" };
  const before = await client.get(target);
  const { count = "0" } = before?.data ?? {};
  const { resourceVersion } = before?.metadata ?? {};
  if (resourceVersion === undefined) throw new Error("there is no ledger");
  await fenced.replace(CONFIG_MAPS, {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "ledger", namespace, resourceVersion },
    data: { writer: identity, count: String(Number(count) + 1) },
  });
}

const writing = (async () => {
  while (!stop.signal.aborted) {
    try {
      await write();
    } catch (error) {
      if (error instanceof FencedError) {
        await waitOnTimer(20, stop.signal);
      } else if (!isKubeError(error, "conflict", "unreachable")) throw error;
      else console.log(`refused ${error.kind}`);
    }
    await waitOnTimer(10, stop.signal);
  }
})();
await new Promise<void>((resolve) =>
  Deno.addSignalListener("SIGTERM", () => resolve())
);
stop.abort();
await Promise.all([writing, running]);
Deno.exit(0);
