/**
 * The configuration out of a cluster: a ConfigMap with the text, under
 * `config.yaml`, and a Secret beside it with the files that `{file: NAME}`
 * names, both followed by watching. The contract is that of a
 * watched file (`watch.ts`); there is no kubelet in between, so that a change
 * is in force within a fraction of a second.
 *
 * | content | what happens |
 * |---|---|
 * | valid, another version | in force, `onChange` |
 * | valid, but files that it names are not there | the same, a moment later |
 * | valid, same version | nothing, its warnings replace the problems |
 * | invalid, empty, or no ConfigMap | reported once, the last good one stays |
 * | API server not reachable | the last good one stays |
 *
 * @module
 */

import type { KubeClient } from "../kube/client.ts";
import {
  Informer,
  INFORMER_TIMING,
  type InformerTiming,
} from "../kube/informer.ts";
import {
  CONFIG_MAPS,
  type KubeObject,
  type Resource,
  SECRETS,
} from "../kube/object.ts";
import type { Logger } from "../log.ts";
import { waitOnTimer } from "../wait_on_timer.ts";
import {
  type ConfigListeners,
  type ConfigState,
  InForce,
} from "./_in_force.ts";
import type { ConfigProblem, GatewayConfig, SecretSource } from "./model.ts";
import { parseConfig } from "./parse.ts";
import type { SecretIo } from "./secrets.ts";
import type { ConfigWatch } from "./watch.ts";

/** Key of the configuration in the ConfigMap. */
export const CONFIG_KEY = "config.yaml";

/** Where in a cluster a configuration is. */
export interface KubeConfigName {
  /** Namespace of the ConfigMap and the Secret. */
  readonly namespace: string;
  /** Name of the ConfigMap. */
  readonly name: string;
}

/** Whether a value of `--config` means a cluster, and where in it. */
export type ParsedKubeName =
  /** It is a file. */
  | { readonly kind: "file" }
  /** It is a ConfigMap. */
  | { readonly kind: "kube"; readonly at: KubeConfigName }
  /** It would be one, were it written rightly. */
  | { readonly kind: "invalid"; readonly problem: string };

/**
 * Reads `kube:NAMESPACE/NAME`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { parseKubeName } from "./kube_source.ts";
 *
 * assertEquals(parseKubeName("kube:mcp/gateway"), {
 *   kind: "kube",
 *   at: { namespace: "mcp", name: "gateway" },
 * });
 * assertEquals(parseKubeName("/etc/mcp-gateway/config.yaml").kind, "file");
 * ```
 */
export function parseKubeName(config: string): ParsedKubeName {
  if (!config.startsWith("kube:")) return { kind: "file" };
  const [namespace, name, ...more] = config.slice("kube:".length).split("/");
  return isObjectName(namespace) && isObjectName(name) && more.length === 0
    ? { kind: "kube", at: { namespace, name } }
    : { kind: "invalid", problem: "want kube:NAMESPACE/NAME" };
}

/** What following a configuration in a cluster needs. */
export interface KubeSourceOptions extends KubeConfigName {
  /** Name of the Secret. */
  readonly secretName: string;
  /** The API server. */
  readonly client: Pick<KubeClient, "list" | "watch">;
  /** Log. */
  readonly log: Logger;
  /** Patience of the watches. */
  readonly timing?: InformerTiming;
  /**
   * Milliseconds that a start waits for the API server, and that a
   * configuration waits for files that it names.
   */
  readonly patience?: { readonly startMs: number; readonly filesMs: number };
}

const PATIENCE = { startMs: 5_000, filesMs: 1_000 };

/** A configuration in a cluster, with its secrets. */
export class KubeSource {
  readonly #options: KubeSourceOptions;
  readonly #patience: { readonly startMs: number; readonly filesMs: number };
  readonly #texts: Informer<string | undefined>;
  readonly #files: Informer<ReadonlyMap<string, string>>;
  /** Aborted, and replaced, whenever either of the two has changed. */
  #bell = new AbortController();

  /** Takes where it is; asks nothing before {@linkcode KubeSource.watch}. */
  constructor(options: KubeSourceOptions) {
    this.#options = options;
    this.#patience = options.patience ?? PATIENCE;
    this.#texts = this.#informer(
      CONFIG_MAPS,
      options.name,
      ({ data }) => data?.[CONFIG_KEY],
    );
    this.#files = this.#informer(SECRETS, options.secretName, readFiles);
  }

  /** Where the configuration is, as problems name it. */
  get file(): string {
    return `kube:${this.#options.namespace}/${this.#options.name}`;
  }

  /** Reads `{file: NAME}` from the Secret, as it is now. */
  get secrets(): Pick<SecretIo, "secretsDir" | "readTextFile"> {
    const { namespace, secretName } = this.#options;
    const directory = `Secret ${namespace}/${secretName}`;
    return {
      secretsDir: directory,
      readTextFile: (path) => {
        const key = path.slice(directory.length + 1);
        const text = this.#files.get(secretName, namespace)?.get(key);
        return text === undefined
          ? Promise.reject(
            new Deno.errors.NotFound(`no ${key} in ${directory}`),
          )
          : Promise.resolve(text);
      },
    };
  }

  /**
   * Starts watching. Returns when both objects have been looked for, or, for
   * an API server that does not answer, after a while.
   */
  async watch(
    listeners: Omit<ConfigListeners, "log"> & { readonly signal: AbortSignal },
  ): Promise<ConfigWatch> {
    const { signal } = listeners;
    const inForce = new InForce(this.file, {
      ...listeners,
      log: this.#options.log,
    });
    const following = Promise.all([
      this.#texts.run(signal),
      this.#files.run(signal),
    ]);
    const waited = new AbortController();
    await Promise.race([
      Promise.all([this.#texts.synced, this.#files.synced]),
      waitOnTimer(
        this.#patience.startMs,
        AbortSignal.any([signal, waited.signal]),
      ),
    ]);
    waited.abort();
    const judge = new Judge(this.file, inForce);
    // What rings from here on is looked at by the loop.
    this.#bell = new AbortController();
    await judge.judge(this.#content());
    const judging = this.#run(judge, signal);
    return {
      get state(): ConfigState {
        return inForce.state;
      },
      done: Promise.all([following, judging]).then(() => {}),
    };
  }

  /** Judges the content whenever it has changed. */
  async #run(judge: Judge, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#changed(signal);
      if (signal.aborted) return;
      await this.#untilFilesAreThere(judge, signal);
      await judge.judge(this.#content());
    }
  }

  /** Waits for the next change of either object. */
  async #changed(signal: AbortSignal, atMostMs = FOREVER_MS): Promise<void> {
    const bell = this.#bell.signal;
    await waitOnTimer(atMostMs, AbortSignal.any([signal, bell]));
    if (bell.aborted) this.#bell = new AbortController();
  }

  /**
   * The Secret is written before the ConfigMap, but the two are watched apart:
   * what a configuration names may be heard of a moment after it.
   */
  async #untilFilesAreThere(judge: Judge, signal: AbortSignal): Promise<void> {
    const deadline = performance.now() + this.#patience.filesMs;
    while (!signal.aborted) {
      const named = judge.filesOf(this.#content());
      const { secretName, namespace } = this.#options;
      const there = this.#files.get(secretName, namespace);
      if (named.every((file) => there?.has(file))) return;
      const leftMs = deadline - performance.now();
      if (leftMs <= 0) return;
      await this.#changed(signal, leftMs);
    }
  }

  #content(): Content {
    const { name, namespace } = this.#options;
    const { synced, problem } = this.#texts.health;
    if (!synced) {
      return { kind: "unknown", problem: problem ?? "no answer yet" };
    }
    const isThere = this.#texts.has(name, namespace);
    if (!isThere) return { kind: "missing" };
    const text = this.#texts.get(name, namespace);
    return text === undefined ? { kind: "empty" } : { kind: "text", text };
  }

  #informer<T>(
    resource: Resource,
    name: string,
    read: (object: KubeObject) => T,
  ): Informer<T> {
    const { client, log, namespace, timing = INFORMER_TIMING } = this.#options;
    return new Informer({
      resource,
      // One object, and no right to see another is needed.
      selection: { namespace, fieldSelector: `metadata.name=${name}` },
      client,
      read,
      onChange: () => this.#bell.abort(),
      log,
      wait: waitOnTimer,
      random: Math.random,
      now: () => performance.now(),
      timing,
    });
  }
}

/** What is in the ConfigMap, or why there is nothing. */
type Content =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "empty" }
  | { readonly kind: "missing" }
  | { readonly kind: "unknown"; readonly problem: string };

/** Swaps to a content, or says what is wrong with it; once for each. */
class Judge {
  readonly #file: string;
  readonly #inForce: InForce;
  #seen = "";

  constructor(file: string, inForce: InForce) {
    this.#file = file;
    this.#inForce = inForce;
  }

  async judge(content: Content): Promise<void> {
    const seen = JSON.stringify(content);
    if (seen === this.#seen) return;
    this.#seen = seen;
    if (content.kind !== "text") {
      return this.#inForce.refuse([this.#problem(content)]);
    }
    const result = parseConfig(content.text, { file: this.#file });
    if (!result.ok) return this.#inForce.refuse(result.problems);
    await this.#inForce.accept(result.config, result.problems);
  }

  /** Files that a content names and that the one in force does not. */
  filesOf(content: Content): readonly string[] {
    if (content.kind !== "text") return [];
    const result = parseConfig(content.text, { file: this.#file });
    if (!result.ok) return [];
    const { config } = this.#inForce.state;
    const known = new Set(config === undefined ? [] : namedFiles(config));
    return namedFiles(result.config).filter((file) => !known.has(file));
  }

  #problem(content: Exclude<Content, { kind: "text" }>): ConfigProblem {
    const { state, remedy } = describe(content);
    return {
      severity: "error",
      file: this.#file,
      line: 0,
      column: 0,
      path: "",
      message: `Cannot read the configuration: ${state}`,
      remedy,
    };
  }
}

function describe(
  content: Exclude<Content, { kind: "text" }>,
): { state: string; remedy: string } {
  switch (content.kind) {
    case "missing":
      return {
        state: "there is no such ConfigMap",
        remedy: "Start the controller that writes it, or name another one " +
          "with --config",
      };
    case "empty":
      return {
        state: `the ConfigMap has no ${CONFIG_KEY}`,
        remedy: `Put the configuration under ${CONFIG_KEY}`,
      };
    case "unknown":
      return {
        state: content.problem,
        remedy: "See that the API server is there and that this service " +
          "account may get, list and watch the ConfigMap",
      };
    default:
      return content satisfies never;
  }
}

/** Names of the files that a configuration takes from the Secret. */
function namedFiles({ servers }: GatewayConfig): string[] {
  const sources: SecretSource[] = servers.flatMap(({ headers, caCert }) => [
    ...headers.map(({ value }) => value),
    ...(caCert === undefined ? [] : [caCert]),
  ]);
  return sources.flatMap((source) =>
    source.kind === "file" ? [source.name] : []
  );
}

/** Decodes the files of a Secret. */
function readFiles({ data }: KubeObject): ReadonlyMap<string, string> {
  return new Map(
    Object.entries(data ?? {}).map(([name, base64]) => [
      name,
      new TextDecoder().decode(Uint8Array.fromBase64(base64)),
    ]),
  );
}

/** RFC 1123, as far as it keeps a name from being anything else. */
export function isObjectName(text: string | undefined): text is string {
  return text !== undefined &&
    /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/.test(text);
}

/** Until something changes. A timer takes no more than 2^31. */
const FOREVER_MS = 3_600_000;
