/**
 * Why an executable was not built.
 *
 * @module
 */

/** An executable cannot be built; the message says what to do. */
export class BuildError extends Error {
  /**
   * Builds an error.
   *
   * @param state What cannot be done, and why.
   * @param remedy What to do about it.
   * @param options `cause` is what went wrong underneath.
   */
  constructor(state: string, remedy: string, options?: ErrorOptions) {
    super(`${state}. Remedy: ${remedy}`, options);
    this.name = "BuildError";
  }
}
