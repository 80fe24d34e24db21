/**
 * The official SDKs' clients in either era, in one shape: the v2 SDK's at
 * 2026-07-28 and at 2025-11-25, and the v1 SDK's.
 *
 * @module
 */

import {
  Client as ClientV2,
  StreamableHTTPClientTransport as TransportV2,
} from "@modelcontextprotocol/client";
// @ts-types="@modelcontextprotocol/sdk/client"
import { Client as ClientV1 } from "@modelcontextprotocol/sdk/client/index.js";
// @ts-types="@modelcontextprotocol/sdk/client/streamableHttp"
import { StreamableHTTPClientTransport as TransportV1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
// @ts-types="@modelcontextprotocol/sdk/types"
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
} from "@modelcontextprotocol/sdk/types.js";
import type { Era } from "../../shared/mcp.ts";

/** What the user answers a question with. */
export type UserAnswer =
  | {
    readonly action: "accept";
    readonly content: Readonly<Record<string, string>>;
  }
  | { readonly action: "decline" };

/** How to call a tool. */
export interface CallOptions {
  /** Hears of progress; asks for it, too. */
  readonly onprogress?: (progress: { readonly progress: number }) => void;
  /** Cancels the call. */
  readonly signal?: AbortSignal;
}

/** What is listed, as far as tests look at it. */
export interface Listed {
  /** Names of tools. */
  readonly tools: readonly string[];
  /** Names of prompts. */
  readonly prompts: readonly string[];
  /** URIs of resources. */
  readonly resources: readonly string[];
  /** URI templates. */
  readonly templates: readonly string[];
}

/** What a tool answered. */
export interface ToolResult {
  /** Its content. */
  readonly content: readonly {
    readonly type: string;
    readonly text?: string;
  }[];
  /** The same for programs. */
  readonly structuredContent?: unknown;
  /** Whether the tool failed. */
  readonly isError?: boolean;
}

/** A client that is connected. Disposing of it disconnects it. */
export interface EraClient extends AsyncDisposable {
  /** Everything that is listed, over every page, each list sorted. */
  list(): Promise<Listed>;
  /** Calls a tool. */
  call(name: string, args: object, options?: CallOptions): Promise<ToolResult>;
  /** Gets a prompt, and tells the text of its first message. */
  prompt(name: string, args: object): Promise<unknown>;
  /** Reads a resource, and tells its first content. */
  read(
    uri: string,
  ): Promise<{ readonly text?: string; readonly blob?: string }>;
  /** Lets the user answer what comes next. */
  user(answer: UserAnswer): void;
  /**
   * What the user was asked, in order; of a URL to open, that too, and whether
   * it came with an id.
   */
  readonly asked: readonly string[];
}

/** A kind of client. */
export interface EraClientKind {
  /** What it is called in sentences. */
  readonly name: string;
  /** The era it speaks. */
  readonly era: Era;
  /** Connects one. */
  readonly connect: (url: string) => Promise<EraClient>;
}

/** The three kinds. */
export const ERA_CLIENTS: readonly EraClientKind[] = [
  {
    name: "the v2 client at 2026-07-28",
    era: "stateless",
    connect: (url) => connectV2(url, { pin: "2026-07-28" }),
  },
  {
    name: "the v2 client at 2025-11-25",
    era: "session",
    connect: (url) => connectV2(url, "legacy"),
  },
  { name: "the v1 client", era: "session", connect: connectV1 },
];

const INFO = { name: "era client", version: "1.0.0" };
const CAPABILITIES = {
  elicitation: { form: {}, url: {} },
  sampling: {},
  roots: {},
};
const ROOTS = { roots: [{ uri: "file:///era", name: "era" }] };
/** A call that waits for its cancellation may take as long as a slow machine. */
const TIMEOUT_MS = 110_000;

async function connectV2(
  url: string,
  mode: "legacy" | { pin: string },
): Promise<EraClient> {
  const user = new User();
  const client = new ClientV2(INFO, {
    capabilities: CAPABILITIES,
    versionNegotiation: { mode },
  });
  client.setRequestHandler(
    "elicitation/create",
    ({ params }) => user.answer(params as Question) as never,
  );
  client.setRequestHandler(
    "sampling/createMessage",
    ({ params }) => user.sample(params as Sampling) as never,
  );
  client.setRequestHandler("roots/list", () => ROOTS);
  await client.connect(new TransportV2(new URL(url)));
  return withUser(
    user,
    client as unknown as SdkClient,
    (name, args, options) =>
      client.callTool({ name, arguments: args as never }, {
        ...options as object,
        timeout: TIMEOUT_MS,
      }) as never,
  );
}

async function connectV1(url: string): Promise<EraClient> {
  const user = new User();
  const client = new ClientV1(INFO, { capabilities: CAPABILITIES });
  client.setRequestHandler(
    ElicitRequestSchema,
    ({ params }) => user.answer(params as Question) as never,
  );
  client.setRequestHandler(
    CreateMessageRequestSchema,
    ({ params }) => user.sample(params as Sampling) as never,
  );
  client.setRequestHandler(ListRootsRequestSchema, () => ROOTS);
  await client.connect(new TransportV1(new URL(url)) as never);
  return withUser(
    user,
    client as unknown as SdkClient,
    (name, args, options) =>
      client.callTool({ name, arguments: args as never }, undefined, {
        ...options as object,
        timeout: TIMEOUT_MS,
      }) as never,
  );
}

/** Who sits before the client. */
class User {
  readonly asked: string[] = [];
  next: UserAnswer = { action: "decline" };

  answer({ message, url, elicitationId }: Question): UserAnswer {
    if (url === undefined) {
      this.asked.push(message);
      return this.next;
    }
    const named = elicitationId === undefined ? "" : " (named)";
    this.asked.push(`${message}: ${url}${named}`);
    return { action: this.next.action } as UserAnswer;
  }

  sample({ messages }: Sampling): object {
    const text = `sampled: ${messages[0]?.content.text}`;
    return {
      role: "assistant",
      content: { type: "text", text },
      model: "era",
    };
  }
}

interface Question {
  readonly message: string;
  readonly url?: string;
  readonly elicitationId?: string;
}

interface Sampling {
  readonly messages: readonly {
    readonly content: { readonly text?: string };
  }[];
}

interface Page {
  readonly nextCursor?: string;
  readonly [list: string]: unknown;
}

/** What both SDKs' clients have in common here. */
interface SdkClient {
  listTools(params?: object): Promise<Page>;
  listPrompts(params?: object): Promise<Page>;
  listResources(params?: object): Promise<Page>;
  listResourceTemplates(params?: object): Promise<Page>;
  getPrompt(params: object): Promise<{
    readonly messages: readonly { readonly content: { text?: string } }[];
  }>;
  readResource(params: object): Promise<{
    readonly contents: readonly { text?: string; blob?: string }[];
  }>;
  close(): Promise<void>;
}

function withUser(
  user: User,
  client: SdkClient,
  call: EraClient["call"],
): EraClient {
  return {
    asked: user.asked,
    user: (answer) => {
      user.next = answer;
    },
    call,
    async list() {
      return {
        tools: await all("tools", "name", (at) => client.listTools(at)),
        prompts: await all("prompts", "name", (at) => client.listPrompts(at)),
        resources: await all(
          "resources",
          "uri",
          (at) => client.listResources(at),
        ),
        templates: await all(
          "resourceTemplates",
          "uriTemplate",
          (at) => client.listResourceTemplates(at),
        ),
      };
    },
    async prompt(name, args) {
      const { messages } = await client.getPrompt({ name, arguments: args });
      return messages[0]?.content.text;
    },
    async read(uri) {
      const { contents } = await client.readResource({ uri });
      return contents[0] ?? {};
    },
    [Symbol.asyncDispose]: () => client.close(),
  };
}

async function all(
  list: string,
  member: string,
  page: (at: object) => Promise<Page>,
): Promise<string[]> {
  const found: string[] = [];
  let cursor: string | undefined;
  do {
    const answer = await page(cursor === undefined ? {} : { cursor });
    const items = answer[list] as readonly Record<string, string>[];
    found.push(...items.map((item) => item[member] ?? ""));
    cursor = answer.nextCursor;
  } while (cursor !== undefined);
  return found.sort();
}
