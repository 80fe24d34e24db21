/**
 * Names of the conformance suite's scenarios for servers, by the revision that
 * they apply from. A suite that lost one would otherwise just pass.
 *
 * @module
 */

/** In both eras. */
const IN_BOTH_ERAS: readonly string[] = [
  "completion-complete",
  "tools-list",
  "tools-call-simple-text",
  "tools-call-image",
  "tools-call-audio",
  "tools-call-embedded-resource",
  "tools-call-mixed-content",
  "tools-call-error",
  "tools-call-with-progress",
  "resources-list",
  "resources-read-text",
  "resources-read-binary",
  "resources-templates-read",
  "prompts-list",
  "prompts-get-simple",
  "prompts-get-with-args",
  "prompts-get-embedded-resource",
  "prompts-get-with-image",
];

/** From 2025-11-25 on, in both eras. */
const IN_BOTH_ERAS_SINCE_2025_11_25: readonly string[] = [
  "server-sse-multiple-streams",
  "dns-rebinding-protection",
  // The suite runs this one without scoring it.
  "json-schema-2020-12",
];

const SINCE_2025_03_26: readonly string[] = ["server-session-lifecycle"];

const SINCE_2025_06_18: readonly string[] = [
  ...IN_BOTH_ERAS,
  "server-initialize",
  "logging-set-level",
  "ping",
  "tools-call-with-logging",
  "tools-call-sampling",
  "tools-call-elicitation",
  "resources-subscribe",
  "resources-unsubscribe",
];

const SINCE_2025_11_25: readonly string[] = [
  ...IN_BOTH_ERAS_SINCE_2025_11_25,
  "elicitation-sep1034-defaults",
  "elicitation-sep1330-enums",
  // The suite runs this one without scoring it.
  "server-sse-polling",
];

const SINCE_2026_07_28: readonly string[] = [
  "server-stateless",
  "caching",
  "sep-2164-resource-not-found",
  "input-required-result-basic-elicitation",
  "input-required-result-basic-sampling",
  "input-required-result-basic-list-roots",
  "input-required-result-request-state",
  "input-required-result-multiple-input-requests",
  "input-required-result-multi-round",
  "input-required-result-missing-input-response",
  "input-required-result-non-tool-request",
  "input-required-result-result-type",
  "input-required-result-unsupported-methods",
  "input-required-result-tampered-state",
  "input-required-result-capability-check",
  "input-required-result-ignore-extra-params",
  "input-required-result-validate-input",
  // The suite runs these two without scoring them.
  "http-header-validation",
  "http-custom-header-server-validation",
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

/**
 * All that the suite has for 2026-07-28. Its scenarios of tasks belong to an
 * extension, which the suite counts apart.
 */
export const AT_2026_07_28: Selection = {
  revision: "2026-07-28",
  select: ["--suite", "all", "--spec-version", "2026-07-28"],
  scenarios: [
    ...IN_BOTH_ERAS,
    ...IN_BOTH_ERAS_SINCE_2025_11_25,
    ...SINCE_2026_07_28,
  ],
};

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
