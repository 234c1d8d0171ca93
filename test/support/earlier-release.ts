import { spawnSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

export const RELEASE_0_1_0 = '7a9e43a8e075edb059056e77da80a87170aeca60'

/** An earlier release, built from its commit in a folder of its own. Needs the repository's history and the npm registry. */
export class EarlierRelease {
  /** The root of its build. */
  readonly root: string

  private constructor(root: string) {
    this.root = root
  }

  static async build(commit: string): Promise<EarlierRelease> {
    if (spawnSync('git', ['cat-file', '-e', `${commit}^{commit}`], { cwd: ROOT }).status !== 0)
      throw new Error(`the repository does not hold the commit ${commit}; get the whole history: git fetch --unshallow`)
    const root = await mkdtemp(join(tmpdir(), 'throttler-release-'))
    run(`git archive ${commit} | tar x -C '${root}'`, ROOT)
    run('npm ci --ignore-scripts --no-audit --no-fund', root)
    run('npm run build', root)
    return new EarlierRelease(root)
  }

  async remove(): Promise<void> {
    await rm(this.root, { recursive: true, force: true })
  }
}

function run(command: string, cwd: string): void {
  // npm must not inherit Jest's flags.
  const { NODE_OPTIONS: _, ...env } = process.env
  const { status, stdout, stderr } = spawnSync('sh', ['-c', command], { cwd, env, encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command} ended with ${status}:\n${stdout}${stderr}`)
}
