// The part of @std/yaml's public API that this project uses.
export interface StringifyOptions {
  indent?: number;
  lineWidth?: number;
  sortKeys?: boolean;
  skipInvalid?: boolean;
  useAnchors?: boolean;
}
export function stringify(data: unknown, options?: StringifyOptions): string;
export function parse(content: string): unknown;
export function parseAll(content: string): unknown;
