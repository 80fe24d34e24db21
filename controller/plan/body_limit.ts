/**
 * How much of a body Envoy has to hold for a gateway. Pure.
 *
 * @module
 */

import { bufferLimit } from "../../shared/envoy/ext_proc.ts";
import type { ServedGateway } from "./gateways.ts";
import type { World } from "./world.ts";

/** Bytes: what the router takes, or less where the extension says so, and a margin. */
export function bodyLimit(
  { extension }: ServedGateway,
  { settings }: World,
): number {
  return bufferLimit(
    Math.min(extension.maxBodyBytes ?? Infinity, settings.maxBodyBytes),
  );
}
