/**
 * What is in an executable, as CycloneDX 1.6 writes it: the program, the
 * packages of which its bundle has something in it, and the Deno that runs
 * them. What only builds and tests it is not there. Pure.
 *
 * @see https://cyclonedx.org/docs/1.6/json/
 *
 * @module
 */

import { createHash } from "node:crypto";
import type { LockedPackage } from "./lock_file.ts";

/** A package of an executable. */
export interface ShippedPackage extends LockedPackage {
  /** Its licence, as an SPDX expression. */
  readonly license: string;
}

/** An executable. */
export interface ShippedProgram {
  /** What it is called: `mcp-gateway-router`. */
  readonly name: string;
  /** Its version. */
  readonly version: string;
  /** Commit that it was made from. */
  readonly commit: string;
  /** Platform that it is for. */
  readonly target: string;
  /** SHA-256 of the executable, hex. */
  readonly sha256: string;
  /** Release of the Deno in it. */
  readonly deno: string;
  /** Packages in it. */
  readonly packages: readonly ShippedPackage[];
  /** Time of the commit. */
  readonly time: Date;
}

/** Writes the bill of materials of an executable: the same, the same text. */
export function writeSbom(program: ShippedProgram): string {
  const self = `${program.name}@${program.version}`;
  const deno = `deno@${program.deno}`;
  const shipped = new Set(program.packages.map(idOf));
  const bom = {
    $schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    version: 1,
    metadata: {
      timestamp: program.time.toISOString().replace(/\.\d+Z$/, "Z"),
      lifecycles: [{ phase: "build" }],
      component: {
        "bom-ref": self,
        type: "application",
        name: program.name,
        version: program.version,
        licenses: [{ license: { id: "Apache-2.0" } }],
        hashes: [{ alg: "SHA-256", content: program.sha256 }],
        properties: [
          { name: "mcp-gateway:commit", value: program.commit },
          { name: "mcp-gateway:target", value: program.target },
        ],
      },
    },
    components: [
      {
        "bom-ref": deno,
        type: "platform",
        name: "deno",
        version: program.deno,
        description: "The runtime that the executable begins with",
        licenses: [{ license: { id: "MIT" } }],
        purl: `pkg:github/denoland/deno@v${program.deno}`,
      },
      ...program.packages.map((one) => ({
        "bom-ref": idOf(one),
        type: "library",
        ...groupAndName(one.name),
        version: one.version,
        licenses: [licenseOf(one.license)],
        hashes: [{ alg: "SHA-512", content: one.sha512 }],
        purl: `pkg:npm/${one.name.replace("@", "%40")}@${one.version}`,
      })),
    ],
    dependencies: [
      { ref: self, dependsOn: [deno, ...shipped] },
      { ref: deno },
      ...program.packages.map((one) => {
        const dependsOn = one.needs.filter((need) => shipped.has(need));
        return dependsOn.length === 0
          ? { ref: idOf(one) }
          : { ref: idOf(one), dependsOn };
      }),
    ],
  };
  const serialNumber = `urn:uuid:${uuidOf(JSON.stringify(bom))}`;
  return `${JSON.stringify({ ...bom, serialNumber }, null, 2)}\n`;
}

function idOf({ name, version }: LockedPackage): string {
  return `${name}@${version}`;
}

function groupAndName(name: string): { group?: string; name: string } {
  const slash = name.indexOf("/");
  return slash === -1
    ? { name }
    : { group: name.slice(0, slash), name: name.slice(slash + 1) };
}

function licenseOf(license: string): Record<string, unknown> {
  // One licence has an identifier, several make an expression.
  return / /.test(license)
    ? { expression: license }
    : { license: { id: license } };
}

/** An UUID of version 8 (RFC 9562), made of a text. */
function uuidOf(text: string): string {
  const bytes = createHash("sha256").update(text).digest().subarray(0, 16);
  bytes[6] = bytes[6]! & 0x0f | 0x80;
  bytes[8] = bytes[8]! & 0x3f | 0x80;
  return bytes.toString("hex").replace(
    /^(.{8})(.{4})(.{4})(.{4})/,
    "$1-$2-$3-$4-",
  );
}
