/**
 * Reads the project's Containerfile, as far as it goes: tests run what it says,
 * not what they think it says. Pure.
 *
 * @module
 */

/** A file that a target takes from the folder of the build. */
export interface CopiedFile {
  /** Where it comes from, relative to the project. */
  readonly from: string;
  /** Where it goes, absolute. */
  readonly to: string;
  /** Its mode. */
  readonly mode: number;
  /** User and group that it belongs to. */
  readonly owner: string;
}

/** An image that the file describes. */
export interface ImageTarget {
  /** Image that it starts from, as given or by default. */
  readonly base: string;
  /** Files that are added. */
  readonly files: readonly CopiedFile[];
  /** Whom it runs as, `UID:GID`. */
  readonly user: string;
  /** What it runs. */
  readonly entrypoint: readonly string[];
  /** Ports that it says it serves. */
  readonly ports: readonly number[];
}

/**
 * Reads a Containerfile.
 *
 * @returns Its targets by name.
 * @throws {Error} At an instruction, or a form of one, that is not known here.
 */
export function readContainerfile(
  text: string,
): ReadonlyMap<string, ImageTarget> {
  const targets = new Map<string, ImageTarget>();
  const args = new Map<string, string>();
  let name = "";
  const lines = text.replaceAll(/\s*\\\n\s*/g, " ").split("\n");
  for (const line of lines.map((line) => line.trim())) {
    if (line === "" || line.startsWith("#")) continue;
    const unknown = () => new Error(`Cannot read the Containerfile: ${line}`);
    const [instruction = ""] = line.split(" ", 1);
    const rest = line.slice(instruction.length).trim();
    const target = targets.get(name);
    const set = (change: Partial<ImageTarget>) => {
      if (target === undefined) throw unknown();
      targets.set(name, { ...target, ...change });
    };
    switch (instruction) {
      case "ARG": {
        const [, key, value] = /^(\w+)=(\S+)$/.exec(rest) ?? [];
        if (key === undefined || value === undefined) throw unknown();
        args.set(key, value);
        break;
      }
      case "FROM": {
        const [, from, as] = /^(\S+) AS (\w+)$/.exec(rest) ?? [];
        if (from === undefined || as === undefined) throw unknown();
        const base = from.replace(
          /^\$\{(\w+)\}$/,
          (_, key) => args.get(key) ?? "",
        );
        if (base === "") throw unknown();
        name = as;
        const nothing = { files: [], user: "", entrypoint: [], ports: [] };
        targets.set(name, { base, ...nothing });
        break;
      }
      case "COPY": {
        const [, owner, mode, from, to] =
          /^--chown=(\d+:\d+) --chmod=(0[0-7]{3}) ([^\s/]\S*) (\/\S+)$/
            .exec(rest) ?? [];
        if (!owner || !mode || !from || !to || target === undefined) {
          throw unknown();
        }
        const file = { from, to, owner, mode: parseInt(mode, 8) };
        set({ files: [...target.files, file] });
        break;
      }
      case "USER":
        if (!/^\d+:\d+$/.test(rest)) throw unknown();
        set({ user: rest });
        break;
      case "ENTRYPOINT":
        set({ entrypoint: JSON.parse(rest) });
        break;
      case "EXPOSE":
        set({ ports: rest.split(" ").map(Number) });
        break;
      default:
        throw unknown();
    }
  }
  return targets;
}
