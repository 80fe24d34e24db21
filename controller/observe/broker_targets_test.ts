import { assertEquals } from "@std/assert";
import type { KubeObject } from "../../shared/kube/object.ts";
import { brokerTargets } from "./broker_targets.ts";

const extension = { namespace: "mcp", name: "main" };

function slice(...endpoints: unknown[]): KubeObject {
  return {
    ...{ apiVersion: "discovery.k8s.io/v1", kind: "EndpointSlice" },
    ...{ metadata: { name: "mcp-gateway-1", namespace: "mcp" }, endpoints },
  } as KubeObject;
}

function endpoint(name: string, address: string, conditions = {}): unknown {
  return { addresses: [address], conditions, targetRef: { name } };
}

for (
  const { name, slices, want } of [
    { name: "no slice", slices: [], want: [] },
    {
      name: "a replica that is not ready",
      slices: [slice(endpoint("a", "10.0.0.1", { ready: false }))],
      want: ["a http://10.0.0.1:9090"],
    },
    {
      name: "one of two that ends",
      slices: [
        slice(
          endpoint("b", "10.0.0.2"),
          endpoint("a", "10.0.0.1", { terminating: true }),
        ),
      ],
      want: ["b http://10.0.0.2:9090"],
    },
    {
      name: "a replica of two address families",
      slices: [
        slice(endpoint("a", "10.0.0.1")),
        slice(endpoint("a", "fd00::1")),
      ],
      want: ["a http://10.0.0.1:9090"],
    },
    {
      name: "an address of IPv6 without a pod",
      slices: [slice({ addresses: ["fd00::1"] })],
      want: ["fd00::1 http://[fd00::1]:9090"],
    },
  ]
) {
  Deno.test(`brokerTargets() of ${name}`, () => {
    assertEquals(
      brokerTargets(extension, slices, 9090).map(({ replica, url }) =>
        `${replica} ${url}`
      ),
      want,
    );
  });
}
