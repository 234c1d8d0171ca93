// Writes the console to dist/console: index.html, and the script and the style that it names. Their names contain a hash of their
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
const page = await readFile(join(SOURCE, 'index.html'), 'utf8')
const named = page.replace(/%(js|css)%/g, (_, type) => written.find(name => name.endsWith(`.${type}`)))
await mkdir(OUTPUT, { recursive: true })
await writeFile(join(OUTPUT, 'index.html'), named)
