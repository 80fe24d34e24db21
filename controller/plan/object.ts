/**
 * Objects that we write: what marks them as ours, and as whose. Whether one
 * needs to be written is decided where it is applied, by its content. Pure.
 *
 * @module
 */

import type { JsonObject } from "../../shared/envoy/json.ts";
import type { KubeObject, ObjectMeta } from "../../shared/kube/object.ts";
import {
  EXTENSION_LABEL,
  MANAGED_BY,
  MANAGED_BY_LABEL,
  MCP_GROUP,
} from "../resources/groups.ts";
import type { McpGatewayExtension } from "../resources/mcp_gateway_extension.ts";

/** What is to be done about a ConfigMap or Secret. */
export type Desired =
  /** It is to be like this; nothing is written where it is. */
  | { readonly action: "apply"; readonly object: KubeObject }
  /** It is somebody else's, or cannot be written: what is there stays. */
  | { readonly action: "keep" };

/**
 * Metadata of an object that belongs to an extension. In another namespace it
 * has no owner, as Kubernetes has none across namespaces: labels tell.
 */
export function ownedMetadata(
  { meta }: McpGatewayExtension,
  namespace: string,
  name: string,
): ObjectMeta {
  const owned = meta.namespace === namespace && meta.uid !== undefined;
  return {
    name,
    namespace,
    labels: {
      [MANAGED_BY_LABEL]: MANAGED_BY,
      "app.kubernetes.io/part-of": "mcp-gateway",
      [EXTENSION_LABEL]: meta.namespace,
    },
    ...(owned
      ? {
        ownerReferences: [{
          apiVersion: `${MCP_GROUP}/v1`,
          kind: "MCPGatewayExtension",
          name: meta.name,
          uid: meta.uid ?? "",
          controller: true,
        }],
      }
      : {}),
  };
}

/** Builds a ConfigMap or Secret. */
export function dataObject(
  kind: "ConfigMap" | "Secret",
  metadata: ObjectMeta,
  data: ReadonlyMap<string, string>,
): KubeObject {
  return { apiVersion: "v1", kind, metadata, data: Object.fromEntries(data) };
}

/** Builds an object of a kind with a `spec`. */
export function kubeObject(
  apiVersion: string,
  kind: string,
  metadata: ObjectMeta,
  spec: JsonObject,
): KubeObject {
  return { apiVersion, kind, metadata, spec };
}
