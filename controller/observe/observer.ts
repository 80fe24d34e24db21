/**
 * Everything the controller looks at in a cluster: an informer per kind for
 * what is read everywhere, and for what is read by namespace one per kind and
 * namespace, begun and ended as extensions and registrations come and go.
 *
 * | kind | where |
 * |---|---|
 * | our own, the Gateway API's, Services, Backends | everywhere |
 * | the ConfigMap, the Secret, EndpointSlices | where an extension is |
 * | Secrets | where a registration refers to one |
 * | policies of ours | where an extension or its Gateway is, at home, and as long as there are any |
 *
 * What a namespace's owner has not opened to us is no reason to wait: it counts
 * as looked at, and what follows from it is said where it matters.
 *
 * @module
 */

import type { KubeClient } from "../../shared/kube/client.ts";
import {
  Informer,
  type InformerHealth,
  type InformerTiming,
} from "../../shared/kube/informer.ts";
import { isKubeError } from "../../shared/kube/kube_error.ts";
import {
  CONFIG_MAPS,
  type KubeObject,
  objectKey,
  type Resource as Kind,
  SECRETS,
} from "../../shared/kube/object.ts";
import type { Logger } from "../../shared/log.ts";
import type { Wait } from "../../shared/wait_on_timer.ts";
import {
  type BrokerReport,
  type PlanSettings,
  type World,
  worldOf,
} from "../plan/world.ts";
import {
  EXTENSION_LABEL,
  MANAGED_BY,
  MANAGED_BY_LABEL,
} from "../resources/groups.ts";
import { type ObjectName } from "../resources/meta.ts";
import { readResource, type Resource } from "../resources/read.ts";
import { isOffered, isOurs } from "../resources/secret.ts";
import {
  ATTACHMENT_KINDS,
  BACKENDS,
  ENDPOINT_SLICES,
  EXTENSIONS,
  GATEWAY_CLASSES,
  GATEWAYS,
  HTTP_ROUTES,
  kindId,
  POLICY_KINDS,
  REFERENCE_GRANTS,
  REGISTRATIONS,
  SERVICES,
  TRAFFIC_POLICIES,
  VIRTUAL_SERVERS,
} from "./kinds.ts";

/** What an observer needs. */
export interface ObserverOptions {
  /** The API server. */
  readonly client: Pick<KubeClient, "list" | "watch">;
  /** The controller's own namespace. */
  readonly home: string;
  /** Settings of the planner. */
  readonly settings: PlanSettings;
  /** Told that something is not what it was. */
  readonly onChange: () => void;
  /**
   * Told that a status of an object of ours is not what it was, and nothing
   * else: most often, we have written it.
   */
  readonly onStatus: () => void;
  /** Log. */
  readonly log: Logger;
  /** Waits. */
  readonly wait: Wait;
  /** At least 0, below 1. */
  readonly random: () => number;
  /** Milliseconds from any start, never backwards. */
  readonly now: () => number;
  /** Patience. */
  readonly timing?: InformerTiming;
}

/** How the observation of one kind is doing, in one namespace or in all. */
export interface WatchHealth extends InformerHealth {
  /** `Kind.group`. */
  readonly kind: string;
  /** Namespace; absent for all of them. */
  readonly namespace?: string;
  /** We may not look, and never have. */
  readonly forbidden: boolean;
}

/** What is kept of an object. */
interface Seen {
  /** As the planner reads it. */
  readonly resource?: Resource;
  /** As it is, where it may have to be written. */
  readonly object?: KubeObject;
}

/** One informer. */
interface Watch {
  readonly kind: Kind;
  readonly namespace?: string;
  readonly informer: Informer<Seen>;
  readonly stop: AbortController;
  /** It is about one object, by name. */
  readonly oneOnly: boolean;
  /** The last list was refused. */
  refused: boolean;
}

/** Which objects to watch, and what to keep of them. */
interface Wanted {
  readonly kind: Kind;
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  readonly keep: (object: KubeObject) => Seen;
}

/** Label of EndpointSlices: whose they are. */
const SERVICE_NAME = "kubernetes.io/service-name";

/** Follows a cluster. */
export class Observer {
  readonly #options: ObserverOptions;
  readonly #watches = new Map<string, Watch>();
  readonly #running = new Set<Promise<void>>();
  #signal: AbortSignal | undefined;

  /** Takes what it needs; looks when it is run. */
  constructor(options: ObserverOptions) {
    this.#options = options;
  }

  /** Whether everything that there is to see has been seen once. */
  get settled(): boolean {
    return this.#watches.size > 0 &&
      [...this.#watches.values()].every(isSettled);
  }

  /** How each of its informers is doing. */
  get health(): readonly WatchHealth[] {
    return [...this.#watches.values()].map((one) => ({
      kind: kindId(one.kind),
      ...(one.namespace === undefined ? {} : { namespace: one.namespace }),
      forbidden: isHidden(one),
      ...one.informer.health,
    }));
  }

  /** Follows the cluster until the signal is aborted; never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    this.#signal = signal;
    for (const wanted of EVERYWHERE) this.#begin(wanted);
    this.#focus();
    if (!signal.aborted) {
      await new Promise<void>((resolve) =>
        signal.addEventListener("abort", () => resolve(), { once: true })
      );
    }
    for (const { stop } of this.#watches.values()) stop.abort();
    await Promise.all(this.#running);
  }

  /**
   * What there is now, as the planner takes it.
   *
   * @param now RFC 3339, whole seconds.
   * @param taken Registrations that the plan before took.
   */
  world(
    now: string,
    brokers: readonly BrokerReport[],
    taken: ReadonlySet<string>,
  ): World {
    const watches = [...this.#watches.values()];
    return worldOf(
      watches.flatMap(({ informer }) =>
        informer.list().flatMap(({ resource }) => resource ?? [])
      ),
      {
        now,
        settings: this.#options.settings,
        kinds: new Set(
          // Where we may not look, the API server says it when we write.
          watches.filter((one) =>
            POLICY_KINDS.includes(one.kind) && !one.informer.health.absent
          ).map(({ kind }) => kindId(kind)),
        ),
        hiddenSecrets: new Set(
          watches.filter((one) =>
            one.kind === SECRETS && !one.oneOnly && isHidden(one)
          ).flatMap(({ namespace }) => namespace ?? []),
        ),
        brokers,
        taken,
      },
    );
  }

  /** An object that may have to be written, as it was last heard of. */
  object(
    kind: Kind,
    { namespace, name }: ObjectName,
  ): KubeObject | undefined {
    for (const one of this.#watches.values()) {
      if (one.kind !== kind) continue;
      const object = one.informer.get(name, namespace)?.object;
      if (object !== undefined) return object;
    }
    return undefined;
  }

  /** What attaches routers and is ours, with its kind. */
  attachments(): readonly {
    readonly kind: Kind;
    readonly object: KubeObject;
  }[] {
    const found = new Map<
      string,
      { readonly kind: Kind; readonly object: KubeObject }
    >();
    for (const { kind, informer } of this.#watches.values()) {
      if (!ATTACHMENT_KINDS.includes(kind)) continue;
      for (const { object } of informer.list()) {
        const { labels } = object?.metadata ?? {};
        if (object === undefined || labels?.[EXTENSION_LABEL] === undefined) {
          continue;
        }
        found.set(`${kindId(kind)} ${objectKey(object.metadata)}`, {
          kind,
          object,
        });
      }
    }
    return [...found.values()];
  }

  /** The extensions that are ours. */
  extensions(): readonly ObjectName[] {
    return this.#own(EXTENSIONS).map(({ meta }) => meta);
  }

  /** EndpointSlices of the gateway's Service in a namespace. */
  endpointSlices(namespace: string): readonly KubeObject[] {
    return this.#watches.get(idOf({ kind: ENDPOINT_SLICES, namespace }))
      ?.informer.list().flatMap(({ object }) => object ?? []) ?? [];
  }

  #own(kind: Kind): readonly Resource[] {
    const { namespaces } = this.#options.settings;
    return this.#watches.get(idOf({ kind }))?.informer.list()
      .flatMap(({ resource }) => resource ?? [])
      .filter(({ meta }) =>
        namespaces.size === 0 || namespaces.has(meta.namespace)
      ) ?? [];
  }

  /** Begins and ends what is watched by namespace. */
  #focus(): void {
    const wanted = new Map(
      this.#byNamespace().map((one) => [idOf(one), one]),
    );
    for (const [id, one] of wanted) {
      if (!this.#watches.has(id)) this.#begin(one);
    }
    for (const [id, { stop, namespace }] of this.#watches) {
      if (namespace === undefined || wanted.has(id)) continue;
      this.#watches.delete(id);
      stop.abort();
    }
  }

  #byNamespace(): readonly Wanted[] {
    const { settings, home } = this.#options;
    const extensions = this.#own(EXTENSIONS);
    const places = new Set(extensions.map(({ meta }) => meta.namespace));
    const gateways = extensions.flatMap((one) =>
      one.kind === "MCPGatewayExtension" ? [one.target.namespace] : []
    );
    const referring = new Set(
      this.#own(REGISTRATIONS).flatMap((one) =>
        one.kind === "MCPServerRegistration" &&
          (one.credential !== undefined || one.caCert !== undefined)
          ? [one.meta.namespace]
          : []
      ),
    );
    return [
      ...[...places].flatMap((namespace): Wanted[] => [
        {
          kind: CONFIG_MAPS,
          namespace,
          fieldSelector: `metadata.name=${settings.configMapName}`,
          keep: keepAll,
        },
        {
          kind: SECRETS,
          namespace,
          fieldSelector: `metadata.name=${settings.secretName}`,
          keep: keepAll,
        },
        {
          kind: ENDPOINT_SLICES,
          namespace,
          labelSelector: `${SERVICE_NAME}=${settings.broker.service}`,
          keep: keepObject,
        },
      ]),
      ...[...referring].map((namespace): Wanted => ({
        kind: SECRETS,
        namespace,
        keep: keepSecret,
      })),
      ...POLICY_KINDS.flatMap((kind) => {
        const there = [...this.#watches.values()].flatMap((one) =>
          one.kind === kind && one.informer.list().length > 0
            ? one.namespace ?? []
            : []
        );
        const others = kind === TRAFFIC_POLICIES ? places : gateways;
        return [...new Set([home, ...others, ...there])].map((
          namespace,
        ): Wanted => ({
          kind,
          namespace,
          labelSelector: `${MANAGED_BY_LABEL}=${MANAGED_BY}`,
          keep: keepObject,
        }));
      }),
    ];
  }

  #begin(wanted: Wanted): void {
    const { client, log, wait, random, now, timing } = this.#options;
    const { kind, namespace, labelSelector, fieldSelector, keep } = wanted;
    if (this.#signal === undefined || this.#signal.aborted) return;
    const stop = new AbortController();
    /** Changes since the last call of `onChange` that are of a status alone. */
    let statuses = 0;
    const informer: Informer<Seen> = new Informer<Seen>({
      resource: kind,
      selection: { namespace, labelSelector, fieldSelector },
      client: {
        list: async (...args) => {
          try {
            const page = await client.list(...args);
            watch.refused = false;
            return page;
          } catch (error) {
            const news = isKubeError(error, "forbidden") && !watch.refused;
            watch.refused = isKubeError(error, "forbidden");
            if (news) this.#options.onChange();
            throw error;
          }
        },
        watch: (...args) => client.watch(...args),
      },
      read: (object) => {
        const { name, namespace } = object.metadata;
        const before = informer.get(name, namespace)?.object;
        if (WITH_STATUS.includes(kind) && isStatusAlone(before, object)) {
          statuses++;
        }
        return keep(object);
      },
      onChange: (keys) => {
        if (stop.signal.aborted) return;
        // That all has been seen once, is told without a key.
        const news = keys.length === 0 || keys.length > statuses;
        statuses = 0;
        if (!news) {
          this.#options.onStatus();
          return;
        }
        if (kind === EXTENSIONS || kind === REGISTRATIONS) this.#focus();
        this.#options.onChange();
      },
      log: namespace === undefined ? log : log.with({ namespace }),
      ...{ wait, random, now },
      ...(timing === undefined ? {} : { timing }),
    });
    const watch: Watch = {
      kind,
      ...(namespace === undefined ? {} : { namespace }),
      informer,
      stop,
      oneOnly: fieldSelector !== undefined,
      refused: false,
    };
    this.#watches.set(idOf(wanted), watch);
    const running = informer.run(stop.signal).finally(() =>
      this.#running.delete(running)
    );
    this.#running.add(running);
  }
}

/** Kinds whose statuses we write. */
const WITH_STATUS: readonly Kind[] = [
  REGISTRATIONS,
  VIRTUAL_SERVERS,
  EXTENSIONS,
];

/** Whether nothing of an object has changed but its status. */
function isStatusAlone(
  before: KubeObject | undefined,
  after: KubeObject,
): boolean {
  // Whatever is in a specification, the API server counts its changes.
  const rest = ({ metadata }: KubeObject) =>
    JSON.stringify([
      ...[metadata.uid, metadata.generation, metadata.deletionTimestamp],
      ...[metadata.labels, metadata.annotations],
    ]);
  return before !== undefined && rest(before) === rest(after);
}

function isSettled({ informer, refused, namespace }: Watch): boolean {
  return informer.health.synced || (refused && namespace !== undefined);
}

function isHidden({ informer, refused }: Watch): boolean {
  return refused && !informer.health.synced;
}

function idOf(
  { kind, namespace = "", fieldSelector = "" }: Pick<
    Wanted,
    "kind" | "namespace" | "fieldSelector"
  >,
): string {
  return `${kindId(kind)} ${namespace} ${fieldSelector}`;
}

function keepResource(object: KubeObject): Seen {
  const resource = readResource(object);
  return resource === undefined ? {} : { resource };
}

function keepObject(object: KubeObject): Seen {
  return { object: withoutManagedFields(object) };
}

function keepAll(object: KubeObject): Seen {
  return { ...keepResource(object), ...keepObject(object) };
}

/** Routes are many; only ours are ever written. */
function keepRoute(object: KubeObject): Seen {
  const seen = keepResource(object);
  return seen.resource !== undefined && isOurs(seen.resource)
    ? { ...seen, ...keepObject(object) }
    : seen;
}

/** Of a Secret that nobody offers to us, only that it is there. */
function keepSecret(object: KubeObject): Seen {
  const { resource } = keepResource(object);
  if (resource?.kind !== "Secret") return {};
  return {
    resource: isOffered(resource) ? resource : { ...resource, data: new Map() },
  };
}

/** They can be larger than the object itself. */
function withoutManagedFields(object: KubeObject): KubeObject {
  const { managedFields: _, ...metadata } = object
    .metadata as KubeObject["metadata"] & { readonly managedFields?: unknown };
  return { ...object, metadata };
}

const EVERYWHERE: readonly Wanted[] = [
  { kind: REGISTRATIONS, keep: keepAll },
  { kind: VIRTUAL_SERVERS, keep: keepAll },
  { kind: EXTENSIONS, keep: keepAll },
  { kind: GATEWAY_CLASSES, keep: keepResource },
  { kind: GATEWAYS, keep: keepResource },
  { kind: HTTP_ROUTES, keep: keepRoute },
  { kind: REFERENCE_GRANTS, keep: keepResource },
  { kind: SERVICES, keep: keepResource },
  { kind: BACKENDS, keep: keepResource },
];
