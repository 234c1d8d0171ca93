import type { Job, Queue } from 'bullmq'
import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import { Problem } from '../errors.ts'
import { HtmlPages, sendPage } from './html-pages.ts'
import { nothingAt } from './methods.ts'
import { retryAllFailed, retryFailed } from './retry-failed.ts'
import { withoutSecrets } from './without-secrets.ts'

export interface BullBoardRouteOptions {
  /** The queues that are shown. Rejects while their store is away. */
  boardQueues(): Promise<readonly Queue[]>
}

const BASE_PATH = '/admin/queues'

/** What the page offers. Its types do not know the second. */
const ADAPTER_OPTIONS = { allowRetries: true, allowCompletedRetries: false }

/** The only changes that pass: all failed jobs of a queue, or one job, are tried again. As they are sent, nothing decoded. */
const RETRY_ALL = /^\/admin\/queues\/api\/queues\/(?<queue>[a-z0-9-]+)\/retry\/failed$/
const RETRY_ONE = /^\/admin\/queues\/api\/queues\/(?<queue>[a-z0-9-]+)\/(?<job>(?!\.{1,2}\/)[A-Za-z0-9_.-]+)\/retry$/

/**
 * `/admin/queues`: Bull Board, which knows no access rights of its own, and so gets only what may pass.
 * @see https://github.com/felixmosh/bull-board
 */
export const bullBoardRoute: FastifyPluginAsync<BullBoardRouteOptions> = async (app, { boardQueues }) => {
  const pages = new HtmlPages({
    install: async inner => installBoard(inner, await boardQueues().catch(unavailable)),
    isStatic: path => path.startsWith(`${BASE_PATH}/static/`),
  })
  app.addHook('onClose', () => pages.close())

  for (const url of [BASE_PATH, `${BASE_PATH}/*`]) {
    app.route({
      method: ['GET', 'PUT', 'POST', 'PATCH', 'DELETE'],
      url,
      config: { access: 'admin', basic: true },
      schema: { hide: true, querystring: {} },
      onRequest: async request => refuseOtherChanges(request),
      handler: async (request, reply) => {
        const queues = await boardQueues().catch(unavailable)
        if (request.method === 'PUT') return retry(request, reply, queues).catch(orUnavailable)
        const page = await pages.request(request)
        if (page.statusCode === 404) throw nothingAt(request)
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
  throw new Problem('forbidden', 'through this page failed jobs may be retried; everything else it may only show')
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
  // Somebody else may retry it since: then what was asked for is done.
  await retryFailed(job)
  return reply.code(204).send()
}

async function refuseUnlessFailed(job: Job): Promise<void> {
  if (await job.isFailed()) return
  throw new Problem('forbidden', `only failed jobs may be retried; this one is ${await job.getState()}`)
}

function orUnavailable(err: unknown): never {
  if (err instanceof Problem) throw err
  return unavailable(err)
}

function unavailable(cause: unknown): never {
  throw new Problem('config-store-unavailable', 'the queues cannot be shown; try again', { cause })
}

/** Loaded only when somebody looks. */
async function installBoard(app: FastifyInstance, queues: readonly Queue[]): Promise<void> {
  const [{ createBullBoard }, { BullMQAdapter }, { FastifyAdapter }] = await Promise.all([
    import('@bull-board/api'),
    import('@bull-board/api/bullMQAdapter'),
    import('@bull-board/fastify'),
  ])
  const serverAdapter = new FastifyAdapter().setBasePath(BASE_PATH)
  const adapters = queues.map(queue => {
    const adapter = new BullMQAdapter(queue, ADAPTER_OPTIONS)
    adapter.setFormatter('data', withoutSecrets)
    adapter.setFormatter('returnValue', withoutSecrets)
    return adapter
  })
  createBullBoard({ queues: adapters, serverAdapter, options: { uiConfig: { boardTitle: 'Throttler' } } })
  await app.register(serverAdapter.registerPlugin(), { prefix: BASE_PATH })
}
