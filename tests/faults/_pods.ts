/**
 * What a Kubernetes data plane makes of the gateway: Envoy is told by a control
 * plane which pods there are, and checks nothing itself. A pod is a router and
 * a broker; it is an endpoint while both say that they are ready.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { BROKER_CLUSTER, ROUTER_CLUSTER } from "../../shared/envoy/cluster.ts";
import { replaceFile } from "../../shared/envoy/files.ts";
import { any, type JsonObject } from "../../shared/envoy/json.ts";
import { fileSource } from "../../shared/envoy/bootstrap.ts";
import { READY_PATH } from "../../shared/status.ts";
import { delay } from "../../shared/wait.ts";
import type { TestGateway } from "../support/gateway.ts";
import { eventually } from "../support/wait.ts";

/** Milliseconds between two looks at whether pods are ready. */
const PROBE_MS = 200;
/** What Envoy is not to find out by itself. */
const OWN_CHECKS: readonly string[] = [
  "health_checks",
  "outlier_detection",
  "common_lb_config",
];
const CLUSTERS: readonly string[] = [ROUTER_CLUSTER, BROKER_CLUSTER];

/** The pods' endpoints, kept up to date. Disposing of it ends that. */
export class Pods implements AsyncDisposable {
  readonly #gateway: TestGateway;
  readonly #dir: string;
  readonly #over = new AbortController();
  /** By cluster, one of each pod. */
  readonly #endpoints = new Map<string, readonly unknown[]>();
  #ready: readonly boolean[] = [];
  #version = 0;
  #following: Promise<void> | undefined;

  private constructor(gateway: TestGateway) {
    this.#gateway = gateway;
    this.#dir = `${gateway.local.runDir}/envoy`;
  }

  /** Starts Envoy anew, such that it knows of endpoints by what it is told. */
  static async replaceChecks(gateway: TestGateway): Promise<Pods> {
    const pods = new Pods(gateway);
    for (const file of ["bootstrap.json", "cds.json"]) {
      await pods.#rewrite(file);
    }
    pods.#ready = gateway.local.routers.map(() => true);
    await pods.#tell();
    await gateway.local.envoy.restart();
    pods.#following = pods.#follow(pods.#over.signal);
    return pods;
  }

  /** Waits until Envoy knows so many pods. */
  async areKnown(count: number): Promise<void> {
    await eventually(async () => {
      for (const name of CLUSTERS) {
        const stat = `cluster.${name}.membership_total`;
        assertEquals(await this.#gateway.envoyStat(stat), count, name);
      }
    });
  }

  /** Ends it. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort();
    await this.#following;
  }

  /** Takes clusters' endpoints out of a file, and tells where to find them. */
  async #rewrite(file: string): Promise<void> {
    const path = `${this.#dir}/${file}`;
    const text = await Deno.readTextFile(path);
    const rewritten = JSON.stringify(
      JSON.parse(text),
      (_, value) => CLUSTERS.includes(value?.name) ? this.#found(value) : value,
    );
    await replaceFile(path, rewritten);
  }

  #found(cluster: JsonObject): JsonObject {
    const { load_assignment, ...rest } = cluster;
    const name = String(cluster["name"]);
    const { endpoints: [locality] } = load_assignment as unknown as {
      endpoints: [{ lb_endpoints: readonly unknown[] }];
    };
    this.#endpoints.set(name, locality.lb_endpoints);
    return {
      ...Object.fromEntries(
        Object.entries(rest).filter(([field]) => !OWN_CHECKS.includes(field)),
      ),
      type: "EDS",
      eds_cluster_config: { eds_config: fileSource(this.#fileOf(name)) },
    };
  }

  #fileOf(cluster: string): string {
    return `${this.#dir}/eds-${cluster}.json`;
  }

  async #follow(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const ready = await this.#probe();
      if (ready.join() !== this.#ready.join()) {
        this.#ready = ready;
        await this.#tell();
      }
      await delay(PROBE_MS, signal).catch(() => {});
    }
  }

  async #probe(): Promise<readonly boolean[]> {
    const { routerInternalUrls, brokerInternalUrls } = this.#gateway.local;
    return await Promise.all(
      routerInternalUrls.map(async (router, at) => {
        const both = [router, brokerInternalUrls[at]!].map(isReady);
        return (await Promise.all(both)).every((ready) => ready);
      }),
    );
  }

  async #tell(): Promise<void> {
    const version = String(++this.#version);
    const type = "envoy.config.endpoint.v3.ClusterLoadAssignment";
    for (const [cluster, all] of this.#endpoints) {
      const endpoints = all.filter((_, at) => this.#ready[at]);
      const assignment = {
        cluster_name: cluster,
        endpoints: [{ lb_endpoints: endpoints as JsonObject[] }],
      };
      const response = {
        version_info: version,
        type_url: `type.googleapis.com/${type}`,
        resources: [any(type, assignment)],
      };
      await replaceFile(this.#fileOf(cluster), JSON.stringify(response));
    }
  }
}

async function isReady(url: string): Promise<boolean> {
  try {
    const response = await fetch(new URL(READY_PATH, url));
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false; // it is being started
  }
}
