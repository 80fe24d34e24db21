/**
 * Carries out a plan, statuses apart: writes what is not as it should be, takes
 * away what is wanted no more. What fails for one object fails for it alone;
 * that something failed is said at the end, so that it is tried again.
 *
 * The Secret goes before the ConfigMap that refers to it, both before what
 * attaches the router, and that before the routes which rely on the router.
 * What is taken away goes the other way round.
 *
 * @module
 */

import { FencedError } from "../shared/kube/client.ts";
import {
  CONFIG_MAPS,
  type KubeObject,
  objectKey,
  type Resource as Kind,
  SECRETS,
} from "../shared/kube/object.ts";
import type { Applier } from "./kube/apply.ts";
import { ATTACHMENT_KINDS, HTTP_ROUTES } from "./observe/kinds.ts";
import type { Observer } from "./observe/observer.ts";
import type { GatewayPlan } from "./plan/gateway_plan.ts";
import type { Desired } from "./plan/object.ts";
import type { Plan } from "./plan/plan.ts";
import { EXTENSION_LABEL } from "./resources/groups.ts";

/** What is needed to carry out a plan. */
export interface CarryOutOptions {
  /** What was observed. */
  readonly observer: Pick<Observer, "attachments" | "object">;
  /** Writes objects; behind the fence of whoever leads. */
  readonly applier: Pick<Applier, "apply" | "remove">;
  /** Namespaces whose extensions are ours; all where it is empty. */
  readonly namespaces: ReadonlySet<string>;
  /** Gives up. */
  readonly signal: AbortSignal;
}

/** What was done. */
export interface CarriedOut {
  /** Objects that were written or deleted. */
  readonly writes: number;
}

/** Some of a plan could not be carried out. */
export class CarryOutError extends Error {
  /** Builds an error from what failed. */
  constructor(failures: readonly unknown[]) {
    const [first] = failures;
    const more = failures.length > 1 ? `, and ${failures.length - 1} more` : "";
    super(
      `Cannot carry out all of the plan: ${
        first instanceof Error ? first.message : first
      }${more}`,
      { cause: first },
    );
    this.name = "CarryOutError";
  }
}

const ROUTE = HTTP_ROUTES.kind;

function routesLast(objects: readonly KubeObject[]): readonly KubeObject[] {
  return objects.toSorted((a, b) =>
    Number(a.kind === ROUTE) - Number(b.kind === ROUTE)
  );
}

function routesFirst<One extends { readonly kind: Kind }>(
  all: readonly One[],
): readonly One[] {
  return all.toSorted((a, b) =>
    Number(b.kind.kind === ROUTE) - Number(a.kind.kind === ROUTE)
  );
}

/**
 * Carries out a plan.
 *
 * @throws {CarryOutError} If some of it failed; the rest is done.
 * @throws {FencedError} If we lead no more; nothing was begun since.
 */
export async function carryOut(
  plan: Omit<Plan, "statuses" | "taken">,
  options: CarryOutOptions,
): Promise<CarriedOut> {
  const failures: unknown[] = [];
  let writes = 0;
  const attempt = async (write: () => Promise<boolean>): Promise<boolean> => {
    options.signal.throwIfAborted();
    try {
      if (await write()) writes++;
      return true;
    } catch (error) {
      if (error instanceof FencedError) throw error;
      failures.push(error);
      return false;
    }
  };
  for (const gateway of plan.gateways) {
    await attempt(() => writeData(gateway, options));
  }
  const unattached = new Set<string | undefined>();
  for (const object of routesLast(plan.attachments)) {
    const extension = object.metadata.labels?.[EXTENSION_LABEL];
    // A route without the router would take a client's word for the router's.
    if (object.kind === ROUTE && unattached.has(extension)) continue;
    if (await attempt(() => writeAttachment(object, options))) continue;
    if (object.kind !== ROUTE) unattached.add(extension);
  }
  for (const { kind, object } of routesFirst(unwanted(plan, options))) {
    await attempt(() => options.applier.remove(kind, object, options.signal));
  }
  if (failures.length > 0) throw new CarryOutError(failures);
  return { writes };
}

/** @returns Whether anything was written. */
async function writeData(
  { secret, configMap }: GatewayPlan,
  options: CarryOutOptions,
): Promise<boolean> {
  const written = await writeDesired(SECRETS, secret, options);
  return await writeDesired(CONFIG_MAPS, configMap, options) || written;
}

async function writeDesired(
  kind: Kind,
  desired: Desired,
  options: CarryOutOptions,
): Promise<boolean> {
  switch (desired.action) {
    case "apply":
      return await write(kind, desired.object, options);
    case "keep":
      return false;
    default:
      return desired satisfies never;
  }
}

async function writeAttachment(
  object: KubeObject,
  options: CarryOutOptions,
): Promise<boolean> {
  const kind = ATTACHMENT_KINDS.find((one) => one.kind === object.kind);
  if (kind === undefined) {
    throw new TypeError(`Cannot write ${object.kind}: it is no attachment`);
  }
  return await write(kind, object, options);
}

async function write(
  kind: Kind,
  object: KubeObject,
  { applier, observer, signal }: CarryOutOptions,
): Promise<boolean> {
  const { namespace = "", name } = object.metadata;
  const known = observer.object(kind, { namespace, name });
  const { kind: outcome } = await applier.apply(kind, object, known, signal);
  return outcome !== "unchanged";
}

/** Attachments of ours that are in no plan any more. */
function unwanted(
  plan: Omit<Plan, "statuses" | "taken">,
  { observer, namespaces }: CarryOutOptions,
): readonly { readonly kind: Kind; readonly object: KubeObject }[] {
  const wanted = new Set(
    plan.attachments.map((one) => `${one.kind} ${objectKey(one.metadata)}`),
  );
  return observer.attachments().filter(({ kind, object }) => {
    const extension = object.metadata.labels?.[EXTENSION_LABEL] ?? "";
    // That of an extension which is another controller's is its.
    const ours = namespaces.size === 0 || namespaces.has(extension);
    return ours && object.metadata.deletionTimestamp === undefined &&
      !plan.keep.includes(extension) &&
      !wanted.has(`${kind.kind} ${objectKey(object.metadata)}`);
  });
}
