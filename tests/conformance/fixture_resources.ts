/**
 * The resources that the conformance suite reads, by the URIs it knows.
 *
 * @module
 */

// @ts-types="@modelcontextprotocol/sdk/types"
import type {
  ReadResourceResult,
  Resource,
  ResourceTemplate,
} from "@modelcontextprotocol/sdk/types.js";
import { PIXEL_PNG } from "./fixture_contents.ts";

/** Resources that are listed. */
export const FIXTURE_RESOURCES: readonly Resource[] = [
  {
    uri: "test://static-text",
    name: "Static text",
    description: "A text that never changes",
    mimeType: "text/plain",
  },
  {
    uri: "test://static-binary",
    name: "Static binary",
    description: "An image that never changes",
    mimeType: "image/png",
  },
  {
    uri: "test://watched-resource",
    name: "Watched resource",
    description: "A text that can be subscribed to",
    mimeType: "text/plain",
  },
];

/** Templates that are listed. */
export const FIXTURE_TEMPLATES: readonly ResourceTemplate[] = [
  {
    uriTemplate: "test://template/{id}/data",
    name: "Template",
    description: "Data by its id",
    mimeType: "application/json",
  },
];

/** Reads a resource; undefined where there is none of the URI. */
export function readResource(uri: string): ReadResourceResult | undefined {
  switch (uri) {
    case "test://static-text":
      return text(uri, "This is the content of the static text resource.");
    case "test://watched-resource":
      return text(uri, "This is the content of the watched resource.");
    case "test://static-binary":
      return {
        contents: [{ uri, mimeType: "image/png", blob: PIXEL_PNG }],
      };
    default:
      return readTemplate(uri);
  }
}

function readTemplate(uri: string): ReadResourceResult | undefined {
  const id = /^test:\/\/template\/([^/]+)\/data$/.exec(uri)?.[1];
  if (id === undefined) return undefined;
  const data = { id, templateTest: true, data: `Data for ID: ${id}` };
  return {
    contents: [
      { uri, mimeType: "application/json", text: JSON.stringify(data) },
    ],
  };
}

function text(uri: string, text: string): ReadResourceResult {
  return { contents: [{ uri, mimeType: "text/plain", text }] };
}
