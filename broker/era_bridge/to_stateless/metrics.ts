/**
 * Metrics of the bridge to servers of the stateless era.
 *
 * @module
 */

import type { Metrics } from "../../../shared/telemetry.ts";
import type { ToStatelessBridge } from "./assemble.ts";
import type { Outcome } from "./conversation.ts";

/** The bridge's metrics, before there is a bridge. */
export interface ToStatelessMetrics {
  /** Counts a call that is over. */
  readonly onOutcome: (method: string, outcome: Outcome) => void;
  /** Shows what a bridge has. */
  readonly show: (
    bridge: {
      readonly bridge: Pick<ToStatelessBridge["bridge"], "counts">;
      readonly watches: Pick<ToStatelessBridge["watches"], "count">;
    },
  ) => void;
}

/** Adds the metrics. */
export function toStatelessMetrics(metrics: Metrics): ToStatelessMetrics {
  const ended = metrics.counter(
    "mcp_gateway_session_calls_bridged_total",
    "Calls of sessions at servers of the stateless era, by how they ended.",
    ["method", "outcome"],
  );
  const calls = metrics.gauge(
    "mcp_gateway_session_calls_bridged",
    "Calls of sessions that are on their way to servers of the stateless era.",
  );
  const questions = metrics.gauge(
    "mcp_gateway_bridge_questions",
    "Questions of servers of the stateless era that clients in sessions have not answered yet.",
  );
  const watches = metrics.gauge(
    "mcp_gateway_resource_watches",
    "Streams of servers of the stateless era that follow resources for sessions.",
  );
  return {
    onOutcome: (method, outcome) => ended.labels({ method, outcome }).inc(),
    show: (shown) =>
      metrics.onExpose(() => {
        calls.set(shown.bridge.counts.calls);
        questions.set(shown.bridge.counts.questions);
        watches.set(shown.watches.count);
      }),
  };
}
