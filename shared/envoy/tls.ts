/**
 * TLS between clients and the listener: the certificate is a resource of its
 * own, in a file that Envoy watches, so that a new one needs no restart. Pure.
 *
 * @module
 */

import { any, type JsonObject } from "./json.ts";

/** The listener's certificate, as files that Envoy itself reads. */
export interface ListenerTls {
  /** Absolute path of the certificate and its chain, PEM. */
  readonly certificate: string;
  /** Absolute path of its key, PEM. */
  readonly key: string;
}

/** Name of the resource with the certificate. */
export const TLS_SECRET = "mcp_listener";

/**
 * Generates the resource: an
 * `envoy.extensions.transport_sockets.tls.v3.Secret`. Where both files are in
 * one folder, Envoy reads them again whenever something is renamed in there,
 * and takes them only as a pair that belongs together.
 */
export function tlsSecret({ certificate, key }: ListenerTls): JsonObject {
  const folder = folderOf(certificate);
  return {
    name: TLS_SECRET,
    tls_certificate: {
      certificate_chain: { filename: certificate },
      private_key: { filename: key },
      ...(folder === folderOf(key)
        ? { watched_directory: { path: folder } }
        : {}),
    },
  };
}

/**
 * Generates the listener's transport socket: TLS 1.2 or newer, HTTP/2 where
 * the client can.
 *
 * @param source Where the certificate comes from: a part of Envoy's
 * `CommonTlsContext`.
 */
export function tlsSocket(source: JsonObject): JsonObject {
  return {
    name: "envoy.transport_sockets.tls",
    typed_config: any(
      "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
      {
        common_tls_context: {
          tls_params: { tls_minimum_protocol_version: "TLSv1_2" },
          alpn_protocols: ["h2", "http/1.1"],
          ...source,
        },
      },
    ),
  };
}

function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/")) || "/";
}
