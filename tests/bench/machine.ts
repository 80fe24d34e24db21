/**
 * Tells what a benchmark ran on.
 *
 * @module
 */

import { ENVOY_VERSION } from "../../shared/local/envoy_binary.ts";
import type { Machine } from "./results.ts";

/** Looks at this machine. */
export async function thisMachine(): Promise<Machine> {
  const cpuInfo = await Deno.readTextFile("/proc/cpuinfo").catch(() => "");
  return {
    cpu: cpuModel(cpuInfo),
    cores: navigator.hardwareConcurrency,
    memory: Deno.systemMemoryInfo().total,
    system: `${Deno.build.os} ${Deno.osRelease().replace(/-.*/, "")}`,
    load: Deno.loadavg()[0] ?? 0,
    versions: { Deno: Deno.version.deno, Envoy: ENVOY_VERSION },
  };
}

/** Finds the model in `/proc/cpuinfo`. */
export function cpuModel(cpuInfo: string): string {
  const model = /^model name\s*:\s*(.+)$/m.exec(cpuInfo)?.[1];
  return model?.replace(/\s+/g, " ").trim() ?? Deno.build.arch;
}
