/**
 * The tables of options in README.md, written from the tables in code:
 * `deno task gen:options`. A test holds them equal.
 *
 * @module
 */

import { BROKER_OPTIONS } from "../../broker/options.ts";
import { CONTROLLER_OPTIONS } from "../../controller/options.ts";
import { ENVOY_CONFIG_OPTIONS } from "../../router/envoy_config/options.ts";
import { ROUTER_OPTIONS } from "../../router/options.ts";
import { COMMON_OPTIONS } from "../../shared/common_options.ts";
import { describeOptions, type OptionTable } from "../../shared/options.ts";
import { READY_OPTIONS } from "../../shared/ready_command.ts";
import { PROJECT_DIR } from "./paths.ts";

/** Path of the file that has the tables. */
export const README: string = `${PROJECT_DIR}/README.md`;

/** The tables by the name that their place in README.md has. */
export const TABLES: Readonly<Record<string, OptionTable>> = {
  "router and broker": COMMON_OPTIONS,
  router: withoutCommon(ROUTER_OPTIONS),
  broker: withoutCommon(BROKER_OPTIONS),
  controller: CONTROLLER_OPTIONS,
  ready: READY_OPTIONS,
  "envoy-config": ENVOY_CONFIG_OPTIONS,
};

function withoutCommon(table: OptionTable): OptionTable {
  return Object.fromEntries(
    Object.entries(table).filter(([key]) =>
      !Object.hasOwn(COMMON_OPTIONS, key)
    ),
  );
}

/** Puts the tables into their places, in the form that `deno fmt` leaves. */
export async function withTables(markdown: string): Promise<string> {
  let text = markdown;
  for (const [name, table] of Object.entries(TABLES)) {
    const start = `<!-- options: ${name} -->`;
    const from = text.indexOf(start);
    const to = text.indexOf(END, from);
    if (from === -1 || to === -1) {
      throw new Error(
        `Cannot write the options of ${name}: README.md has no ${start} … ${END}`,
      );
    }
    text = text.slice(0, from + start.length) + `\n\n${rows(table)}\n\n` +
      text.slice(to);
  }
  return await formatted(text);
}

const END = "<!-- end of options -->";

function rows(table: OptionTable): string {
  const lines = describeOptions(table).map((row) => [
    row.flag === undefined ? "" : code(row.flag),
    code(row.env),
    row.default === undefined ? "" : code(row.default),
    row.help.replaceAll(/[*|<>_]/g, "\\$&"),
  ]);
  return [
    ["Option", "Variable", "Default", "What for"],
    ["---", "---", "---", "---"],
    ...lines,
  ].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

function code(text: string): string {
  return `\`${text.replaceAll("|", "\\|")}\``;
}

async function formatted(markdown: string): Promise<string> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["fmt", "--ext", "md", "-"],
    cwd: PROJECT_DIR,
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(markdown));
  await writer.close();
  const { success, stdout } = await child.output();
  if (!success) throw new Error("Cannot format README.md: see above");
  return new TextDecoder().decode(stdout);
}

if (import.meta.main) {
  await Deno.writeTextFile(
    README,
    await withTables(await Deno.readTextFile(README)),
  );
}
