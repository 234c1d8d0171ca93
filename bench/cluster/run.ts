import { BATCH_SIZE } from '../load/requests.ts'
import { median } from '../report/statistics.ts'
import type { Row } from '../rows.ts'
import { type Deployment, startDeployment } from './deployments.ts'
import { type DeploymentMeasurement, measureDeployment } from './measure-deployment.ts'

const LIGHT_RATE = 1_000

const single = { requests: 'single', decisionsPerAnswer: 1, status: 200 } as const

/** What each deployment is loaded with. */
const ROWS: readonly Omit<Row, 'server'>[] = [
  { ...single, name: 'single' },
  { ...single, name: 'single-light', ratePerSecond: LIGHT_RATE },
  { ...single, name: 'batch100', requests: 'batch', decisionsPerAnswer: BATCH_SIZE },
]

/** By row and deployment: `single`, `standalone`. The median of the rounds. */
export type ClusterResult = Readonly<Record<string, Readonly<Record<Deployment['name'], DeploymentMeasurement>>>>

interface ClusterRunOptions {
  readonly rounds: number
  readonly seconds: number
  readonly stop: AbortSignal
}

export async function runCluster(options: ClusterRunOptions, say: (line: string) => void): Promise<ClusterResult> {
  const deployments: Deployment[] = []
  try {
    for (const name of ['standalone', 'cluster'] as const) deployments.push(await startDeployment(name))
    const measured = new Map<string, DeploymentMeasurement[]>()
    for (let round = 1; round <= options.rounds; round++) {
      for (const row of ROWS) {
        for (const deployment of deployments) {
          const name = nameOf(row, deployment)
          say(`round ${round} of ${options.rounds}: ${name}`)
          const found = await measureDeployment(row, deployment, { ...options, warmUpSeconds: 1 })
          measured.set(name, [...(measured.get(name) ?? []), found])
        }
      }
    }
    const medianOf = (row: (typeof ROWS)[number], deployment: Deployment) =>
      medians(measured.get(nameOf(row, deployment)) ?? [])
    return Object.fromEntries(
      ROWS.map(row => [row.name, Object.fromEntries(deployments.map(each => [each.name, medianOf(row, each)]))]),
    ) as ClusterResult
  } finally {
    for (const { stop } of deployments) await stop()
  }
}

function nameOf(row: (typeof ROWS)[number], deployment: Deployment): string {
  return `${row.name} on ${deployment.name}`
}

function medians(rounds: readonly DeploymentMeasurement[]): DeploymentMeasurement {
  const columns = Object.keys(rounds[0] ?? {}) as (keyof DeploymentMeasurement)[]
  return Object.fromEntries(
    columns.map(column => [column, median(rounds.map(round => round[column]))]),
  ) as unknown as DeploymentMeasurement
}
