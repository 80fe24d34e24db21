/**
 * Reads secrets at the moment of use, so that a rotated one is in force at
 * once. Keeps none, logs none; an error names where a secret comes from and
 * never what it is.
 *
 * @module
 */

import {
  isHeaderValue,
  isSecretFileName,
  isVariableName,
} from "./_secret_source.ts";
import type {
  CredentialUse,
  SecretSource,
  ServerConfig,
  TemplatePart,
} from "./model.ts";

/** What reading a secret needs of the world. */
export interface SecretIo {
  /** Directory that file names are relative to. */
  readonly secretsDir: string;
  /** Reads a file as UTF-8; `Deno.readTextFile`. */
  readonly readTextFile: (path: string) => Promise<string>;
  /** Reads an environment variable; `Deno.env.get`. */
  readonly env: (name: string) => string | undefined;
}

/** A secret that cannot be used. Its message has the source, not the value. */
export class SecretError extends Error {
  /** Where the secret should have come from: `file weather-token`. */
  readonly source: string;

  /**
   * Builds an error.
   *
   * @param source Where the secret should have come from.
   * @param state What is wrong with it.
   * @param options `cause` is what went wrong underneath.
   */
  constructor(source: string, state: string, options?: ErrorOptions) {
    super(`Cannot read secret from ${source}: ${state}`, options);
    this.name = "SecretError";
    this.source = source;
  }
}

/**
 * Reads a secret that is to be the value of a header. One line break at its
 * end is removed, as editors and `echo` leave it.
 *
 * @throws {SecretError} If it is not there, empty, of several lines, or has
 * characters that a header cannot carry.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { readSecret } from "./secrets.ts";
 *
 * const io = {
 *   secretsDir: "/run/secrets/mcp-gateway",
 *   readTextFile: () => Promise.resolve("Bearer abc\n"),
 *   env: () => undefined,
 * };
 * assertEquals(await readSecret({ kind: "file", name: "weather" }, io), "Bearer abc");
 * ```
 */
export async function readSecret(
  source: SecretSource,
  io: SecretIo,
): Promise<string> {
  const value = (await readText(source, io)).replace(/\r?\n$/, "");
  const state = whatIsWrong(value);
  if (state !== undefined) throw new SecretError(nameOf(source), state);
  return value;
}

/**
 * Reads a PEM bundle: text of several lines that has a certificate in it.
 *
 * @throws {SecretError} If it is not there or has no certificate in it.
 */
export async function readCertificates(
  source: SecretSource,
  io: SecretIo,
): Promise<string> {
  const text = await readText(source, io);
  if (text.includes("-----BEGIN CERTIFICATE-----")) return text;
  throw new SecretError(nameOf(source), "it has no PEM certificate in it");
}

/**
 * Reads the headers that the gateway sets on requests to a server; none where
 * its credential is not for this use.
 *
 * @returns Pairs of name, lower case, and value.
 * @throws {SecretError} If one of them cannot be read: a request without its
 * credential would fail in a way that is harder to explain.
 */
export async function serverHeaders(
  server: Pick<ServerConfig, "headers" | "credentialFor">,
  use: CredentialUse,
  io: SecretIo,
): Promise<[name: string, value: string][]> {
  if (!server.credentialFor.includes(use)) return [];
  return await Promise.all(
    server.headers.map(async ({ name, value }): Promise<[string, string]> => [
      name,
      await readSecret(value, io),
    ]),
  );
}

/** What keeps a text from being a header's value; nothing of the text itself. */
function whatIsWrong(value: string): string | undefined {
  if (value === "") return "it is empty";
  if (/[\r\n]/.test(value)) return "it has more than one line";
  if (value.includes("\0")) return "it has a NUL character in it";
  if (isHeaderValue(value)) return undefined;
  return "it has blanks at an end or characters that a header cannot carry";
}

/** Names a source for people. */
function nameOf(source: SecretSource): string {
  switch (source.kind) {
    case "file":
      return `file ${source.name}`;
    case "env":
      return `environment variable ${source.name}`;
    case "literal":
      return "the configuration";
    case "template":
      return source.parts.filter((part) => part.kind === "env")
        .map((part) => `environment variable ${part.name}`).join(", ");
    default:
      return source satisfies never;
  }
}

/** Reads the text of a source as it is. */
async function readText(source: SecretSource, io: SecretIo): Promise<string> {
  switch (source.kind) {
    case "file":
      return await readFile(source.name, io);
    case "env":
      return readVariable(source.name, io);
    case "literal":
      return source.value;
    case "template":
      return source.parts.map((part) => fillIn(part, io)).join("");
    default:
      return source satisfies never;
  }
}

async function readFile(name: string, io: SecretIo): Promise<string> {
  // The parser has refused such a name; nobody else's source may differ.
  if (!isSecretFileName(name)) {
    throw new SecretError(
      "a file",
      "its name leads out of the secrets directory",
    );
  }
  try {
    return await io.readTextFile(`${io.secretsDir}/${name}`);
  } catch (cause) {
    const state = cause instanceof Error ? cause.name : "unknown error";
    throw new SecretError(
      `file ${name}`,
      `the file cannot be read from ${io.secretsDir} (${state})`,
      { cause },
    );
  }
}

function readVariable(name: string, io: SecretIo): string {
  const value = isVariableName(name) ? io.env(name) : undefined;
  if (value !== undefined) return value;
  throw new SecretError(`environment variable ${name}`, "it is not set");
}

function fillIn(part: TemplatePart, io: SecretIo): string {
  if (part.kind === "text") return part.text;
  if (part.fallback === undefined) {
    const value = readVariable(part.name, io);
    if (value !== "") return value;
    // "Bearer " and nothing is a credential that only looks like one.
    throw new SecretError(`environment variable ${part.name}`, "it is empty");
  }
  return io.env(part.name) || part.fallback;
}
