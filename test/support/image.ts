import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { cp, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const linesOf = (file: string) => readFileSync(join(ROOT, file), 'utf8').replaceAll('\\\n', ' ').split('\n')

interface Instruction {
  readonly name: string
  readonly words: readonly string[]
}

const instructions: readonly Instruction[] = linesOf('Dockerfile')
  .filter(line => /^[A-Z]+ /.test(line))
  .map(line => {
    const [name = '', ...words] = line.split(/ +/)
    return { name, words }
  })

/** The files and folders that .dockerignore does not exclude from a build. */
export function letThrough(): string[] {
  const patterns = linesOf('.dockerignore').filter(line => line !== '' && !line.startsWith('#'))
  if (patterns[0] !== '*') throw new Error('.dockerignore does not begin by keeping everything back')
  return patterns.slice(1).map(pattern => pattern.replace('!', ''))
}

/** The base images of the stages, except other stages. */
export function baseImages(): string[] {
  const froms = instructions.filter(({ name }) => name === 'FROM')
  const stages = froms.map(({ words }) => words[2])
  return froms.map(({ words: [image = ''] }) => image).filter(image => !stages.includes(image))
}

/** The paths that stages copy from the build context, not from other stages. */
export function copiedFromContext(): string[] {
  const copies = instructions.filter(({ name, words }) => name === 'COPY' && !words[0]?.startsWith('--from='))
  return copies.flatMap(({ words }) => words.slice(0, -1))
}

/**
 * Does in folders what the Dockerfile does in stages: copies the same files to the same places, and runs the same build. The
 * dependencies that it would install are already there. Resolves with the folder of the last stage's /app.
 */
export async function buildImage(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'throttler-image-'))
  const context = join(folder, 'context')
  for (const path of letThrough()) await cp(join(ROOT, path), join(context, path), { recursive: true })
  let stage = ''
  for (const { name, words } of instructions) {
    if (name === 'FROM') {
      stage = join(folder, words[2] ?? 'last')
      await mkdir(stage)
    }
    if (name === 'COPY') await copy(words, folder, stage)
    if (name === 'RUN') await runIn(stage, words.join(' '))
  }
  const image = await mkdtemp(join(tmpdir(), 'throttler-app-'))
  await cp(stage, image, { recursive: true, verbatimSymlinks: true })
  await rm(folder, { recursive: true })
  return image
}

async function copy(words: readonly string[], folder: string, stage: string): Promise<void> {
  const from = words[0]?.startsWith('--from=') ? words[0].slice('--from='.length) : undefined
  const sources = words.slice(from === undefined ? 0 : 1, -1)
  const target = words.at(-1) ?? ''
  for (const source of sources) {
    const path = from === undefined ? join(folder, 'context', source) : join(folder, from, source.replace('/app/', ''))
    const place = target.endsWith('/') ? join(target, basename(source)) : target
    await cp(path, join(stage, normalize(place)), { recursive: true, verbatimSymlinks: true })
  }
}

async function runIn(stage: string, command: string): Promise<void> {
  if (command.startsWith('npm ci')) await symlink(join(ROOT, 'node_modules'), join(stage, 'node_modules'))
  // Other commands are not run, since a command that deletes files would delete them here.
  if (!/^npm run [a-z:]+$/.test(command)) return
  const { status, stdout, stderr } = spawnSync('sh', ['-c', command], { cwd: stage, encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command}: ${stdout}${stderr}`)
}
