/**
 * Reads `deno.lock`: what the pinned packages are, and what each needs. Pure.
 *
 * @module
 */

/** A package as it is pinned. */
export interface LockedPackage {
  /** Its name. */
  readonly name: string;
  /** Its version. */
  readonly version: string;
  /** SHA-512 of its archive, hex. */
  readonly sha512: string;
  /** `NAME@VERSION` of the packages that it needs. */
  readonly needs: readonly string[];
}

/**
 * Reads the npm packages of a lock file.
 *
 * @returns Packages by `NAME@VERSION`; one that is there twice, with other
 * peers, once.
 * @throws {Error} If it is no lock file of a known version.
 */
export function readLockFile(
  text: string,
): ReadonlyMap<string, LockedPackage> {
  const lock: unknown = JSON.parse(text);
  if (
    typeof lock !== "object" || lock === null ||
    !("version" in lock) || lock.version !== "5" || !("npm" in lock)
  ) throw new Error("Cannot read deno.lock: it is not of version 5");
  const npm = lock.npm as Record<
    string,
    { integrity?: string; dependencies?: readonly string[] }
  >;
  const keys = Object.keys(npm).map(withoutPeers);
  const whole = (need: string) =>
    /.@/.test(need)
      ? withoutPeers(need)
      // Of a package that is there once, the version is left out.
      : keys.find((key) => key.startsWith(`${need}@`)) ?? need;
  const packages = new Map<string, LockedPackage>();
  for (
    const [key, { integrity = "", dependencies = [] }] of Object.entries(npm)
  ) {
    const id = withoutPeers(key);
    const at = id.lastIndexOf("@");
    packages.set(id, {
      name: id.slice(0, at),
      version: id.slice(at + 1),
      sha512: Uint8Array.fromBase64(integrity.replace(/^sha512-/, "")).toHex(),
      needs: dependencies.map(whole),
    });
  }
  return packages;
}

/** `sdk@1.32.2_zod@4.6.7` is `sdk@1.32.2`, with `zod` to go by. */
function withoutPeers(key: string): string {
  const version = key.indexOf("@", 1) + 1;
  const peers = key.indexOf("_", version);
  return peers === -1 ? key : key.slice(0, peers);
}
