import { readFileSync } from 'node:fs'

interface Panel {
  readonly type: 'stat' | 'timeseries'
  readonly title: string
  readonly targets: readonly { readonly expr: string; readonly legendFormat: string }[]
  readonly fieldConfig: { readonly overrides: readonly ColorOverride[] }
}

/** The fixed color of a curve. */
interface ColorOverride {
  readonly matcher: { readonly options: string }
  readonly properties: readonly [{ readonly value: { readonly fixedColor: string } }]
}

/** The panels of the dashboard. */
export const panels: readonly Panel[] = JSON.parse(
  readFileSync(new URL('../../deploy/grafana/dashboards/throttler.json', import.meta.url), 'utf8'),
).panels

/** The fixed colors of a panel, by the name of the curve. */
export function colorsOf({ fieldConfig }: Panel): Readonly<Record<string, string>> {
  return Object.fromEntries(
    fieldConfig.overrides.map(({ matcher, properties: [{ value }] }) => [matcher.options, value.fixedColor]),
  )
}

/** Colors of the other curves, none of which suggests that something is right or wrong. */
const NEUTRAL_COLORS = ['steelblue', 'darkcyan', 'slateblue', 'peru', 'gray']

/**
 * The queries of the dashboard as a page of Prometheus' own console library: it has the queries of Grafana,
 * but not its appearance.
 * @see https://prometheus.io/docs/visualization/consoles/
 */
export function consolePage(seconds: number): string {
  const graphs = panels
    .filter(({ type }) => type === 'timeseries')
    .map(panel => ({ ...panel, colors: colorsOf(panel) }))
    .map(({ title, targets, colors }) => ({
      title,
      colors,
      expr: targets.map(({ expr }) => expr),
      name: targets.map(({ legendFormat }) => legendFormat.replaceAll('{{', '[[').replaceAll('}}', ']]')),
    }))
  return `<!doctype html><title>Throttler</title><link rel="icon" href="data:,">
${['rickshaw/rickshaw.min.css', 'css/prom_console.css'].map(path => `<link rel="stylesheet" href="/classic/static/${path}">`).join('\n')}
${['d3/d3.min.js', 'rickshaw/rickshaw.min.js', 'jquery/jquery.min.js'].map(path => `<script src="/classic/static/${path}"></script>`).join('\n')}
<script>PATH_PREFIX = ''</script>
<script src="/classic/static/js/prom_console.js"></script>
<style>
  body { font: 13px sans-serif; display: grid; grid-template-columns: 1fr 1fr 1fr; gap: 8px 16px; margin: 16px }
  h2 { font-size: 14px; margin: 0 0 4px }
</style>
<body>
<script>
const legend = text => metric => text.replace(/\\[\\[(\\w+)\\]\\]/g, (_, label) => metric[label] ?? '')
const graphs = ${JSON.stringify(graphs)}
const draw = PromConsole.Graph.prototype._render
const moves = ({ values }) => values.some(([, value]) => Number(value) !== 0)
PromConsole.Graph.prototype._render = function (data) {
  // A curve that is always 0 is left out, unless its query has no other.
  for (const { data: found } of data) found.result = found.result.filter((series, i, all) => moves(series) || (i === 0 && !all.some(moves)))
  const names = data.flatMap(({ data: { result } }, i) => result.map(({ metric }) => this.params.name[i](metric)))
  const neutral = ${JSON.stringify(NEUTRAL_COLORS)}
  this.params.colorScheme = names.map((name, i) => this.params.colors[name] ?? neutral[i % neutral.length])
  draw.call(this, data)
}
const { humanize } = PromConsole.NumberFormatter
for (const { title, expr, name, colors } of graphs) {
  const section = document.body.appendChild(document.createElement('section'))
  section.appendChild(document.createElement('h2')).textContent = title
  const node = section.appendChild(document.createElement('div'))
  new PromConsole.Graph({
    node, expr, colors, name: name.map(legend), min: 0, duration: ${seconds}, width: 320, height: 120, yTitle: '', xTitle: '',
    // Without the 0, which the labels of the time axis would cover.
    yAxisFormatter: y => (y === 0 ? '' : humanize(y)), yHoverFormatter: humanize,
  })
}
</script>
`
}
