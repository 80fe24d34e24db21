/**
 * What is wrong with an object's shape: the API server checks our own kinds,
 * but not what an older schema let in, and nothing of ours checks the others.
 * Pure.
 *
 * @module
 */

/** Something in an object that cannot be used as it is. */
export interface Finding {
  /** Where in the object: `spec.targetRef.name`. */
  readonly path: string;
  /** What is wrong there: `it is a number`. */
  readonly state: string;
  /** What to do about it. */
  readonly remedy: string;
}

/** Writes findings as one sentence for a condition. */
export function describeFindings(findings: readonly Finding[]): string {
  return findings.map(({ path, state, remedy }) =>
    `Cannot use ${path}: ${state}. ${remedy}`
  ).join("; ");
}
