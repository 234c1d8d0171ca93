import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from '@jest/globals'

const DIRECTORIES = 40
const MODULE = new URL('../../dist/src/embedded/directory-lock.js', import.meta.url)

/** Tries to lock each directory that it receives, and answers whether it succeeded. */
const RACER = `
  import { lockDirectory } from ${JSON.stringify(MODULE.href)}
  process.on('message', async directory => {
    process.send(await lockDirectory(directory, '').then(() => true, () => false))
  })
  process.send('ready')
`

let parent: string
const racers: ChildProcess[] = []
beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'throttler-locks-'))
})
afterEach(async () => {
  for (const racer of racers.splice(0)) racer.kill('SIGKILL')
  await rm(parent, { recursive: true })
})

const directories = Array.from({ length: DIRECTORIES }, (_, i) => `directory-${i}`)

async function startRacer(): Promise<ChildProcess> {
  const racer = spawn(process.execPath, ['--input-type=module', '--eval', RACER], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  racers.push(racer)
  await once(racer, 'message')
  return racer
}

async function lock(racer: ChildProcess, directory: string): Promise<boolean> {
  const answer = once(racer, 'message')
  racer.send(join(parent, directory))
  return (await answer)[0] as boolean
}

it.each(['never', 'by a process that was killed'])(
  'of two processes, exactly one locks a directory that was used before %s',
  async before => {
    if (before !== 'never') {
      const killed = await startRacer()
      for (const directory of directories) expect(await lock(killed, directory)).toBe(true)
      killed.kill('SIGKILL')
      await once(killed, 'exit')
    }
    const [one, other] = [await startRacer(), await startRacer()]
    for (const directory of directories) {
      const locked = await Promise.all([lock(one, directory), lock(other, directory)])
      expect(locked.filter(Boolean)).toHaveLength(1)
    }
  },
)
