import { readFileSync } from 'node:fs'

interface Panel {
  readonly type: 'stat' | 'timeseries'
  readonly title: string
  readonly targets: readonly { readonly expr: string; readonly legendFormat: string }[]
}

/** What the dashboard shows. */
export const panels: readonly Panel[] = JSON.parse(
  readFileSync(new URL('../../deploy/grafana/dashboards/throttler.json', import.meta.url), 'utf8'),
).panels

/**
 * The queries of the dashboard as a page that Prometheus draws itself, by its own console library: what Grafana would ask,
 * though not how it would look.
 * @see https://prometheus.io/docs/visualization/consoles/
 */
export function consolePage(seconds: number): string {
  const graphs = panels
    .filter(({ type }) => type === 'timeseries')
    .map(({ title, targets }) => ({
      title,
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
for (const { title, expr, name } of graphs) {
  const section = document.body.appendChild(document.createElement('section'))
  section.appendChild(document.createElement('h2')).textContent = title
  const node = section.appendChild(document.createElement('div'))
  new PromConsole.Graph({
    node, expr, name: name.map(legend), min: 0, duration: ${seconds}, width: 320, height: 120, yTitle: '', xTitle: '',
    yAxisFormatter: PromConsole.NumberFormatter.humanize, yHoverFormatter: PromConsole.NumberFormatter.humanize,
  })
}
</script>
`
}
