import { chmod, mkdir, mkdtemp, readFile, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { run } from './client-package.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** The service, packed as built here, and installed into an empty directory without a registry. */
export class ServicePackage {
  /** The working directory of an operator who has installed it. */
  readonly directory: string
  /** The directory in which it is installed. */
  readonly root: string
  /** The paths of its files. */
  readonly files: readonly string[]

  private constructor(directory: string, files: readonly string[]) {
    this.directory = directory
    this.root = join(directory, 'node_modules/throttler')
    this.files = files
  }

  static async install(): Promise<ServicePackage> {
    const directory = await mkdtemp(join(tmpdir(), 'throttler-package-'))
    const packed = await run(ROOT, 'npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', directory])
    const [{ filename, files }] = JSON.parse(packed) as [{ filename: string; files: { path: string }[] }]
    const found = new ServicePackage(
      directory,
      files.map(({ path }) => path),
    )
    await found.#unpack(join(directory, filename))
    return found
  }

  /** Does what npm does: unpacks the package, links its command, and links its dependencies, which are those of this repository. */
  async #unpack(tarball: string): Promise<void> {
    await mkdir(this.root, { recursive: true })
    await run(this.root, 'tar', ['xzf', tarball, '--strip-components=1'])
    const { bin } = JSON.parse(await readFile(join(this.root, 'package.json'), 'utf8'))
    await symlink(join(ROOT, 'node_modules'), join(this.root, 'node_modules'))
    const command = join(this.root, bin.throttler)
    await chmod(command, 0o755)
    const folder = join(this.directory, 'node_modules/.bin')
    await mkdir(folder)
    await symlink(command, join(folder, 'throttler'))
  }

  async remove(): Promise<void> {
    await rm(this.directory, { recursive: true })
  }
}
