// Writes the console to dist/console: index.html, and the scripts and the style that it names. Their names contain a hash of their
// content, so browsers may keep them.
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const SOURCE = fileURLToPath(new URL('../console/', import.meta.url))
const OUTPUT = fileURLToPath(new URL('../dist/console/', import.meta.url))

const { metafile } = await build({
  entryPoints: { console: join(SOURCE, 'main.tsx') },
  outdir: OUTPUT,
  entryNames: '[name]-[hash]',
  chunkNames: '[name]-[hash]',
  splitting: true,
  bundle: true,
  minify: true,
  format: 'esm',
  target: 'es2022',
  jsx: 'automatic',
  jsxImportSource: 'preact',
  legalComments: 'inline',
  metafile: true,
  logLevel: 'warning',
})

const written = Object.keys(metafile.outputs).map(path => basename(path))
const NAMES = { script: /^console-.*js$/, plot: /^plot-.*js$/, style: /^console-.*css$/ }
const page = await readFile(join(SOURCE, 'index.html'), 'utf8')
const named = page.replace(/%(script|plot|style)%/g, (_, part) => written.find(name => NAMES[part].test(name)))
await mkdir(OUTPUT, { recursive: true })
await writeFile(join(OUTPUT, 'index.html'), named)
