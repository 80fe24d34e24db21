/**
 * `deno task release`, as far as the pair from PyPI allows: archives that hold
 * what they should, bills of materials that CycloneDX's own schema takes,
 * checksums that are right, and all of it the same twice.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { Spec } from "@cyclonedx/cyclonedx-library";
import { Ajv, type AnySchema } from "ajv";
import addFormats from "ajv-formats";
import config from "../../deno.json" with { type: "json" };
import { PAIR_VERSION } from "../../shared/local/build/deno_pair.ts";
import { npmCache } from "../../shared/local/release/licenses.ts";
import { VERSION } from "../../shared/version.ts";
import { PROJECT_DIR } from "../support/paths.ts";
import { shared } from "../support/proves.ts";
import { COMMIT, pair, provesOfExecutables } from "./_built.ts";

const PROGRAMS = ["broker", "controller", "router"] as const;
const nameOf = (program: string) =>
  `mcp-gateway-${program}-${VERSION}-${Deno.build.target}`;

const released = shared<string>(async (stack) => {
  const root = await Deno.makeTempDir({ prefix: "gateway-release-" });
  stack.defer(() => Deno.remove(root, { recursive: true }));
  if (pair !== undefined) await release(`${root}/one`);
  return root;
});

async function release(out: string): Promise<void> {
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["task", "release", "--pair"],
      ...["--commit", COMMIT, "--out", out],
    ],
    cwd: PROJECT_DIR,
    stdout: "null",
  }).output();
  assertEquals(code, 0, new TextDecoder().decode(stderr));
}

async function run(
  command: string,
  args: readonly string[],
  cwd: string,
): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(command, {
    args: [...args],
    cwd,
  }).output();
  assertEquals(code, 0, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout).trim();
}

provesOfExecutables(
  "a release is an archive and a bill of materials of each program, and checksums that are right",
  async () => {
    const dir = `${released()}/one`;
    const names = (await Array.fromAsync(Deno.readDir(dir)))
      .map(({ name }) => name).sort();
    const files = PROGRAMS.flatMap((program) => [
      `${nameOf(program)}.cdx.json`,
      `${nameOf(program)}.tar.gz`,
    ]);
    assertEquals(names, ["SHA256SUMS", ...files]);
    assertEquals(
      (await run("sha256sum", ["--strict", "-c", "SHA256SUMS"], dir))
        .split("\n"),
      files.map((name) => `${name}: OK`),
    );
  },
);

provesOfExecutables(
  "an archive holds a program that runs, its licence, those of what is in it, and its bill of materials",
  async () => {
    const dir = `${released()}/one`;
    for (const program of PROGRAMS) {
      const name = nameOf(program);
      await run("tar", ["-xzf", `${name}.tar.gz`], dir);
      const folder = `${dir}/${name}`;
      assertEquals(
        (await Array.fromAsync(Deno.readDir(folder))).map((one) => one.name)
          .sort(),
        ["LICENSE", "THIRD_PARTY_NOTICES", program, `${program}.cdx.json`]
          .sort(),
      );
      assertEquals(
        await run(`${folder}/${program}`, ["--version"], dir),
        `${program} ${VERSION} (commit ${COMMIT}, Deno ${PAIR_VERSION})`,
      );
      assertEquals(
        await Deno.readTextFile(`${folder}/${program}.cdx.json`),
        await Deno.readTextFile(`${dir}/${name}.cdx.json`),
      );
      const notices = await Deno.readTextFile(`${folder}/THIRD_PARTY_NOTICES`);
      for (
        const part of [
          `Deno ${PAIR_VERSION} (MIT)`,
          "the Deno authors",
          "yaml 2.9.1 (ISC)",
          "Eemeli Aro",
        ]
      ) assert(notices.includes(part), `${program}: ${part}`);
      await Deno.remove(folder, { recursive: true });
    }
  },
);

/** What is looked at of a bill of materials. */
interface Bom {
  readonly serialNumber: string;
  readonly metadata: {
    readonly component: {
      readonly name: string;
      readonly version: string;
      readonly hashes: readonly { readonly content: string }[];
    };
  };
  readonly components: readonly { readonly purl: string }[];
  readonly dependencies: readonly {
    readonly ref: string;
    readonly dependsOn?: readonly string[];
  }[];
}

provesOfExecutables(
  "a bill of materials is valid CycloneDX 1.6 and names what is in the executable",
  async () => {
    const dir = `${released()}/one`;
    const validate = await validator();
    const boms = new Map<string, Bom>();
    for (const program of PROGRAMS) {
      const file = `${dir}/${nameOf(program)}.cdx.json`;
      const bom = JSON.parse(await Deno.readTextFile(file));
      assertEquals(validate(bom), [], program);
      // It is a validator.
      assert(validate({ ...bom, version: "1" }).length > 0);
      const { name, version } = (bom as Bom).metadata.component;
      assertEquals([name, version], [`mcp-gateway-${program}`, VERSION]);
      boms.set(program, bom);
    }
    const purls = (program: string) =>
      boms.get(program)?.components.map(({ purl }) => purl);
    const version = (specifier: string) => specifier.replace(/^.*@/, "");
    const { yaml, "@redis/client": redis } = config.imports;
    assertEquals(purls("broker"), [
      `pkg:github/denoland/deno@v${PAIR_VERSION}`,
      `pkg:npm/%40redis/client@${version(redis)}`,
      `pkg:npm/yaml@${version(yaml)}`,
    ]);
    assertEquals(purls("controller"), [
      `pkg:github/denoland/deno@v${PAIR_VERSION}`,
      `pkg:npm/yaml@${version(yaml)}`,
    ]);
    const { dependencies } = boms.get("router")!;
    const grpc = dependencies.find(({ ref }) =>
      ref.startsWith("@grpc/grpc-js@")
    );
    assertEquals(
      grpc?.dependsOn?.map((ref) => ref.replace(/@[^@]*$/, "")),
      ["@grpc/proto-loader", "@js-sdsl/ordered-map"],
    );
    assertMatch(boms.get("router")!.serialNumber, /^urn:uuid:[0-9a-f-]{36}$/);
  },
);

/** Holds a value against CycloneDX's schema: the problems that it has. */
async function validator(): Promise<(value: unknown) => readonly string[]> {
  const ajv = new Ajv({ strict: false, allErrors: true });
  addFormats.default(ajv);
  // Formats of none of the fields that we write.
  for (const format of ["iri-reference", "idn-email"]) {
    ajv.addFormat(format, true);
  }
  const folder = await schemaFolder();
  const read = async (name: string): Promise<AnySchema> =>
    JSON.parse(
      await Deno.readTextFile(`${folder}/${name}.SNAPSHOT.schema.json`),
    );
  for (const name of ["spdx", "jsf-0.82"]) {
    ajv.addSchema(
      await read(name),
      `http://cyclonedx.org/schema/${name}.SNAPSHOT.schema.json`,
    );
  }
  const check = ajv.compile(await read(`bom-${Spec.Version.v1dot6}`));
  return (value) =>
    check(value)
      ? []
      : (check.errors ?? []).map(({ instancePath, message }) =>
        `${instancePath} ${message}`
      );
}

/** Where CycloneDX's library, which is in Deno's cache, has the schemas. */
async function schemaFolder(): Promise<string> {
  const [, name, version] =
    /^npm:(.*)@(.*)$/.exec(config.imports["@cyclonedx/cyclonedx-library"]) ??
      [];
  const cache = await npmCache();
  for await (const registry of Deno.readDir(cache)) {
    const dir = `${cache}/${registry.name}/${name}/${version}/res/schema`;
    if (await Deno.stat(dir).then(() => true, () => false)) return dir;
  }
  throw new Error(`Cannot find ${name} ${version} in ${cache}`);
}

provesOfExecutables(
  "a release of the same commit has the same bytes",
  async () => {
    const root = released();
    await release(`${root}/two`);
    assertEquals(
      await Deno.readTextFile(`${root}/two/SHA256SUMS`),
      await Deno.readTextFile(`${root}/one/SHA256SUMS`),
    );
  },
);
