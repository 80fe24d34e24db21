/**
 * Holds the scripted conversation. It is the same for every server; what a
 * server, a revision or a client cannot do is left out.
 *
 * @module
 */

import { exactNumber } from "../support/exact_json.ts";
import { RecordingClient } from "./_recording_client.ts";
import { SCRIPT } from "./_script.ts";
import type { Feature } from "./_steps.ts";
import type { JsonObject, Transcript } from "./_transcript.ts";

/** Who talks. */
export interface ConversationOptions {
  /** The endpoint. */
  readonly url: string;
  /** Revision that the client asks for. */
  readonly revision: string;
  /** Put before the names of tools and prompts. */
  readonly prefix: string;
  /** What there is. */
  readonly features: ReadonlySet<Feature>;
  /** Milliseconds that one wait may take. Default 10,000. */
  readonly patienceMs?: number;
}

/** Holds the conversation; returns what the client received. */
export async function converse(
  options: ConversationOptions,
): Promise<Transcript> {
  const { features } = options;
  await using client = new RecordingClient({
    ...options,
    patienceMs: options.patienceMs ?? 10_000,
    capabilities: capabilities(features),
  });
  for (const { step, needs = [], act } of SCRIPT) {
    if (needs.every((feature) => features.has(feature))) {
      await client.run(step, () => act(client));
    }
  }
  return client.transcript();
}

/** Which of the features a revision has. */
export function featuresOf(revision: string): Feature[] {
  return [
    ...revision >= "2025-11-25" ? ["urls"] as const : [],
    ...revision >= "2025-06-18" ? ["forms", "links"] as const : [],
    ...revision === "2025-03-26" ? ["batches"] as const : [],
  ];
}

function capabilities(features: ReadonlySet<Feature>): JsonObject {
  if (!features.has("asked")) return {};
  return {
    roots: { listChanged: true },
    sampling: {},
    ...features.has("forms")
      ? { elicitation: features.has("urls") ? { form: {}, url: {} } : {} }
      : {},
    experimental: { "example.com/x": { y: exactNumber("9007199254740993") } },
  };
}
