import { BATCH_SIZE } from '../load/keys.ts'
import { median } from '../report/statistics.ts'
import type { Row } from '../rows.ts'
import { type Deployment, type DeploymentName, MASTERS, nameOf, startDeployment } from './deployments.ts'
import { type DeploymentMeasurement, measureDeployment } from './measure-deployment.ts'

const LIGHT_RATE = 1_000

const single = { requests: 'single', decisionsPerAnswer: 1, status: 200 } as const

/** What each deployment is loaded with. */
const ROWS: readonly Omit<Row, 'server'>[] = [
  { ...single, name: 'single' },
  { ...single, name: 'single-light', ratePerSecond: LIGHT_RATE },
  { ...single, name: 'batch100', requests: 'batch', decisionsPerAnswer: BATCH_SIZE },
]

/** What each deployment showed, by row. */
export type ClusterRound = Readonly<Record<string, Readonly<Record<DeploymentName, DeploymentMeasurement>>>>

interface ClusterRunOptions {
  readonly rounds: number
  readonly seconds: number
  readonly stop: AbortSignal
}

export async function runCluster(
  options: ClusterRunOptions,
  say: (line: string) => void,
): Promise<readonly ClusterRound[]> {
  const deployments: Deployment[] = []
  try {
    for (const masters of MASTERS) deployments.push(await startDeployment(masters))
    const rounds: ClusterRound[] = []
    for (let i = 1; i <= options.rounds; i++) {
      const sayOf = (name: string) => say(`round ${i} of ${options.rounds}: ${name}`)
      rounds.push(await runRound(deployments, options, sayOf))
    }
    return rounds
  } finally {
    for (const { stop } of deployments) await stop()
  }
}

async function runRound(
  deployments: readonly Deployment[],
  options: ClusterRunOptions,
  say: (name: string) => void,
): Promise<ClusterRound> {
  const round: Record<string, Record<string, DeploymentMeasurement>> = {}
  for (const row of ROWS) {
    const measured: Record<string, DeploymentMeasurement> = {}
    for (const deployment of deployments) {
      say(`${row.name} on ${deployment.name}`)
      measured[deployment.name] = await measureDeployment(row, deployment, { ...options, warmUpSeconds: 1 })
    }
    round[row.name] = measured
  }
  return round as ClusterRound
}

/** Of the rounds, for each figure. */
export function medians(rounds: readonly ClusterRound[]): ClusterRound {
  const merged = (row: string, deployment: DeploymentName) =>
    medianOf(rounds.map(round => round[row]?.[deployment] as DeploymentMeasurement))
  return Object.fromEntries(
    ROWS.map(({ name }) => {
      const deployments = MASTERS.map(nameOf)
      return [name, Object.fromEntries(deployments.map(deployment => [deployment, merged(name, deployment)]))]
    }),
  ) as ClusterRound
}

function medianOf(measured: readonly DeploymentMeasurement[]): DeploymentMeasurement {
  const columns = Object.keys(measured[0] ?? {}) as (keyof DeploymentMeasurement)[]
  return Object.fromEntries(
    columns.map(column => [column, median(measured.map(each => each[column]))]),
  ) as unknown as DeploymentMeasurement
}
