import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { describeLong } from '../support/describe-long.ts'
import { isOnPath } from '../support/on-path.ts'
import { Service } from '../support/service.ts'

const describeLongWithSchemathesis = isOnPath('schemathesis') ? describeLong : describe.skip

const ATTACK_SECONDS = 120

/** The checks that every answer must pass. */
const CHECKS = [
  'not_a_server_error',
  'status_code_conformance',
  'content_type_conformance',
  'response_headers_conformance',
  'response_schema_conformance',
  'ignored_auth',
]

/** @see https://schemathesis.readthedocs.io/ */
describeLongWithSchemathesis('requests that a fuzzer generates from the OpenAPI document', () => {
  let service: Service
  /** The fuzzer leaves files where it runs. */
  let directory: string
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'throttler-fuzzer-'))
    service = await Service.start({
      env: {
        ADMIN_TOKENS: 'fuzzer:a-token-of-the-fuzzer',
        CHECK_TOKENS: 'caller:a-token-of-a-caller',
        // The fuzzer counts a 503 as a fault, also if the machine is slow.
        REDIS_TIMEOUT_MS: '20000',
        EVENT_LOOP_LAG_MS: '60000',
      },
    })
  })
  afterAll(async () => {
    await service.stop()
    await rm(directory, { recursive: true })
  })

  it(
    'are all answered as the document says',
    async () => {
      const child = spawn(
        'schemathesis',
        [
          ...['run', `${service.url}/openapi.json`],
          ...['--header', 'Authorization: Bearer a-token-of-the-fuzzer'],
          ...['--checks', CHECKS.join(',')],
          ...[
            '--phases',
            'fuzzing,stateful',
            '--max-time',
            String(ATTACK_SECONDS),
            '--workers',
            '2',
            '--continue-on-failure',
            '--no-color',
          ],
          // The fuzzer cannot generate the media type of an import.
          ...['--exclude-path', '/config/import'],
        ],
        { cwd: directory, stdio: ['ignore', 'pipe', 'inherit'] },
      )
      const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'exit')])
      // The report is long, so it is part of the comparison only if there is something to see in it.
      expect({ code, report: code === 0 ? '' : output }).toEqual({ code: 0, report: '' })
      expect(output).toContain('Test cases')
      expect(service.output.filter(line => line.includes('internal error'))).toEqual([])
    },
    (ATTACK_SECONDS + 120) * 1_000,
  )
})
