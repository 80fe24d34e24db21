/**
 * Stands in for `jsr:@std/assert` where JSR cannot be reached: the same code,
 * published on npm, with types for the functions this project uses.
 *
 * @module
 */

// @ts-types="./types.d.ts"
export * from "npm:deno-std@1.4.0/assert/mod.js";
