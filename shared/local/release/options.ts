/**
 * The options of `deno task release`.
 *
 * @module
 */

import { BUILD_OPTIONS } from "../build/options.ts";

const { target, ...OTHERS } = BUILD_OPTIONS;
/** Platforms that there are releases for. */
export const TARGETS: readonly string[] = target.values;

/** Rows of the table for `parseOptions`. */
export const RELEASE_OPTIONS = {
  ...OTHERS,
  out: {
    ...BUILD_OPTIONS.out,
    env: "RELEASE_OUT",
    default: "dist/release",
    help: "Folder for archives, bills of materials and checksums",
  },
  targets: {
    kind: "list",
    of: "string",
    env: "RELEASE_TARGETS",
    placeholder: "TRIPLES",
    help: `Platforms to build for (${TARGETS.join(", ")}); this machine's ` +
      "where left out",
  },
} as const;
