/**
 * Free TCP ports, for programs that must be told theirs before they start and
 * keep it when they are started again.
 *
 * @module
 */

/** Below the range that systems take the ports of outgoing connections from. */
const FIRST = 20_000;
const COUNT = 12_000;
const ATTEMPTS = 200;

/** Ports handed out by this process, whose owners may not listen yet. */
const handedOut = new Set<number>();

/** Tells whether nothing listens at a port. */
export function isPortFree(port: number, hostname = "127.0.0.1"): boolean {
  try {
    Deno.listen({ port, hostname }).close();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) return false;
    throw error;
  }
}

/**
 * Finds a free port, another one at each call.
 *
 * @throws {Error} If none is found in many attempts.
 */
export function freePort(
  hostname = "127.0.0.1",
  random: () => number = Math.random,
): number {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const port = FIRST + Math.floor(random() * COUNT);
    if (handedOut.has(port) || !isPortFree(port, hostname)) continue;
    handedOut.add(port);
    return port;
  }
  throw new Error(
    `Cannot find a free port: ${ATTEMPTS} attempts between ${FIRST} and ${
      FIRST + COUNT
    } failed`,
  );
}

/** Gives a port back that {@linkcode freePort} found. */
export function releasePort(port: number): void {
  handedOut.delete(port);
}
