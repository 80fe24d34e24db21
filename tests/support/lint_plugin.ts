/**
 * The house rules that the linter keeps, as a plugin for `deno lint`:
 *
 * - `mcp-gateway/one-way-imports`: `main` → edges → core, programs → `shared/`,
 *   never back or across, and some packages in their one file only.
 * - `mcp-gateway/pure-core`: a file that calls itself pure in its first doc
 *   comment (the word, then a full stop) reaches no clock, network or disk.
 * - `mcp-gateway/no-env`: flags and environment are read in `options.ts` and
 *   `main.ts` only.
 *
 * Decides by paths relative to the repository and by what a file says; never
 * reads another file.
 *
 * @module
 */

/** Parts of the repository that imports are judged by. */
type Zone =
  | "shared"
  | "shared/local"
  | "router"
  | "broker"
  | "controller"
  | "proto"
  | "tests"
  | "elsewhere";

const PROGRAMS: readonly Zone[] = ["router", "broker", "controller"];

/** Zones that a file of each zone may import from, its own included. */
const REACH: Readonly<Record<Zone, readonly Zone[]>> = {
  shared: ["shared", "proto"],
  "shared/local": ["shared/local", "shared", "proto"],
  router: ["router", "shared", "proto"],
  broker: ["broker", "shared", "proto"],
  controller: ["controller", "shared", "proto"],
  proto: ["proto"],
  tests: [
    "tests",
    "shared/local",
    "shared",
    "router",
    "broker",
    "controller",
    "proto",
    "elsewhere",
  ],
  elsewhere: ["elsewhere", "shared", "proto"],
};

/** Packages and folders that only some files may import; tests may, too. */
const CONFINED: readonly {
  readonly what: string;
  readonly to: readonly string[];
}[] = [
  { what: "@grpc/grpc-js", to: ["router/grpc_js_transport.ts"] },
  {
    what: "@kubernetes/client-node",
    to: ["controller/kube/kubeconfig.ts"],
  },
  { what: "proto/gen", to: ["router/wire/read_any_phase.ts"] },
];

/** Built-in modules that reach out of a pure file. */
const OUTWARD_MODULE =
  /^node:(fs|net|http|https|http2|tls|dgram|dns|sqlite|child_process|cluster|os|process|timers|worker_threads|perf_hooks|readline|repl|stream)(\/|$)/;

/** What a pure file may import from such a module. */
const CALCULATING_IMPORTS: ReadonlySet<string> = new Set([
  "isIP",
  "isIPv4",
  "isIPv6",
]);

/** Global functions that reach out of a pure file when called. */
const OUTWARD_CALLS: ReadonlySet<string> = new Set([
  "fetch",
  "setTimeout",
  "setInterval",
  "setImmediate",
  "queueMicrotask",
  "Date",
]);

/** Members that reach out of a pure file, called or handed on. */
const OUTWARD_MEMBERS: ReadonlySet<string> = new Set([
  "Date.now",
  "Math.random",
  "performance.now",
  "crypto.getRandomValues",
  "crypto.randomUUID",
]);

const ROOT = new URL("../../", import.meta.url).pathname;

const oneWayImports: Deno.lint.Rule = {
  create(context) {
    const from = repositoryPath(context.filename);
    return onImports((specifier, node) => {
      const problem = importProblem(from, specifier);
      if (problem !== undefined) context.report({ node, ...problem });
    });
  },
};

const pureCore: Deno.lint.Rule = {
  create(context) {
    const from = repositoryPath(context.filename);
    if (isTest(from) || !saysPure(context.sourceCode.text)) return {};
    const report = (node: Deno.lint.Node, what: string) =>
      context.report({
        node,
        message: `A pure file reaches for ${what}`,
        hint: "Take it as an argument, or move this to an edge",
      });
    return {
      ...onImports((specifier, node) => {
        if (isHarmless(node)) return;
        if (
          OUTWARD_MODULE.test(specifier) ||
          CONFINED.some(({ what }) => isModule(specifier, what))
        ) report(node, specifier);
      }),
      MemberExpression(node) {
        const name = calledName(node);
        if (reachesDeno(node)) report(node, "Deno");
        else if (OUTWARD_MEMBERS.has(name)) report(node, name);
      },
      VariableDeclarator(node) {
        if (unpacksDeno(node)) report(node, "Deno");
      },
      CallExpression(node) {
        const name = calledName(node.callee);
        if (OUTWARD_CALLS.has(name)) report(node, `${name}()`);
      },
      NewExpression(node) {
        // With an argument it converts; without one it reads the clock.
        if (calledName(node.callee) === "Date" && node.arguments.length === 0) {
          report(node, "new Date()");
        }
      },
    };
  },
};

const noEnv: Deno.lint.Rule = {
  create(context) {
    const from = repositoryPath(context.filename);
    if (mayReadEnvironment(from)) return {};
    return {
      MemberExpression(node) {
        const name = calledName(node);
        if (/^(Deno|process)\.(env|args|argv)$/.test(name)) {
          context.report({
            node,
            message: `${name} is read outside of options.ts and main.ts`,
            hint: "Add an option to the program's table and pass its value in",
          });
        }
      },
      VariableDeclarator(node) {
        if (unpacksDeno(node)) {
          context.report({
            node,
            message: "Deno is unpacked, which hides what is read of it",
            hint: "Write Deno.x where it is used",
          });
        }
      },
    };
  },
};

/** The plugin, as `lint.plugins` in deno.json loads it. */
const plugin: Deno.lint.Plugin = {
  name: "mcp-gateway",
  rules: {
    "one-way-imports": oneWayImports,
    "pure-core": pureCore,
    "no-env": noEnv,
  },
};

export default plugin;

/** What is wrong with an import, if anything is. */
function importProblem(
  from: string,
  specifier: string,
): { message: string; hint: string } | undefined {
  const target = resolveImport(from, specifier);
  const test = isTest(from);

  const confined = CONFINED.find(({ what }) =>
    target === undefined
      ? isModule(specifier, what)
      : target === what || target.startsWith(`${what}/`)
  );
  if (
    confined !== undefined && !test && !confined.to.includes(from) &&
    !(confined.what.startsWith("proto/") && zoneOf(from) === "proto")
  ) {
    return {
      message: `${confined.what} is imported by ${from}`,
      hint: `Only ${confined.to.join(" and ")} may: use what it exports`,
    };
  }

  if (target === undefined) return undefined;
  if (target === "main.ts" || target.endsWith("/main.ts")) {
    return {
      message: "A main.ts is imported",
      hint: "Programs are run, not imported: move what you need out of it",
    };
  }
  const own = zoneOf(from);
  const other = zoneOf(target);
  // Tests beside code use what tests share, and check files of the root.
  if (test && (target.startsWith("tests/support/") || other === "elsewhere")) {
    return undefined;
  }
  if (REACH[own].includes(other)) return undefined;
  return {
    message: `${from} imports ${target}`,
    hint: PROGRAMS.includes(own) && PROGRAMS.includes(other)
      ? "A program never imports another: move what both need to shared/"
      : `Files of ${own} may import from ${REACH[own].join(", ")} only`,
  };
}

/** Resolves a relative import; undefined for a package or a built-in. */
function resolveImport(from: string, specifier: string): string | undefined {
  if (specifier.startsWith("file:")) {
    return repositoryPath(new URL(specifier).pathname);
  }
  if (!/^\.{0,2}\//.test(specifier)) return undefined;
  const url = new URL(specifier, `file://${ROOT}${from}`);
  return repositoryPath(decodeURIComponent(url.pathname));
}

/** `npm:@scope/name@1.2.3/path` and `@scope/name` are the same package. */
function isModule(specifier: string, name: string): boolean {
  const bare = specifier.replace(/^(npm|jsr):\/?/, "");
  return bare === name || bare.startsWith(`${name}/`) ||
    bare.startsWith(`${name}@`);
}

function zoneOf(path: string): Zone {
  if (path.startsWith("shared/local/")) return "shared/local";
  const [first] = path.split("/");
  switch (path.includes("/") ? first : undefined) {
    case "shared":
    case "router":
    case "broker":
    case "controller":
    case "proto":
    case "tests":
      return first as Zone;
    default:
      return "elsewhere";
  }
}

/** Files that run tests, and files of tests beside code: `_testing.ts`. */
function isTest(path: string): boolean {
  return path.startsWith("tests/") ||
    /(_test|_bench|\/_testing)\.ts$/.test(path);
}

function mayReadEnvironment(path: string): boolean {
  return isTest(path) || /(^|\/)(options|main)\.ts$/.test(path) ||
    /^(shared\/local|proto)\//.test(path);
}

/** The linter names files by absolute path, tests of this plugin as they like. */
function repositoryPath(filename: string): string {
  return filename.startsWith(ROOT) ? filename.slice(ROOT.length) : filename;
}

function saysPure(text: string): boolean {
  const comment = /\/\*\*[\s\S]*?\*\//.exec(text);
  return comment !== null && /\bPure\.(?=\s|\*)/.test(comment[0]);
}

/** An import of types, or of nothing but functions that only calculate. */
function isHarmless(source: Deno.lint.Node): boolean {
  const { parent } = source as Deno.lint.StringLiteral;
  if (parent.type !== "ImportDeclaration") return false;
  return parent.importKind === "type" ||
    (parent.specifiers.length > 0 &&
      parent.specifiers.every((specifier) =>
        specifier.type === "ImportSpecifier" &&
        specifier.imported.type === "Identifier" &&
        CALCULATING_IMPORTS.has(specifier.imported.name)
      ));
}

/** Visits static, dynamic, type and re-exporting imports alike. */
function onImports(
  visit: (specifier: string, node: Deno.lint.Node) => void,
): Deno.lint.LintVisitor {
  return {
    ImportDeclaration: (node) => visit(node.source.value, node.source),
    ExportAllDeclaration: (node) => visit(node.source.value, node.source),
    ExportNamedDeclaration: (node) => {
      if (node.source) visit(node.source.value, node.source);
    },
    ImportExpression: (node) => {
      const { source } = node;
      if (source.type === "Literal" && typeof source.value === "string") {
        visit(source.value, source);
      }
    },
    TSImportType: (node) => {
      const { argument } = node;
      if (argument.type === "TSLiteralType") {
        const { literal } = argument;
        if (literal.type === "Literal" && typeof literal.value === "string") {
          visit(literal.value, literal);
        }
      }
    },
  };
}

/** `a.b` for a name or a member of a name, `globalThis.` left out; else "". */
function calledName(node: Deno.lint.Node): string {
  if (node.type === "Identifier") return node.name;
  if (node.type !== "MemberExpression") return "";
  const object = calledName(node.object);
  const member = memberName(node);
  if (object === "" || member === "") return "";
  return /^(globalThis|self|window)$/.test(object)
    ? member
    : `${object}.${member}`;
}

function memberName(node: Deno.lint.MemberExpression): string {
  const { property } = node;
  if (!node.computed) {
    return property.type === "Identifier" ? property.name : "";
  }
  return property.type === "Literal" && typeof property.value === "string"
    ? property.value
    : "";
}

/** True once per chain: for `Deno.x`, and for `globalThis.Deno`. */
function reachesDeno(node: Deno.lint.MemberExpression): boolean {
  return calledName(node) === "Deno" ||
    (node.object.type === "Identifier" && node.object.name === "Deno");
}

/** `const { env } = Deno`. */
function unpacksDeno(node: Deno.lint.VariableDeclarator): boolean {
  return node.id.type === "ObjectPattern" && node.init !== null &&
    calledName(node.init) === "Deno";
}
