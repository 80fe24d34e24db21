/**
 * Where the broker replicas of an extension are, by the EndpointSlices of the
 * gateway's Service. Pure.
 *
 * @module
 */

import type { KubeObject } from "../../shared/kube/object.ts";
import type { ObjectName } from "../resources/meta.ts";
import type { BrokerTarget } from "./broker_polls.ts";

/** An EndpointSlice of `discovery.k8s.io/v1`, as far as it is used. */
interface EndpointSlice extends KubeObject {
  readonly endpoints?:
    | readonly {
      readonly addresses?: readonly string[];
      readonly conditions?: { readonly terminating?: boolean };
      readonly targetRef?: { readonly name?: string };
    }[]
    | null;
}

/**
 * Finds the replicas, those included that are not ready: why, is what they are
 * asked. One that is about to end is none any more.
 *
 * @param port Port of their internal listener.
 */
export function brokerTargets(
  { namespace, name }: ObjectName,
  slices: readonly KubeObject[],
  port: number,
): readonly BrokerTarget[] {
  const targets = slices.flatMap((slice) =>
    (slice as EndpointSlice).endpoints?.flatMap((endpoint): BrokerTarget[] => {
      const [address] = endpoint.addresses ?? [];
      if (address === undefined || endpoint.conditions?.terminating === true) {
        return [];
      }
      const host = address.includes(":") ? `[${address}]` : address;
      return [{
        extension: { namespace, name },
        replica: endpoint.targetRef?.name ?? address,
        url: `http://${host}:${port}`,
      }];
    }) ?? []
  );
  // With two address families, a pod is in two slices.
  const byReplica = new Map(
    targets.toReversed().map((one) => [one.replica, one]),
  );
  return [...byReplica.values()].sort((a, b) =>
    a.replica < b.replica ? -1 : a.replica > b.replica ? 1 : 0
  );
}
