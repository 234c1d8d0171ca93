import { Service } from '../../test/support/service.ts'
import { POLICY_VARIABLES } from '../policy.ts'
import type { MeasuredProcess } from './measured-process.ts'

/** Starts the front as `npm run start:api` does, one process under its primary, with everything that is on by default, or as these variables say. */
export async function startService(
  redisUrl: string,
  variables: Readonly<Record<string, string>> = {},
): Promise<MeasuredProcess> {
  const ports = { RESP_PORT: '0', GRPC_PORT: '0' }
  const env = { WEB_CONCURRENCY: '1', ...ports, REDIS_URL: redisUrl, ...POLICY_VARIABLES, ...variables }
  const service = await Service.start({ kind: 'api', isPatient: false, env })
  const [frontPid] = service.pidsOf('throttler front')
  if (frontPid === undefined) throw new Error('the service has no front process')
  return {
    port: Number(new URL(service.url).port),
    respPort: service.respPort,
    grpcPort: service.grpcPort,
    pids: [service.process.pid ?? 0, frontPid],
    frontPid,
    stop: async () => void (await service.stop()),
  }
}
