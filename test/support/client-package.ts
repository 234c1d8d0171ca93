import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** The development dependencies of the package, and what those need. */
const BUILD_TOOLS = ['typescript', '@types/node', 'undici-types']

/** The client, packed from a copy of its folder, as if outside this repository. */
export class ClientPackage {
  readonly #directory: string
  readonly #tarball: string

  private constructor(directory: string, tarball: string) {
    this.#directory = directory
    this.#tarball = tarball
  }

  static async pack(): Promise<ClientPackage> {
    const directory = await mkdtemp(join(tmpdir(), 'throttler-client-'))
    const source = join(directory, 'source')
    await cp(join(ROOT, 'clients/typescript'), source, {
      recursive: true,
      filter: path => !/\/(node_modules|dist)$/.test(path),
    })
    await linkModules(source, BUILD_TOOLS)
    // The package builds itself, also if the tests were started without scripts.
    const packed = await run(source, 'npm', [
      'pack',
      '--json',
      '--ignore-scripts=false',
      '--pack-destination',
      directory,
    ])
    // The output of the build comes before the JSON.
    const [{ filename = '' } = {}] = JSON.parse(packed.slice(packed.indexOf('['))) as { filename?: string }[]
    return new ClientPackage(directory, join(directory, filename))
  }

  /** @returns the directory of a new application that has installed the package, and these modules of the repository */
  async install(type: 'commonjs' | 'module', modules: readonly string[] = []): Promise<string> {
    const application = await mkdtemp(join(this.#directory, `${type}-`))
    await writeFile(join(application, 'package.json'), JSON.stringify({ name: 'application', private: true, type }))
    await run(application, 'npm', ['install', '--offline', '--no-audit', '--no-fund', this.#tarball])
    await linkModules(application, modules)
    return application
  }

  async remove(): Promise<void> {
    await rm(this.#directory, { recursive: true })
  }
}

/** @throws with the output of the program, if it fails */
export async function run(cwd: string, command: string, args: readonly string[]): Promise<string> {
  try {
    return (await promisify(execFile)(command, args, { cwd })).stdout
  } catch (err) {
    const { stdout, stderr } = err as { stdout: string; stderr: string }
    throw new Error(`${command} ${args.join(' ')} failed:\n${stdout}\n${stderr}`, { cause: err })
  }
}

async function linkModules(directory: string, names: readonly string[]): Promise<void> {
  for (const name of names) {
    const link = join(directory, 'node_modules', name)
    await mkdir(dirname(link), { recursive: true })
    await symlink(join(ROOT, 'node_modules', name), link)
  }
}
