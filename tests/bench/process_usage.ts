/**
 * What processes have used of the machine, as Linux tells in `/proc`.
 *
 * @module
 */

/** What a process has used. */
export interface Usage {
  /** CPU time of all its threads since its start, microseconds. */
  readonly cpuUs: number;
  /** Memory that it has in RAM now, bytes. */
  readonly rss: number;
}

/** Ticks are of this length on every Linux that Deno runs on (USER_HZ). */
const TICK_US = 10_000;
const PAGE = 4_096;

/**
 * Reads the line of `/proc/PID/stat`.
 *
 * @throws {Error} If it is none.
 * @see https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
 */
export function parseStat(line: string): Usage {
  // The second field is a name in brackets, which may have anything in it.
  const fields = line.slice(line.lastIndexOf(")") + 2).trim().split(" ");
  // Counted from the third field: utime is the 14th, stime the 15th, rss the 24th.
  const [utime, stime, pages] = [11, 12, 21].map((at) => Number(fields[at]));
  const usage = {
    cpuUs: (utime! + stime!) * TICK_US,
    rss: pages! * PAGE,
  };
  if (Number.isNaN(usage.cpuUs) || Number.isNaN(usage.rss)) {
    throw new Error(`Cannot read /proc/PID/stat: ${JSON.stringify(line)}`);
  }
  return usage;
}

/**
 * Tells what a process has used.
 *
 * @throws {Error} Where it is gone, or this is no Linux.
 */
export async function usageOf(pid: number): Promise<Usage> {
  const path = `/proc/${pid}/stat`;
  try {
    return parseStat(await Deno.readTextFile(path));
  } catch (cause) {
    throw new Error(
      `Cannot read ${path}: the process has ended, or this system is no Linux`,
      { cause },
    );
  }
}

/** The same of several, by name. */
export async function usageOfAll<Name extends string>(
  pids: Readonly<Record<Name, number>>,
): Promise<Readonly<Record<Name, Usage>>> {
  const names = Object.keys(pids) as Name[];
  const found = await Promise.all(
    names.map(async (name) => [name, await usageOf(pids[name])] as const),
  );
  return Object.fromEntries(found) as Record<Name, Usage>;
}
