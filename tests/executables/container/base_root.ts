/**
 * An image that holds what the base of our images holds, made from the packages
 * of Debian that the base itself is made from. Its registry is not in reach of
 * every machine; Debian's mirrors are.
 *
 * @see https://github.com/GoogleContainerTools/distroless: `static/`, `base/`,
 * `cc/` and `common/` say what is in it.
 *
 * @module
 */

import { CACHE_DIR } from "../_pair.ts";
import type { ImageBuilder } from "./builder.ts";
import { DEBIAN, DebianPackages, runTool } from "./debian_packages.ts";

/** The image that this is. */
export const BASE = "gcr.io/distroless/cc-debian12:nonroot";
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
  const { success } = await runTool("unshare", [
    ...["--mount", "--pid", "--fork", "--mount-proc"],
    "true",
  ]);
  return success ? undefined : "this machine does not allow new namespaces";
}

/**
 * Makes an image of the base, with the settings of the real one.
 *
 * @param builder Builds it.
 * @param dir Folder for what it is built from; exists.
 * @param tag What to call it.
 */
export async function makeBase(
  builder: ImageBuilder,
  dir: string,
  tag: string,
): Promise<void> {
  const root = `${dir}/root`;
  await Deno.mkdir(root);
  await makeBaseRoot(dir, root);
  const { success, said } = await runTool("tar", [
    ...["--numeric-owner", "-C", root, "-cf", `${dir}/root.tar`, "."],
  ]);
  if (!success) throw new Error(`Cannot archive ${root}: ${said}`);
  await Deno.writeTextFile(`${dir}/Containerfile`, CONTAINERFILE);
  await builder.build({
    containerfile: `${dir}/Containerfile`,
    context: dir,
    tag,
  });
}

const CERTIFICATES_FILE = "/etc/ssl/certs/ca-certificates.crt";
const HOME = "/home/nonroot";
const CONTAINERFILE = `FROM scratch
ADD root.tar /
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
ENV SSL_CERT_FILE=${CERTIFICATES_FILE}
USER ${NONROOT}
WORKDIR ${HOME}
`;

async function makeBaseRoot(dir: string, root: string): Promise<void> {
  const packages = await DebianPackages.fetch(CACHE_DIR, "base", [
    ...PACKAGES,
    CERTIFICATES,
  ]);
  await packages.unpack(root, PACKAGES);

  const authorities = `${dir}/authorities`;
  await Deno.mkdir(authorities);
  await packages.unpack(authorities, [CERTIFICATES]);
  const folder = `${authorities}/usr/share/ca-certificates/mozilla`;
  const names = (await Array.fromAsync(Deno.readDir(folder)))
    .map(({ name }) => name).sort();
  const texts = await Promise.all(
    names.map((name) => Deno.readTextFile(`${folder}/${name}`)),
  );
  await Deno.mkdir(`${root}/etc/ssl/certs`, { recursive: true });
  for (
    const [path, text] of Object.entries({
      [CERTIFICATES_FILE]: texts.join(""),
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
      [HOME, 0o700, NONROOT],
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
