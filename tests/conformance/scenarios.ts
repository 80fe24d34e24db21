/**
 * Names of the conformance suite's scenarios for servers, by the revision that
 * they apply from. A suite that lost one would otherwise just pass.
 *
 * @module
 */

const SINCE_2025_03_26: readonly string[] = ["server-session-lifecycle"];

const SINCE_2025_06_18: readonly string[] = [
  "server-initialize",
  "logging-set-level",
  "ping",
  "completion-complete",
  "tools-list",
  "tools-call-simple-text",
  "tools-call-image",
  "tools-call-audio",
  "tools-call-embedded-resource",
  "tools-call-mixed-content",
  "tools-call-with-logging",
  "tools-call-error",
  "tools-call-with-progress",
  "tools-call-sampling",
  "tools-call-elicitation",
  "resources-list",
  "resources-read-text",
  "resources-read-binary",
  "resources-templates-read",
  "resources-subscribe",
  "resources-unsubscribe",
  "prompts-list",
  "prompts-get-simple",
  "prompts-get-with-args",
  "prompts-get-embedded-resource",
  "prompts-get-with-image",
];

const SINCE_2025_11_25: readonly string[] = [
  "elicitation-sep1034-defaults",
  "server-sse-multiple-streams",
  "elicitation-sep1330-enums",
  "dns-rebinding-protection",
  // The suite runs these two without scoring them.
  "json-schema-2020-12",
  "server-sse-polling",
];

/** What to ask the suite for at a revision, and what it has to run then. */
export interface Selection {
  /** The revision. */
  readonly revision: string;
  /** Arguments of the suite. */
  readonly select: readonly string[];
  /** Names of the scenarios. */
  readonly scenarios: readonly string[];
}

/** All that 2025-11-25 requires, and what the suite has for it besides. */
export const AT_2025_11_25: Selection = {
  revision: "2025-11-25",
  select: ["--requirements", "2025-11-25"],
  scenarios: [...SINCE_2025_03_26, ...SINCE_2025_06_18, ...SINCE_2025_11_25],
};

/** All that the suite has for 2025-06-18. */
export const AT_2025_06_18: Selection = {
  revision: "2025-06-18",
  select: ["--suite", "all", "--spec-version", "2025-06-18"],
  scenarios: [...SINCE_2025_03_26, ...SINCE_2025_06_18],
};

/** All that the suite has for 2025-03-26. */
export const AT_2025_03_26: Selection = {
  revision: "2025-03-26",
  select: ["--suite", "all", "--spec-version", "2025-03-26"],
  scenarios: SINCE_2025_03_26,
};
