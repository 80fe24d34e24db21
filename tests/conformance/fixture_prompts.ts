/**
 * The prompts that the conformance suite gets, by the names it knows them by.
 *
 * @module
 */

// @ts-types="@modelcontextprotocol/sdk/types"
import type { Prompt, PromptMessage } from "@modelcontextprotocol/sdk/types.js";
import { PIXEL_PNG } from "./fixture_contents.ts";
import type { FixtureLists } from "./fixture_lists.ts";

/** A prompt: how it is listed and what it becomes. */
export interface FixturePrompt extends Prompt {
  /** Fills the prompt in. */
  readonly fill: (args: Readonly<Record<string, string>>) => PromptMessage[];
}

/** Every prompt. */
export const FIXTURE_PROMPTS: readonly FixturePrompt[] = [
  {
    name: "test_simple_prompt",
    description: "A prompt without arguments",
    fill: () => [text("This is a simple prompt for testing.")],
  },
  {
    name: "test_prompt_with_arguments",
    description: "A prompt with two arguments",
    arguments: [
      { name: "arg1", description: "First test argument", required: true },
      { name: "arg2", description: "Second test argument", required: true },
    ],
    fill: ({ arg1, arg2 }) => [
      text(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`),
    ],
  },
  {
    name: "test_prompt_with_embedded_resource",
    description: "A prompt that embeds a resource",
    arguments: [
      { name: "resourceUri", description: "What to embed", required: true },
    ],
    fill: ({ resourceUri }) => [
      {
        role: "user",
        content: {
          type: "resource",
          resource: {
            uri: resourceUri ?? "",
            mimeType: "text/plain",
            text: "Embedded resource content for testing.",
          },
        },
      },
      text("Please process the embedded resource above."),
    ],
  },
  {
    name: "test_prompt_with_image",
    description: "A prompt with an image",
    fill: () => [
      {
        role: "user",
        content: { type: "image", data: PIXEL_PNG, mimeType: "image/png" },
      },
      text("Please analyze the image above."),
    ],
  },
];

/** The prompt that comes and goes. */
const LATE: FixturePrompt = {
  name: "test_late_prompt",
  description: "Is listed now and then",
  fill: () => [text("Not too late")],
};

/** The prompts as they are listed now, with those that ask. */
export function listedPrompts(
  lists: FixtureLists,
  asking: readonly (Prompt & { readonly next: unknown })[],
): Prompt[] {
  const late = lists.has("prompts") ? [LATE] : [];
  return [
    ...[...FIXTURE_PROMPTS, ...late].map(({ fill: _, ...prompt }) => prompt),
    ...asking.map(({ next: _, ...prompt }) => prompt),
  ];
}

/** Values that completion offers for any argument. */
const VALUES: readonly string[] = ["paris", "park", "party", "test", "testing"];

/** Completes what was typed of an argument. */
export function complete(typed: string): string[] {
  return VALUES.filter((value) => value.startsWith(typed));
}

function text(text: string): PromptMessage {
  return { role: "user", content: { type: "text", text } };
}
