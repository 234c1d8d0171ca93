import { spawnSync } from 'node:child_process'
import { expect, it } from '@jest/globals'
import { blocksUnder } from './documents.ts'
import type { Service } from './service.ts'

interface Step {
  readonly command: string
  /** Lines of the answer; `…` stands for anything. */
  readonly expected: readonly string[]
}

/** The commands of the tour's `console` blocks, word for word, each with the lines that the README promises. */
function tour(): Step[] {
  return blocksUnder('README.md', '## Two-minute tour', 'console').flatMap(text =>
    text
      .split(/^\$ /m)
      .slice(1)
      .map(step => {
        const [command = '', ...expected] = step.trimEnd().split('\n')
        return { command, expected }
      }),
  )
}

function pattern(line: string): RegExp {
  const literal = line.split('…').map(part => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
  return new RegExp(`^${literal.join('.*')}$`)
}

/** What the README's tour shows, word for word, of a service that nobody used before. */
export function itGivesTheTour(serviceOf: () => Service): void {
  it('has a tour', () => expect(tour().length).toBeGreaterThan(8))

  it.each(tour())('$command', ({ command, expected }) => {
    const { host } = new URL(serviceOf().url)
    const { stdout, status } = spawnSync('sh', ['-c', command.replaceAll('localhost:8080', host)], { encoding: 'utf8' })
    expect(status).toBe(0)
    const lines = stdout.split(/\r?\n/)
    for (const line of expected) expect(lines).toContainEqual(expect.stringMatching(pattern(line)))
  })
}
