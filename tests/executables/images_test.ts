/**
 * The images of the Containerfile, built and run: router and broker in roots
 * that hold what the base holds and one executable, as a user without rights,
 * with a real Envoy outside.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import {
  Client,
  StreamableHTTPClientTransport,
} from "@modelcontextprotocol/client";
import { parseAll } from "@std/yaml";
import { SYSTEM_DIRECTORIES } from "../../shared/local/build/permissions.ts";
import type { ProgramName } from "../../shared/local/programs.ts";
import { VERSION } from "../../shared/version.ts";
import { startSdkV1Server } from "../fixtures/sdk_v1_server.ts";
import { PROJECT_DIR } from "../support/paths.ts";
import { shared } from "../support/proves.ts";
import { eventually } from "../support/wait.ts";
import { built, pair, provesOfExecutables } from "./_built.ts";
import { directoriesIn, type Launch, startExecutables } from "./_gateway.ts";
import {
  type Command,
  Images,
  missingForContainers,
} from "./container/container.ts";
import { changesOf, treeOf } from "./container/tree.ts";

const NONROOT = 65532;
const PROGRAMS = ["router", "broker"] as const;
const ALL = [...PROGRAMS, "controller"] as const;
const missing = await missingForContainers();
if (missing !== undefined) console.error(`Images are not tested: ${missing}`);

const made = built({
  directories: () => SYSTEM_DIRECTORIES,
});
const images = shared<Images | undefined>(async () => {
  if (pair === undefined || missing !== undefined) return undefined;
  const { root, bin } = made();
  return await Images.make(`${root}/images`, bin, ALL);
});

function provesOfImages(sentence: string, test: () => Promise<void>): void {
  provesOfExecutables(sentence, test, { ignore: missing !== undefined });
}

/** Starts programs in their images, with what they are to find mounted. */
function launchIn(folder: string, readOnly: boolean): Launch {
  const here = directoriesIn(folder);
  return (program, args, env): Promise<Command> =>
    images()!.command({
      program,
      args,
      env: { ...env, TMPDIR: "/tmp" },
      readOnly,
      mounts: [
        { source: here.config, target: SYSTEM_DIRECTORIES.config },
        { source: here.secrets, target: SYSTEM_DIRECTORIES.secrets },
        ...(["state", "sockets"] as const).map((name) => ({
          source: here[name],
          target: SYSTEM_DIRECTORIES[name],
          writable: true,
        })),
      ],
    });
}

/** Gives the folders that programs write to the user that they run as. */
async function ownedByNonroot(folder: string): Promise<void> {
  const { config, secrets, state, sockets } = directoriesIn(folder);
  for (const dir of [config, secrets]) {
    await Deno.mkdir(dir, { recursive: true });
    await Deno.chmod(dir, 0o755);
  }
  for (const dir of [state, sockets]) {
    await Deno.mkdir(dir, { recursive: true, mode: 0o700 });
    await Deno.chown(dir, NONROOT, NONROOT);
  }
}

/** Lets everybody write all of an image. */
async function openUp(root: string): Promise<void> {
  const { success } = await new Deno.Command("chmod", {
    args: ["-R", "a+rwX", root],
  }).output();
  assert(success);
}

for (
  const { sentence, readOnly } of [
    {
      sentence:
        "a client of the SDK lists and calls tools through Envoy, a unix socket and images with a read-only root, as user 65532",
      readOnly: true,
    },
    {
      sentence:
        "programs write nothing but their directories where they might write everything",
      readOnly: false,
    },
  ]
) {
  provesOfImages(sentence, async () => {
    const folder = `${made().root}/${readOnly ? "read-only" : "writable"}`;
    await ownedByNonroot(folder);
    const { secrets, state, sockets } = directoriesIn(folder);
    await Deno.writeTextFile(`${secrets}/token`, "Bearer of-the-gateway");
    await Deno.chmod(`${secrets}/token`, 0o644);
    const launch = launchIn(folder, readOnly);
    for (const program of PROGRAMS) {
      // The places of mounts are an engine's doing.
      await launch(program, [], {});
      if (!readOnly) await openUp(images()!.of(program).root);
    }
    const look = () =>
      Promise.all(
        PROGRAMS.map((program) => treeOf(images()!.of(program).root)),
      );
    const before = await look();
    const server = startSdkV1Server();
    await using _server = server;
    {
      await using gateway = await startExecutables({
        launch,
        root: folder,
        directories: SYSTEM_DIRECTORIES,
        servers: [{
          name: "one",
          url: server.url,
          prefix: "one_",
          credential: { file: "token" },
          credentialFor: ["discovery", "calls"],
        }],
      });
      for (const name of PROGRAMS) {
        assertEquals(await rightsOf(gateway[name].pid), {
          command: `/usr/local/bin/${name}`,
          user: `${NONROOT} ${NONROOT} ${NONROOT} ${NONROOT}`,
          group: `${NONROOT} ${NONROOT} ${NONROOT} ${NONROOT}`,
          groups: "",
          capabilities: "0000000000000000",
          newPrivileges: "1",
          inside: "1",
        });
      }
      const client = new Client({ name: "test", version: "1" }, {
        versionNegotiation: { mode: "legacy" },
      });
      await client.connect(
        new StreamableHTTPClientTransport(new URL(gateway.url)),
      );
      await eventually(async () => {
        const { tools } = await client.listTools();
        assertEquals(tools.map(({ name }) => name).sort(), [
          "one_echo",
          "one_facts",
        ]);
      });
      const answer = await client.callTool({
        name: "one_echo",
        arguments: { text: "Grüße" },
      });
      assertEquals(answer.content, [{
        type: "text",
        text: '{"text":"Grüße"}',
      }]);
      const facts = await client.callTool({ name: "one_facts" });
      const [fact] = facts.content;
      assert(fact?.type === "text");
      // The secret was read in there.
      assert(JSON.parse(fact.text).headers.includes("authorization"));
      await client.close();

      // Process 1 has no handler for SIGTERM but its own.
      for (const name of ["router", "broker"] satisfies ProgramName[]) {
        await gateway[name].stop();
        assertEquals((await gateway[name].ended).code, 0, name);
        const { log } = gateway[name];
        assertEquals(log.filter((line) => !line.startsWith("{")), []);
        const refused = /NotCapable|Requires \w+ access|EROFS|Read-only/;
        assertEquals(log.filter((line) => refused.test(line)), []);
      }
    }
    const after = await look();
    assertEquals(
      PROGRAMS.map((_, i) => changesOf(before[i]!, after[i]!)),
      PROGRAMS.map(() => []),
    );
    const kept = async (dir: string) =>
      (await Array.fromAsync(Deno.readDir(dir))).map(({ name }) => name).sort();
    assertEquals(await kept(sockets), []);
    assertEquals(await kept(state), [
      "sessions.db",
      "sessions.db.lock",
      "signing.key",
    ]);
  });
}

/** What the program in a container is, by its process outside. */
async function rightsOf(pid: number): Promise<Record<string, string>> {
  const children = async (of: number) =>
    (await Deno.readTextFile(`/proc/${of}/task/${of}/children`)).trim()
      .split(" ").map(Number);
  const [namespace] = await children(pid);
  const [program] = await children(namespace!);
  const status = await Deno.readTextFile(`/proc/${program}/status`);
  const value = (name: string) =>
    (new RegExp(`^${name}:(.*)$`, "m").exec(status)?.[1] ?? "").trim()
      .replaceAll(/\s+/g, " ");
  const command = await Deno.readTextFile(`/proc/${program}/cmdline`);
  return {
    command: command.split("\0")[0] ?? "",
    user: value("Uid"),
    group: value("Gid"),
    groups: value("Groups"),
    capabilities: value("CapEff"),
    newPrivileges: value("NoNewPrivs"),
    inside: value("NSpid").split(" ").at(-1) ?? "",
  };
}

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

provesOfImages(
  "each image is what a Deployment runs: its name, entrypoint, ports and user",
  async () => {
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
            ports: ports.map(({ containerPort }) => containerPort)
              .sort((a, b) => a - b),
          });
        }
      }
    }
    assertEquals([...run.keys()].sort(), [...ALL].sort());
    for (const program of ALL) {
      const { entrypoint, user, ports } = images()!.of(program).config;
      assertEquals(run.get(program), {
        image: `mcp-gateway-${program}:${VERSION}`,
        command: entrypoint,
        user,
        ports,
      });
    }
  },
);
