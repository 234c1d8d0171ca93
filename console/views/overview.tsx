import { useState } from 'preact/hooks'
import { call } from '../api/call.ts'
import { boundOf, parseMetrics, type Sample, sumOf, sumsBy } from '../api/prometheus.ts'
import { type Health, OUTCOMES, type Stats, type Window } from '../api/types.ts'
import { OutcomeChart } from '../parts/chart.tsx'
import { Empty, WhenLoaded } from '../parts/states.tsx'
import { type Loaded, useLoaded } from '../parts/use-loaded.ts'
import { WindowSelect } from '../parts/window-select.tsx'
import { formatCount, formatDuration, formatRate } from '../text/format.ts'

const LIVE_MS = 2000
const CHART_MS = 5000

function useStats(window: Window, everyMs: number): Loaded<Stats> {
  const load = async (signal: AbortSignal) => (await call<Stats>('stats', { query: { window }, signal })).body
  return useLoaded(window, load, { everyMs })
}

export function OverviewView() {
  const health = useLoaded('health', async signal => (await call<Health>('health', { signal })).body, {
    everyMs: LIVE_MS,
  })
  const metrics = useLoaded('metrics', async signal => parseMetrics((await call<string>('metrics', { signal })).body), {
    everyMs: LIVE_MS,
  })
  const [window, setWindow] = useState<Window>('1h')
  const live = useStats('1m', LIVE_MS)
  const stats = useStats(window, CHART_MS)
  return (
    <>
      <h1 tabIndex={-1}>Overview</h1>
      <WhenLoaded from={health} height="3rem">
        {value => <Verdict health={value} />}
      </WhenLoaded>
      <section aria-labelledby="now">
        <h2 id="now">Checks per second, now</h2>
        <WhenLoaded from={live} height="5.5rem">
          {value => <LiveRates stats={value} />}
        </WhenLoaded>
      </section>
      <section aria-labelledby="history">
        <div class="heading">
          <h2 id="history">Checks per second, over time</h2>
          <div class="choices">
            <WindowSelect window={window} onChange={setWindow} />
          </div>
        </div>
        <WhenLoaded from={stats} height="20rem">
          {value => <History stats={value} />}
        </WhenLoaded>
      </section>
      <section aria-labelledby="instance">
        <h2 id="instance">This instance</h2>
        <WhenLoaded from={health} height="8rem">
          {value => <InstanceFacts health={value} samples={metrics.value ?? []} />}
        </WhenLoaded>
      </section>
    </>
  )
}

function Verdict({ health: { status, reason } }: { health: Health }) {
  if (status === 'ok') return <p class="note good">All is well: both stores answer, and changes are applied.</p>
  return (
    <p class="note bad" role="alert">
      <strong>Degraded:</strong> {reason}
    </p>
  )
}

function LiveRates({ stats: { series, stepSeconds } }: { stats: Stats }) {
  return (
    <dl class="tiles">
      {OUTCOMES.map(outcome => (
        <div key={outcome} class={outcome}>
          <dt>{outcome}</dt>
          <dd>{formatRate((series[outcome].at(-1) ?? 0) / stepSeconds)}</dd>
        </div>
      ))}
    </dl>
  )
}

function History({ stats }: { stats: Stats }) {
  const isEmpty = OUTCOMES.every(outcome => stats.series[outcome].every(count => count === 0))
  return (
    <>
      {isEmpty && <Empty>No checks in this time. The first ones appear after a few seconds.</Empty>}
      <OutcomeChart stats={stats} />
    </>
  )
}

function InstanceFacts({ health, samples }: { health: Health; samples: readonly Sample[] }) {
  const propagation = boundOf(samples, 'throttler_config_propagation_seconds', 0.99)
  const count = (name: string) => {
    const sum = sumOf(samples, name)
    return sum === undefined ? '–' : formatCount(sum)
  }
  return (
    <dl class="facts">
      <Fact name="Bucket store" value={health.store} isBad={health.store === 'down'} />
      <Fact name="Policy store" value={health.configStore} isBad={health.configStore === 'down'} />
      <Fact name="Circuit" value={health.circuit} isBad={health.circuit !== 'closed'} />
      <Fact name="Front processes" value={count('throttler_front_processes')} />
      <Fact name="Policies" value={count('throttler_policies')} />
      <Fact name="Changes take effect" value={propagationText(propagation)} isBad={(propagation ?? 0) > 1} />
      <QueueFacts jobs={sumsBy(samples, 'throttler_queue_jobs', 'state')} />
      <Fact name="Version" value={health.version} />
      <Fact name="Up for" value={formatDuration(health.uptimeSeconds * 1000)} />
    </dl>
  )
}

function propagationText(seconds: number | undefined): string {
  if (seconds === undefined) return 'no change yet'
  if (!Number.isFinite(seconds)) return '99 % later than measured'
  return `99 % within ${formatDuration(seconds * 1000)}`
}

function QueueFacts({ jobs }: { jobs: ReadonlyMap<string, number> }) {
  const failed = jobs.get('failed') ?? 0
  const waiting = [...jobs].filter(([state]) => state !== 'failed' && state !== 'completed')
  const text =
    jobs.size === 0
      ? 'unknown'
      : `${formatCount(waiting.reduce((sum, [, count]) => sum + count, 0))} waiting, ${formatCount(failed)} failed`
  return (
    <div class={failed > 0 ? 'bad' : undefined}>
      <dt>Queues</dt>
      <dd>
        <a href="admin/queues">{text}</a>
      </dd>
    </div>
  )
}

function Fact({ name, value, isBad = false }: { name: string; value: string; isBad?: boolean }) {
  return (
    <div class={isBad ? 'bad' : undefined}>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  )
}
