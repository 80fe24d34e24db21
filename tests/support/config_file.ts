/**
 * Writes the gateway's configuration file the way an editor or Kubernetes
 * does: whole, by rename.
 *
 * @module
 */

/** A server as a test writes it into the file. */
export interface ServerEntry {
  /** Unique name. */
  readonly name: string;
  /** Its endpoint. */
  readonly url: string;
  /** Prefix; none where it is left out. */
  readonly prefix?: string;
  readonly [member: string]: unknown;
}

/** A configuration file under a test's control. */
export class ConfigFile {
  /** Its path. */
  readonly path: string;

  /** Names a file; writes nothing. */
  constructor(path: string) {
    this.path = path;
  }

  /** Writes these servers. */
  async write(servers: readonly ServerEntry[]): Promise<void> {
    await this.writeText(JSON.stringify({ servers }, null, 2));
  }

  /** Writes text, whatever it is. */
  async writeText(text: string): Promise<void> {
    const partial = `${this.path}.partial`;
    await Deno.writeTextFile(partial, text);
    await Deno.rename(partial, this.path);
  }
}
