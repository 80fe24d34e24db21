/**
 * Runs a command of the build to its end.
 *
 * @module
 */
import { errorText } from "../../error_text.ts";

/** How to run it. */
export interface RunToolOptions {
  /** Working directory. */
  readonly cwd?: string;
  /** Variables besides our own; the only ones where `clearEnv`. */
  readonly env?: Readonly<Record<string, string>>;
  /** Keep our own variables from it. */
  readonly clearEnv?: boolean;
  /** Ends it. */
  readonly signal?: AbortSignal;
}

/** How a command ended. */
export interface ToolOutcome {
  /** Whether it ended with code 0; false too where there is no such command. */
  readonly success: boolean;
  /** All that it printed, errors first, without blank ends. */
  readonly text: string;
}

/** Runs a command without input. Never rejects because of what it does. */
export async function runTool(
  command: string,
  args: readonly string[],
  options: RunToolOptions = {},
): Promise<ToolOutcome> {
  options.signal?.throwIfAborted();
  try {
    const { success, stdout, stderr } = await new Deno.Command(command, {
      args: [...args],
      stdin: "null",
      clearEnv: options.clearEnv ?? false,
      env: { ...options.env, NO_COLOR: "1" },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    }).output();
    const decoder = new TextDecoder();
    const text = `${decoder.decode(stderr)}\n${decoder.decode(stdout)}`.trim();
    return { success, text };
  } catch (error) {
    options.signal?.throwIfAborted();
    const text = errorText(error);
    return { success: false, text };
  }
}
