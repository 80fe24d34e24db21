/**
 * HTTP to one API server: certificates and credentials of a cluster, read
 * again for each request, since those of a pod are replaced every hour.
 *
 * HTTP/1.1 on purpose. Over HTTP/2 all watches and writes would share one
 * connection, and one that is dead without saying so would take them all with
 * it, and every new request too; so each has its own, and giving up on a
 * request closes it.
 *
 * @module
 */

import { fetchAbortably } from "../fetch_abortably.ts";

/** Who we are to an API server, and how we know it. */
export interface KubeCredentials {
  /** Headers that say who we are. */
  readonly headers: Readonly<Record<string, string>>;
  /** PEM bundle that its certificate is checked against; the system's if none. */
  readonly caCert?: string | undefined;
  /** Our own certificate and its key, PEM. */
  readonly certificate?:
    | { readonly cert: string; readonly key: string }
    | undefined;
}

/** Where an API server is, and how to be let in. */
export interface KubeAccess {
  /** Its URL, without a slash at the end. */
  readonly server: string;
  /** Namespace that is meant where none is named. */
  readonly namespace: string;
  /** Reads the credentials as they are now. */
  readonly credentials: () => Promise<KubeCredentials>;
}

/** One request. */
export interface KubeRequest {
  /** HTTP method. */
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Path and query. */
  readonly path: string;
  /** Headers besides those of the credentials. */
  readonly headers: Readonly<Record<string, string>>;
  /** Body. */
  readonly body?: string;
  /** Gives up. */
  readonly signal: AbortSignal;
}

/** Sends requests to one API server. */
export interface KubeTransport {
  /**
   * Sends one; any status is an answer.
   *
   * @throws If there is no answer.
   */
  send(request: KubeRequest): Promise<Response>;
  /** Takes new connections from now on; those in use go on. */
  reconnect(): void;
  /** Closes idle connections. */
  close(): void;
}

/** Sends requests with {@linkcode fetchAbortably}. */
export class HttpTransport implements KubeTransport {
  readonly #access: KubeAccess;
  #client: Deno.HttpClient | undefined;
  /** What the client was made from. */
  #made = "";

  /** Takes where the server is; connects with the first request. */
  constructor(access: KubeAccess) {
    this.#access = access;
  }

  /** Sends one. */
  async send(request: KubeRequest): Promise<Response> {
    const { method, path, headers, body, signal } = request;
    const credentials = await this.#access.credentials();
    return await fetchAbortably(this.#access.server + path, {
      method,
      headers: { ...headers, ...credentials.headers },
      ...(body === undefined ? {} : { body }),
      signal,
      // It could lead our credentials anywhere.
      redirect: "manual",
      client: this.#clientFor(credentials),
    });
  }

  /** Takes new connections from now on. */
  reconnect(): void {
    this.#client?.close();
    this.#client = undefined;
  }

  /** Closes idle connections. */
  close(): void {
    this.reconnect();
  }

  #clientFor({ caCert, certificate }: KubeCredentials): Deno.HttpClient {
    const made = JSON.stringify([caCert, certificate]);
    if (made !== this.#made) this.reconnect();
    this.#made = made;
    return this.#client ??= Deno.createHttpClient({
      http2: false,
      caCerts: caCert === undefined ? [] : [caCert],
      ...(certificate === undefined ? {} : certificate),
    });
  }
}
