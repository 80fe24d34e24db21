/**
 * Asks a running Envoy, over its admin interface, what it has taken of the
 * configuration that it was given.
 *
 * @module
 */

import { fetchAbortably } from "../fetch_abortably.ts";
import { waitFor } from "../wait.ts";
import { TLS_SECRET } from "./tls.ts";

/** Versions in force, and how many were refused. */
export interface XdsState {
  /** Version of the clusters in force; "" while there is none. */
  readonly cds: string;
  /** Version of the routes in force; "" while there is none. */
  readonly rds: string;
  /** Version of the listener in force; "" while there is none. */
  readonly lds: string;
  /** Version of the listener's certificate in force; "" while there is none. */
  readonly sds: string;
  /** Cluster updates refused so far. */
  readonly cdsRejected: number;
  /** Route updates refused so far. */
  readonly rdsRejected: number;
  /** Listener updates refused so far. */
  readonly ldsRejected: number;
  /** Updates of the listener's certificate refused so far. */
  readonly sdsRejected: number;
  /** Clusters that wait for DNS. */
  readonly warming: number;
}

/** Envoy refused a configuration. */
export class RejectedError extends Error {
  /** Builds an error from what Envoy says. */
  constructor(what: string, reason: string) {
    super(`Cannot use new ${what}: Envoy refuses them: ${reason}`);
    this.name = "RejectedError";
  }
}

/** There is an admin interface, and it does not answer. */
export class SilentAdminError extends Error {
  /** Builds an error of the interface at a URL. */
  constructor(url: string, cause: unknown) {
    super(
      `Cannot ask Envoy: its admin interface ${url} does not answer within ` +
        `${ANSWER_MS} ms. Remedy: see that it is Envoy who listens there, ` +
        "and restart it if it hangs",
      { cause },
    );
    this.name = "SilentAdminError";
  }
}

/** Milliseconds that Envoy gets for an answer. */
const ANSWER_MS = 2_000;

const STATS: Readonly<Record<string, keyof XdsState>> = {
  "cluster_manager.cds.version_text": "cds",
  "http.mcp.rds.mcp.version_text": "rds",
  "listener_manager.lds.version_text": "lds",
  [`sds.${TLS_SECRET}.version_text`]: "sds",
  "cluster_manager.cds.update_rejected": "cdsRejected",
  "http.mcp.rds.mcp.update_rejected": "rdsRejected",
  "listener_manager.lds.update_rejected": "ldsRejected",
  [`sds.${TLS_SECRET}.update_rejected`]: "sdsRejected",
  "cluster_manager.warming_clusters": "warming",
};
const REFUSAL = /^.*config update rejected: /;
const FILTER = Object.keys(STATS).map((name) => name.replaceAll(".", "\\."))
  .join("|");

/**
 * What of the configuration is waited for. Envoy takes a listener whose
 * certificate it refuses, and then resets every connection.
 */
export type TakenKind = "clusters" | "routes" | "listener" | "certificates";

const KINDS = {
  clusters: "cds",
  routes: "rds",
  listener: "lds",
  certificates: "sds",
} as const satisfies Record<TakenKind, keyof XdsState>;

/** Milliseconds that Envoy gets to take a version. */
const TAKE_MS = 5_000;
/** Milliseconds that new clusters get for their first DNS answer. */
const WARM_MS = 3_000;

/** Reads the lines that Envoy's `/stats` answers with. */
export function parseXdsState(text: string): XdsState {
  const state = {
    cds: "",
    rds: "",
    lds: "",
    sds: "",
    cdsRejected: 0,
    rdsRejected: 0,
    ldsRejected: 0,
    sdsRejected: 0,
    warming: 0,
  };
  for (const line of text.split("\n")) {
    const at = line.indexOf(": ");
    const key = STATS[line.slice(0, at)];
    if (key === undefined) continue;
    const value = line.slice(at + 2).trim();
    switch (key) {
      case "cds":
      case "rds":
      case "lds":
      case "sds":
        state[key] = value.replace(/^"|"$/g, "");
        break;
      default:
        state[key] = Number(value);
    }
  }
  return state;
}

/** What an Envoy says about itself. */
export class EnvoyAdmin {
  /** Base URL of the admin interface. */
  readonly url: string;
  readonly #fetch: typeof fetchAbortably;
  readonly #log: () => readonly string[];

  /**
   * Names an Envoy.
   *
   * @param url Base URL of the admin interface.
   * @param log Its lines of output: the only place where it gives reasons.
   */
  constructor(
    url: string,
    log: () => readonly string[],
    fetcher: typeof fetchAbortably = fetchAbortably,
  ) {
    this.url = url;
    this.#log = log;
    this.#fetch = fetcher;
  }

  /**
   * What is in force.
   *
   * @throws {SilentAdminError} If there is no answer in time.
   * @throws {TypeError} If nothing listens there.
   */
  async state(signal?: AbortSignal): Promise<XdsState> {
    const filter = encodeURIComponent(`^(${FILTER})$`);
    return parseXdsState(await this.#get(`/stats?filter=${filter}`, signal));
  }

  /**
   * Waits until Envoy serves: live, with a listener and routes.
   *
   * @throws {RejectedError} If it refuses the listener, with its reason.
   */
  async ready(signal: AbortSignal): Promise<void> {
    await waitFor(async () => {
      try {
        const listeners = await this.#get("/listeners", signal);
        const live = await this.#get("/ready", signal);
        const state = await this.state(signal);
        if (state.ldsRejected > 0) {
          throw new RejectedError("listeners", this.#reason());
        }
        const serves = listeners.trim() !== "" && live.includes("LIVE") &&
          state.rds !== "";
        return serves || undefined;
      } catch (error) {
        if (isNotYet(error)) return undefined;
        throw error;
      }
    }, { what: "Envoy to serve", timeoutMs: 30_000, signal });
  }

  /**
   * Waits until Envoy has taken a version, and for clusters until they have
   * addresses, or had their time to get some.
   *
   * @param kind Which of them.
   * @param version The version that was written.
   * @param before The state before it was written.
   * @throws {RejectedError} If Envoy refuses it, with Envoy's reason.
   */
  async taken(
    kind: TakenKind,
    version: string,
    before: XdsState,
    signal?: AbortSignal,
  ): Promise<void> {
    const inForce = KINDS[kind];
    const rejected = `${inForce}Rejected` as const;
    const end = signal === undefined ? {} : { signal };
    // A step that keeps Envoy busy may cost an answer.
    const look = () =>
      this.state(signal).catch((error) => {
        if (error instanceof SilentAdminError) return undefined;
        throw error;
      });
    await waitFor(async () => {
      const state = await look();
      if (state === undefined) return undefined;
      if (state[rejected] > before[rejected]) {
        throw new RejectedError(kind, this.#reason());
      }
      return state[inForce] === version ? true : undefined;
    }, { what: `Envoy to take the ${kind}`, timeoutMs: TAKE_MS, ...end });
    if (kind !== "clusters") return;
    const deadline = performance.now() + WARM_MS;
    await waitFor(
      async () =>
        (await look())?.warming === 0 || performance.now() > deadline
          ? true
          : undefined,
      { what: "new clusters", timeoutMs: WARM_MS + TAKE_MS, ...end },
    );
  }

  /**
   * Whether it has a certificate to show to clients. Envoy 1.40 skips a secret
   * that it has refused before where it is told the same one again, counts
   * that as a success, and goes on without one.
   */
  async hasCertificate(): Promise<boolean> {
    const { certificates } = JSON.parse(await this.#get("/certs")) as {
      readonly certificates: readonly { readonly cert_chain: unknown[] }[];
    };
    return certificates.some(({ cert_chain }) => cert_chain.length > 0);
  }

  /** The reason of the last refusal in Envoy's log. */
  #reason(): string {
    const line = this.#log().findLast((line) => REFUSAL.test(line));
    return line?.replace(REFUSAL, "") ?? "its log has no reason";
  }

  async #get(path: string, signal?: AbortSignal): Promise<string> {
    const late = AbortSignal.timeout(ANSWER_MS);
    try {
      const response = await this.#fetch(`${this.url}${path}`, {
        signal: signal === undefined ? late : AbortSignal.any([signal, late]),
      });
      return await response.text();
    } catch (error) {
      if (signal?.aborted || !late.aborted) throw error;
      throw new SilentAdminError(this.url, error);
    }
  }
}

/** Nothing listens there yet, or it is busy starting. */
function isNotYet(error: unknown): boolean {
  return error instanceof TypeError || error instanceof SilentAdminError;
}
