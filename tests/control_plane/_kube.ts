/**
 * The project's own client on a test's cluster, over a connection that can be
 * cut, and waiting for what it sees.
 *
 * @module
 */

import { KubeClient } from "../../shared/kube/client.ts";
import { Informer, type InformerTiming } from "../../shared/kube/informer.ts";
import type { KubeObject, Resource } from "../../shared/kube/object.ts";
import {
  HttpTransport,
  type KubeRequest,
  type KubeTransport,
} from "../../shared/kube/transport.ts";
import { waitFor } from "../../shared/wait.ts";
import type { Logger } from "../../shared/log.ts";
import { waitOnTimer } from "../../shared/wait_on_timer.ts";
import type { Cluster } from "./_cluster.ts";

/** Longer than anything here takes on a busy machine. */
const DEADLINE_MS = 60_000;

/** Patience for tests: the same, with less of it. */
export const QUICK: InformerTiming = {
  watchSeconds: 5,
  silenceMs: 1_000,
  backoff: { firstMs: 50, maxMs: 1_000 },
  absentMs: 300,
  steadyMs: 500,
};

/** A connection that can be cut. */
export class Cable implements KubeTransport {
  readonly #transport: KubeTransport;
  readonly #signals = new Set<AbortController>();
  #cut = false;

  /** Takes the connection. */
  constructor(transport: KubeTransport) {
    this.#transport = transport;
  }

  /** Ends all streams and lets no request through. */
  cut(): void {
    this.#cut = true;
    for (const one of this.#signals) one.abort(new Error("the cable is cut"));
    this.#signals.clear();
  }

  /** Lets requests through again. */
  mend(): void {
    this.#cut = false;
  }

  /** Sends a request. */
  async send(request: KubeRequest): Promise<Response> {
    if (this.#cut) throw new Error("the cable is cut");
    const own = new AbortController();
    this.#signals.add(own);
    return await this.#transport.send({
      ...request,
      signal: AbortSignal.any([request.signal, own.signal]),
    });
  }

  /** Takes new connections. */
  reconnect(): void {
    this.#transport.reconnect();
  }

  /** Closes idle ones. */
  close(): void {
    this.#transport.close();
  }
}

/** A connection to a cluster; the administrator's unless a token is given. */
export function connect(cluster: Cluster, token?: string): Cable {
  const shown = token ?? cluster.admin.config.getCurrentUser()?.token ?? "";
  return new Cable(
    new HttpTransport({
      server: cluster.url,
      namespace: "default",
      credentials: () =>
        Promise.resolve({
          headers: { authorization: `Bearer ${shown}` },
          caCert: cluster.caCert,
        }),
    }),
  );
}

/** Keeps what it is told, for a test that failed. */
export function logTo(lines: string[]): Logger {
  const write = (level: string) => (message: string, fields = {}) => {
    lines.push(`${level} ${message} ${JSON.stringify(fields)}`);
  };
  const log: Logger = {
    debug: write("debug"),
    info: write("info"),
    warn: write("warn"),
    error: write("error"),
    with: () => log,
  };
  return log;
}

/** An informer that runs until it is disposed of. */
export class Watched implements AsyncDisposable {
  /** What it watches with. */
  readonly cable: Cable;
  /** The informer. */
  readonly informer: Informer<KubeObject>;
  /** Keys, in the order in which they were told. */
  readonly told: string[] = [];
  /** What it logged. */
  readonly log: string[] = [];
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;

  /** Starts one. */
  constructor(
    cluster: Cluster,
    resource: Resource,
    namespace?: string,
    timing: InformerTiming = QUICK,
  ) {
    this.cable = connect(cluster);
    this.informer = new Informer({
      resource,
      selection: { namespace },
      client: new KubeClient({ transport: this.cable, timeoutMs: 2_000 }),
      read: (object) => object,
      onChange: (keys) => this.told.push(...keys),
      log: logTo(this.log),
      wait: waitOnTimer,
      random: Math.random,
      now: () => performance.now(),
      timing,
    });
    this.#running = this.informer.run(this.#stop.signal);
  }

  /** Waits until something holds of it. */
  async until(
    what: string,
    holds: (informer: Informer<KubeObject>) => boolean,
  ): Promise<void> {
    try {
      await waitFor(() => holds(this.informer) ? true : undefined, {
        what,
        timeoutMs: DEADLINE_MS,
      });
    } catch (cause) {
      throw new Error(`not in time: ${what}\n${this.log.join("\n")}`, {
        cause,
      });
    }
  }

  /** Ends it. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
    this.cable.close();
  }
}

/** Waits until a look succeeds. */
export async function until<T>(
  what: string,
  look: () => Promise<T | undefined> | T | undefined,
): Promise<T> {
  return await waitFor(look, { what, timeoutMs: DEADLINE_MS });
}
