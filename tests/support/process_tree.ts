/**
 * Which processes a process has started, read from `/proc`.
 *
 * @module
 */

/** A process, told from a later one with the same id by when it started. */
export interface ProcessId {
  /** Process id. */
  readonly pid: number;
  /** Clock ticks since boot. */
  readonly startedAt: string;
  /** Its executable's name, for messages. */
  readonly name: string;
}

interface Stat extends ProcessId {
  readonly parent: number;
  readonly state: string;
}

async function statOf(pid: number): Promise<Stat | undefined> {
  try {
    const text = await Deno.readTextFile(`/proc/${pid}/stat`);
    // "pid (name) state parent …": a name may hold blanks and parentheses.
    const [, name = ""] = /\((.*)\)/.exec(text) ?? [];
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return {
      pid,
      name,
      state: fields[0] ?? "",
      parent: Number(fields[1]),
      startedAt: fields[19] ?? "",
    };
  } catch {
    return undefined; // It ended meanwhile.
  }
}

/** Every process below one, at any depth. */
export async function descendantsOf(pid: number): Promise<ProcessId[]> {
  const all: Stat[] = [];
  for await (const { name } of Deno.readDir("/proc")) {
    const stat = /^\d+$/.test(name) ? await statOf(Number(name)) : undefined;
    if (stat !== undefined) all.push(stat);
  }
  const found: Stat[] = [];
  let parents = new Set([pid]);
  while (parents.size > 0) {
    const children = all.filter(({ parent }) => parents.has(parent));
    found.push(...children);
    parents = new Set(children.map(({ pid }) => pid));
  }
  return found;
}

/** Whether that very process still runs; returns its name where it does. */
export async function isRunning(id: ProcessId): Promise<string | undefined> {
  const stat = await statOf(id.pid);
  return stat?.startedAt === id.startedAt && stat.state !== "Z"
    ? `${stat.name} (${id.pid})`
    : undefined;
}
