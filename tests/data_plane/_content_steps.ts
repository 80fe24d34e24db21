/**
 * Steps with every kind of content, as the server is told to answer.
 *
 * @module
 */

import { parseExactly } from "../support/exact_json.ts";
import { call, type Feature, type Step } from "./_steps.ts";
import type { JsonObject } from "./_transcript.ts";

/** A result that the server is told to give. */
export interface GivenResult {
  /** What is in it. */
  readonly what: string;
  /** The result as JSON. */
  readonly result: string;
  /** Features without which the server does not give it. */
  readonly needs?: readonly Feature[];
}

/** Results with every kind of content. */
export const RESULTS: readonly GivenResult[] = [
  {
    what: "text, an image and audio",
    result: `{"content": [
        {"type": "text", "text": "", "annotations": {"audience": ["user"]}},
        {"type": "image", "data": "iVBORw0KGgo=", "mimeType": "image/png"},
        {"type": "audio", "data": "UklGRg==", "mimeType": "audio/wav",
          "_meta": {"example.com/k": "v"}}]}`,
  },
  {
    what: "embedded resources",
    result: `{"content": [
        {"type": "resource", "resource": {"uri": "feature://text",
          "mimeType": "text/plain", "text": "embedded", "_meta": {"k": 1}}},
        {"type": "resource", "resource": {"uri": "x:/y", "blob": "AAEC"}}]}`,
  },
  {
    what: "a link to a resource",
    needs: ["links"],
    result: `{"content": [
        {"type": "resource_link", "uri": "feature://text", "name": "text",
          "title": "A text", "description": "d", "mimeType": "text/plain",
          "annotations": {"priority": 0.25}}]}`,
  },
  {
    what: "structured content and unknown members",
    result: `{"content": [{"type": "text", "text": "{}", "unknown": [1]}],
        "structuredContent": {"z": {"9": 1, "1": 2}, "a": [[]], "n": null},
        "_meta": {"example.com/z": 1, "example.com/a": {"progressToken": 3}},
        "vendor": {"id": 4, "method": "tools/call", "params": {"name": "x"}}}`,
  },
  {
    what: "an error of the tool's",
    result: `{"content": [{"type": "text", "text": "no"}], "isError": true}`,
  },
  { what: "no content", result: `{"content": []}` },
  {
    what: "content of a kind to come",
    needs: ["new content"],
    result: `{"content": [{"type": "hologram", "data": {"n": 1}}]}`,
  },
];

/** The steps. */
export function contentSteps(): Step[] {
  return RESULTS.map(({ what, result, needs = [] }) => ({
    step: `a result with ${what}`,
    needs,
    act: (client) =>
      call(client, "answer", { result: parseExactly(result) as JsonObject }),
  }));
}
