/**
 * Builds executables of the gateway's programs: bundles each, compiles it with
 * the permissions of its recipe, sees that it runs, and puts it in its place.
 *
 * @module
 */

import {
  environmentNames,
  type OptionTable,
  type OptionValues,
} from "../../options.ts";
import { BuildError } from "./build_error.ts";
import { bundleProgram } from "./bundle.ts";
import { compileProgram, tellVersion } from "./compile.ts";
import { getDenoPair, PAIR_TARGET, PAIR_VERSION } from "./deno_pair.ts";
import type { Package } from "./module_names.ts";
import type { BUILD_OPTIONS } from "./options.ts";
import {
  type Directories,
  type ExecutableName,
  permissionFlags,
  RECIPES,
  SYSTEM_DIRECTORIES,
} from "./permissions.ts";
import { runTool } from "./run_tool.ts";

/** What to build. */
export interface BuildOptions {
  /** Programs to build. */
  readonly programs: readonly ExecutableName[];
  /** Folder that gets the executables, named as the programs; made if need be. */
  readonly out: string;
  /** Directories that they are built for. */
  readonly directories: Directories;
  /** Folder for what is fetched. */
  readonly cacheDir: string;
  /** Where Deno's runtime for executables comes from. */
  readonly runtime: Runtime;
  /** Platform; this one where left out. */
  readonly target?: string;
  /** Commit that they tell; git's, else `unknown`, where left out. */
  readonly commit?: string;
  /** Environment variables that they may read besides those of their options. */
  readonly variables?: readonly string[];
  /** Told, line by line, what goes on. */
  readonly progress: (line: string) => void;
  /** Ends the building. */
  readonly signal?: AbortSignal;
}

/** Where Deno's runtime for executables comes from. */
export type Runtime =
  /** From Deno's site, by the Deno that runs this. */
  | { readonly kind: "download" }
  /** A file, of the release of the Deno that runs this. */
  | { readonly kind: "file"; readonly denort: string }
  /** From PyPI, with the older Deno that it belongs to. */
  | { readonly kind: "pair" };

/** An executable that was built. */
export interface Executable {
  /** The program. */
  readonly program: ExecutableName;
  /** Path of the executable. */
  readonly path: string;
  /** Its size in bytes. */
  readonly bytes: number;
  /** What it says to `--version`; undefined where it is for another platform. */
  readonly version: string | undefined;
  /** Packages that are in it, in whole or in part. */
  readonly packages: readonly Package[];
  /** Commit that it tells. */
  readonly commit: string;
  /** Release of the Deno in it. */
  readonly deno: string;
}

/** The project's folder, without a slash at the end. */
export const PROJECT_DIR: string = new URL("../../..", import.meta.url).pathname
  .replace(/\/$/, "");

/**
 * Builds executables. One that was there before stays until its successor has
 * been seen to run.
 *
 * @throws {BuildError} If one cannot be built.
 */
export async function buildPrograms(
  options: BuildOptions,
): Promise<readonly Executable[]> {
  const { deno, denort, release } = await compilerOf(options);
  const commit = options.commit ?? await gitCommit(PROJECT_DIR);
  await Deno.mkdir(options.out, { recursive: true });
  const dir = await Deno.realPath(
    await Deno.makeTempDir({ dir: options.out, prefix: ".build-" }),
  );
  const signal = options.signal ? { signal: options.signal } : {};
  const native = options.target === undefined ||
    options.target === Deno.build.target;
  try {
    const built: Executable[] = [];
    for (const program of options.programs) {
      const recipe = RECIPES[program];
      const { main: bundle, packages } = await bundleProgram({
        projectDir: PROJECT_DIR,
        main: recipe.main,
        commit,
        ...(recipe.external ? { external: recipe.external } : {}),
        outDir: `${dir}/${program}-bundle`,
        ...signal,
      });
      const made = await compileProgram({
        program,
        bundle,
        out: `${dir}/${program}`,
        deno,
        permissions: permissionFlags(recipe, options.directories, [
          ...await variablesOf(program),
          ...options.variables ?? [],
        ]),
        ...(denort === undefined ? {} : { denort }),
        ...(options.target === undefined ? {} : { target: options.target }),
        ...signal,
      });
      const version = native
        ? await tellVersion(program, made, options.signal)
        : undefined;
      const { size: bytes } = await Deno.stat(made);
      const path = `${options.out}/${program}`;
      await Deno.rename(made, path);
      built.push({
        ...{ program, path, bytes, version, packages, commit },
        deno: release,
      });
      options.progress(
        `${path}: ${(bytes / 1e6).toFixed(1)} MB, ${
          version ?? "not run: it is for another platform"
        }`,
      );
    }
    return built;
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

async function compilerOf(
  { runtime, target, ...options }: BuildOptions,
): Promise<
  {
    readonly deno: string;
    readonly denort: string | undefined;
    readonly release: string;
  }
> {
  const ours = { deno: Deno.execPath(), release: Deno.version.deno };
  switch (runtime.kind) {
    case "download":
      return { ...ours, denort: undefined };
    case "file":
      return { ...ours, denort: runtime.denort };
    case "pair": {
      if (target !== undefined && target !== PAIR_TARGET) {
        throw new BuildError(
          `Cannot build for ${target}: the pair of Deno ${PAIR_VERSION} and ` +
            `its runtime is for ${PAIR_TARGET}`,
          "build where Deno's download site can be reached, without --pair",
        );
      }
      return { ...await getDenoPair(options), release: PAIR_VERSION };
    }
    default:
      return runtime satisfies never;
  }
}

/**
 * Names of the variables that a program's options come from. The module is
 * loaded by its path: a program is something that the build works on, as its
 * bundler does, not something that it depends on.
 */
export async function variablesOf(program: ExecutableName): Promise<string[]> {
  const { module, name } = RECIPES[program].options;
  const exports: Readonly<Record<string, unknown>> = await import(
    `file://${PROJECT_DIR}/${module}`
  );
  const tables = exports[name];
  if (!Array.isArray(tables) || tables.length === 0) {
    throw new BuildError(
      `Cannot tell the options of ${program}: ${module} exports no ${name}`,
      "correct the program's recipe",
    );
  }
  return [
    ...new Set((tables as readonly OptionTable[]).flatMap(environmentNames)),
  ];
}

/** Short hash of the commit, `-changed` where files differ; else `unknown`. */
export async function gitCommit(dir: string): Promise<string> {
  const git = (...args: string[]) => runTool("git", ["-C", dir, ...args]);
  const head = await git("rev-parse", "--short=12", "--verify", "HEAD");
  if (!head.success || !/^[0-9a-f]+$/.test(head.text)) return "unknown";
  const { success, text } = await git("status", "--porcelain");
  return success && text === "" ? head.text : `${head.text}-changed`;
}

/** Time of the commit, in seconds since 1970; 0 where there is none. */
export async function commitTime(dir: string): Promise<number> {
  const { success, text } = await runTool("git", [
    ...["-C", dir, "log", "-1", "--format=%ct"],
  ]);
  return success && /^\d+$/.test(text) ? Number(text) : 0;
}

/** Turns the values of the command line into what to build. */
export function fromOptions(
  values: OptionValues<typeof BUILD_OPTIONS>,
): Omit<BuildOptions, "programs" | "cacheDir" | "progress"> {
  return {
    out: values.target === undefined
      ? values.out
      : `${values.out}/${values.target}`,
    directories: {
      config: values.configDir,
      secrets: values.secretsDir,
      // Kubernetes puts it there, whoever builds.
      serviceAccount: SYSTEM_DIRECTORIES.serviceAccount,
      state: values.stateDir,
      sockets: values.socketDir,
    },
    runtime: values.pair
      ? { kind: "pair" }
      : values.denort === undefined
      ? { kind: "download" }
      : { kind: "file", denort: values.denort },
    variables: values.variables,
    ...(values.target === undefined ? {} : { target: values.target }),
    ...(values.commit === undefined ? {} : { commit: values.commit }),
  };
}
