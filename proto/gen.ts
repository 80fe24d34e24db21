/**
 * Regenerates the protobuf files of Envoy's external processor service and the
 * TypeScript made from them: `deno task gen`, or `deno task gen --check` to
 * learn whether anything would change. Writes only `.proto` files beneath
 * `proto/` and `_pb.ts` files beneath `proto/gen/`, and only those that differ;
 * what it makes depends on the pinned versions alone.
 *
 * @module
 */

import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  CodeGeneratorRequestSchema,
  CodeGeneratorResponseSchema,
  FileDescriptorSetSchema,
} from "@bufbuild/protobuf/wkt";
import { reachable } from "./reachable.ts";

/** Pinned to the version of the run-time library; its own dependencies are in tools/deno.lock. */
const PLUGIN = "npm:@bufbuild/protoc-gen-es@2.17.0";
/** TypeScript that Deno takes as it is: imports end in `.ts`. */
const PLUGIN_OPTIONS = "target=ts,import_extension=ts";

/** What the TypeScript is for. */
const SERVICE = "envoy/service/ext_proc/v3/external_processor.proto";

/** Texts by path; paths are relative to `proto/` and use `/`. */
export type Files = ReadonlyMap<string, string>;

/** What turns the files that are there into the files that should be. */
export interface Changes {
  /** Files that are missing or differ, in path order. */
  readonly write: readonly string[];
  /** Generated files that nothing generates any more, in path order. */
  readonly remove: readonly string[];
}

/** What the printing program in tools/ answers. */
interface Printed {
  readonly files: Readonly<Record<string, string>>;
  /** A `google.protobuf.FileDescriptorSet`, imports first, in base64. */
  readonly descriptors: string;
}

/** Tells whether a path, relative to `proto/`, is this script's to write and remove. */
export function isGenerated(path: string): boolean {
  return path.endsWith(".proto") ||
    (path.startsWith("gen/") && path.endsWith("_pb.ts"));
}

/** Compares the generated files that are there with those that should be. */
export function planChanges(present: Files, wanted: Files): Changes {
  const write = [...wanted.keys()].filter((path) =>
    present.get(path) !== wanted.get(path)
  );
  const remove = [...present.keys()].filter((path) => !wanted.has(path));
  return { write: write.sort(), remove: remove.sort() };
}

/**
 * Runs a program to its end and returns its standard output; its standard
 * error goes to ours. Throws when it cannot be started or fails.
 */
async function run(
  program: string,
  args: readonly string[],
  options: { readonly input?: Uint8Array<ArrayBuffer>; readonly cwd: URL },
): Promise<Uint8Array<ArrayBuffer>> {
  const command = new Deno.Command(program, {
    args: [...args],
    cwd: options.cwd,
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  });
  await using child = command.spawn();
  const input = new Blob(options.input ? [options.input] : []).stream();
  // A program that ends before it has read everything says why by its status.
  const fed = input.pipeTo(child.stdin).catch(() => {});
  const [output] = await Promise.all([child.output(), fed]);
  if (!output.success) {
    throw new Error(
      `Cannot run ${program} ${args.join(" ")}: it ended with ${output.code}`,
    );
  }
  return output.stdout;
}

/** Prints the .proto files and their descriptors from Envoy's Go module. */
async function printProtos(tools: URL): Promise<Printed> {
  try {
    const output = await run("go", ["run", "."], { cwd: tools });
    return JSON.parse(new TextDecoder().decode(output)) as Printed;
  } catch (cause) {
    if (!(cause instanceof Deno.errors.NotFound)) throw cause;
    throw new Error(
      "Cannot print Envoy's protobuf files: there is no `go` on the PATH. " +
        "Install Go, at least the version in proto/tools/go.mod.",
      { cause },
    );
  }
}

/** Generates TypeScript for what the service needs: text by path beneath `gen/`. */
async function generateTypeScript(
  printed: Printed,
  tools: URL,
): Promise<Files> {
  const { file: protoFile } = fromBinary(
    FileDescriptorSetSchema,
    reachable(Uint8Array.fromBase64(printed.descriptors), SERVICE),
  );
  const request = create(CodeGeneratorRequestSchema, {
    fileToGenerate: protoFile.map(({ name }) => name)
      .filter((name) => name in printed.files).sort(),
    parameter: PLUGIN_OPTIONS,
    protoFile,
  });
  const output = await run(Deno.execPath(), [
    "run",
    "--no-config",
    "--lock=deno.lock",
    "--frozen",
    "--allow-env",
    "--allow-read",
    PLUGIN,
  ], { cwd: tools, input: toBinary(CodeGeneratorRequestSchema, request) });
  const response = fromBinary(CodeGeneratorResponseSchema, output);
  if (response.error !== "") {
    throw new Error(`Cannot generate TypeScript: ${response.error}`);
  }
  return new Map(response.file.map((f) => [`gen/${f.name}`, f.content]));
}

/** Reads the generated files beneath `folder`; a folder that is missing holds none. */
async function readGenerated(root: URL, folder = ""): Promise<Files> {
  const files = new Map<string, string>();
  for await (const entry of Deno.readDir(new URL(folder, root))) {
    const path = folder + entry.name;
    if (entry.isDirectory) {
      for (const [inner, text] of await readGenerated(root, `${path}/`)) {
        files.set(inner, text);
      }
    } else if (entry.isFile && isGenerated(path)) {
      files.set(path, await Deno.readTextFile(new URL(path, root)));
    }
  }
  return files;
}

/** Carries the changes out. */
async function apply(
  root: URL,
  changes: Changes,
  wanted: Files,
): Promise<void> {
  for (const path of changes.write) {
    const file = new URL(path, root);
    await Deno.mkdir(new URL(".", file), { recursive: true });
    await Deno.writeTextFile(file, wanted.get(path) ?? "");
  }
  for (const path of changes.remove) await Deno.remove(new URL(path, root));
}

/** Generates everything; returns the exit status, which is 1 when `--check` finds a difference. */
async function main(args: readonly string[]): Promise<number> {
  const unknown = args.filter((arg) => arg !== "--check");
  if (unknown.length > 0) {
    throw new Error(`Cannot generate: unknown option ${unknown[0]}`);
  }
  const root = new URL("./", import.meta.url);
  const tools = new URL("tools/", root);

  console.error("Printing Envoy's protobuf files …");
  const printed = await printProtos(tools);
  console.error("Generating TypeScript …");
  const typescript = await generateTypeScript(printed, tools);

  const wanted = new Map([...Object.entries(printed.files), ...typescript]);
  const changes = planChanges(await readGenerated(root), wanted);
  const check = args.includes("--check");
  if (!check) await apply(root, changes, wanted);
  for (const path of changes.write) console.error(`  write  proto/${path}`);
  for (const path of changes.remove) console.error(`  remove proto/${path}`);

  const count = changes.write.length + changes.remove.length;
  console.error(
    `${wanted.size} files, ${count} ${check ? "would change" : "changed"}`,
  );
  return check && count > 0 ? 1 : 0;
}

if (import.meta.main) {
  try {
    Deno.exitCode = await main(Deno.args);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    Deno.exitCode = 1;
  }
}
