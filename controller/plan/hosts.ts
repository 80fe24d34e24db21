/**
 * Hosts: whether a name is one, which two have in common, and which lead where
 * no tenant may point the gateway. Pure.
 *
 * @module
 */

/** Tells whether a lower-case text is a DNS name that can be an authority. */
export function isHostname(text: string): boolean {
  const labels = text.split(".");
  return text.length <= 253 &&
    labels.every((label) =>
      /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(label)
    ) &&
    !/^[0-9]+$/.test(labels.at(-1) ?? "");
}

/**
 * What a listener's and a route's host have in common, as the Gateway API
 * defines it: "" stands for any host, `*.` for one or more labels.
 *
 * @returns Nothing where no host is both.
 */
export function commonHost(a: string, b: string): string | undefined {
  if (a === "" || a === b) return b;
  if (b === "") return a;
  if (a.startsWith("*.") && b.endsWith(a.slice(1))) return b;
  if (b.startsWith("*.") && a.endsWith(b.slice(1))) return a;
  return undefined;
}

/** What is asked about a host that a tenant named. */
export interface HostRules {
  /** The cluster's DNS domain. */
  readonly clusterDomain: string;
  /** Namespaces that are known to be there. */
  readonly namespaces: ReadonlySet<string>;
  /** Loopback is allowed. */
  readonly allowLocal: boolean;
}

/**
 * Tells why a tenant of a namespace may not have the gateway call a host; or
 * nothing where he may. A grant is for Services, hence a Service's DNS name
 * does not stand in for one.
 *
 * @param host As a URL has it, lower case: `new URL(…).hostname`.
 */
export function hostProblem(
  host: string,
  namespace: string,
  { clusterDomain, namespaces, allowLocal }: HostRules,
): string | undefined {
  const name = host.replace(/\.$/, "");
  if (!allowLocal && isLoopback(name)) return "it is the gateway's own machine";
  if (isLinkLocal(name)) {
    return "it is a link-local or metadata address";
  }
  const labels = name.split(".");
  const domain = `.${clusterDomain}`;
  const inCluster = name.endsWith(domain)
    ? name.slice(0, -domain.length).split(".")
    : labels;
  if (inCluster.at(-1) === "svc" || inCluster !== labels) {
    // name.namespace.svc, perhaps with a pod's name before it.
    const other = inCluster.at(-2);
    return inCluster.at(-1) === "svc" && other === namespace
      ? undefined
      : `it is a name of namespace ${JSON.stringify(other ?? "")}`;
  }
  if (isAddress(name)) return undefined;
  if (labels.length === 1 && name !== "localhost") {
    return "a name without a dot means another Service to each program";
  }
  // A resolver tries name.namespace.svc.cluster.local first.
  const last = labels.at(-1) ?? "";
  return labels.length === 2 && last !== namespace && namespaces.has(last)
    ? `within the cluster it is a name of namespace ${JSON.stringify(last)}`
    : undefined;
}

function isAddress(host: string): boolean {
  return host.startsWith("[") || /^\d+(\.\d+){3}$/.test(host);
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host.endsWith(".localhost") ||
    /^(127|0)\.\d+\.\d+\.\d+$/.test(host) || host === "[::1]" ||
    host === "[::]" || /^\[::ffff:7f/.test(host) || /^\[::ffff:0:/.test(host);
}

function isLinkLocal(host: string): boolean {
  return /^169\.254\.\d+\.\d+$/.test(host) || /^\[fe[89ab]/.test(host) ||
    /^\[::ffff:a9fe:/.test(host) || host === "[fd00:ec2::254]" ||
    host === "metadata.google.internal" || host === "metadata";
}
