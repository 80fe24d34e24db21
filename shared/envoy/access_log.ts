/**
 * The access log: JSON lines with what the router found out about a message,
 * and nothing that is secret. Pure.
 *
 * @module
 */

import { any, type JsonObject } from "./json.ts";

/** Namespace of the router's dynamic metadata. */
export const METADATA_NAMESPACE = "mcp";

const mcp = (field: string) =>
  `%DYNAMIC_METADATA(${METADATA_NAMESPACE}:${field})%`;

/**
 * Generates an access log that appends to a file. No query strings, no
 * headers of the client's: either may carry a credential.
 *
 * @param path Absolute path of the file.
 */
export function fileAccessLog(path: string): JsonObject {
  return {
    name: "envoy.access_loggers.file",
    typed_config: any(
      "envoy.extensions.access_loggers.file.v3.FileAccessLog",
      {
        path,
        log_format: {
          json_format: {
            time: "%START_TIME%",
            client: "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
            verb: "%REQ(:METHOD)%",
            path: "%PATH(NQ:PATH)%",
            status: "%RESPONSE_CODE%",
            flags: "%RESPONSE_FLAGS%",
            details: "%RESPONSE_CODE_DETAILS%",
            durationMs: "%DURATION%",
            bytesReceived: "%BYTES_RECEIVED%",
            bytesSent: "%BYTES_SENT%",
            upstream: "%UPSTREAM_HOST%",
            destination: "%REQ(X-DESTINATION-MCP)%",
            method: mcp("method"),
            server: mcp("server"),
            tool: mcp("tool"),
            // Its server is of the other era: the broker translates.
            bridged: mcp("bridged"),
          },
        },
      },
    ),
  };
}
