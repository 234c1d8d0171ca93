import { Problem } from '../lib/errors.ts'
import { commandLineToken } from '../settings/env.ts'
import { actorOf } from './actor.ts'
import type { Backend } from './backend/backend.ts'
import { failureOf } from './backend/failure.ts'
import type { ImportTarget } from './backend/import-target.ts'
import { textOf } from './backend-options.ts'
import { UsageError, type Values } from './command.ts'
import { ServiceClient } from './http/client.ts'
import { HttpBackend } from './http/http-backend.ts'
import { HttpImportTarget } from './http/http-import-target.ts'
import { serviceUrl } from './http/service-url.ts'
import { tokenOfFile, tokenOfVariable } from './http/token.ts'
import { readDotenv } from './read-dotenv.ts'

/** Runs `use` over HTTP with `--url`, otherwise on the stores of the environment. @throws {OperatorError} */
export function withBackend<T>(values: Values, use: (backend: Backend) => Promise<T>): Promise<T> {
  return inPlace(values, {
    service: client => use(new HttpBackend(client)),
    stores: async actor => (await loadStores()).withStoreBackend(actor, use),
  })
}

/** Like `withBackend`, for imports. */
export function withImportTarget<T>(values: Values, use: (target: ImportTarget) => Promise<T>): Promise<T> {
  return inPlace(values, {
    service: client => use(new HttpImportTarget(client)),
    stores: async actor => (await loadStores()).withStoreImportTarget(actor, use),
  })
}

/** Commands over HTTP need no clients of Redis and of the queue, which take long to load. */
const loadStores = () => import('./stores/with-stores.ts')

interface Places<T> {
  service(client: ServiceClient): Promise<T>
  stores(actor: string): Promise<T>
}

async function inPlace<T>(values: Values, { service, stores }: Places<T>): Promise<T> {
  const client = serviceClient(values)
  if (client !== undefined) return service(client)
  const actor = actorOf(textOf(values['actor']))
  try {
    return await stores(actor)
  } catch (err) {
    throw err instanceof Problem ? failureOf(err) : err
  }
}

/** The client for `--url`; `undefined` without it. @throws {OperatorError} */
export function serviceClient(values: Values): ServiceClient | undefined {
  const [url, tokenFile] = [textOf(values['url']), textOf(values['token-file'])]
  if (url === undefined) {
    if (tokenFile !== undefined) throw new UsageError('--token-file is allowed only together with --url')
    return undefined
  }
  if (values['actor'] !== undefined) {
    throw new UsageError('--actor is not allowed together with --url: the name of the token is the author')
  }
  return new ServiceClient({ url: serviceUrl(url), token: tokenOf(tokenFile) })
}

function tokenOf(file: string | undefined) {
  if (file !== undefined) return tokenOfFile(file, text => void process.stderr.write(`throttler: ${text}\n`))
  readDotenv()
  return tokenOfVariable(commandLineToken())
}
