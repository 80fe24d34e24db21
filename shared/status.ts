/**
 * The contract of the broker's `/status` (JSON, internal listener): the live
 * state of each server, for people, for the controller's conditions and for
 * the table that `deno task dev` prints.
 *
 * @module
 */

import type { Era } from "./mcp.ts";

/** Path of the status document on an internal listener. */
export const STATUS_PATH = "/status";
/** Where a program says whether it takes traffic: 200 or 503. */
export const READY_PATH = "/readyz";

/**
 * State of one server, as clients experience it.
 *
 * | state | its tools are listed | meaning |
 * |---|---|---|
 * | `connecting` | no | not reached yet |
 * | `ready` | yes | connected, lists current |
 * | `degraded` | yes, last good list | falters, within the grace period |
 * | `failed` | no | cannot be reached, retried with backoff |
 * | `refused` | no | below the minimum revision or capabilities |
 * | `disabled` | no | `state: Disabled` |
 */
export type ServerState =
  | "connecting"
  | "ready"
  | "degraded"
  | "failed"
  | "refused"
  | "disabled";

/** Live facts about one server. */
export interface ServerStatus {
  /** Name of the server. */
  readonly name: string;
  /** Its URL. */
  readonly url: string;
  /** The `:authority` that Envoy routes on. */
  readonly hostname: string;
  /** Its prefix, "" for none. */
  readonly prefix: string;
  /** Its state now. */
  readonly state: ServerState;
  /** Since when, ISO 8601. */
  readonly since: string;
  /** The era it speaks, once known. */
  readonly era?: Era;
  /** Whether it keeps sessions too, where that is the stateless one. */
  readonly sessions?: boolean;
  /** The negotiated revision, once known. */
  readonly revision?: string;
  /** Its name and version as it introduced itself. */
  readonly serverInfo?: { readonly name: string; readonly version: string };
  /** Number of tools listed to clients. */
  readonly tools: number;
  /** Number of prompts listed to clients. */
  readonly prompts?: number;
  /** Number of resources listed to clients; templates do not count. */
  readonly resources?: number;
  /** Milliseconds its last `tools/list` took. */
  readonly latencyMs?: number;
  /** What went wrong last, while it matters. */
  readonly lastError?: string;
  /** Parts of its lists that were left out or are doubtful, and why. */
  readonly problems: readonly string[];
}

/** Live facts about one virtual server. */
export interface VirtualServerStatus {
  /** Its name. */
  readonly name: string;
  /** Number of tools listed to its clients; those that only some see apart. */
  readonly tools: number;
  /** Number of prompts listed to its clients, likewise. */
  readonly prompts: number;
  /** Names that it selects in vain, one reason each. */
  readonly problems: readonly string[];
}

/** A name or URI that two servers claim. */
export interface NameConflict {
  /** What it names. */
  readonly kind: "tool" | "prompt" | "resource" | "template";
  /** The exposed name; the URI of a resource, the template of a template. */
  readonly name: string;
  /** The server that keeps it. */
  readonly kept: string;
  /** The server that loses it. */
  readonly hidden: string;
}

/** What the broker translates between the eras just now. */
export interface BridgeStatus {
  /** Calls of clients of the stateless era at servers of the session era. */
  readonly runningCalls: number;
  /** Those that wait for answers of their clients. */
  readonly parkedCalls: number;
  /** Sessions with servers that are held for such clients. */
  readonly sessions: number;
  /** Calls of sessions at servers of the stateless era. */
  readonly sessionCalls: number;
  /** What those ask that their clients have not answered yet. */
  readonly questions: number;
  /** Streams of such servers that follow resources for sessions. */
  readonly watches: number;
}

/** The document. */
export interface Status {
  /** The gateway's version. */
  readonly version: string;
  /** Version of the configuration in force; absent while there is none. */
  readonly config?: string;
  /** Problems of a newer configuration that is not in force, or warnings. */
  readonly configProblems: readonly string[];
  /** Whether the program takes traffic. */
  readonly ready: boolean;
  /** Each configured server, in the order of the file. */
  readonly servers: readonly ServerStatus[];
  /** Each configured virtual server, in the order of the file. */
  readonly virtualServers?: readonly VirtualServerStatus[];
  /** Names and URIs that two servers claim. */
  readonly conflicts: readonly NameConflict[];
  /** What is translated between the eras. */
  readonly bridge?: BridgeStatus;
  /** Streams on which this broker tells clients what changes. */
  readonly streams?: {
    /** Of clients in sessions, connected now. */
    readonly sessions: number;
    /** `subscriptions/listen` of clients without sessions. */
    readonly listens: number;
  };
}
