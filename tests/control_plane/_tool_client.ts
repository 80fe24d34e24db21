/**
 * Clients of both official SDKs as tests of whole installations use them: they
 * look at tools, call them, and hear that they have changed.
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
import { ToolListChangedNotificationSchema } from "@modelcontextprotocol/sdk/types.js";

/** What both SDKs' clients have in common here. */
interface SdkClient {
  listTools(): Promise<{ tools: { name: string }[] }>;
  callTool(
    params: { name: string; arguments?: Record<string, unknown> },
  ): Promise<{ content?: unknown }>;
  close(): Promise<void>;
}

/** An SDK by the version of its client, or the second one's without sessions. */
export type Sdk = "v1" | "v2" | "stateless";

/** A connected client; disposing of it closes it. */
export class ToolClient implements AsyncDisposable {
  readonly #client: SdkClient;
  #heard: number;

  private constructor(client: SdkClient) {
    this.#client = client;
    this.#heard = 0;
  }

  /** Connects one. */
  static async connect(sdk: Sdk, url: string): Promise<ToolClient> {
    const heard = () => {
      client.#heard++;
    };
    const client = new ToolClient(await connectSdk(sdk, new URL(url), heard));
    return client;
  }

  /** How often it was told that the list of tools has changed. */
  get heard(): number {
    return this.#heard;
  }

  /** Names of all tools, sorted. */
  async tools(): Promise<readonly string[]> {
    const { tools } = await this.#client.listTools();
    return tools.map(({ name }) => name).sort();
  }

  /** Calls a tool and returns the text of its answer. */
  async call(
    name: string,
    args: Record<string, unknown> = {},
  ): Promise<string> {
    const { content } = await this.#client.callTool({ name, arguments: args });
    const [block] = content as { text?: string }[];
    return block?.text ?? "";
  }

  /** Closes it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.close();
  }
}

async function connectSdk(
  sdk: Sdk,
  url: URL,
  heard: () => void,
): Promise<SdkClient> {
  switch (sdk) {
    case "v1": {
      const client = new ClientV1({ name: "v1", version: "1.0.0" });
      client.setNotificationHandler(ToolListChangedNotificationSchema, heard);
      // The SDK's own class does not fit its interface to the letter of
      // exactOptionalPropertyTypes.
      await client.connect(new TransportV1(url) as never);
      return client as unknown as SdkClient;
    }
    case "v2":
    case "stateless": {
      const client = new ClientV2({ name: sdk, version: "1.0.0" }, {
        versionNegotiation: {
          mode: sdk === "v2" ? "legacy" : { pin: "2026-07-28" },
        },
      });
      client.setNotificationHandler("notifications/tools/list_changed", heard);
      await client.connect(new TransportV2(url));
      return client as unknown as SdkClient;
    }
    default:
      return sdk satisfies never;
  }
}
