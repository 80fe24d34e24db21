/**
 * What router and broker read: the configuration as text, and the credentials
 * that it refers to. Equal servers make equal bytes. Pure.
 *
 * @module
 */

import type { McpVirtualServer } from "../resources/mcp_virtual_server.ts";
import { keyOf } from "../resources/meta.ts";
import { isConfigured, type Server, type ServerPlace } from "./servers.ts";

/** Key of the ConfigMap that the text is under. */
export const CONFIG_KEY = "config.yaml";
/** Bytes that a ConfigMap or Secret may have in all. */
export const MAX_OBJECT_BYTES: number = 1024 * 1024;

/** A server in one gateway's configuration. */
export interface ConfiguredServer {
  /** The server. */
  readonly server: Server & Required<Pick<Server, "backend" | "route">>;
  /** Its place there. */
  readonly place: ServerPlace;
}

/** Picks the servers of a gateway, in the order given. */
export function serversOf(
  servers: readonly Server[],
  extension: string,
): readonly ConfiguredServer[] {
  return servers.flatMap((server) =>
    server.places.flatMap((place) =>
      keyOf(place.served.extension.meta) === extension &&
        isConfigured(server, place)
        ? [{ server, place }]
        : []
    )
  );
}

/**
 * Writes the configuration: JSON, which is YAML too, one server to a line, so
 * that a text that looks like YAML stays a text and a change is one line.
 *
 * @param servers The oldest first: their order decides who keeps a name.
 */
export function configText(
  servers: readonly ConfiguredServer[],
  virtualServers: readonly McpVirtualServer[],
): string {
  const lines = (entries: readonly object[]) =>
    entries.length === 0
      ? "[]"
      : `[\n${entries.map((one) => JSON.stringify(one)).join(",\n")}\n]`;
  return `{"servers":${lines(servers.map(serverEntry))},"virtualServers":${
    lines(virtualServers.map(virtualEntry))
  }}\n`;
}

function serverEntry({ server, place }: ConfiguredServer): object {
  const { registration, name, backend, credentials } = server;
  const { prefix, state, userSpecificList, category, hint, tags } =
    registration;
  return {
    name,
    url: backend.url,
    hostname: place.hostname,
    ...(prefix === "" ? {} : { prefix }),
    state,
    ...(credentials.credential === undefined ? {} : {
      credential: { file: credentials.credential.name },
      // Never for calls: the client's own identity is what those are made with.
      credentialFor: ["discovery"],
    }),
    ...(credentials.caCert === undefined
      ? {}
      : { caCert: { file: credentials.caCert.name } }),
    ...(userSpecificList ? { userSpecificList } : {}),
    ...(category.length === 0 ? {} : { category }),
    ...(hint === "" ? {} : { hint }),
    ...(tags.length === 0 ? {} : { tags }),
  };
}

function virtualEntry(virtual: McpVirtualServer): object {
  const { meta, description, tools, prompts } = virtual;
  return {
    name: keyOf(meta),
    ...(description === "" ? {} : { description }),
    tools,
    ...(prompts === undefined ? {} : { prompts }),
  };
}

/** Gathers the files that a configuration refers to, by name, in order. */
export function secretData(
  servers: readonly ConfiguredServer[],
): ReadonlyMap<string, string> {
  const files = servers.flatMap(({ server: { credentials } }) =>
    [credentials.credential, credentials.caCert].flatMap((file) =>
      file === undefined ? [] : [[file.name, file.data] as const]
    )
  );
  return new Map(files.sort(([a], [b]) => a < b ? -1 : a > b ? 1 : 0));
}

/** Bytes of a text in UTF-8. */
export function byteLength(text: string): number {
  return new TextEncoder().encode(text).length;
}
