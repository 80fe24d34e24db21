/**
 * What each executable is made from and what it may do: the one table that
 * `deno task build` works by. A compiled executable keeps these permissions
 * for life; nobody who starts it can widen them.
 *
 * @module
 */

import { SERVICE_ACCOUNT_DIR } from "../../kube/in_cluster.ts";
import type { ProgramName } from "../programs.ts";

/** A program that there is an executable of. */
export type ExecutableName = ProgramName | "controller";

/** Directories that executables are built for, absolute. */
export interface Directories {
  /** Configuration: read, watched. */
  readonly config: string;
  /** Files that `{file: NAME}` names: read. */
  readonly secrets: string;
  /** Service account of a pod: read. */
  readonly serviceAccount: string;
  /** Session store and signing key: read, written. */
  readonly state: string;
  /** Unix sockets to listen on: read, written. */
  readonly sockets: string;
}

/** Where executables find their files unless they are built for elsewhere. */
export const SYSTEM_DIRECTORIES: Directories = {
  config: "/etc/mcp-gateway",
  secrets: "/run/secrets/mcp-gateway",
  serviceAccount: SERVICE_ACCOUNT_DIR,
  state: "/var/lib/mcp-gateway",
  sockets: "/run/mcp-gateway",
};

/** How one executable is made. */
export interface Recipe {
  /** Main module, from the project's folder. */
  readonly main: string;
  /**
   * Where its options are: a module, from the project's folder, and an export,
   * the tables of the program and of its commands.
   */
  readonly options: { readonly module: string; readonly name: string };
  /** Directories that it reads. */
  readonly read: readonly (keyof Directories)[];
  /** Directories that it writes. */
  readonly write: readonly (keyof Directories)[];
  /**
   * Variables that its packages look up while they load, and would end the
   * program over. It is told that they are not set, whatever they hold.
   */
  readonly unset: readonly string[];
  /** Packages that it does without: they are not in it. */
  readonly external?: readonly string[];
}

/** Looked up by the package `yaml`, for its own debugging. */
const YAML_VARIABLES = ["LOG_STREAM", "LOG_TOKENS"];

/** Every executable. */
export const RECIPES: Readonly<Record<ExecutableName, Recipe>> = {
  router: {
    main: "router/main.ts",
    options: { module: "router/option_tables.ts", name: "ROUTER_TABLES" },
    read: ["config", "secrets", "serviceAccount", "state", "sockets"],
    write: ["state", "sockets"],
    unset: [
      ...YAML_VARIABLES,
      // @bufbuild/protobuf
      "BUF_BIGINT_DISABLE",
      // @grpc/grpc-js. Tracing would show what passes through, and its
      // certificates and ciphers are a client's: we have none.
      "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
      "GRPC_EXPERIMENTAL_ENABLE_OUTLIER_DETECTION",
      "GRPC_NODE_DEBUG_SEND_ERROR_DETAILS",
      "GRPC_NODE_TRACE",
      "GRPC_NODE_USE_ALTERNATIVE_RESOLVER",
      "GRPC_NODE_VERBOSITY",
      "GRPC_SSL_CIPHER_SUITES",
      "GRPC_TRACE",
      "GRPC_VERBOSITY",
    ],
  },
  broker: {
    main: "broker/main.ts",
    options: { module: "broker/options.ts", name: "BROKER_TABLES" },
    read: ["config", "secrets", "serviceAccount", "state", "sockets"],
    write: ["state", "sockets"],
    unset: YAML_VARIABLES,
  },
  controller: {
    main: "controller/main.ts",
    options: { module: "controller/options.ts", name: "CONTROLLER_TABLES" },
    read: ["serviceAccount"],
    write: [],
    unset: YAML_VARIABLES,
    // For kubeconfigs, which a pod has not: 18 MB, and every variable there is.
    external: ["@kubernetes/client-node"],
  },
};

/**
 * Writes the flags of `deno compile` that say what an executable may do.
 *
 * The network is not narrowed: which servers there are is in a configuration
 * that changes while the program runs. It can start no process, load no
 * library and learn nothing of the machine.
 *
 * @param recipe The executable's.
 * @param directories Directories that it is built for.
 * @param variables Environment variables that it may read.
 */
export function permissionFlags(
  recipe: Recipe,
  directories: Directories,
  variables: readonly string[],
): string[] {
  const paths = (names: readonly (keyof Directories)[]) =>
    names.map((name) => directories[name]).join(",");
  const allowed = new Set(variables);
  const unset = recipe.unset.filter((name) => !allowed.has(name));
  return [
    "--no-prompt",
    "--allow-net",
    // Left out, it would be some sites of Deno's choice.
    "--deny-import",
    `--allow-read=${paths(recipe.read)}`,
    ...(recipe.write.length > 0
      ? [`--allow-write=${paths(recipe.write)}`]
      : []),
    `--allow-env=${[...allowed].sort().join(",")}`,
    ...(unset.length > 0 ? [`--ignore-env=${unset.join(",")}`] : []),
  ];
}
