/**
 * Times as the Kubernetes API writes them. Pure.
 *
 * @module
 */

/**
 * RFC 3339 with the six digits that `MicroTime` insists on.
 *
 * @param ms Milliseconds since the epoch.
 */
export function microTime(ms: number): string {
  return new Date(ms).toISOString().replace("Z", "000Z");
}

/**
 * RFC 3339 in whole seconds, as `Time` is kept.
 *
 * @param ms Milliseconds since the epoch.
 */
export function secondsTime(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, "Z");
}
