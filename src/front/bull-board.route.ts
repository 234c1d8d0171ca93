import { Type } from '@sinclair/typebox'
import type { Job, Queue } from 'bullmq'
import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import { parseCommandId } from '../domain/command-id.ts'
import { nothingAt } from '../http/methods.ts'
import { redactSecrets } from '../http/redact-secrets.ts'
import { Problem, validationProblem } from '../lib/errors.ts'
import { adaptBullBoardPage } from './bull-board-page.ts'
import { HtmlPages, type Page, sendPage } from './html-pages.ts'
import { LOGO_URL } from './logo.ts'
import { retryAllFailed, retryFailed } from './retry-failed.ts'

export interface BullBoardRouteOptions {
  /** The queues to show. Rejects while the policy store is unavailable. */
  boardQueues(): Promise<readonly Queue[]>
  /** Aborts when the process is about to close: what waits for long then is refused. */
  readonly closing: AbortSignal
}

const BASE_PATH = '/admin/queues'

/** Of a value that is refused. */
const MAX_SHOWN_CHARACTERS = 100

/** How Bull Board answers if nothing is at a path: 403 for one outside its files, and 414 for one that is too long for its router. */
const NOTHING_THERE = new Set([403, 404, 414])

/** Bounds what Bull Board does not. Its page asks for at most 50 jobs at once; thousands would stall checks. */
const BoardQuery = Type.Object({
  page: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000 })),
  jobsPerPage: Type.Optional(Type.Integer({ minimum: 1, maximum: 100 })),
  status: Type.Optional(Type.String({ pattern: '^[a-z-]*$' })),
})

/** How the page shows the queue of a partition. The types of Bull Board do not declare `allowCompletedRetries`. */
function adapterOptions(partition: number) {
  return {
    displayName: `Policy changes, partition ${partition}`,
    description: 'Changes of policies, applied one at a time. Failed changes can be retried; all else is read-only.',
    allowRetries: true,
    allowCompletedRetries: false,
  }
}

const UI_OPTIONS = {
  boardTitle: 'Throttler',
  boardLogo: { path: LOGO_URL, width: 28, height: 28 },
  favIcon: { default: LOGO_URL, alternative: LOGO_URL },
  hideDocsLink: true,
}

/** The only changes that are allowed: retry all failed jobs of a queue, or one job. Matched as sent, without decoding. */
const RETRY_ALL = /^\/admin\/queues\/api\/queues\/(?<queue>[a-z0-9-]+)\/retry\/failed$/
const RETRY_ONE = /^\/admin\/queues\/api\/queues\/(?<queue>[a-z0-9-]+)\/(?<job>(?!\.{1,2}\/)[A-Za-z0-9_.-]+)\/retry$/

/**
 * `/admin/queues`: Bull Board. It has no access control of its own, so only allowed requests reach it.
 * @see https://github.com/felixmosh/bull-board
 */
export const bullBoardRoute: FastifyPluginAsync<BullBoardRouteOptions> = async (app, { boardQueues, closing }) => {
  const pages = new HtmlPages({
    install: async inner => installBoard(inner, await boardQueues().catch(unavailable)),
    isStatic: path => path.startsWith(`${BASE_PATH}/static/`),
    closing,
  })
  app.addHook('onClose', () => pages.close())

  for (const url of [BASE_PATH, `${BASE_PATH}/*`]) {
    app.route({
      method: ['GET', 'PUT', 'POST', 'PATCH', 'DELETE'],
      url,
      config: { access: 'admin', asksForPassword: true },
      schema: { hide: true, querystring: BoardQuery },
      onRequest: async request => refuseOtherChanges(request),
      handler: async (request, reply) => {
        refuseOtherJobs(request)
        const queues = await boardQueues().catch(unavailable)
        if (request.method === 'PUT') return retry(request, reply, queues).catch(mapStoreErrors)
        const page = await pages.request(request)
        if (NOTHING_THERE.has(page.statusCode)) throw nothingAt(request)
        if (page.statusCode === 400) throw refusedQuery(request, page)
        if (page.statusCode >= 500) unavailable(new Error(`Bull Board answered ${page.statusCode}: ${page.rawPayload}`))
        return sendPage(request, reply, { ...page, headers: { ...page.headers, 'cache-control': 'no-store' } })
      },
    })
  }
}

function pathOf({ url }: FastifyRequest): string {
  return url.replace(/\?.*$/s, '')
}

function refuseOtherChanges(request: FastifyRequest): void {
  if (request.method === 'GET' || request.method === 'HEAD') return
  const path = pathOf(request)
  if (request.method === 'PUT' && (RETRY_ALL.test(path) || RETRY_ONE.test(path))) return
  throw new Problem('forbidden', 'this page is read-only, except that failed jobs may be retried')
}

/** What follows the name of a queue in a path, and is no resource of the queue itself. */
const JOB = /^\/admin\/queues\/api\/queues\/[^/]+\/(?<job>[^/]+)(?:\/(?:logs|flow|retry))?$/

/** A part of a path that is a resource of a queue. */
const QUEUE_RESOURCES = new Set(['metrics', 'default-job-options', 'workers', 'rate-limit', 'job-data-schema'])

/** Each job has the id of its command. BullMQ would take any key of a queue for a job, also its own keys such as `events`. */
function refuseOtherJobs(request: FastifyRequest): void {
  const { job } = JOB.exec(pathOf(request))?.groups ?? {}
  if (job !== undefined && !QUEUE_RESOURCES.has(job) && parseCommandId(job) === undefined) throw nothingAt(request)
}

/** Bull Board itself answers with an error if several people retry a job at the same time. */
async function retry(request: FastifyRequest, reply: FastifyReply, queues: readonly Queue[]): Promise<FastifyReply> {
  const path = pathOf(request)
  const { queue: name, job: id } = (RETRY_ONE.exec(path) ?? RETRY_ALL.exec(path))?.groups ?? {}
  const queue = queues.find(queue => queue.name === name)
  if (queue === undefined) throw nothingAt(request)
  if (id === undefined) return reply.send(await retryAllFailed(queue))
  const job = await queue.getJob(id)
  if (job === undefined) throw nothingAt(request)
  await refuseUnlessFailed(job)
  // Another operator may retry it at the same time, which has the same effect.
  await retryFailed(job)
  return reply.code(204).send()
}

async function refuseUnlessFailed(job: Job): Promise<void> {
  if (await job.isFailed()) return
  throw new Problem('forbidden', `only failed jobs may be retried; this job is ${await job.getState()}`)
}

/** Bull Board names the parameter that it refuses, but not what it allows. */
function refusedQuery({ query }: FastifyRequest, { rawPayload }: Page): Problem {
  const { error }: { error?: { options?: { field?: string } } } = JSON.parse(rawPayload.toString())
  const field = error?.options?.field
  if (field === undefined)
    return validationProblem([{ path: '/query', message: 'has a parameter that is not allowed' }])
  const given = JSON.stringify((query as Record<string, unknown>)[field])?.slice(0, MAX_SHOWN_CHARACTERS)
  return validationProblem([{ path: `/query/${field}`, message: `is not allowed; was ${given}` }])
}

function mapStoreErrors(err: unknown): never {
  if (err instanceof Problem) throw err
  return unavailable(err)
}

function unavailable(cause: unknown): never {
  throw new Problem('config-store-unavailable', 'the queues are unavailable; try again', { cause })
}

/** Loaded on first use. */
async function installBoard(app: FastifyInstance, queues: readonly Queue[]): Promise<void> {
  const [{ createBullBoard }, { BullMQAdapter }, { FastifyAdapter }] = await Promise.all([
    import('@bull-board/api'),
    import('@bull-board/api/bullMQAdapter'),
    import('@bull-board/fastify'),
  ])
  const serverAdapter = new FastifyAdapter().setBasePath(BASE_PATH)
  const adapters = queues.map((queue, partition) => {
    const adapter = new BullMQAdapter(queue, adapterOptions(partition))
    adapter.setFormatter('data', redactSecrets)
    adapter.setFormatter('returnValue', redactSecrets)
    return adapter
  })
  createBullBoard({ queues: adapters, serverAdapter, options: { uiConfig: UI_OPTIONS } })
  app.addHook('onSend', async (_request, reply, payload) =>
    isHtml(reply) ? adaptBullBoardPage(String(payload)) : payload,
  )
  await app.register(serverAdapter.registerPlugin(), { prefix: BASE_PATH })
}

function isHtml(reply: FastifyReply): boolean {
  return String(reply.getHeader('content-type')).startsWith('text/html')
}
