import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { CALENDAR_STEPS, Calendar, type CalendarStep } from '../../src/domain/limits/calendar.ts'
import { describeLong } from '../support/describe-long.ts'

const ORACLE = new URL('../support/calendar-oracle.py', import.meta.url).pathname
/** Years 1970 to 2070. */
const STEPS = { day: 36_525, week: 5_218, month: 1_200, year: 100 }
/** Every so many steps are compared, so that a zone takes less than a second. */
const STRIDE = { day: 61, week: 13, month: 5, year: 1 }
const ANCHORS = {
  day: '1970-01-01T02:30',
  week: '1970-01-05T00:00',
  month: '1970-01-31T02:00',
  year: '1972-02-29T00:30',
}

/** The release of PyPI's tzdata with the rules that Node.js has: 2025.3 for 2025c. */
function packageOf(tz: string): string {
  return `tzdata==${tz.slice(0, 4)}.${tz.charCodeAt(4) - 'a'.charCodeAt(0) + 1}`
}

let directory: string

function python(args: readonly string[], input: string): string {
  // An empty path makes zoneinfo read the package instead of the files of this machine.
  const env = { ...process.env, PYTHONPATH: directory, PYTHONTZPATH: '' }
  const { status, stdout, stderr } = spawnSync('python3', args, { env, input, encoding: 'utf8', maxBuffer: 2 ** 30 })
  if (status !== 0) throw new Error(`python3 ${args.join(' ')}: ${stderr}`)
  return stdout
}

function stepsOf(step: CalendarStep): number[] {
  return Array.from({ length: Math.floor(STEPS[step] / STRIDE[step]) }, (_, i) => i * STRIDE[step])
}

describeLong('calendars of all zones over a century', () => {
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'throttler-calendar-'))
    const packages = [packageOf(process.versions['tz'] ?? ''), 'python-dateutil']
    python(['-m', 'pip', 'install', '--quiet', '--target', directory, ...packages], '')
  }, 120_000)
  afterAll(() => {
    rmSync(directory, { recursive: true, force: true })
  })

  it.each(CALENDAR_STEPS)(
    'have the boundaries that zoneinfo and dateutil have, for steps of a %s',
    step => {
      const zones = Intl.supportedValuesOf('timeZone')
      const anchor = ANCHORS[step]
      const asked = zones.map(timeZone => JSON.stringify({ timeZone, unit: `${step}s`, anchor, steps: stepsOf(step) }))
      const answers = python([ORACLE], asked.join('\n')).trim().split('\n')
      expect(answers).toHaveLength(zones.length)
      const differing = zones.filter((timeZone, i) => {
        const calendar = new Calendar(step, timeZone, anchor)
        const boundaries: number[] = JSON.parse(answers[i] ?? '[]')
        return boundaries.some(boundary => calendar.periodAt(boundary).startMs !== boundary)
      })
      expect(differing).toEqual([])
    },
    600_000,
  )
})
