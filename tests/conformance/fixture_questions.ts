/**
 * What the fixture asks its clients: tools and a prompt that cannot answer
 * before the client did. Each says what comes next, given what is known; how a
 * question gets to the client is the business of the server's era.
 *
 * @module
 */

// @ts-types="@modelcontextprotocol/sdk/types"
import type {
  CallToolResult,
  ClientCapabilities,
  ElicitRequestFormParams,
  GetPromptResult,
  Prompt,
  Tool,
} from "@modelcontextprotocol/sdk/types.js";
import { NO_ARGUMENTS, say } from "./fixture_tools.ts";

/** A question to the client. */
export interface Question {
  /** Its method. */
  readonly method:
    | "elicitation/create"
    | "sampling/createMessage"
    | "roots/list";
  /** Its parameters. */
  readonly params: Readonly<Record<string, unknown>>;
}

/** What is known when a tool or prompt says what comes next. */
export interface Known {
  /** The call's arguments. */
  readonly args: Readonly<Record<string, unknown>>;
  /** What the client declared. */
  readonly capabilities: ClientCapabilities;
  /** The answers to the last questions, as they came, by their keys. */
  readonly answers: Readonly<Record<string, unknown>>;
  /** What the last step left to be remembered. */
  readonly state: string | undefined;
}

/** What comes next. */
export type Step<Result> =
  | {
    readonly kind: "ask";
    /** Questions, by keys. */
    readonly questions: Readonly<Record<string, Question>>;
    /** To be remembered until the answers are there. */
    readonly state?: string;
  }
  | { readonly kind: "done"; readonly result: Result };

/** A tool that asks. */
export interface AskingTool extends Tool {
  /** Says what comes next. */
  readonly next: (known: Known) => Step<CallToolResult>;
}

/** A prompt that asks. */
export interface AskingPrompt extends Prompt {
  /** Says what comes next. */
  readonly next: (known: Known) => Step<GetPromptResult>;
}

/** Every tool that asks. */
export const ASKING_TOOLS: readonly AskingTool[] = [
  {
    name: "test_sampling",
    description: "Asks the client's model",
    inputSchema: {
      type: "object",
      properties: { prompt: { type: "string", description: "What to ask" } },
      required: ["prompt"],
    },
    next: once(
      ({ args }) => sample(String(args["prompt"])),
      (answer) => say(`LLM response: ${sampled(answer)}`),
    ),
  },
  {
    name: "test_elicitation",
    description: "Asks the user who they are",
    inputSchema: {
      type: "object",
      properties: {
        message: { type: "string", description: "What to show the user" },
      },
      required: ["message"],
    },
    next: once(
      ({ args }) =>
        elicit(String(args["message"]), {
          username: { type: "string", description: "User's response" },
          email: { type: "string", description: "User's email address" },
        }),
      outcome("User response"),
    ),
  },
  {
    name: "test_elicitation_sep1034_defaults",
    description: "Asks the user with a default of every primitive type",
    inputSchema: NO_ARGUMENTS,
    next: once(
      () =>
        elicit("Please check what is filled in", {
          name: { type: "string", default: "John Doe" },
          age: { type: "integer", default: 30 },
          score: { type: "number", default: 95.5 },
          status: {
            type: "string",
            enum: ["active", "inactive", "pending"],
            default: "active",
          },
          verified: { type: "boolean", default: true },
        }, []),
      outcome("Elicitation completed"),
    ),
  },
  {
    name: "test_elicitation_sep1330_enums",
    description: "Asks the user with every kind of enumeration",
    inputSchema: NO_ARGUMENTS,
    next: once(
      () =>
        elicit("Please choose", {
          untitledSingle: { type: "string", enum: numbered("option") },
          titledSingle: { type: "string", oneOf: titled("Option") },
          legacyEnum: {
            type: "string",
            enum: numbered("opt"),
            enumNames: ["Option One", "Option Two", "Option Three"],
          },
          untitledMulti: {
            type: "array",
            items: { type: "string", enum: numbered("option") },
          },
          titledMulti: { type: "array", items: { anyOf: titled("Choice") } },
        }, []),
      outcome("Elicitation completed"),
    ),
  },
  {
    name: "test_missing_capability",
    description: "Needs the client's model, whatever the client declared",
    inputSchema: NO_ARGUMENTS,
    next: once(
      () => sample("Say pong"),
      (answer) => say(`The model said: ${sampled(answer)}`),
    ),
  },
  {
    name: "test_streaming_elicitation",
    description: "Asks the user whether to go on",
    inputSchema: NO_ARGUMENTS,
    next: once(
      () => elicit("Shall it go on?", { ok: { type: "boolean" } }),
      outcome("Going on"),
    ),
  },
  {
    name: "test_input_required_result_elicitation",
    description: "Asks the user's name",
    inputSchema: NO_ARGUMENTS,
    next({ answers }) {
      const name = accepted(answers["user_name"])?.["name"];
      return name === undefined
        ? { kind: "ask", questions: { user_name: ASK_NAME } }
        : done(say(`Hello, ${name}!`));
    },
  },
  {
    name: "test_input_required_result_sampling",
    description: "Asks the client's model for a capital",
    inputSchema: NO_ARGUMENTS,
    next: once(
      () => sample("What is the capital of France?"),
      (answer) => say(`The model said: ${sampled(answer)}`),
      "capital_question",
    ),
  },
  {
    name: "test_input_required_result_list_roots",
    description: "Asks for the client's roots",
    inputSchema: NO_ARGUMENTS,
    next: once(
      () => ASK_ROOTS,
      (answer) => say(`The roots are: ${JSON.stringify(answer)}`),
      "client_roots",
    ),
  },
  {
    name: "test_input_required_result_request_state",
    description: "Asks the user to confirm, and remembers that it did",
    inputSchema: NO_ARGUMENTS,
    next: remembering("asked to confirm", "state-ok"),
  },
  {
    name: "test_input_required_result_tampered_state",
    description: "Asks the user to confirm, and takes no other state back",
    inputSchema: NO_ARGUMENTS,
    next: remembering("untouched", "integrity-ok"),
  },
  {
    name: "test_input_required_result_multiple_inputs",
    description: "Asks user, model and roots at once",
    inputSchema: NO_ARGUMENTS,
    next({ answers, state }) {
      const { user_name, greeting, client_roots } = answers;
      const all = accepted(user_name) && greeting && client_roots;
      if (state === "asked for all" && all) {
        return done(say(`All three answered: ${JSON.stringify(answers)}`));
      }
      return {
        kind: "ask",
        questions: {
          user_name: ASK_NAME,
          greeting: sample("Generate a greeting", 50),
          client_roots: ASK_ROOTS,
        },
        state: "asked for all",
      };
    },
  },
  {
    name: "test_input_required_result_multi_round",
    description: "Asks the user twice, one after the other",
    inputSchema: NO_ARGUMENTS,
    next({ answers, state }) {
      const name = accepted(answers["step1"])?.["name"];
      const colour = accepted(answers["step2"])?.["color"];
      if (state?.startsWith("step 2: ") && colour !== undefined) {
        return done(say(`${state.slice(8)} likes ${colour}`));
      }
      if (state === "step 1" && name !== undefined) {
        const ask = elicit("Step 2: What is your favorite color?", {
          color: { type: "string" },
        });
        const state = `step 2: ${name}`;
        return { kind: "ask", questions: { step2: ask }, state };
      }
      const ask = elicit("Step 1: What is your name?", {
        name: { type: "string" },
      });
      return { kind: "ask", questions: { step1: ask }, state: "step 1" };
    },
  },
  {
    name: "test_input_required_result_capabilities",
    description: "Asks for whatever the client said that it can be asked",
    inputSchema: NO_ARGUMENTS,
    next({ answers, capabilities }) {
      if (Object.keys(answers).length > 0) {
        return done(say(`Answered: ${Object.keys(answers).join(", ")}`));
      }
      const { elicitation, sampling, roots } = capabilities;
      return {
        kind: "ask",
        questions: {
          ...elicitation && { user_name: ASK_NAME },
          ...sampling && { greeting: sample("Generate a greeting", 50) },
          ...roots && { client_roots: ASK_ROOTS },
        },
      };
    },
  },
];

/** Every prompt that asks. */
export const ASKING_PROMPTS: readonly AskingPrompt[] = [
  {
    name: "test_input_required_result_prompt",
    description: "Asks the user for its context",
    next({ answers }) {
      const context = accepted(answers["user_context"])?.["context"];
      if (context === undefined) {
        const ask = elicit("What context should the prompt use?", {
          context: { type: "string" },
        });
        return { kind: "ask", questions: { user_context: ask } };
      }
      const text = `Use this context: ${context}`;
      return done({
        messages: [{ role: "user", content: { type: "text", text } }],
      });
    },
  },
];

const ASK_NAME = elicit("What is your name?", { name: { type: "string" } });
const ASK_ROOTS: Question = { method: "roots/list", params: {} };

/** Asks one question, and answers with what came back. */
function once(
  question: (known: Known) => Question,
  finish: (answer: Record<string, unknown>) => CallToolResult,
  key = "question",
): AskingTool["next"] {
  return (known) => {
    const answer = known.answers[key];
    return isObject(answer)
      ? done(finish(answer))
      : { kind: "ask", questions: { [key]: question(known) } };
  };
}

/** Asks to confirm, and goes on only where its own state came back with it. */
function remembering(state: string, text: string): AskingTool["next"] {
  return (known) =>
    known.state === state && accepted(known.answers["confirm"])
      ? done(say(text))
      : {
        kind: "ask",
        questions: {
          confirm: elicit("Please confirm", { ok: { type: "boolean" } }),
        },
        state,
      };
}

function elicit(
  message: string,
  properties: object,
  required: readonly string[] = Object.keys(properties),
): Question {
  return {
    method: "elicitation/create",
    params: {
      message,
      requestedSchema: {
        type: "object",
        properties: properties as ElicitRequestFormParams["requestedSchema"][
          "properties"
        ],
        required,
      },
    },
  };
}

function sample(text: string, maxTokens = 100): Question {
  return {
    method: "sampling/createMessage",
    params: {
      messages: [{ role: "user", content: { type: "text", text } }],
      maxTokens,
    },
  };
}

function sampled(answer: Record<string, unknown>): unknown {
  const { content } = answer as { readonly content?: { text?: string } };
  return content?.text;
}

/** The content of an elicitation that the user accepted. */
function accepted(answer: unknown): Record<string, unknown> | undefined {
  if (!isObject(answer) || answer["action"] !== "accept") return undefined;
  return isObject(answer["content"]) ? answer["content"] : {};
}

function outcome(
  opening: string,
): (answer: Record<string, unknown>) => CallToolResult {
  return ({ action, content }) =>
    say(`${opening}: action=${action}, content=${JSON.stringify(content)}`);
}

function done<Result>(result: Result): Step<Result> {
  return { kind: "done", result };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

function numbered(word: string): string[] {
  return [1, 2, 3].map((number) => `${word}${number}`);
}

function titled(word: string): { const: string; title: string }[] {
  return ["First", "Second", "Third"].map((ordinal, at) => ({
    const: `value${at + 1}`,
    title: `${ordinal} ${word}`,
  }));
}
