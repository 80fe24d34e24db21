/**
 * Where tests find the project.
 *
 * @module
 */

/** The project's folder, without a slash at the end. */
export const PROJECT_DIR: string = new URL("../..", import.meta.url).pathname
  .replace(/\/$/, "");
