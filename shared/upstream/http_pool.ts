/**
 * HTTP to MCP servers: connections pooled per certificate authority, no
 * redirects, whatever the caller asks for.
 *
 * @module
 */

import type { ServerConfig } from "../config/model.ts";
import { fetchAbortably } from "../fetch_abortably.ts";
import { readCertificates, type SecretIo } from "../config/secrets.ts";

/** Sends requests to servers, over connections that are kept for reuse. */
export class HttpPool implements Disposable {
  readonly #secrets: SecretIo;
  /** By PEM text; "" for the system's own authorities. */
  readonly #clients = new Map<string, Deno.HttpClient>();

  /** Makes an empty pool; certificates are read anew for each request. */
  constructor(secrets: SecretIo) {
    this.#secrets = secrets;
  }

  /**
   * Sends a request to a server's URL.
   *
   * @throws {SecretError} If its certificate authority cannot be read.
   * @throws {TypeError} If it cannot be reached.
   */
  async fetch(server: ServerConfig, init: RequestInit): Promise<Response> {
    const client = await this.#client(server);
    // A redirect could send credentials, or us, anywhere.
    return await fetchAbortably(server.url, {
      ...init,
      client,
      redirect: "manual",
    });
  }

  /** Closes idle connections; those in use close when they are done. */
  close(): void {
    for (const client of this.#clients.values()) client.close();
    this.#clients.clear();
  }

  /** Closes the pool. */
  [Symbol.dispose](): void {
    this.close();
  }

  async #client(server: ServerConfig): Promise<Deno.HttpClient> {
    const pem = server.caCert === undefined
      ? ""
      : await readCertificates(server.caCert, this.#secrets);
    const known = this.#clients.get(pem);
    if (known !== undefined) return known;
    const client = Deno.createHttpClient({
      caCerts: pem === "" ? [] : [pem],
    });
    this.#clients.set(pem, client);
    return client;
  }
}
