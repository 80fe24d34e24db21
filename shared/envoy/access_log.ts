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

/** Writes to standard output: under systemd there is no file of that name. */
export const STDOUT_LOG = "stdout";

/** No query strings, no headers of the client's: either may carry a credential. */
const FIELDS: JsonObject = {
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
  // As the router's own log has it; of what goes to a server in a session.
  session: mcp("session"),
  // Its server is of the other era: the broker translates.
  bridged: mcp("bridged"),
};

/**
 * Generates an access log.
 *
 * @param to Absolute path of a file that is appended to, or `stdout`.
 */
export function accessLog(to: string): JsonObject {
  const format = { log_format: { json_format: FIELDS } };
  return to === STDOUT_LOG
    ? {
      name: "envoy.access_loggers.stdout",
      typed_config: any(
        "envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
        format,
      ),
    }
    : {
      name: "envoy.access_loggers.file",
      typed_config: any(
        "envoy.extensions.access_loggers.file.v3.FileAccessLog",
        { path: to, ...format },
      ),
    };
}
