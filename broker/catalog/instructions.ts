/**
 * What clients' models are told about using the servers behind the gateway:
 * each server's own instructions, put together. Pure.
 *
 * @see https://modelcontextprotocol.io/specification/2025-11-25/schema#initializeresult
 * @module
 */

/** A server that clients see, and what it says of its use. */
export interface InstructedServer {
  /** Name of the server. */
  readonly server: string;
  /** Its instructions, as it wrote them. */
  readonly instructions?: string;
}

/** Units of all instructions together: models read them before anything. */
const MAX_LENGTH = 32 * 1024;

/**
 * Puts together what the servers of one view say. A server that is alone
 * speaks for itself; several have a heading each. What no longer fits is left
 * out, server by server.
 *
 * @param servers Every server that is seen, in the order of the configuration.
 * @returns Undefined where no server says anything.
 */
export function writeInstructions(
  servers: readonly InstructedServer[],
): string | undefined {
  const [first] = servers;
  if (servers.length <= 1) return first?.instructions;
  let text = "";
  for (const { server, instructions } of servers) {
    if (instructions === undefined) continue;
    const section = `${
      text === "" ? "" : "\n\n"
    }# ${server}\n\n${instructions}`;
    if (text.length + section.length <= MAX_LENGTH) text += section;
  }
  return text === "" ? undefined : text;
}
