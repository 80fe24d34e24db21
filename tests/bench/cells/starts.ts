/**
 * How long a program takes from its start until it can be used.
 *
 * @module
 */

import type { LocalProcess } from "../../../shared/local/processes.ts";
import type { Cell } from "../cell.ts";
import { startOwnGateway } from "../own_gateway.ts";
import { spread } from "../statistics.ts";

/** The cell. */
export function startCells(): readonly Cell[] {
  return [{
    name: "cold-start",
    about:
      "from the start of a program, by deno run, until it says that it is ready (looked at every 20 ms)",
    async run(bench) {
      await using own = await startOwnGateway(
        bench,
        (address) => [{
          name: "one",
          url: `http://${address}/mcp`,
          era: "session",
          prefix: "o_",
        }],
      );
      const { router, broker } = own.gateway.local;
      const times = async (program: LocalProcess) => {
        const ms: number[] = [];
        for (let at = 0; at < bench.rounds; at++) {
          await program.stop();
          const started = performance.now();
          await program.start();
          ms.push(performance.now() - started);
        }
        return spread(ms);
      };
      return {
        paths: {},
        failures: 0,
        figures: [
          {
            what: "the router, until it is ready",
            unit: "ms",
            ...await times(router),
          },
          {
            what: "the broker, until it is ready, one server",
            unit: "ms",
            ...await times(broker),
          },
        ],
      };
    },
  }];
}
