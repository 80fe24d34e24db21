/**
 * What tests ask an API server, by path and by object. Field validation is
 * strict: a field that the server does not know is refused.
 *
 * The configuration and its authentication are those of
 * `@kubernetes/client-node`; the transport is `fetch`. client-node's own one
 * speaks HTTP/2 where it can, and a GOAWAY, which an API server sends when it
 * stops, ends the whole process then (Deno issue 36788).
 *
 * @module
 */

import {
  HttpMethod,
  KubeConfig,
  RequestContext,
} from "@kubernetes/client-node";
import { parseAllDocuments } from "yaml";
import { delay } from "../../shared/wait.ts";

const ESTABLISHED_MS = 20_000;

/** Any object of an API server. */
export interface KubeObject {
  /** Group and version: `v1`, `mcp.kuadrant.io/v1`. */
  readonly apiVersion: string;
  /** Its kind. */
  readonly kind: string;
  /** Name, namespace and the like. */
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly [more: string]: unknown;
  };
  /** What its kind has besides. */
  // deno-lint-ignore no-explicit-any -- tests read what they have just written
  readonly [more: string]: any;
}

/** Refused by the API server, with its own words. */
export class KubeError extends Error {
  /** HTTP status. */
  readonly status: number;
  /** The server's reason: `Invalid`, `Forbidden`, `NotFound`, … */
  readonly reason: string;

  /** Builds an error from an answer. */
  constructor(request: string, status: number, reason: string, said: string) {
    super(`${request}: ${status} ${reason}: ${said}`);
    this.name = "KubeError";
    this.status = status;
    this.reason = reason;
  }
}

/** How to write an object. */
export interface ApplyOptions {
  /** Who writes it. Default `test`. */
  readonly fieldManager?: string;
  /** Whether fields of other writers are taken over. Default true. */
  readonly force?: boolean;
  /** `status`, or the object itself where left out. */
  readonly subresource?: string;
}

/** A request besides its method and path. */
export interface RequestOptions {
  /** Query parameters. */
  readonly query?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Default `application/json`. */
  readonly contentType?: string;
  /** Default `application/json`. */
  readonly accept?: string;
  /** Ends it, its answer's body included. */
  readonly signal?: AbortSignal;
}

/** What is done to a path. */
export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

/** What may be asked of access control. */
export interface Access {
  /** `get`, `list`, `patch`, … */
  readonly verb: string;
  /** API group, "" for the core. */
  readonly group: string;
  /** Plural, with its subresource: `pods`, `mcpserverregistrations/status`. */
  readonly resource: string;
  /** Namespace; all of them where left out. */
  readonly namespace?: string;
  /** Name; any where left out. */
  readonly name?: string;
}

/** Makes the configuration of a client that shows a bearer token. */
export function kubeConfig(
  { server, caCert, token }: { server: string; caCert: string; token: string },
): KubeConfig {
  const config = new KubeConfig();
  config.loadFromClusterAndUser(
    { name: "test", server, caData: btoa(caCert), skipTLSVerify: false },
    { name: "test", token },
  );
  return config;
}

interface ApiResource {
  readonly name: string;
  readonly kind: string;
  readonly namespaced: boolean;
}

/** A client of one user. */
export class KubeClient {
  /** What it was made from. */
  readonly config: KubeConfig;
  readonly #server: string;
  readonly #http: Deno.HttpClient;
  readonly #resources = new Map<string, readonly ApiResource[]>();

  /** Takes a configuration with a current context. */
  constructor(config: KubeConfig) {
    this.config = config;
    const { server, caData } = config.getCurrentCluster()!;
    this.#server = server;
    this.#http = Deno.createHttpClient({ caCerts: [atob(caData ?? "")] });
  }

  /** Sends a request; the answer is not looked at. */
  async send(
    method: Method,
    path: string,
    { query = {}, body, contentType, accept, signal }: RequestOptions = {},
  ): Promise<Response> {
    const url = new URL(this.#server + path);
    for (const [name, value] of Object.entries(query)) {
      url.searchParams.set(name, value);
    }
    const context = new RequestContext(url.href, HttpMethod[method]);
    await this.config.applySecurityAuthentication(context);
    context.setHeaderParam("accept", accept ?? "application/json");
    if (body !== undefined) {
      context.setHeaderParam("content-type", contentType ?? "application/json");
    }
    return await fetch(url, {
      client: this.#http,
      method,
      headers: context.getHeaders() as Record<string, string>,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signal === undefined ? {} : { signal }),
    });
  }

  /**
   * Sends a request and reads its answer as JSON.
   *
   * @throws {KubeError} If it is refused.
   */
  async request<T = KubeObject>(
    method: Method,
    path: string,
    options: RequestOptions = {},
  ): Promise<T> {
    const response = await this.send(method, path, options);
    const text = await response.text();
    if (response.ok) return JSON.parse(text) as T;
    const { reason, message } = readStatus(text);
    throw new KubeError(
      `${method} ${path}`,
      response.status,
      reason,
      message,
    );
  }

  /** Writes an object by server-side apply, with strict field validation. */
  async apply(
    object: KubeObject,
    { fieldManager = "test", force = true, subresource }: ApplyOptions = {},
  ): Promise<KubeObject> {
    const path = await this.pathOf(object);
    return await this.request(
      "PATCH",
      subresource === undefined ? path : `${path}/${subresource}`,
      {
        query: {
          fieldManager,
          force: String(force),
          fieldValidation: "Strict",
        },
        contentType: "application/apply-patch+yaml",
        body: object,
      },
    );
  }

  /**
   * Applies all objects of a YAML text, in their order. Resource definitions
   * are served when it returns.
   */
  async applyYaml(text: string): Promise<readonly KubeObject[]> {
    const applied: KubeObject[] = [];
    for (const object of readManifests(text)) {
      applied.push(await this.apply(object));
    }
    for (const object of applied) {
      if (object.kind === "CustomResourceDefinition") {
        await this.#established(object);
      }
    }
    return applied;
  }

  /** Applies all objects of a YAML file. */
  async applyFile(path: string): Promise<readonly KubeObject[]> {
    try {
      return await this.applyYaml(await Deno.readTextFile(path));
    } catch (cause) {
      throw new Error(`Cannot apply ${path}: ${cause}`, { cause });
    }
  }

  /** Reads the object of that name anew. */
  async get(object: KubeObject): Promise<KubeObject> {
    return await this.request("GET", await this.pathOf(object));
  }

  /** Deletes the object of that name. */
  async delete(object: KubeObject): Promise<void> {
    await this.request("DELETE", await this.pathOf(object));
  }

  /** Asks access control whether this client may do something. */
  async may(
    { verb, group, resource, namespace, name }: Access,
  ): Promise<boolean> {
    const [plural, subresource] = resource.split("/");
    const { status } = await this.request<{ status: { allowed: boolean } }>(
      "POST",
      "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
      {
        body: {
          apiVersion: "authorization.k8s.io/v1",
          kind: "SelfSubjectAccessReview",
          spec: {
            resourceAttributes: {
              ...{
                verb,
                group,
                resource: plural,
                subresource,
                namespace,
                name,
              },
            },
          },
        },
      },
    );
    return status.allowed;
  }

  /** The path of an object. */
  async pathOf({ apiVersion, kind, metadata }: KubeObject): Promise<string> {
    const root = apiVersion.includes("/") ? "/apis" : "/api";
    const { name, namespaced } = await this.#resource(
      `${root}/${apiVersion}`,
      kind,
    );
    const where = namespaced
      ? `/namespaces/${metadata.namespace ?? "default"}`
      : "";
    return `${root}/${apiVersion}${where}/${name}/${metadata.name}`;
  }

  /** Ends its connections. */
  close(): void {
    this.#http.close();
  }

  async #resource(path: string, kind: string): Promise<ApiResource> {
    const find = (resources: readonly ApiResource[] = []) =>
      resources.find((one) => one.kind === kind && !one.name.includes("/"));
    const known = find(this.#resources.get(path));
    if (known !== undefined) return known;
    const { resources } = await this.request<{ resources: ApiResource[] }>(
      "GET",
      path,
    );
    this.#resources.set(path, resources);
    const found = find(resources);
    if (found === undefined) {
      throw new Error(`Cannot find ${kind}: ${path} does not serve it`);
    }
    return found;
  }

  async #isDiscovered({ spec }: KubeObject): Promise<boolean> {
    const { group, names, versions } = spec;
    try {
      for (const { name, served } of versions) {
        if (served) {
          await this.#resource(`/apis/${group}/${name}`, names.kind);
        }
      }
      return true;
    } catch {
      return false;
    }
  }

  /** Waits until the kind that a definition defines is served. */
  async #established(definition: KubeObject): Promise<void> {
    const deadline = performance.now() + ESTABLISHED_MS;
    while (true) {
      const { status } = await this.get(definition);
      const conditions = status?.conditions ?? [];
      const is = (type: string) =>
        conditions.some((one: { type: string; status: string }) =>
          one.type === type && one.status === "True"
        );
      // Discovery knows of it a moment later than its conditions say.
      if (
        is("Established") && is("NamesAccepted") &&
        await this.#isDiscovered(definition)
      ) return;
      if (performance.now() > deadline) {
        throw new Error(
          `${definition.metadata.name} is not served: ${
            JSON.stringify(conditions)
          }`,
        );
      }
      await delay(25);
    }
  }
}

/** Reads all objects of a YAML text, in their order. */
export function readManifests(text: string): readonly KubeObject[] {
  return parseAllDocuments(text).flatMap((document) => {
    const [problem] = document.errors;
    if (problem !== undefined) throw problem;
    const object = document.toJS() as KubeObject | null;
    return object === null ? [] : [object];
  });
}

function readStatus(text: string): { reason: string; message: string } {
  try {
    const { reason = "", message = "" } = JSON.parse(text) as {
      reason?: string;
      message?: string;
    };
    return { reason, message };
  } catch {
    return { reason: "", message: text };
  }
}
