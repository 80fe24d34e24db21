/**
 * The Deployments run the images as these are meant to be run.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { parseAll } from "@std/yaml";
import { VERSION } from "../../shared/version.ts";
import { PROJECT_DIR } from "../support/paths.ts";
import { CONTAINERFILE } from "./container/container.ts";
import { readContainerfile } from "./container/containerfile.ts";

/** What is looked at of a Deployment. */
interface Deployment {
  readonly kind: string;
  readonly spec: {
    readonly template: {
      readonly spec: {
        readonly securityContext: {
          readonly runAsUser: number;
          readonly runAsGroup: number;
        };
        readonly containers: readonly {
          readonly name: string;
          readonly image: string;
          readonly command: readonly string[];
          readonly ports: readonly { readonly containerPort: number }[];
        }[];
      };
    };
  };
}

Deno.test("each target of the Containerfile is what a Deployment runs: its name, entrypoint, ports and user", async () => {
  const targets = readContainerfile(await Deno.readTextFile(CONTAINERFILE));
  const run = new Map<string, unknown>();
  for (const folder of ["gateway", "controller"]) {
    const text = await Deno.readTextFile(
      `${PROJECT_DIR}/manifests/${folder}/deployment.yaml`,
    );
    for (const { kind, spec } of parseAll(text) as Deployment[]) {
      if (kind !== "Deployment") continue;
      const { securityContext, containers } = spec.template.spec;
      for (const { name, image, command, ports } of containers) {
        run.set(name, {
          image,
          command,
          user: `${securityContext.runAsUser}:${securityContext.runAsGroup}`,
          ports: ports.map(({ containerPort }) => containerPort),
        });
      }
    }
  }
  assertEquals([...run.keys()].sort(), [...targets.keys()].sort());
  for (const [name, { entrypoint, user, ports }] of targets) {
    assertEquals(run.get(name), {
      image: `mcp-gateway-${name}:${VERSION}`,
      command: entrypoint,
      user,
      ports,
    });
  }
});
