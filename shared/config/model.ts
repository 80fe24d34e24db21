/**
 * The configuration as the programs see it: parsed, validated, defaults filled
 * in. Built by `parse.ts` only, never changed, replaced whole.
 *
 * @module
 */

/** Where a secret's value comes from; read again at every use. */
export type SecretSource =
  /** A file under the secrets directory. */
  | { readonly kind: "file"; readonly name: string }
  /** An environment variable, for a laptop. */
  | { readonly kind: "env"; readonly name: string }
  /** Written into the configuration itself; accepted with a warning. */
  | { readonly kind: "literal"; readonly value: string }
  /** Text with environment variables in it: `Bearer ${TOKEN}`. */
  | { readonly kind: "template"; readonly parts: readonly TemplatePart[] };

/** A piece of a template: text as it is, or an environment variable. */
export type TemplatePart =
  /** Text as it is. */
  | { readonly kind: "text"; readonly text: string }
  /** A variable, and what stands in while it is unset or empty. */
  | {
    readonly kind: "env";
    readonly name: string;
    readonly fallback?: string;
  };

/** What a server's own credential is used for. */
export type CredentialUse = "discovery" | "calls";

/** A header that the gateway sets on requests to a server. */
export interface ServerHeader {
  /** Header name, lower case. */
  readonly name: string;
  /** Where its whole value comes from. */
  readonly value: SecretSource;
}

/** One MCP server behind the gateway. */
export interface ServerConfig {
  /** Unique name; the value of `x-destination-mcp`. */
  readonly name: string;
  /** Where broker and router reach it: absolute http(s) URL, no credentials. */
  readonly url: string;
  /** The `:authority` that Envoy routes on, lower case. */
  readonly hostname: string;
  /** Put before the names of its tools and prompts; "" for none. */
  readonly prefix: string;
  /** A disabled server is known and reported, but neither listed nor called. */
  readonly state: "Enabled" | "Disabled";
  /**
   * Headers that the gateway itself sets (a `credential` becomes
   * `authorization`), and what for.
   */
  readonly headers: readonly ServerHeader[];
  /** When {@linkcode ServerConfig.headers} are sent. */
  readonly credentialFor: readonly CredentialUse[];
  /** The client's own `Authorization` reaches the server. Off by default. */
  readonly passthrough: boolean;
  /** PEM bundle that the server's certificate is checked against. */
  readonly caCert?: SecretSource;
  /** The era that the server speaks, or `auto` to find out. */
  readonly era: "auto" | "session" | "stateless";
  /** How the router opens sessions with it. */
  readonly initialization: "direct" | "envoy";
  /** Its lists differ by caller: listed with the caller's own credentials. */
  readonly userSpecificList: boolean;
  /** Free-form classification, passed on in status. */
  readonly category: readonly string[];
  /** A sentence on when to use the server. */
  readonly hint?: string;
  /** Free-form labels. */
  readonly tags: readonly string[];
  /**
   * Changes when the server can no longer know sessions that were opened
   * before (another URL): part of the key of its backend sessions.
   */
  readonly fingerprint: string;
}

/** A named selection of tools and prompts, served at `/mcp/NAMESPACE/NAME`. */
export interface VirtualServerConfig {
  /** `NAMESPACE/NAME`, or a bare name. */
  readonly name: string;
  /** Exposed names of the tools that belong to it. */
  readonly tools: readonly string[];
  /** Exposed names of the prompts that belong to it; absent for every one. */
  readonly prompts?: readonly string[];
  /** For people. */
  readonly description?: string;
}

/** A whole, valid configuration. */
export interface GatewayConfig {
  /** Short hash of the content: equal content, equal version. */
  readonly version: string;
  /** Servers in the order of the file, which decides name conflicts. */
  readonly servers: readonly ServerConfig[];
  /** Virtual servers by order of the file. */
  readonly virtualServers: readonly VirtualServerConfig[];
}

/** Something wrong, or doubtful, at one place of a configuration. */
export interface ConfigProblem {
  /** `error` keeps the configuration out; `warning` does not. */
  readonly severity: "error" | "warning";
  /** The file as it was named to us. */
  readonly file: string;
  /** 1-based line; 0 where there is no place to name. */
  readonly line: number;
  /** 1-based column; 0 where there is no place to name. */
  readonly column: number;
  /** Where in the document: `servers[2].prefix`. */
  readonly path: string;
  /** What is wrong, action then state: `servers[2].prefix is ""`. */
  readonly message: string;
  /** What to do about it. */
  readonly remedy: string;
}

/** Outcome of reading a configuration: usable or not, with every problem. */
export type ConfigResult =
  | {
    readonly ok: true;
    readonly config: GatewayConfig;
    readonly problems: readonly ConfigProblem[];
  }
  | { readonly ok: false; readonly problems: readonly ConfigProblem[] };
