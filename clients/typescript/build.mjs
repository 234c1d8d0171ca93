/** Builds the package twice, for `import` and for `require`. */
import { execFileSync } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

process.chdir(import.meta.dirname)
const require = createRequire(import.meta.url)
const tsc = join(dirname(require.resolve('typescript/package.json')), 'bin', 'tsc')

rmSync('dist', { recursive: true, force: true })
for (const project of ['tsconfig.json', 'tsconfig.commonjs.json']) {
  execFileSync(process.execPath, [tsc, '--project', project], { stdio: 'inherit' })
}
// Without it, Node would take the CommonJS files for modules, as the package itself says.
writeFileSync('dist/commonjs/package.json', '{ "type": "commonjs" }\n')
