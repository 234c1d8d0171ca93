import type { Logger } from '../observability/logger.ts'
import type { Env } from '../settings/env.ts'
import { redactCredentials } from '../settings/redis-url.ts'

/** Logs where the service listens, which stores it uses, and how to try it. */
export function announceService(logger: Logger, env: Env): void {
  const host = env.HOST.includes(':') ? `[${env.HOST}]` : env.HOST
  if (env.RESP_PORT !== undefined) logger.info(`RESP: redis://${host}:${env.RESP_PORT}`)
  if (env.GRPC_PORT !== undefined) logger.info(`gRPC: ${host}:${env.GRPC_PORT}`)
  const url = `http://${host}:${env.PORT}`
  logger.info(
    { url, processes: env.WEB_CONCURRENCY },
    `listening on ${url} with ${env.WEB_CONCURRENCY} front processes`,
  )
  logger.info(
    env.REDIS_URL === undefined
      ? `store: embedded, keeping policies in ${env.DATA_DIR}; set REDIS_URL to use Redis`
      : `store: ${redactCredentials(env.REDIS_URL)}, policies in ${redactCredentials(env.CONFIG_REDIS_URL ?? env.REDIS_URL)}`,
  )
  logger.info(`try: curl -i ${url}/check -H 'content-type: application/json' -d '{"key":"user:42"}'`)
}
