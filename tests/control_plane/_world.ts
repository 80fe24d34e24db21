/**
 * What tests of the control plane start from: a cluster that the tests of one
 * file share, or the reason why they are left out.
 *
 * @module
 */

import { parse } from "@std/yaml";
import { PROJECT_DIR } from "../support/paths.ts";
import { proves, shared } from "../support/proves.ts";
import { Cluster, type ClusterOptions } from "./_cluster.ts";
import { availableKubeTools } from "./_kube_tools.ts";

const found = await availableKubeTools();

/** Folder of the project's manifests. */
export const MANIFESTS_DIR: string = `${PROJECT_DIR}/manifests`;

/** What a file's tests run on. */
export interface WorldOptions extends ClusterOptions {
  /** Which of our manifests are applied first, a folder or file of them. */
  readonly manifests?: readonly string[];
  /** Runs once before the first test. */
  readonly setUp?: (cluster: Cluster) => Promise<void>;
}

/** Declares a test on the cluster. */
export type ProvesOnCluster = (
  sentence: string,
  test: (cluster: Cluster) => Promise<void>,
) => void;

/**
 * Has a cluster started before the first test of a file and ended after the
 * last.
 *
 * @returns Declares a test by the sentence it proves. A test that fails shows
 * what the cluster's programs said last.
 */
export function controlPlane(options: WorldOptions = {}): ProvesOnCluster {
  if (found.kind === "missing") {
    const { reason } = found;
    return (sentence) =>
      proves(`${sentence}: ${reason}`, () => {}, { ignore: true });
  }
  const { tools } = found;
  const cluster = shared(async (stack) => {
    const started = stack.use(await Cluster.start(tools, options));
    for (const path of options.manifests ?? []) {
      for (const file of await manifestFiles(path)) {
        await started.admin.applyFile(file);
      }
    }
    await options.setUp?.(started);
    return started;
  });
  return (sentence, test) =>
    proves(sentence, async () => {
      try {
        await test(cluster());
      } catch (cause) {
        console.error(cluster().lastLines);
        throw cause;
      }
    });
}

/**
 * Paths of the manifests that an installation applies, in its order.
 *
 * @param under Only those of this folder, or this file.
 */
export async function manifestFiles(under = ""): Promise<readonly string[]> {
  const { resources } = parse(
    await Deno.readTextFile(`${MANIFESTS_DIR}/kustomization.yaml`),
  ) as { resources: readonly string[] };
  return resources.filter((path) => path.startsWith(under)).map((path) =>
    `${MANIFESTS_DIR}/${path}`
  );
}
