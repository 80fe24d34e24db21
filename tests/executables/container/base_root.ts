/**
 * A root file system that holds what the base of our images holds, made from
 * the packages of Debian that the base itself is made from. There is no
 * registry in reach of every machine, and no container engine; Debian's mirrors
 * are.
 *
 * @see https://github.com/GoogleContainerTools/distroless: `static/`, `base/`,
 * `cc/` and `common/` say what is in it.
 *
 * @module
 */

import { eventually } from "../../support/wait.ts";

/** The image that this is. */
export const BASE = "gcr.io/distroless/cc-debian12:nonroot";
/** Variables that the image sets. */
export const BASE_ENVIRONMENT: Readonly<Record<string, string>> = {
  PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  SSL_CERT_FILE: "/etc/ssl/certs/ca-certificates.crt",
};
/** Where programs of the image start. */
export const BASE_WORKDIR = "/home/nonroot";

/** Debian's release that the base is of. */
const DEBIAN = "12";
/** Packages whose files are in the base as they are. */
const PACKAGES = [
  ...["base-files", "netbase", "tzdata", "media-types"],
  ...["libc6", "libssl3"],
  ...["libgomp1", "libstdc++6", "libgcc-s1", "gcc-12-base"],
];
/** The package of which the base has the certificates, in one file. */
const CERTIFICATES = "ca-certificates";

const PASSWD = `root:x:0:0:root:/root:/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin
nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin
`;
const GROUP = `root:x:0:
nobody:x:65534:
tty:x:5:
staff:x:50:
nonroot:x:65532:
`;
const NSSWITCH = "hosts: files dns\n";
const OS_RELEASE = `PRETTY_NAME="Distroless"
NAME="Debian GNU/Linux"
ID="debian"
VERSION_ID="${DEBIAN}"
VERSION="Debian GNU/Linux ${DEBIAN} (bookworm)"
`;
const NONROOT = 65532;

/** Whether roots can be made and run here, or why not. */
export async function missingForRoots(): Promise<string | undefined> {
  if (Deno.uid() !== 0) return "only root can make and enter a root";
  const release = await Deno.readTextFile("/etc/os-release").catch(() => "");
  if (
    !/^ID=debian$/m.test(release) ||
    !new RegExp(`^VERSION_ID="${DEBIAN}"$`, "m").test(release)
  ) return `packages of Debian ${DEBIAN} come from a Debian ${DEBIAN}`;
  if (Deno.build.arch !== "x86_64") return "the executables are for x86-64";
  const { success } = await run("unshare", [
    ...["--mount", "--pid", "--fork", "--mount-proc"],
    "true",
  ]);
  return success ? undefined : "this machine does not allow new namespaces";
}

/** Fetches the packages, once, into a folder of the cache. */
export async function fetchBase(cacheDir: string): Promise<string> {
  const dir = `${cacheDir}/debian-${DEBIAN}-packages`;
  if (await exists(dir)) return dir;
  const partial = await Deno.makeTempDir({
    dir: cacheDir,
    prefix: "debian-packages-partial-",
  });
  try {
    const download = () =>
      run("apt-get", [
        // Its own user may not write here.
        ...["-q", "-o", "APT::Sandbox::User=root"],
        ...["download", ...PACKAGES, CERTIFICATES],
      ], partial);
    await eventually(async () => {
      if ((await download()).success) return;
      // Others may be at it, who keep us from it for a while.
      const updated = await run("apt-get", ["-q", "update"]);
      const { success, said } = await download();
      if (success) return;
      throw new Error(
        `Cannot fetch Debian's packages: ${said} ${updated.said}. Remedy: ` +
          "see that `apt-get update` works",
      );
    }, { deadlineMs: 60_000, intervalMs: 2_000 });
    await Deno.rename(partial, dir).catch(async (cause) => {
      // Another process was faster: its copy is as good.
      if (!(await exists(dir))) throw cause;
    });
  } finally {
    await Deno.remove(partial, { recursive: true }).catch(() => {});
  }
  return dir;
}

/**
 * Makes a root.
 *
 * @param packages What {@linkcode fetchBase} answered.
 * @param root Folder to make it in; exists.
 */
export async function makeBaseRoot(
  packages: string,
  root: string,
): Promise<void> {
  const files = new Map<string, string>();
  for await (const { name } of Deno.readDir(packages)) {
    // NAME_VERSION_ARCHITECTURE.deb
    files.set(name.replace(/_.*$/, ""), `${packages}/${name}`);
  }
  const unpack = async (name: string, to: string) => {
    const file = files.get(name);
    if (file === undefined) {
      throw new Error(`${packages} has no ${name}: remove it to fetch it anew`);
    }
    const { success, said } = await run("dpkg-deb", ["-x", file, to]);
    if (!success) throw new Error(`Cannot unpack ${file}: ${said}`);
  };
  for (const name of PACKAGES) await unpack(name, root);

  const authorities = await Deno.makeTempDir();
  try {
    await unpack(CERTIFICATES, authorities);
    const folder = `${authorities}/usr/share/ca-certificates/mozilla`;
    const names = (await Array.fromAsync(Deno.readDir(folder))).map((
      { name },
    ) => name);
    const texts = await Promise.all(
      names.sort().map((name) => Deno.readTextFile(`${folder}/${name}`)),
    );
    await Deno.mkdir(`${root}/etc/ssl/certs`, { recursive: true });
    await write(root, BASE_ENVIRONMENT.SSL_CERT_FILE ?? "", texts.join(""));
  } finally {
    await Deno.remove(authorities, { recursive: true });
  }
  for (
    const [path, text] of Object.entries({
      "/etc/passwd": PASSWD,
      "/etc/group": GROUP,
      "/etc/nsswitch.conf": NSSWITCH,
      "/usr/lib/os-release": OS_RELEASE,
    })
  ) await write(root, path, text);
  for (
    const [path, mode, owner] of [
      ["/tmp", 0o1777, 0],
      ["/root", 0o700, 0],
      ["/home", 0o755, 0],
      [BASE_WORKDIR, 0o700, NONROOT],
    ] as const
  ) {
    await Deno.mkdir(`${root}${path}`, { recursive: true });
    await Deno.chmod(`${root}${path}`, mode);
    await Deno.chown(`${root}${path}`, owner, owner);
  }
}

async function write(root: string, path: string, text: string): Promise<void> {
  await Deno.writeTextFile(`${root}${path}`, text);
  await Deno.chmod(`${root}${path}`, 0o644);
}

async function run(
  command: string,
  args: readonly string[],
  cwd?: string,
): Promise<{ readonly success: boolean; readonly said: string }> {
  try {
    const { success, stderr } = await new Deno.Command(command, {
      args: [...args],
      stdin: "null",
      stdout: "null",
      ...(cwd === undefined ? {} : { cwd }),
    }).output();
    return { success, said: new TextDecoder().decode(stderr).trim() };
  } catch (error) {
    return { success: false, said: `${error}` };
  }
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}
