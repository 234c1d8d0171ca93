import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { describe, expect, it } from '@jest/globals'
import { NegativeAnswer } from '../../../../src/cli/backend/failure.ts'
import { HttpImportTarget } from '../../../../src/cli/http/http-import-target.ts'
import { AnsweringServer, problem, sendJson } from '../../../support/answering-server.ts'

const COUNTS = { created: 1, changed: 0, unchanged: 0, deleted: 0 }
const APPLIED = { commandId: 'import-x', status: 'applied', ...COUNTS }
const OPTIONS = { prune: undefined, reason: undefined, timeoutMs: Number.POSITIVE_INFINITY, say: () => undefined }

const server = new AnsweringServer()

async function targetOf(...args: Parameters<AnsweringServer['clientOf']>) {
  return new HttpImportTarget(await server.clientOf(...args))
}

async function* lines(count: number): AsyncGenerator<Buffer> {
  for (let i = 0; i < count; i++) yield Buffer.from(`${'x'.repeat(65_535)}\n`)
}

describe('an import over HTTP', () => {
  it('sends the file as it is read', async () => {
    let size = 0
    const target = await targetOf(async (request, response) => {
      for await (const part of request) size += (part as Buffer).length
      sendJson(response, 200, APPLIED)
    })
    expect([await target.apply(lines(64), OPTIONS), size]).toEqual([APPLIED, 64 * 65_536])
  })

  it.each([
    [undefined, '/config/import'],
    ['user:', '/config/import?prune=user%3A'],
    ['é&', '/config/import?prune=%C3%A9%26'],
    ['rls;', '/config/import?prune=rls%3B'],
    ['', '/config/import?prune=*'],
  ])('prunes by the prefix %j, with a reason in UTF-8', async (prune, path) => {
    const seen: unknown[] = []
    const target = await targetOf(async (request, response) => {
      const { 'x-change-reason': reason, prefer } = request.headers
      seen.push([request.url, Buffer.from(String(reason), 'latin1').toString(), prefer])
      await text(request)
      sendJson(response, 200, APPLIED)
    })
    await target.apply(lines(1), { ...OPTIONS, prune, reason: 'größer' })
    expect(seen).toEqual([[path, 'größer', 'wait=2']])
  })

  it('reports a refusal that comes before the file has been sent', async () => {
    const target = await targetOf(async (request, response) => {
      response.setHeader('connection', 'close')
      sendJson(response, 403, { code: 'forbidden', detail: 'may only read' })
      await once(request, 'close')
    })
    await expect(target.apply(lines(1_000), OPTIONS)).rejects.toThrow(/^may only read \(403 forbidden from/)
  })

  it('does not wait for a service that has refused the file and does not read the rest', async () => {
    let closed: Promise<unknown> | undefined
    const target = await targetOf((request, response) => {
      closed = new Promise(resolve => request.socket.once('close', resolve))
      sendJson(response, 403, { code: 'forbidden', detail: 'may only read' })
    })
    await expect(target.apply(lines(1_000), OPTIONS)).rejects.toThrow(/^may only read/)
    await closed
  })

  it('is awaited if it is not applied at once', async () => {
    const target = await targetOf(async (request, response) => {
      if (request.url?.startsWith('/commands/')) {
        return sendJson(response, 200, { id: 'import-x', status: 'applied', ...COUNTS })
      }
      await text(request)
      return sendJson(response, 202, { commandId: 'import-x', status: 'queued' })
    })
    expect(await target.apply(lines(2), OPTIONS)).toEqual(APPLIED)
  })

  it('reports a file that cannot be read', async () => {
    const target = await targetOf(request => void request.resume())
    async function* broken(): AsyncGenerator<Buffer> {
      yield Buffer.from('x')
      throw new NegativeAnswer('the file cannot be read')
    }
    await expect(target.apply(broken(), OPTIONS)).rejects.toThrow('the file cannot be read')
  })
})

describe('a dry run over HTTP', () => {
  const found = { ...COUNTS, differences: [] }

  it.each([
    [undefined, '/config/import?dryRun=true'],
    ['user:', '/config/import?prune=user%3A&dryRun=true'],
  ])('sends the file, and the prefix %j', async (prune, path) => {
    const seen: unknown[] = []
    const target = await targetOf(async (request, response) => {
      seen.push([request.method, request.url, (await text(request)).length])
      sendJson(response, 200, found)
    })
    expect(await target.compare(lines(1), prune)).toEqual(found)
    expect(seen).toEqual([['POST', path, 65_536]])
  })

  it('is a negative answer if a line is invalid', async () => {
    const target = await targetOf(problem(400, 'import-invalid', 'line 2 is invalid'))
    await expect(target.compare(lines(1), undefined)).rejects.toThrow(new NegativeAnswer('line 2 is invalid'))
  })

  it('has no effect if it fails', async () => {
    const unavailable = await targetOf(problem(503, 'config-store-unavailable', 'unavailable'))
    await expect(unavailable.compare(lines(1), undefined)).rejects.toThrow(/\(503 config-store-unavailable from \S+\)$/)
  })

  it('is not answered by the result of an import', async () => {
    const target = await targetOf((_, response) => sendJson(response, 200, APPLIED))
    await expect(target.compare(lines(1), undefined)).rejects.toThrow('but not as Throttler does')
  })
})
