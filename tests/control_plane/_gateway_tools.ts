/**
 * Finds istiod and envoy-gateway on this machine, or builds them from their Go
 * modules into the cache, with the resource definitions of each.
 *
 * `istio_tools/` and `envoy_gateway_tools/` are the Go modules that name the
 * versions: what both need of third ones differs.
 *
 * @module
 */

import {
  build,
  copyYaml,
  downloaded,
  goModule,
  kept,
  requiredVersions,
  type ToolOptions,
} from "./_go_tools.ts";

/** A control plane of Gateways. */
export interface GatewayTools {
  /** Path of its executable. */
  readonly executable: string;
  /** Folder of its resource definitions, in YAML files. */
  readonly definitions: string;
}

const ISTIO = "istio.io/istio";
const ENVOY_GATEWAY = "github.com/envoyproxy/gateway";

/**
 * Finds istiod, building it where it is not there.
 *
 * @throws {NoToolsError} If it cannot be had.
 */
export function findIstio(options: ToolOptions): Promise<GatewayTools> {
  return find(options, {
    name: "istiod",
    folder: "istio_tools",
    module: ISTIO,
    command: "pilot/cmd/pilot-discovery",
    definitions: "manifests/charts/base/files",
    // Of that folder's files, the others are settings of charts.
    only: "crd-all.gen.yaml",
  });
}

/**
 * Finds envoy-gateway, building it where it is not there.
 *
 * @throws {NoToolsError} If it cannot be had.
 */
export function findEnvoyGateway(options: ToolOptions): Promise<GatewayTools> {
  return find(options, {
    name: "envoy-gateway",
    folder: "envoy_gateway_tools",
    module: ENVOY_GATEWAY,
    command: "cmd/envoy-gateway",
    definitions: "charts/gateway-helm/charts/crds/crds/generated",
  });
}

async function find(
  options: ToolOptions,
  { name, folder, module, command, definitions, only }: {
    readonly name: string;
    readonly folder: string;
    readonly module: string;
    readonly command: string;
    readonly definitions: string;
    readonly only?: string;
  },
): Promise<GatewayTools> {
  const ours = goModule(folder, { what: name });
  const { version } = await requiredVersions(ours, { version: module });
  const dir = await kept(`${name}-${version}`, options, async (dir) => {
    await build(ours, dir, [`${module}/${command}`], options);
    const from = `${await downloaded(ours, module, options)}/${definitions}`;
    await Deno.mkdir(`${dir}/definitions`);
    await copyYaml(from, `${dir}/definitions`, only);
  });
  return {
    executable: `${dir}/${command.split("/").at(-1)}`,
    definitions: `${dir}/definitions`,
  };
}
