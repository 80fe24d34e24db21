/**
 * The shape of what is generated here: Envoy's protobuf messages in their JSON
 * form, field names in snake_case as Envoy's documentation has them.
 *
 * @module
 */

/** A JSON value. */
export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | JsonObject;

/** A JSON object: one protobuf message. */
export interface JsonObject {
  /** A field and its value. */
  readonly [field: string]: Json;
}

/**
 * Wraps a message as `google.protobuf.Any`.
 *
 * @param type Full name of the message, `envoy.config.cluster.v3.Cluster`.
 * @param message Its fields.
 */
export function any(type: string, message: JsonObject): JsonObject {
  return { "@type": `type.googleapis.com/${type}`, ...message };
}

/** Writes a duration, given in seconds, as protobuf's JSON form does. */
export function seconds(value: number): string {
  return `${value}s`;
}
