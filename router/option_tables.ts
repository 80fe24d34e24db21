/**
 * Every table of options that the router takes: what its executable may read
 * of the environment.
 *
 * @module
 */

import type { OptionTable } from "../shared/options.ts";
import { READY_OPTIONS } from "../shared/ready_command.ts";
import { ENVOY_CONFIG_OPTIONS } from "./envoy_config/options.ts";
import { ROUTER_OPTIONS } from "./options.ts";

/** The router's own table, and those of its commands. */
export const ROUTER_TABLES: readonly OptionTable[] = [
  ROUTER_OPTIONS,
  READY_OPTIONS,
  ENVOY_CONFIG_OPTIONS,
];
